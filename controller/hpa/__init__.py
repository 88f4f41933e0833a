"""Kubernetes' HPA v2, bit-exact: from metrics and pods to replicas.

Written from the description of ``pkg/controller/podautoscaler``, which its own test tables confirm; the float
expressions are kept exactly as they stand there. ``pods`` → ``replica_calculator`` → ``metrics`` → ``normalize`` →
``reconcile``; ``behavior`` is what the live decision takes of it.
"""

from controller.core import MAX_INT32, ceil32
from controller.hpa.behavior import (
    flat,
    longest_period,
    longest_window,
    scale_down_limit,
    scale_up_limit,
    stabilize,
    window,
    within_tolerance,
)

__all__ = [
    "MAX_INT32",
    "ceil32",
    "flat",
    "longest_period",
    "longest_window",
    "scale_down_limit",
    "scale_up_limit",
    "stabilize",
    "window",
    "within_tolerance",
]
