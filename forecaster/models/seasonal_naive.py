"""Seasonal naive: this moment of the season, averaged over the last few seasons."""

from __future__ import annotations

from typing import Final

import numpy as np

from domain.series import FloatArray, IntArray

SEASONS: Final = 3
"""Seasons averaged. One repeats yesterday's noise (its error is √2 of the noise), three bring that to 1.15."""


def paths(values: FloatArray, origins: IntArray, *, season_length: int, horizon: int) -> FloatArray:
    """Mean of the same phase in the last ``SEASONS`` known seasons; fewer where the history has fewer.

    A horizon beyond one season repeats the season (tile-back).

    Args:
        values: History without gaps, shape ``(n,)``.
        origins: Number of values known at each origin, each ≥ ``season_length``.
        season_length: Steps per season.
        horizon: Steps ahead.

    Returns:
        Point forecasts, shape ``(len(origins), horizon)``.
    """
    last = origins[:, None] - season_length + np.arange(horizon) % season_length
    total = np.zeros(last.shape)
    known = np.zeros(last.shape)
    for back in range(SEASONS):
        at = last - back * season_length
        total += np.where(at >= 0, values[np.maximum(at, 0)], 0.0)
        known += at >= 0
    mean: FloatArray = total / known
    return mean
