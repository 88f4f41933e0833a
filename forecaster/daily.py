"""Daily data, weeks to months ahead: week, month, year and a bending trend, blended by up to eight past forecasts.

Six members that fail differently: last week, the weekday's median of four weeks, harmonic regression with a trend on
the values and on their logarithm, and last year as it was and half moved to today's level. Bands are relative to the
forecast: page views that double vary twice as much.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from domain.series import FloatArray, IntArray
from forecaster.blend import Folds, band, blend, clipped
from forecaster.logs import Logs
from forecaster.made import Made
from forecaster.models import harmonic, profile, year_ago

BoolArray = NDArray[np.bool_]

WEEK: Final = 7
YEAR: Final = 365.25
FOLDS: Final = 8
POWER: Final = 1.0
"""Weights by the inverse loss: what a quarter tells about the next is little (2 errs 1–3 % more)."""
HALF_LIFE: Final = 365.0
EARLIEST: Final = 8 * WEEK
"""Days before the first fold."""
FLOOR: Final = 0.05
"""Of the history's mean: below it the band no longer shrinks with the forecast."""
MEMBERS: Final = ("seasonal_naive", "profile", "harmonic", "harmonic_log", "year_ago", "year_ago_half_moved")
LOW_DAYS: Final = 0.1
BANDS: Final = (7, 14, 28, 56, 112, 224)


def stretch(horizon: int) -> int:
    """Days that are really forecast: at least a week, to weigh the members by."""
    return max(horizon, WEEK)


def needed(horizon: int) -> int:
    """Shortest history: one fold after ``EARLIEST``."""
    return EARLIEST + stretch(horizon)


def forecast(batch: FloatArray, *, horizon: int, levels: Sequence[float], measured: BoolArray | None = None) -> Made:
    """Forecast daily series of one length.

    Args:
        batch: Histories without gaps, shape ``(series, length)``, ``length ≥ needed(horizon)``, none constant.
        horizon: Days ahead.
        levels: Quantiles, rising.
        measured: Which values of ``batch`` were; the others, filled, weigh nothing. None for all.
    """
    truth = batch if measured is None else np.where(measured, batch, np.nan)
    ahead = stretch(horizon)
    origins = _origins(batch.shape[1], ahead)
    points = _members(batch, origins, ahead)
    came = np.stack([truth[:, origin : origin + ahead] for origin in origins[:-1]])
    made = blend(
        Folds(members=MEMBERS, past=points[:, :-1], came=came, ahead=points[:, -1], simple=1), batch, power=POWER
    )
    edges = [0, *(edge for edge in BANDS if edge < ahead), ahead]
    values = band(made, levels, edges=edges, floor=_smallest_size(batch))
    return Made(
        mean=clipped(made.mean, batch)[:, :horizon], members=MEMBERS, blend=made,
        values=clipped(values, batch)[:, :horizon],
    )  # fmt: skip


def _smallest_size(batch: FloatArray) -> FloatArray:
    """What a forecast counts as at least, where the band is relative to it.

    A series that is near zero on its low days, or below, has no size to be relative to: its mean stands for all days.
    """
    mean = np.abs(batch).mean(axis=1)
    sized = np.quantile(batch, 0.05, axis=1) > LOW_DAYS * mean
    floor: FloatArray = mean * np.where(sized, FLOOR, 1.0) + 1e-290
    return floor


def _origins(length: int, ahead: int) -> IntArray:
    """The end, and folds before it, half a horizon apart, as many as leave ``EARLIEST`` days before the first."""
    apart = max(ahead // 2, 1)
    folds = min(FOLDS, (length - ahead - EARLIEST) // apart + 1)
    return np.array([*(length - ahead - apart * fold for fold in range(folds - 1, -1, -1)), length])


def _members(batch: FloatArray, origins: IntArray, ahead: int) -> FloatArray:
    """Shape ``(members, origins, series, ahead)``."""
    log = Logs.of(batch)
    return np.stack([
        profile.paths(batch, origins, period=WEEK, periods=1, horizon=ahead),
        profile.paths(batch, origins, period=WEEK, horizon=ahead),
        _harmonic(batch, origins, ahead, bends=8, bend_ridge=1.0),
        log.back(_harmonic(log.forward(batch), origins, ahead, bends=30, bend_ridge=0.3)),
        year_ago.paths(batch, origins, horizon=ahead, moved=0.0),
        year_ago.paths(batch, origins, horizon=ahead, moved=0.5),
    ])  # fmt: skip


def _harmonic(batch: FloatArray, origins: IntArray, ahead: int, *, bends: int, bend_ridge: float) -> FloatArray:
    """The year's waves only once they have been seen: two of them after 400 days, six after two years."""
    made = []
    for origin in origins:
        year = [(YEAR, 6 if origin >= 2 * YEAR else 2)] if origin >= 400 else []
        shape = harmonic.Shape(
            seasons=[(float(WEEK), 3), *year], bends=bends, bend_ridge=bend_ridge, half_life=HALF_LIFE
        )
        made.append(harmonic.paths(batch, np.array([origin]), shape=shape, horizon=ahead)[0])
    return np.stack(made)
