"""One pod as its cluster tells of it, for what is measured pod by pod."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class PodState:
    """A pod that counts: neither failed nor on its way out.

    Attributes:
        age_seconds: Since it was created.
        ready_seconds: For how long it has been ready; None where it is not.
        was_ready: Whether it may have been ready before; False only where that is known.
        pending: Whether it does not run yet.
        requests: In base units, as a workload's; empty where unknown.
        limits: Likewise.
    """

    age_seconds: float
    ready_seconds: float | None
    was_ready: bool = True
    pending: bool = False
    requests: Mapping[str, float] = field(default_factory=dict)
    limits: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PodQuery:
    """PromQL with a series for each pod, by the label ``pod``; ``window`` is what a rate in it looks back on."""

    expr: str
    window: timedelta
