"""Drift: storage that fills, registries that grow. The last level, a robust slope, and what each season does to it.

The slope is the median of slopes over half the history (as Theil and Sen's, at one distance): spikes do not move it, a
deletion bends it by less than a line through the ends, clean-ups that recur are part of it. A season's own shape (logs
that rotate, a weekly clean-up) is added as far as the seasons agree on it. Unlike the waves it never goes back to an
old level, and it carries on beyond the history.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from domain.series import FloatArray, IntArray

FITS: Final = 8
"""Refits over all origins of one call, as in ``fourier_ar``."""
WEEK: Final = 7
"""Seasons in the longer one, whose shape is taken instead once three of them are known."""
SHAPES: Final = 3
MOST_SHAPES: Final = 8
"""Seasons that the shape is the mean of, newest last; older ones had another."""


def paths(values: FloatArray, origins: IntArray, *, season_length: int, horizon: int) -> FloatArray:
    """Level + slope + shape from each origin; slope and shape from what was known at the first of its stretch.

    Args:
        values: History without gaps, shape ``(n,)``.
        origins: Number of values known at each origin, rising, each ≥ 2.
        season_length: Steps per season.
        horizon: Steps ahead.

    Returns:
        Point forecasts, shape ``(len(origins), horizon)``.
    """
    stretches = [stretch for stretch in np.array_split(origins, FITS) if len(stretch)]
    return np.concatenate([_stretch(values, stretch, season_length, horizon) for stretch in stretches])


def fit(values: FloatArray, season_length: int) -> Drift:
    """Slope and shape of one history without gaps, to be carried forward step by step."""
    slope = rate(values, season_length)
    return Drift(slope=slope, shape=_shape(values, slope, season_length))


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """What a fit found.

    Attributes:
        slope: Growth per step.
        shape: What a step's place in the season adds, indexed by its number since the fit's first modulo the length.
    """

    slope: float
    shape: FloatArray

    def path(self, newest: FloatArray, t: int, horizon: int) -> FloatArray:
        """Point forecast of the steps from ``t`` on, counted from the fit's first; ``newest`` ends before ``t``."""
        made: FloatArray = self.paths(newest[-1:], np.array([t]), horizon)[0]
        return made

    def paths(self, last: FloatArray, origins: IntArray, horizon: int) -> FloatArray:
        """The same from the last value known at each origin, shape ``(len(origins), horizon)``."""
        ahead, at, period = np.arange(1, horizon + 1), origins[:, None] - 1, len(self.shape)
        moved = self.shape[(at + ahead) % period] - self.shape[at % period]
        made: FloatArray = last[:, None] + self.slope * ahead + moved
        return made


def _stretch(values: FloatArray, origins: IntArray, season_length: int, horizon: int) -> FloatArray:
    return fit(values[: int(origins[0])], season_length).paths(values[origins - 1], origins, horizon)


def rate(known: FloatArray, season_length: int) -> float:
    """Growth per step: the median over pairs half the history apart, or the most whole weeks or seasons in it."""
    apart = len(known) // 2
    for period in (WEEK * season_length, season_length):
        if apart >= period:
            apart = apart // period * period
            break
    return float(np.median(known[apart:] - known[:-apart])) / apart if apart else 0.0


def _shape(known: FloatArray, slope: float, season_length: int) -> FloatArray:
    """What a step's place in the season adds to the line, shape ``(period,)``, indexed by step modulo its length.

    Shrunk by how much of it chance explains: the spread of the seasons' mean against that of single seasons.
    """
    period = WEEK * season_length if len(known) >= SHAPES * WEEK * season_length else season_length
    count = min(len(known) // period, MOST_SHAPES)
    if count < SHAPES:
        return np.zeros(1)
    first = len(known) - count * period
    table = (known[first:] - slope * np.arange(count * period)).reshape(count, period)
    table = table - table.mean(axis=1, keepdims=True)
    mean = table.mean(axis=0)
    chance = float(((table - mean) ** 2).sum(axis=0).mean()) / (count - 1) / count
    signal = float((mean**2).mean())
    share = max(1 - chance / signal, 0.0) if signal > 0 else 0.0
    shape: FloatArray = share * np.roll(mean, first % period)
    return shape
