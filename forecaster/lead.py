"""How much load will there be one start-up from now: a distribution at every tick of a long history, walk-forward.

For replicas that start now the load of interest is the largest between two leads. Its logarithm is forecast by a ridge
on recent means and on what happened at the same time of earlier days and weeks; a second ridge forecasts the size of
the error, and a decayed histogram of errors in those sizes makes the tails calibrated. Nothing at a tick depends on
what came later. All in numpy by blocks, so that 30 days at 15 s take a fraction of a second.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from domain.load_ahead import LoadAhead
from forecaster import lead_decay, lead_features, lead_ridge
from forecaster.lead_features import FloatArray, Means, Recent

LOWEST: Final = -6.0
STEP: Final = 0.1
POINTS: Final = 401
"""The grid of the tails, in scales: −6 … 34: a calm load's first spike is that far out, and must not pass for safe."""
FIT_HALF_LIFE_DAYS: Final = 7.0
TAIL_HALF_LIFE_DAYS: Final = 5.0
"""Insensitive: 3 to 21 and 2 to 14 days change costs by under 0.5 %."""
LEAST_SCALE: Final = 0.004
LARGEST_ERROR: Final = 16.0
SCALE_RANGE: Final = (0.3, 10.0)
USUAL_SCALE: Final = (0.5, 0.25, 0.15, 0.1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
"""Weights of the error sizes before anything is learned: last half hour, hour of day, days, level, and none else."""
SCALE_STRENGTH: Final = 50.0
OFFSET_SHARE: Final = 0.05
"""Of a replica's load, added before logarithms."""
PRIOR_ROWS: Final = 0.25
"""Weight of the normal tail that stands before anything is learned, in blocks of full load."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """The grid of a history: ticks of a day, of a minute, of a block, and how old the newest value is."""

    day: int
    minute: int
    delay: int

    @property
    def block(self) -> int:
        """An hour: weights and tails are learned anew that often."""
        return self.day // 24

    @property
    def fit_half_life(self) -> float:
        """In blocks."""
        return FIT_HALF_LIFE_DAYS * self.day / self.block

    @property
    def tail_kept(self) -> float:
        """What is left of the tails after a block."""
        return float(0.5 ** (self.block / (TAIL_HALF_LIFE_DAYS * self.day)))


def forecast(
    load: FloatArray, *, windows: tuple[tuple[int, int], ...], clock: Clock, unit: float
) -> tuple[LoadAhead, ...]:
    """The largest load in each window ahead, as known at every tick.

    Args:
        load: Load by tick, no NaN.
        windows: First and last tick ahead of each window, inclusive.
        clock: The grid.
        unit: Load of one replica. A twentieth of it is added before logarithms, and rows weigh by load in it.
    """
    offset = OFFSET_SHARE * unit
    recent = lead_features.recent(load, clock.minute, clock.delay, offset)
    return tuple(
        walk(load, recent, first=first, last=last, clock=clock, offset=offset, unit=unit).ahead
        for first, last in windows
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """One window's forecast at every tick with everything it is made of; what has no outcome yet is not to be used.

    Attributes:
        features: Of the load, shape ``(ticks, features)``.
        outcome: What came, relative to ``base``.
        predicted: The forecast of it.
        base: Log of the last minute's mean.
        sizes: Of errors so far, relative to ``days``, shape ``(ticks, sizes)``.
        size: Absolute errors.
        means: What is known of them.
        half_hours: Their mean with half an hour's half-life, not late: what a later day looks at.
        minutes: The same of a minute: what later hours look at.
        scale: Usual size of the error.
        weight: What is at stake in each row.
        ahead: The forecast.
    """

    features: FloatArray
    outcome: FloatArray
    predicted: FloatArray
    base: FloatArray
    sizes: FloatArray
    size: FloatArray
    means: Means
    half_hours: FloatArray
    minutes: FloatArray
    scale: FloatArray
    weight: FloatArray
    ahead: LoadAhead


def walk(
    load: FloatArray, recent: Recent, *, first: int, last: int, clock: Clock, offset: float, unit: float
) -> Walk:  # fmt: skip
    """The largest load in one window ahead, as known at every tick, and how that came about."""
    target = np.log(lead_features.largest_ahead(load, first, last) + offset)
    known = last + clock.delay
    analogs = lead_features.seasonal(recent, target, known, clock.day, clock.minute)
    features = np.concatenate([recent.features, analogs], axis=1)
    # Errors are paid in replicas: a row counts as much as the load that is at stake in it.
    weight = np.exp(recent.base) / unit
    outcome = target - recent.base
    predicted = lead_ridge.walk_forward(
        features, outcome, known=known, block=clock.block, half_life=clock.fit_half_life, weight=weight
    )
    error = outcome - predicted
    error[len(error) - last :] = 0.0
    size = np.abs(error)
    means = _means(lead_features.late(size, known), recent.base, clock)
    days = np.maximum(means.days, LEAST_SCALE)
    half_hours = lead_decay.decayed(size, 30 * clock.minute)
    hour = lead_features.hour_of_day(half_hours, clock.day, clock.minute)
    hour[: clock.day + known] = days[: clock.day + known]
    minutes = lead_decay.decayed(size, clock.minute)
    season = lead_features.season_of_hours(minutes, known, clock.day, clock.minute)
    season[: clock.day + known] = days[: clock.day + known]
    sizes = lead_features.error_sizes(means._replace(days=days), hour, season, recent) / days[:, None]
    learned = lead_ridge.walk_forward(
        sizes, np.minimum(size / days, LARGEST_ERROR), known=known, block=clock.block, half_life=clock.fit_half_life,
        weight=np.sqrt(weight), prior=np.array(USUAL_SCALE), strength=SCALE_STRENGTH,
    )  # fmt: skip
    scale = scaled(learned, days)
    tails, row = _tails(error / scale, weight, known, clock)
    ahead = LoadAhead(
        centre=predicted + recent.base, scale=scale, tails=tails, row=row, lowest=LOWEST, step=STEP, offset=offset
    )
    return Walk(
        features=features, outcome=outcome, predicted=predicted, base=recent.base, sizes=sizes, size=size, means=means,
        half_hours=half_hours, minutes=minutes, scale=scale, weight=weight, ahead=ahead,
    )  # fmt: skip


def _means(seen: FloatArray, base: FloatArray, clock: Clock) -> Means:
    *of_errors, of_level = lead_features.half_lives(clock.day, clock.minute)
    return Means._make([*(lead_decay.decayed(seen, one) for one in of_errors), lead_decay.decayed(base, of_level)])


def scaled(learned: FloatArray, days: FloatArray | np.float64) -> FloatArray:
    """The usual size of the error from its learned ratio to that of ``days``."""
    return np.asarray(np.maximum(np.clip(learned, *SCALE_RANGE) * days, LEAST_SCALE))


def _tails(standard: FloatArray, weight: FloatArray, known: int, clock: Clock) -> tuple[FloatArray, NDArray[np.int64]]:
    """Shares of errors beyond each point, from blocks whose outcome is known; normal ones, worth little, before."""
    blocks = -(-len(standard) // clock.block)
    cell = cells(standard)
    row = np.arange(len(standard)) // clock.block
    counts = np.bincount(row * POINTS + cell, weights=weight, minlength=blocks * POINTS).astype(np.float64)
    learned = lead_ridge.shifted(
        lead_decay.summed(counts.reshape(blocks, POINTS), clock.tail_kept), lead_ridge.behind(known, clock.block)
    )
    return beyond(learned, clock), row


def cells(standard: FloatArray) -> NDArray[np.int64]:
    """The place of errors, in scales, on the grid of the tails."""
    return np.clip(np.floor((standard - LOWEST) / STEP + 0.5), 0, POINTS - 1).astype(np.int64)


def beyond(learned: FloatArray, clock: Clock) -> FloatArray:
    """Shares of errors beyond each point, from weights by cell, shape ``(…, points)``."""
    share = np.cumsum(learned + PRIOR_ROWS * clock.block * _normal_cells(), axis=-1)
    return np.maximum(1 - share / share[..., -1:], 0.0)


def _normal_cells() -> NDArray[np.float64]:
    middle = LOWEST + STEP * np.arange(POINTS)
    density = np.exp(-0.5 * middle**2)
    return np.asarray(density / density.sum())
