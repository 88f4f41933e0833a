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
USUAL_SCALE: Final = (0.5, 0.25, 0.15, 0.1, 0.0, 0.0)
"""Weights of the error sizes before anything is learned: last half hour, hour of day, days, level, minutes, peaks."""
PRIOR_BLOCKS: Final = 0.25


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
    load: FloatArray, *, windows: tuple[tuple[int, int], ...], clock: Clock, offset: float
) -> tuple[LoadAhead, ...]:
    """The largest load in each window ahead, as known at every tick.

    Args:
        load: Load by tick, no NaN.
        windows: First and last tick ahead of each window, inclusive.
        clock: The grid.
        offset: A load that hardly matters, so that no logarithm is of zero: a twentieth of a replica.
    """
    recent = lead_features.recent(load, clock.minute, clock.delay, offset)
    return tuple(_window(load, recent, first, last, clock, offset) for first, last in windows)


def _window(load: FloatArray, recent: Recent, first: int, last: int, clock: Clock, offset: float) -> LoadAhead:
    ahead = lead_features.largest_ahead(load, first, last)
    target = np.log(ahead + offset)
    known = last + clock.delay
    seasonal = lead_features.seasonal(recent, target, known, clock.day)
    features = np.concatenate([recent.features, seasonal], axis=1)
    half = FIT_HALF_LIFE_DAYS * clock.day / clock.block
    outcome = target - recent.base
    predicted = lead_ridge.walk_forward(features, outcome, known=known, block=clock.block, half_life=half)
    error = outcome - predicted
    error[len(error) - last :] = 0.0
    scale = _scale(error, recent, known, clock, half)
    tails = _tails(error / scale, known, clock)
    return LoadAhead(
        centre=predicted + recent.base, scale=scale, tails=tails, block_ticks=clock.block, lowest=LOWEST, step=STEP,
        offset=offset,
    )  # fmt: skip


def _scale(error: FloatArray, recent: Recent, known: int, clock: Clock, half_life: float) -> FloatArray:
    size = np.abs(error)
    seen = lead_features.late(size, known)
    days = np.maximum(lead_features.decayed(seen, 5 * clock.day), LEAST_SCALE)
    sizes = lead_features.error_sizes(size, seen, days, recent, known, clock.day, clock.minute) / days[:, None]
    learned = lead_ridge.walk_forward(
        sizes, np.minimum(size / days, LARGEST_ERROR), known=known, block=clock.block, half_life=half_life,
        prior=np.array(USUAL_SCALE), strength=50.0,
    )  # fmt: skip
    return np.asarray(np.maximum(np.clip(learned, *SCALE_RANGE) * days, LEAST_SCALE))


def _tails(standard: FloatArray, known: int, clock: Clock) -> FloatArray:
    """Share of errors beyond each point, from blocks whose outcome is known; a normal one, worth little, before."""
    blocks = -(-len(standard) // clock.block)
    cell = np.clip(np.floor((standard - LOWEST) / STEP + 0.5), 0, POINTS - 1).astype(np.int64)
    place = np.arange(len(standard)) // clock.block * POINTS + cell
    counts = np.bincount(place, minlength=blocks * POINTS).reshape(blocks, POINTS).astype(np.float64)
    kept = 0.5 ** (clock.block / (TAIL_HALF_LIFE_DAYS * clock.day))
    learned = lead_ridge.shifted(lfilter([1.0], [1.0, -kept], counts, axis=0), 1 + -(-known // clock.block))
    learned += PRIOR_BLOCKS * clock.block * _normal_cells()
    share = np.cumsum(learned, axis=1)
    return np.asarray(np.maximum(1 - share / share[:, -1:], 0.0))


def _normal_cells() -> NDArray[np.float64]:
    middle = LOWEST + STEP * np.arange(POINTS)
    density = np.exp(-0.5 * middle**2)
    return np.asarray(density / density.sum())
