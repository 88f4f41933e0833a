"""How long replicas took from created to ready."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

COLD_WITHIN: Final = timedelta(minutes=5)
"""A pod on a node that was made so shortly before it, or after it, waited for that node. A guess."""


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
