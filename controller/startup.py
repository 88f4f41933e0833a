"""How long replicas take from created to ready, measured; and the lead that follows for a forecast.

The lead errs on the long side: assumed twice too long it costs 2 %, a third too short and no target is held
(facts measured on recorded traffic: docs/elasticity.md). Unknown start-ups count as 180 s.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

UNKNOWN_START: Final = timedelta(seconds=180)
LEAST_STARTS: Final = 5
"""Of fewer nobody knows the 95th percentile."""
COLD_WITHIN: Final = timedelta(minutes=5)
"""A pod on a node that was made so shortly before it, or after it, waited for that node. A guess."""
SYNC: Final = timedelta(seconds=15)
"""A decision comes up to one pass after the number that calls for it."""
METRIC_DELAY: Final = timedelta(seconds=45)
"""From load to the number that shows it: a scrape interval and a half at 30 s. A guess where nobody measures it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PodStart:
    """One pod that became ready: unix seconds.

    ``node_created`` is when its node was made; None where nobody knows.
    """

    created: float
    ready: float
    node_created: float | None = None

    @property
    def seconds(self) -> float:
        """From created to ready."""
        return self.ready - self.created

    @property
    def is_cold(self) -> bool:
        """Whether it had to wait for its node."""
        return self.node_created is not None and self.node_created > self.created - COLD_WITHIN.total_seconds()


@dataclass(frozen=True, slots=True, kw_only=True)
class Starts:
    """What a workload's starts took: 5th and 95th percentile over all, and the latter apart by node."""

    count: int
    p5: timedelta
    p95: timedelta
    warm_p95: timedelta | None = None
    cold_p95: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lead:
    """How far ahead to look, and why so far."""

    duration: timedelta
    said: str


def starts_of(pods: Iterable[PodStart]) -> Starts | None:
    """The percentiles; None of too few. A pod that was ready before it was created tells of a clock, not of a start."""
    known = [pod for pod in pods if 0 <= pod.seconds < math.inf]
    if len(known) < LEAST_STARTS:
        return None
    warm = [pod.seconds for pod in known if pod.node_created is not None and not pod.is_cold]
    cold = [pod.seconds for pod in known if pod.is_cold]
    every = sorted(pod.seconds for pod in known)
    return Starts(
        count=len(known), p5=_percentile(every, 0.05), p95=_percentile(every, 0.95),
        warm_p95=_percentile(sorted(warm), 0.95) if warm else None,
        cold_p95=_percentile(sorted(cold), 0.95) if cold else None,
    )  # fmt: skip


def lead_of(starts: Starts | None) -> Lead:
    """p95 of all starts (a cold node among them makes it longer), metric delay and one pass."""
    beside = METRIC_DELAY + SYNC
    if starts is None:
        said = f"start-up unknown, so {UNKNOWN_START.total_seconds():.0f} s"
        return Lead(duration=UNKNOWN_START, said=said)
    slowest = max(starts.p95, starts.cold_p95 or starts.p95)
    cold = f", on new nodes {_seconds(starts.cold_p95)} s" if starts.cold_p95 is not None else ""
    said = f"start-up {_seconds(starts.p95)} s (p95 of {starts.count}{cold}) + {_seconds(beside)} s until it is seen"
    return Lead(duration=slowest + beside, said=said)


def _percentile(ordered: Sequence[float], share: float) -> timedelta:
    """The next one up, so that it errs long."""
    place = min(math.ceil(share * len(ordered)), len(ordered)) - 1
    return timedelta(seconds=ordered[max(place, 0)])


def _seconds(duration: timedelta) -> str:
    return f"{math.ceil(duration.total_seconds())}"
