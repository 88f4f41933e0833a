"""Trend, seasons and remainder by statsmodels' STL: additive, robust against spikes.

A week is known two or three times only: MSTL on fine points would take most of the noise for it (of white noise over 16
days it left nothing). It is taken from means of an eighth of a day instead, as the mean of all weeks.

statsmodels is imported inside the function: only a worker that ends shortly afterwards may call it.
"""

from __future__ import annotations

import warnings
from typing import Final, NamedTuple

import numpy as np

from domain.errors import FitFailedError
from domain.series import FloatArray
from forecaster import coarse

JUMP: Final = 0.1
"""Loess is evaluated at every tenth part of a window and drawn through: 25 times as fast, the lines look the same."""
WINDOW: Final = 15
"""Seasons that the season is smoothed over; with statsmodels' 7 it follows the noise."""
PER_SEASON: Final = 8
"""Points of a day that a week is told from."""


class Parts(NamedTuple):
    """They add up to the values; ``long_season`` is None where none was asked for. Shape ``(n,)`` each."""

    trend: FloatArray
    season: FloatArray
    long_season: FloatArray | None
    remainder: FloatArray


def decompose(values: FloatArray, period: int, *, long_seasons: int | None) -> Parts:
    """Take values apart.

    Args:
        values: Without gaps, at least two of the longest season.
        period: Points per season, ≥ 2.
        long_seasons: Seasons that repeat as a whole, 7 for a week of days; None for none.

    Raises:
        FitFailedError: statsmodels did not, or gave no finite number.
    """
    trend, season = _stl(values, period, WINDOW)
    if long_seasons is None:
        return Parts(trend, season, None, values - trend - season)
    block = coarse.block_of(period, PER_SEASON)
    means = coarse.averaged(values - season, block)
    trend, week = _stl(means, long_seasons * period // block, None)
    centres = len(values) - 1 - block * np.arange(len(means) - 1, -1, -1) - (block - 1) / 2
    steps = np.arange(len(values))
    trend, week = np.interp(steps, centres, trend), np.interp(steps, centres, week)
    return Parts(trend, season, week, values - trend - season - week)


def _stl(values: FloatArray, period: int, window: int | None) -> tuple[FloatArray, FloatArray]:
    """Trend and season; without a window the season is the same each time."""
    from statsmodels.tsa.seasonal import STL

    forever = 10 * len(values) + 1
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = STL(
                values, period=period, seasonal=window or forever, seasonal_deg=0 if window is None else 1,
                trend_jump=_jump(1.5 * period), low_pass_jump=_jump(period), robust=True,
            ).fit()  # fmt: skip
    except (ValueError, ArithmeticError, IndexError, np.linalg.LinAlgError) as error:
        raise FitFailedError(f"the history could not be decomposed: {error}") from error
    trend, season = np.asarray(result.trend, dtype=np.float64), np.asarray(result.seasonal, dtype=np.float64)
    if not (np.isfinite(trend).all() and np.isfinite(season).all()):
        raise FitFailedError("the decomposition is not finite")
    return trend, season


def _jump(window: float) -> int:
    return max(1, round(JUMP * window))
