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
from scipy.signal import lfilter

from domain.load_ahead import LoadAhead
from forecaster import lead_features, lead_ridge
from forecaster.lead_features import FloatArray, Recent

LOWEST: Final = -6.0
STEP: Final = 0.05
POINTS: Final = 401
"""The grid of the tails, in scales: −6 … 14."""
FIT_HALF_LIFE_DAYS: Final = 7.0
TAIL_HALF_LIFE_DAYS: Final = 5.0
"""Insensitive: 3 to 21 and 2 to 14 days change costs by under 0.5 %."""
LEAST_SCALE: Final = 0.004
LARGEST_ERROR: Final = 8.0
SCALE_RANGE: Final = (0.3, 5.0)
USUAL_SCALE: Final = (0.5, 0.25, 0.15, 0.1, 0.0, 0.0, 0.0, 0.0, 0.0)
"""Weights of the error sizes before anything is learned: last half hour, hour of day, days, level, and none else."""
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
    offset = 0.05 * unit
    recent = lead_features.recent(load, clock.minute, clock.delay, offset)
    return tuple(_window(load, recent, first, last, clock, offset, unit) for first, last in windows)


def _window(
    load: FloatArray, recent: Recent, first: int, last: int, clock: Clock, offset: float, unit: float
) -> LoadAhead:
    target = np.log(lead_features.largest_ahead(load, first, last) + offset)
    known = last + clock.delay
    features = np.concatenate([recent.features, lead_features.seasonal(recent, target, known, clock.day)], axis=1)
    half_life = FIT_HALF_LIFE_DAYS * clock.day / clock.block
    # Errors are paid in replicas: a row counts as much as the load that is at stake in it.
    weight = np.exp(recent.base) / unit
    outcome = target - recent.base
    predicted = lead_ridge.walk_forward(
        features, outcome, known=known, block=clock.block, half_life=half_life, weight=weight
    )
    error = outcome - predicted
    error[len(error) - last :] = 0.0
    scale = _scale(error, recent, np.sqrt(weight), known, clock, half_life)
    tails, row = _tails(error / scale, weight, known, clock)
    return LoadAhead(
        centre=predicted + recent.base, scale=scale, tails=tails, row=row, lowest=LOWEST, step=STEP, offset=offset
    )


def _scale(
    error: FloatArray, recent: Recent, weight: FloatArray, known: int, clock: Clock, half_life: float
) -> FloatArray:
    size = np.abs(error)
    seen = lead_features.late(size, known)
    days = np.maximum(lead_features.decayed(seen, 5 * clock.day), LEAST_SCALE)
    sizes = lead_features.error_sizes(size, seen, days, recent, known, clock.day, clock.minute) / days[:, None]
    learned = lead_ridge.walk_forward(
        sizes, np.minimum(size / days, LARGEST_ERROR), known=known, block=clock.block, half_life=half_life,
        weight=weight, prior=np.array(USUAL_SCALE), strength=50.0,
    )  # fmt: skip
    return np.asarray(np.maximum(np.clip(learned, *SCALE_RANGE) * days, LEAST_SCALE))


def _tails(standard: FloatArray, weight: FloatArray, known: int, clock: Clock) -> tuple[FloatArray, NDArray[np.int64]]:
    """Shares of errors beyond each point, from blocks whose outcome is known; normal ones, worth little, before."""
    blocks = -(-len(standard) // clock.block)
    cell = np.clip(np.floor((standard - LOWEST) / STEP + 0.5), 0, POINTS - 1).astype(np.int64)
    row = np.arange(len(standard)) // clock.block
    counts = np.bincount(row * POINTS + cell, weights=weight, minlength=blocks * POINTS).reshape(blocks, POINTS)
    kept = 0.5 ** (clock.block / (TAIL_HALF_LIFE_DAYS * clock.day))
    learned = lead_ridge.shifted(lfilter([1.0], [1.0, -kept], counts, axis=0), 1 + -(-known // clock.block))
    learned += PRIOR_ROWS * clock.block * _normal_cells()
    share = np.cumsum(learned, axis=1)
    return np.maximum(1 - share / share[:, -1:], 0.0), row


def _normal_cells() -> NDArray[np.float64]:
    middle = LOWEST + STEP * np.arange(POINTS)
    density = np.exp(-0.5 * middle**2)
    return np.asarray(density / density.sum())
