"""Protocol v1: the 15 s grid, noise, seeds, and how a replay is scored.

The grid keeps the mean of each recorded period; on top lies gamma noise, so that nobody profits from interpolation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from controller.simulate.loop import FloatArray, Record, World
from controller.simulate.service import Service

TICK_SECONDS: Final = 15
DAY_TICKS: Final = 86_400 // TICK_SECONDS
DISPERSION: Final = 20.0
"""Variance over mean of the requests of one tick."""
NOISE_SEED: Final = 20_260_415
STARTUP_SEED: Final = 20_260_416
STARTS: Final = 4_096
PEAK_REPLICAS: Final = 40
PEAK_UTILIZATION: Final = 0.85
DELAY_SECONDS: Final = 30
GRACE_SECONDS: Final = 30
WARM_UP_DAYS: Final = 10


def grid(values: FloatArray, *, period_seconds: int) -> FloatArray:
    """From one value per period to one per 15 s: piecewise linear through the periods' middles, each mean kept.

    Args:
        values: Mean load of each period, no NaN.
        period_seconds: A multiple of 15.
    """
    steps = period_seconds // TICK_SECONDS
    if steps <= 1:
        return values.copy()
    edges = np.concatenate([values[:1], (values[1:] + values[:-1]) / 2, values[-1:]])
    middle = (np.arange(steps) + 0.5) / steps
    left, right = edges[:-1, None], edges[1:, None]
    lines = left + (right - left) * middle
    bent = 1 - np.abs(2 * middle - 1)
    bent /= bent.mean()
    made = lines + (values[:, None] - (left + right) / 2) * bent
    # A peak between two low neighbours may bend below zero at the edges of its period.
    made = np.maximum(made, 0)
    sums = made.mean(axis=1, keepdims=True)
    return np.asarray((made * np.where(sums > 0, values[:, None] / np.where(sums > 0, sums, 1), 1)).ravel())


def noisy(load_rps: FloatArray, *, dispersion: float = DISPERSION, seed: int = NOISE_SEED) -> FloatArray:
    """Gamma noise with variance = ``dispersion`` x mean on the requests of each tick."""
    if dispersion <= 0:
        return load_rps
    counts = np.maximum(load_rps * TICK_SECONDS, 1e-9)
    made = np.random.default_rng(seed).gamma(counts / dispersion, dispersion)
    return np.asarray(made / TICK_SECONDS)


def scaled(load: FloatArray, *, service: Service, peak_replicas: int = PEAK_REPLICAS, cells: int = 4) -> FloatArray:
    """So that the 99.9th percentile minute needs ``peak_replicas`` at 85 %."""
    minutes = load[: len(load) // cells * cells].reshape(-1, cells).mean(axis=1)
    peak = float(np.percentile(minutes, 99.9))
    return load * (peak_replicas * PEAK_UTILIZATION * service.capacity_rps / peak)


def world(load_rps: FloatArray, *, service: Service, startup_seconds: tuple[float, float]) -> World:
    """A workload with uniform start-up times from the common list."""
    drawn = np.random.default_rng(STARTUP_SEED).uniform(*startup_seconds, size=STARTS)
    return World(
        load_rps=load_rps,
        load_before=np.concatenate([[0.0], np.cumsum(load_rps)]),
        startup_ticks=np.ceil(drawn / TICK_SECONDS).astype(np.int64),
        tick_seconds=float(TICK_SECONDS),
        capacity_rps=service.capacity_rps,
        largest_utilization_ratio=service.largest_utilization_ratio,
        delay_ticks=DELAY_SECONDS // TICK_SECONDS,
        grace_ticks=GRACE_SECONDS // TICK_SECONDS,
        patience_seconds=60.0,
        backlog_seconds=0.05,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One replay over one stretch.

    Attributes:
        cost_ratio: Billed replica time over the oracle's.
        violated_pct: Share of time that misses the objective.
        violated_requests_pct: Share of requests that arrive in such a tick.
        events_per_day: Ticks at which the number of replicas changed.
    """

    cost_ratio: float
    violated_pct: float
    violated_requests_pct: float
    events_per_day: float


def judge(world: World, record: Record, oracle_bill: FloatArray, stretch: slice) -> Result:
    """Score one stretch of a replay; ``oracle_bill`` by tick."""
    late = record.late[stretch].astype(bool)
    load = world.load_rps[stretch]
    moves = np.count_nonzero(np.diff(record.desired[stretch]))
    return Result(
        cost_ratio=float(record.billed[stretch].sum() / oracle_bill[stretch].sum()),
        violated_pct=100 * float(late.mean()),
        violated_requests_pct=100 * float(load[late].sum() / load.sum()),
        events_per_day=moves * DAY_TICKS / len(late),
    )


def evaluated(ticks: int) -> slice:
    """Behind the warm-up: ten days, or a third of a short workload."""
    return slice(min(WARM_UP_DAYS * DAY_TICKS, ticks // 3), ticks)


def halves(ticks: int) -> tuple[slice, slice]:
    """The stretch to choose on and the stretch to judge on."""
    whole = evaluated(ticks)
    middle = (whole.start + whole.stop) // 2
    return slice(whole.start, middle), slice(middle, whole.stop)


Point = tuple[float, float]
"""Cost ratio and violated percent."""


def frontier(points: list[Point]) -> list[Point]:
    """The points that no other beats in both, cheapest first."""
    kept: list[Point] = []
    for cost, violated in sorted(points):
        if not kept or violated < kept[-1][1]:
            kept.append((cost, violated))
    return kept


def hypervolume(points: list[Point]) -> float:
    """Share of (cost ratio 1…2) x (violated 10…0.01 %, logarithmic) that the points dominate."""
    area, reached = 0.0, 0.0
    for cost, violated in frontier(points):
        share = (1 - math.log10(min(max(violated, 0.01), 10))) / 3
        area += max(share - reached, 0) * max(2 - max(cost, 1), 0)
        reached = max(share, reached)
    return area


def cost_at(points: list[Point], violated_pct: float) -> float:
    """Cheapest cost at a class of violated time, between two points log-linearly; infinite where none reaches it."""
    best, line = math.inf, frontier(points)
    for k, (cost, violated) in enumerate(line):
        if violated <= violated_pct:
            best = min(best, cost)
            if k and line[k - 1][1] > violated_pct:
                high = math.log(line[k - 1][1])
                share = (high - math.log(violated_pct)) / (high - math.log(max(violated, 1e-3)))
                best = min(best, line[k - 1][0] + share * (cost - line[k - 1][0]))
            break
    return best
