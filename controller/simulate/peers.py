"""The controllers that ours is compared with, after their documentation: HPA on CPU, KEDA, PHPA, AWS-like."""

from __future__ import annotations

from typing import Final

import numpy as np

from controller import core
from controller.simulate import plans
from controller.simulate.loop import CPU, RPS, FloatArray, Plan, Reactive, World
from controller.simulate.protocol import TICK_SECONDS

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


def phpa_linear(load: World, *, utilization: float, ahead_seconds: float = 120.0) -> Plan:
    """Predictive HPA, linear model: least squares over the last ten minutes of wanted replicas, and ahead."""
    wanted = rate_before(load) / (utilization * load.capacity_rps)
    count = int(600 / load.tick_seconds)
    place = np.arange(count) - (count - 1) / 2
    padded = np.concatenate([np.repeat(wanted[:1], count - 1), wanted])
    windows = np.lib.stride_tricks.sliding_window_view(padded, count)
    slope = windows @ place / (place**2).sum()
    predicted = windows.mean(axis=1) + slope * ((count - 1) / 2 + ahead_seconds / load.tick_seconds)
    return plans.at_least(np.maximum(predicted, wanted))


def phpa_holt_winters(load: World, *, utilization: float, smoothing: tuple[float, float, float]) -> Plan:
    """Predictive HPA, Holt-Winters by day in steps of five minutes; its documentation's factors are 0.9 each."""
    steps, day = int(300 / load.tick_seconds), int(86_400 / 300)
    wanted = rate_before(load)[steps - 1 :: steps] / (utilization * load.capacity_rps)
    alpha, beta, gamma = smoothing
    level, trend, season = float(wanted[:day].mean()), 0.0, (wanted[:day] - wanted[:day].mean()).tolist()
    made = []
    for step, value in enumerate(wanted.tolist()):
        before = level
        level = alpha * (value - season[step % day]) + (1 - alpha) * (level + trend)
        trend = beta * (level - before) + (1 - beta) * trend
        season[step % day] = gamma * (value - level) + (1 - gamma) * season[step % day]
        made.append(max(level + trend + season[(step + 1) % day], value) if step >= day else value)
    late = np.repeat(np.array([made[0], *made[:-1]]), steps)
    return plans.at_least(np.concatenate([late, np.repeat(late[-1:], len(load.load_rps))])[: len(load.load_rps)])


def aws_like(load: World, *, utilization: float, early_seconds: float = 300.0) -> Plan:
    """Predictive scaling by hours: means of the same hour of the last 14 days, made every six hours, launched early."""
    per_hour = int(3600 / load.tick_seconds)
    hours = load.load_rps[: len(load.load_rps) // per_hour * per_hour].reshape(-1, per_hour).mean(axis=1)
    floor = np.zeros(len(hours))
    for hour in range(24, len(hours)):
        made_at = hour - hour % 6
        same = [hours[back] for back in range(hour - 24, max(hour - 15 * 24, -1), -24) if back < made_at]
        floor[hour] = float(np.mean(same))
    ticks = np.repeat(floor, per_hour)
    early = int(early_seconds / load.tick_seconds)
    soon = np.concatenate([ticks[early:], np.zeros(len(load.load_rps) + early - len(ticks))])
    now = np.concatenate([ticks, np.zeros(len(load.load_rps) - len(ticks))])
    return plans.at_least(np.maximum(soon, now) / (utilization * load.capacity_rps))


def rate_before(load: World) -> FloatArray:
    """The rate over 60 s that a decision at each tick sees."""
    count = int(RATE_WINDOW_SECONDS / load.tick_seconds)
    newest = np.maximum(np.arange(len(load.load_rps)) + 1 - load.delay_ticks, 1)
    oldest = np.maximum(newest - count, 0)
    return np.asarray((load.load_before[newest] - load.load_before[oldest]) / (newest - oldest))
