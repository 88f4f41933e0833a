"""Reads the section ``alerting`` in Alertmanager's words: what it would refuse is refused, each with its place.

Source:
    Alertmanager 0.33, ``config``.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final

from alerts.routing.inhibition import InhibitRule
from alerts.routing.matchers import MatcherError, Matchers, matcher, parse, printed
from alerts.routing.read_intervals import named_intervals
from alerts.routing.tree import RESOLVE_TIMEOUT, Route, Routing
from alerts.rule_file.fields import Fields, Mistakes
from alerts.rule_file.yaml_nodes import Node, Scalar
from domain.errors import Mistake
from rules.wording import quote, suggestion
from rules.yaml_tree import Place

SECTION: Final = ("global", "route", "inhibit_rules", "time_intervals", "mute_time_intervals")
_ROUTE: Final = (
    "receiver", "group_by", "matchers", "match", "match_re", "continue", "routes", "group_wait", "group_interval",
    "repeat_interval", "mute_time_intervals", "active_time_intervals",
)  # fmt: skip
_NOT_AT_THE_ROOT: Final = (
    ("matchers", "must not have any matchers"), ("match", "must not have any matchers"),
    ("match_re", "must not have any matchers"), ("mute_time_intervals", "must not have any mute time intervals"),
    ("active_time_intervals", "must not have any active time intervals"), ("continue", "cannot have continue"),
)  # fmt: skip
_INHIBIT: Final = (
    "source_matchers", "source_match", "source_match_re", "target_matchers", "target_match", "target_match_re", "equal",
)  # fmt: skip
WHOLE: Final = "..."
"""In ``group_by``: by all labels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingReading:
    """What the section says, or why not; ``receivers`` are the names that routes use, each with its first place."""

    routing: Routing | None = None
    mistakes: tuple[Mistake, ...] = ()
    receivers: dict[str, Place] = field(default_factory=dict)

    def unknown_receivers(self, known: Collection[str], file: str) -> list[Mistake]:
        """One line for each receiver that nobody has described."""
        return [
            Mistake(
                file=file, line=place.line, column=place.column, field="alerting.route",
                message=f"unknown receiver {quote(name)}{suggestion(name, known)}",
            )
            for name, place in self.receivers.items() if name not in known
        ]  # fmt: skip


def read(node: Node, *, file: str, path: str = "alerting", others: Collection[str] = ()) -> RoutingReading:
    """The section at ``node``; never raises for anything that it holds.

    Args:
        node: What stands under ``path``.
        file: For the mistakes.
        path: For the mistakes, too.
        others: Fields of the section that somebody else reads.
    """
    reader = _Reader(Mistakes(file))
    routing = reader.section(Fields(node, path, reader.mistakes, (*SECTION, *others)))
    found = tuple(reader.mistakes.found)
    return RoutingReading(routing=None if found else routing, mistakes=found, receivers=reader.receivers)


