"""What a rule remembers from tick to tick: its recommendations, its scale events, and which triggers are silent.

Kubernetes' HPA keeps the first two in the memory of its controller and starts, after a restart, from the current
replicas; so do we: a restart can delay a scale-down, never hasten one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """What the triggers asked for at one tick, before bounds, stabilisation and policies."""

    at: datetime
    replicas: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleEvent:
    """A change of the replica count that we made: positive when replicas were added."""

    at: datetime
    change: int


def milliseconds(at: datetime) -> int:
    """The instant as ``core`` counts it."""
    return round(at.timestamp() * 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Everything that one rule's next decision needs to know about the earlier ones.

    Attributes:
        recommendations: Within the longest stabilisation window, oldest first.
        scale_events: Within the longest policy period, oldest first.
        plain_needs: The same for the triggers alone, as HPA would remember them: for the counterfactual only.
        cautions: The error budget's level of each price trigger.
        missing_since: For each trigger without data: when it was first seen without.
        idle_since: Since when no trigger has work, for a rule that may go to 0.
        asleep: Whether its 0 is our own, and not an operator's.
        lower_bound: The last minReplicas of a rule that sets bounds.
        bound_needs: The needs that its lower bounds began with, as ``recommendations``.
        ceilings: The last known number of each ceiling that is asked for, and when it was known.
    """

    recommendations: tuple[Recommendation, ...] = ()
    scale_events: tuple[ScaleEvent, ...] = ()
    missing_since: Mapping[str, datetime] = field(default_factory=dict)
    plain_needs: tuple[Recommendation, ...] = ()
    cautions: Mapping[str, float] = field(default_factory=dict)
    idle_since: datetime | None = None
    asleep: bool = False
    lower_bound: int | None = None
    bound_needs: tuple[Recommendation, ...] = ()
    ceilings: Mapping[str, Recommendation] = field(default_factory=dict)

    @classmethod
    def beginning(
        cls, current_replicas: int | None, *, at: datetime, asleep: bool = False, floor: int | None = None
    ) -> Self:
        """The memory of a rule that is seen for the first time: the current replicas are its first recommendation.

        ``floor`` is the lower bound that an earlier life of ours has left: it is let go as slowly as one of our own.
        """
        if current_replicas is None:
            return cls()
        first = (Recommendation(at=at, replicas=current_replicas),)
        needs = () if floor is None else (Recommendation(at=at, replicas=floor),)
        return cls(recommendations=first, plain_needs=first, asleep=asleep, lower_bound=floor, bound_needs=needs)

    def with_recommendation(self, replicas: int, *, at: datetime, keep: timedelta) -> Memory:
        """With one more; those older than ``keep`` are forgotten."""
        return replace(self, recommendations=_with(self.recommendations, replicas, at=at, keep=keep))

    def with_plain_need(self, replicas: int, *, at: datetime, keep: timedelta) -> Memory:
        """With one more need of the triggers alone; those older than ``keep`` are forgotten."""
        return replace(self, plain_needs=_with(self.plain_needs, replicas, at=at, keep=keep))

    def with_lower_bound(self, bound: int, wanted: int, *, at: datetime, keep: timedelta) -> Memory:
        """With the newest lower bound and the need that it began with."""
        return replace(self, lower_bound=bound, bound_needs=_with(self.bound_needs, wanted, at=at, keep=keep))

    def with_scale_event(self, change: int, *, at: datetime, keep: timedelta) -> Memory:
        """With one more; those older than ``keep`` are forgotten."""
        recent = tuple(event for event in self.scale_events if event.at > at - keep)
        return replace(self, scale_events=(*recent, ScaleEvent(at=at, change=change)))

    def with_cautions(self, levels: Mapping[str, float]) -> Memory:
        """With these levels; a trigger that said none keeps its own."""
        return replace(self, cautions={**self.cautions, **levels}) if levels else self

    def with_missing(self, triggers: Iterable[str], *, at: datetime) -> Memory:
        """With exactly these triggers silent; one that was silent before keeps its time."""
        return replace(self, missing_since={name: self.missing_since.get(name, at) for name in triggers})


def _with(
    past: tuple[Recommendation, ...], replicas: int, *, at: datetime, keep: timedelta
) -> tuple[Recommendation, ...]:
    since = at - keep
    return (*(one for one in past if one.at > since), Recommendation(at=at, replicas=replicas))
