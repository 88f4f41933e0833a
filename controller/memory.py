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


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Everything that one rule's next decision needs to know about the earlier ones.

    Attributes:
        recommendations: Within the longest stabilisation window, oldest first.
        scale_events: Within the longest policy period, oldest first.
        missing_since: For each trigger without data: when it was first seen without.
    """

    recommendations: tuple[Recommendation, ...] = ()
    scale_events: tuple[ScaleEvent, ...] = ()
    missing_since: Mapping[str, datetime] = field(default_factory=dict)

    @classmethod
    def beginning(cls, current_replicas: int | None, *, at: datetime) -> Self:
        """The memory of a rule that is seen for the first time: the current replicas are its first recommendation."""
        if current_replicas is None:
            return cls()
        return cls(recommendations=(Recommendation(at=at, replicas=current_replicas),))

    def with_recommendation(self, replicas: int, *, at: datetime, keep: timedelta) -> Memory:
        """With one more; those older than ``keep`` are forgotten."""
        recent = tuple(past for past in self.recommendations if past.at > at - keep)
        return replace(self, recommendations=(*recent, Recommendation(at=at, replicas=replicas)))

    def with_scale_event(self, change: int, *, at: datetime, keep: timedelta) -> Memory:
        """With one more; those older than ``keep`` are forgotten."""
        recent = tuple(event for event in self.scale_events if event.at > at - keep)
        return replace(self, scale_events=(*recent, ScaleEvent(at=at, change=change)))

    def with_missing(self, triggers: Iterable[str], *, at: datetime) -> Memory:
        """With exactly these triggers silent; one that was silent before keeps its time."""
        return replace(self, missing_since={name: self.missing_since.get(name, at) for name in triggers})
