"""How fast a replica answers: an M/M/c queue in closed form, or a measured curve; and what load it may carry."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

_TABLE_STEPS: Final = 400
"""Utilisations at which the queue is solved; the limit is the last one that holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One replica.

    Attributes:
        capacity_rps: Requests per second at utilisation 1.
        largest_utilization_ratio: The most at which the latency objective still holds.
    """

    capacity_rps: float
    largest_utilization_ratio: float

    @property
    def safe_rps(self) -> float:
        """Requests per second within the objective."""
        return self.capacity_rps * self.largest_utilization_ratio

    @classmethod
    def queue(
        cls, *, workers: int = 5, service_seconds: float = 0.06, slo_seconds: float = 0.3, share_late: float = 0.05
    ) -> Self:
        """A replica with ``workers`` that serve one request each: M/M/c behind random balancing.

        Args:
            workers: Requests served at once.
            service_seconds: Mean time to serve one.
            slo_seconds: The latency objective.
            share_late: Share of requests that may be slower; 0.05 makes it a p95.
        """
        safe = 0.0
        for step in range(1, _TABLE_STEPS):
            late = slower_share(
                step / _TABLE_STEPS, workers=workers, service_seconds=service_seconds, seconds=slo_seconds
            )
            if late > share_late:
                break
            safe = step / _TABLE_STEPS
        return cls(capacity_rps=workers / service_seconds, largest_utilization_ratio=safe)

    @classmethod
    def measured(cls, curve: Sequence[tuple[float, float]], *, capacity_rps: float, slo_seconds: float) -> Self:
        """From measured points (utilisation, latency in seconds), interpolated; latency is taken as rising."""
        points, worst = sorted(curve), 0.0
        safe, before = 0.0, (0.0, 0.0)
        for utilization, latency in points:
            worst = max(worst, latency)
            if worst > slo_seconds:
                share = (slo_seconds - before[1]) / (worst - before[1])
                return cls(
                    capacity_rps=capacity_rps,
                    largest_utilization_ratio=before[0] + share * (utilization - before[0]) if before[1] else safe,
                )
            safe, before = utilization, (utilization, worst)
        return cls(capacity_rps=capacity_rps, largest_utilization_ratio=safe)


def slower_share(utilization: float, *, workers: int, service_seconds: float, seconds: float) -> float:
    """Share of requests that take longer than ``seconds`` in an M/M/c queue.

    Source:
        Gross, Harris: Fundamentals of Queueing Theory, M/M/c waiting time (Erlang C) plus exponential service.
    """
    if utilization >= 1:
        return 1.0
    rate = 1 / service_seconds
    waits = erlang_c(workers, utilization)
    drain = workers * rate * (1 - utilization)
    served = math.exp(-rate * seconds)
    if abs(drain - rate) < 1e-9 * rate:
        queued = (1 + rate * seconds) * served
    else:
        queued = (drain * served - rate * math.exp(-drain * seconds)) / (drain - rate)
    return (1 - waits) * served + waits * queued


def erlang_c(workers: int, utilization: float) -> float:
    """Probability that a request must wait."""
    offered = workers * utilization
    term, total = 1.0, 1.0
    for k in range(1, workers):
        term *= offered / k
        total += term
    last = term * offered / workers / (1 - utilization)
    return last / (total + last)
