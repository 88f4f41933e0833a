"""The controllers that ours is compared with, after their documentation: HPA on CPU and on requests, KEDA, PHPA, AWS."""

from __future__ import annotations

from typing import Final

import numpy as np

from controller import core
from controller.simulate.protocol import TICK_SECONDS
from controller.simulate.loop import CPU, RPS, Reactive

_UP: Final = ((core.PODS, 4, 1), (core.PERCENT, 100, 1))
_DOWN: Final = ((core.PERCENT, 100, 1),)
CPU_WINDOW_SECONDS: Final = 30
RATE_WINDOW_SECONDS: Final = 60


def reactive(
    *,
    metric: int,
    target: float,
    window_seconds: int,
    tolerance: float = 0.1,
    down_seconds: int = 300,
    up_seconds: int = 0,
    min_replicas: int = 2,
    max_replicas: int = 10_000,
) -> Reactive:
    """An HPA with Kubernetes' default policies."""
    return Reactive(
        metric=metric, target=target, window_ticks=window_seconds // TICK_SECONDS, tolerance_up=tolerance,
        tolerance_down=tolerance, up_ticks=up_seconds // TICK_SECONDS, down_ticks=down_seconds // TICK_SECONDS,
        up_policies=np.array(_UP, dtype=np.int64), down_policies=np.array(_DOWN, dtype=np.int64),
        up_select=core.SELECT_MAX, down_select=core.SELECT_MAX, min_replicas=min_replicas, max_replicas=max_replicas,
    )  # fmt: skip


def hpa_cpu(utilization: float) -> Reactive:
    """HPA on the mean CPU utilisation of its pods (metrics-server: 30 s)."""
    return reactive(metric=CPU, target=utilization, window_seconds=CPU_WINDOW_SECONDS)


def keda(utilization: float, *, capacity_rps: float) -> Reactive:
    """KEDA (or an HPA) on requests per second and replica, a rate over 60 s."""
    return reactive(metric=RPS, target=utilization * capacity_rps, window_seconds=RATE_WINDOW_SECONDS)
