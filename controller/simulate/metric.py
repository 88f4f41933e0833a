"""What one metric asks of an HPA, on plain numbers: the mean of the ready pods, or a total shared by all replicas."""

from __future__ import annotations

from controller import core
from controller.compiled import compiled


@compiled
def utilization_replicas(
    ratio: float, ready: int, unready: int, current: int, tolerance_down: float, tolerance_up: float
) -> int:
    """Proposal for an average per pod, where ``ratio`` is the ready pods' mean over the target.

    Pods that are not ready count as idle when the others are overloaded, and a proposal never turns the direction.
    """
    if ready == 0:
        return current
    if unready == 0 or ratio <= 1.0:
        return current if core.within(ratio, tolerance_down, tolerance_up) else core.ceil32(ratio * ready)
    filled = ratio * ready / (ready + unready)
    if core.within(filled, tolerance_down, tolerance_up) or filled < 1.0:
        return current
    wanted = core.ceil32(filled * (ready + unready))
    return max(wanted, current)


@compiled
def average_value_replicas(
    usage: float, target: float, current: int, tolerance_down: float, tolerance_up: float
) -> int:
    """Proposal for a total shared by all replicas (External and Object metrics with ``AverageValue``)."""
    if core.within(usage / (target * current), tolerance_down, tolerance_up):
        return current
    return core.ceil32(usage / target)