class _Reader:
    def __init__(self, mistakes: Mistakes) -> None:
        self.mistakes = mistakes
        self.receivers: dict[str, Place] = {}
        self._intervals: set[str] = set()

    def section(self, fields: Fields) -> Routing | None:
        intervals = [
            *named_intervals(fields, "time_intervals", self.mistakes),
            *named_intervals(fields, "mute_time_intervals", self.mistakes),
        ]
        for one in intervals:
            if one.name in self._intervals:
                fields.wrong("time_intervals", f"time interval {quote(one.name)} is not unique")
            self._intervals.add(one.name)
        rules = [self._inhibition(item, path) for path, item in fields.items("inhibit_rules")]
        top = fields.node("route")
        if top is None or not fields.has("route"):
            fields.wrong("route", "no routes provided: alerting needs route")
            return None
        root = self._route(top, f"{fields.path}.route", None)
        return Routing(
            root=root, inhibit_rules=tuple(rules), intervals=tuple(intervals), resolve_timeout=self._timeout(fields)
        )

    def _timeout(self, fields: Fields) -> timedelta:
        inner = fields.node("global")
        if inner is None:
            return RESOLVE_TIMEOUT
        own = Fields(inner, f"{fields.path}.global", self.mistakes, ("resolve_timeout",))
        return own.duration("resolve_timeout") or RESOLVE_TIMEOUT

    def _route(self, node: Node, path: str, parent: Route | None) -> Route:
        fields = Fields(node, path, self.mistakes, _ROUTE)
        matchers = self._matchers(fields, "matchers", "match", "match_re")
        if parent is None:
            self._check_root(fields)
        own = replace(
            parent or Route(receiver=""), matchers=matchers, continue_=fields.flag("continue"), routes=(),
            key=printed(matchers) if parent is None else f"{parent.key}/{printed(matchers)}",
            mute=self._named(fields, "mute_time_intervals"), active=self._named(fields, "active_time_intervals"),
        )  # fmt: skip
        own = self._patience(fields, own)
        if fields.has("receiver"):
            own = replace(own, receiver=fields.text("receiver"))
            self.receivers.setdefault(own.receiver, fields.place_of("receiver"))
        if fields.node("group_by") is not None:
            own = replace(own, group_by=self._group_by(fields))
        children = [self._route(item, at, own) for at, item in fields.items("routes")]
        return replace(own, routes=tuple(children))

    def _check_root(self, fields: Fields) -> None:
        if not fields.has("receiver"):
            fields.wrong("receiver", "root route must specify a default receiver")
        for name, why in _NOT_AT_THE_ROOT:
            if fields.has(name) and (name != "continue" or fields.flag(name)):
                fields.wrong(name, f"root route {why}")

    def _patience(self, fields: Fields, route: Route) -> Route:
        given = {name: fields.duration(name) for name in ("group_wait", "group_interval", "repeat_interval")}
        for name in ("group_interval", "repeat_interval"):
            if given[name] == timedelta():
                fields.wrong(name, f"{name} cannot be zero")
        wait, interval, repeat = given.values()
        return replace(
            route, group_wait=route.group_wait if wait is None else wait,
            group_interval=interval or route.group_interval, repeat_interval=repeat or route.repeat_interval,
        )  # fmt: skip

    def _group_by(self, fields: Fields) -> tuple[str, ...] | None:
        names = self._texts(fields, "group_by")
        if WHOLE in names and len(set(names)) > 1:
            fields.wrong("group_by", "cannot have wildcard group_by (...) and other labels at the same time")
        for name in {name for name in names if names.count(name) > 1}:
            fields.wrong("group_by", f"duplicated label {quote(name)} in group_by")
        return None if WHOLE in names else tuple(names)

    def _named(self, fields: Fields, name: str) -> tuple[str, ...]:
        names = self._texts(fields, name)
        for one in names:
            if one not in self._intervals:
                fields.wrong(name, f"undefined time interval {quote(one)}{suggestion(one, self._intervals)}")
        return tuple(names)

    def _inhibition(self, node: Node, path: str) -> InhibitRule:
        fields = Fields(node, path, self.mistakes, _INHIBIT)
        source = self._matchers(fields, "source_matchers", "source_match", "source_match_re")
        target = self._matchers(fields, "target_matchers", "target_match", "target_match_re")
        for name, given in (("source_matchers", source), ("target_matchers", target)):
            if not given:
                fields.wrong(name, f"{name} must be given: without it one alert would hush every other")
        return InhibitRule(source=source, target=target, equal=tuple(self._texts(fields, "equal")))

    def _matchers(self, fields: Fields, name: str, equal: str, regular: str) -> Matchers:
        """The new way and both old ones, ``match`` and ``match_re``, all of which must hold."""
        found: list[Matchers] = []
        for path, item in fields.items(name):
            try:
                found.append(parse(item.text if isinstance(item, Scalar) else ""))
            except MatcherError as error:
                self.mistakes.add(item.place, path, str(error))
        for old, op in ((equal, "="), (regular, "=~")):
            for label, value in fields.labels(old):
                try:
                    found.append((matcher(label, op, value),))
                except MatcherError as error:
                    fields.wrong_entry(old, label, str(error))
        return tuple(one for several in found for one in several)

    def _texts(self, fields: Fields, name: str) -> list[str]:
        texts: list[str] = []
        for path, item in fields.items(name):
            if isinstance(item, Scalar) and not item.empty:
                texts.append(item.text)
            else:
                self.mistakes.add(item.place, path, "expected a text")
        return texts
