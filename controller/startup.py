"""How long replicas take from created to ready, measured; and the lead that follows for a forecast.

The lead errs on the long side: assumed twice too long it costs 2 %, a third too short and no target is held
(facts measured on recorded traffic: docs/elasticity.md). Unknown start-ups count as 180 s.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from domain.scaling import WorkloadRef
from domain.startup import PodStart, Starts

UNKNOWN_START: Final = timedelta(seconds=180)
LONGEST_START: Final = timedelta(minutes=30)
"""A pod that became ready later than this was ready before, and lost it for a while. A guess."""
MOST_STARTS: Final = 100
"""Of a workload, the newest: images grow, and so do start-ups."""
LEAST_STARTS: Final = 5
"""Of fewer nobody knows the 95th percentile."""
SYNC: Final = timedelta(seconds=15)
"""A decision comes up to one pass after the number that calls for it."""
METRIC_DELAY: Final = timedelta(seconds=45)
"""From load to the number that shows it: a scrape interval and a half at 30 s. A guess where nobody measures it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lead:
    """How far ahead to look, and why so far."""

    duration: timedelta
    said: str


class StartMemory:
    """The newest starts of each workload, also of pods that are gone again."""

    def __init__(self) -> None:
        """Nothing is known."""
        self._seen: dict[WorkloadRef, dict[str, PodStart]] = {}
        self._starts: dict[WorkloadRef, Starts | None] = {}

    def see(self, ref: WorkloadRef, pods: Mapping[str, PodStart]) -> Starts | None:
        """What is known of a workload after these pods; a pod's first readiness counts, later ones do not."""
        seen = self._seen.setdefault(ref, {})
        fresh = {name: pod for name, pod in pods.items() if name not in seen}
        if fresh:
            kept = sorted({**seen, **fresh}.items(), key=lambda one: one[1].created)[-MOST_STARTS:]
            self._seen[ref] = dict(kept)
            self._starts[ref] = starts_of(self._seen[ref].values())
        return self._starts.get(ref)

    def of(self, ref: WorkloadRef) -> Starts | None:
        """What is known of a workload."""
        return self._starts.get(ref)

    def keep(self, refs: Iterable[WorkloadRef]) -> None:
        """Forget the others."""
        known = set(refs)
        self._seen = {ref: pods for ref, pods in self._seen.items() if ref in known}
        self._starts = {ref: starts for ref, starts in self._starts.items() if ref in known}


def starts_of(pods: Iterable[PodStart]) -> Starts | None:
    """The percentiles; None of too few. A pod that was ready before it was created tells of a clock, not of a start."""
    known = [pod for pod in pods if 0 <= pod.seconds <= LONGEST_START.total_seconds()]
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
    cold = "" if starts.cold_p95 is None else f", on new nodes {_seconds(starts.cold_p95)} s"
    said = f"start-up {_seconds(starts.p95)} s (p95 of {starts.count}{cold}) + {_seconds(beside)} s until it is seen"
    return Lead(duration=slowest + beside, said=said)


def _percentile(ordered: Sequence[float], share: float) -> timedelta:
    """The next one up, so that it errs long."""
    place = min(math.ceil(share * len(ordered)), len(ordered)) - 1
    return timedelta(seconds=ordered[max(place, 0)])


def _seconds(duration: timedelta) -> str:
    return f"{math.ceil(duration.total_seconds())}"
