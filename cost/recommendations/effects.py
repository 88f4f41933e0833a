"""What an item changes in the present, and in which order items come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from domain.recommendations import Recommendation, RecommendationKind

_K: Final = RecommendationKind
STEPS: Final[Mapping[RecommendationKind, int]] = {
    _K.ABANDONED_WORKLOAD: 0, _K.UNUSED_PVC: 0, _K.RELEASED_PV: 0, _K.ORPHAN_LB: 0, _K.OVERSIZED_PV: 0,
    _K.FINISHED_JOBS: 0, _K.EMPTY_NAMESPACE: 0,
    _K.RIGHT_SIZE_REQUESTS: 1, _K.REQUESTS_MISSING: 1,
    _K.RIGHT_SIZE_HPA: 2, _K.HPA_PINNED_AT_MAX: 2,
    _K.OFF_HOURS_SCHEDULE: 3, _K.RIGHT_SIZE_NODE_POOL: 4, _K.SPOT_MOVE: 5, _K.COMMITMENT_IDLE: 6, _K.COMMITMENT_BUY: 6,
}  # fmt: skip
"""Delete, right-size, HPA, off-hours, node pool, spot, commit: who commits first commits to waste."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nothing:
    """Advice that frees no money by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DropWorkload:
    """All pods of a workload go."""

    workload: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DropThing:
    """A volume or load balancer goes, or the part of it that costs ``monthly``; None is all of it."""

    thing: str
    monthly: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Resize:
    """Each pod of a workload asks for so much more (+) or less (-)."""

    workload: str
    cpu_millicores: int
    memory_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchOff:
    """A workload does not run in these hours of the week, 0 is Monday 00:00 UTC."""

    workload: str
    hours: frozenset[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Consolidate:
    """Nodes of a pool that are not needed go."""

    pool: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToSpot:
    """A workload's pods move onto spot nodes of the same machines."""

    workload: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """So many machines of a type are committed to, at ``ratio`` of what they cost on demand."""

    machine: str
    quantity: int
    ratio: Decimal


Effect = Nothing | DropWorkload | DropThing | Resize | SwitchOff | Consolidate | ToSpot | Commit


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """Advice without its saving, and what it would change."""

    advice: Recommendation
    effect: Effect
