"""One resource of one node: who is charged for how much of it.

``conserving``: what a pod takes is the larger of its request and its usage. Where all of them together take more than
the node has (one bursts into what another reserved and does not use), each is charged its part of what is there. So
the parts and the idle rest are the node, always, and nothing is negative. ``opencost`` charges the larger of the two
as it is: the parts may come to more than the node, and idle below zero.

"Requests first, the bursts share the rest" would conserve too, but charges a pod without requests nothing: a free ride.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cost.allocation.ledger import Basis

Floats = NDArray[np.float64]
_SANE_CORES: Final = 512.0
"""OpenCost's CPU_SANITY_LIMIT: an average above it is a broken counter, and the request counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Charged:
    """One resource in unit-hours.

    Attributes:
        rows: Charged to each pod, shape ``(pods,)``.
        unused: The part of ``rows`` that was requested and not used, shape ``(pods,)``.
        idle: Neither charged to a pod nor reserved for the system.
        reserved: Idle within what is reserved for the system.
        lowest_ratio: The smallest part of what they took that pods were charged; 1 where the node always sufficed.
        contended_hours: How long it did not.
    """

    rows: Floats
    unused: Floats
    idle: float
    reserved: float
    lowest_ratio: float = 1.0
    contended_hours: float = 0.0


def charge(
    requests: Floats, usage: Floats | None, active: Floats, hours: Floats, *, capacity: float, allocatable: float,
    basis: Basis, cores: bool = False,
) -> Charged:  # fmt: skip
    """Split one resource of one node.

    Args:
        requests: Shape ``(pods,)``; ≥ 0.
        usage: Shape ``(pods, columns)``; NaN where unknown, which counts as none used and none wasted. None: no usage
            is known of any pod (GPUs).
        active: 1 where a pod is scheduled, else 0, shape ``(pods, columns)``.
        hours: Length of each column.
        capacity: Of the node; ≥ 0.
        allocatable: What pods may have of it.
        basis: See the module.
        cores: The resource is CPU, for OpenCost's sanity limit.
    """
    floor = requests[:, None] * active
    if usage is None:
        taken, unused = floor, np.zeros_like(floor)
    else:
        known = np.maximum(np.nan_to_num(usage, nan=0.0, posinf=0.0, neginf=0.0), 0.0) * active
        taken = np.maximum(floor, known)
        unused = np.where(np.isfinite(usage), taken - known, 0.0)
    if basis == "opencost":
        return _opencost(taken, unused, floor, active, hours, capacity=capacity, cores=cores)
    whole = taken.sum(axis=0)
    ratio = np.divide(capacity, whole, out=np.ones_like(whole), where=whole > capacity)
    charged_hours = ratio * hours
    idle = np.maximum(capacity - whole, 0.0)
    reserved = np.minimum(idle, max(capacity - allocatable, 0.0))
    return Charged(
        rows=taken @ charged_hours, unused=unused @ charged_hours, idle=float((idle - reserved) @ hours),
        reserved=float(reserved @ hours), lowest_ratio=float(ratio.min(initial=1.0)),
        contended_hours=float(hours[ratio < 1.0].sum()),
    )  # fmt: skip


def _opencost(
    taken: Floats, unused: Floats, floor: Floats, active: Floats, hours: Floats, *, capacity: float, cores: bool
) -> Charged:
    rows, lasted = taken @ hours, active @ hours
    if cores:
        insane = rows > _SANE_CORES * lasted
        rows = np.where(insane, floor @ hours, rows)
    return Charged(
        rows=rows, unused=unused @ hours, idle=capacity * float(hours.sum()) - float(rows.sum()), reserved=0.0
    )


def container_allocation(request: float, usage: float) -> float:
    """OpenCost's allocation of one sample: the larger of request and usage, NaN counting as nothing."""
    return max(0.0 if np.isnan(request) else request, 0.0 if np.isnan(usage) else usage)
