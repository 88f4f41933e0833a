"""The tree of routes: which receivers an alert goes to, grouped by what, and how patiently.

Source:
    Alertmanager, ``dispatch.Route``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from alerts.routing.inhibition import InhibitRule
from alerts.routing.intervals import NamedIntervals
from alerts.routing.matchers import Matchers, all_match
from alerts.templates.lex import quoted
from domain.labels import Labels

GROUP_WAIT: Final = timedelta(seconds=30)
GROUP_INTERVAL: Final = timedelta(minutes=5)
REPEAT_INTERVAL: Final = timedelta(hours=4)
RESOLVE_TIMEOUT: Final = timedelta(minutes=5)
"""Alertmanager's defaults, all four."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One node with everything it inherits filled in.

    Attributes:
        key: The matchers from the root to here, as they stand in the group's key.
        group_by: Names of labels; None is ``...``, by all of them.
        continue_: Whether its siblings are asked as well when it matches.
        mute: Names of intervals in which nobody is told.
        active: Names of the only intervals in which somebody is; empty is always.
    """

    receiver: str
    key: str = "{}"
    matchers: Matchers = ()
    group_by: tuple[str, ...] | None = ()
    group_wait: timedelta = GROUP_WAIT
    group_interval: timedelta = GROUP_INTERVAL
    repeat_interval: timedelta = REPEAT_INTERVAL
    continue_: bool = False
    mute: tuple[str, ...] = ()
    active: tuple[str, ...] = ()
    routes: tuple[Route, ...] = ()

    def matching(self, labels: Labels) -> list[Route]:
        """The deepest routes that take the alert, in their order; this one where no child does."""
        if not all_match(self.matchers, labels):
            return []
        found: list[Route] = []
        for child in self.routes:
            below = child.matching(labels)
            found += below
            if below and not child.continue_:
                break
        return found or [self]

    def group_of(self, labels: Labels) -> Labels:
        """The labels that name the alert's group."""
        return labels if self.group_by is None else labels.only(self.group_by)

    def walk(self) -> Iterator[Route]:
        """This one and all below it."""
        yield self
        for child in self.routes:
            yield from child.walk()


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing:
    """The whole section ``alerting``: the tree, who hushes whom, and the intervals that routes name."""

    root: Route
    inhibit_rules: tuple[InhibitRule, ...] = ()
    intervals: tuple[NamedIntervals, ...] = ()
    resolve_timeout: timedelta = RESOLVE_TIMEOUT

    @property
    def receivers(self) -> frozenset[str]:
        """Every name that a route has."""
        return frozenset(route.receiver for route in self.root.walk())


def group_key(route: Route, labels: Labels) -> str:
    """Alertmanager's: ``{}/{team="web"}:{alertname="Down"}``."""
    inner = ", ".join(f"{name}={quoted(value)}" for name, value in labels)
    return f"{route.key}:{{{inner}}}"
