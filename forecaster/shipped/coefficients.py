"""The coefficients that ship with the program, for any season, known history and quantile level.

They are trained at a few season lengths, lengths of history and levels. The season is the nearest by ratio (windows are
fractions of the season, so that 288 steps and 240 ask the same of it); between lengths of history and between levels
the coefficients are interpolated: forecasts are linear in them, so these are forecasts between forecasts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from importlib import resources
from statistics import NormalDist
from typing import Final

import numpy as np

from domain.series import FloatArray
from forecaster.models import quantile_ridge

VERSION: Final = 1
"""Of the file's layout and of what the rows of ``forecaster.windows`` mean: another one is not read."""
SEASONS: Final = (24, 96, 288, 1440)
"""Steps per season: hours, quarters of an hour, 5 minutes and minutes of a day."""
FULL: Final = 9
KNOWN: Final = (0.125, 0.25, 0.5, 1, 2, FULL)
"""Seasons of history; of up to 2 the first is tiled back."""
LEVELS: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
FILE: Final = "coefficients.npz"


def for_history(
    season_length: int, known_steps: int, *, horizon: int, levels: Sequence[float]
) -> quantile_ridge.QuantileRidge:
    """A ridge of one row that serves any number of series.

    Args:
        season_length: Steps per season.
        known_steps: Steps of history, without what is tiled.
        horizon: Steps ahead; beyond the trained ones the last range goes on.
        levels: Quantile levels, rising, each in (0, 1).
    """
    trained = nearest(season_length)
    by_known = _loaded()[trained]
    place = np.interp(math.log(max(known_steps, 1) / season_length), np.log(KNOWN), np.arange(len(KNOWN)))
    low = min(int(place), len(KNOWN) - 2)
    mixed = (1 - (place - low)) * by_known[low] + (place - low) * by_known[low + 1]
    ranges = quantile_ridge.ranges(horizon)
    last = len(mixed) - 1
    chosen = mixed[[min(at, last) for at in range(len(ranges))]]
    return quantile_ridge.QuantileRidge(
        ranges=ranges, levels=tuple(levels), coefficients=_at_levels(chosen, levels).astype(np.float32)[None]
    )


def nearest(season_length: int) -> int:
    """The trained season length that is nearest by ratio."""
    return min(SEASONS, key=lambda trained: abs(math.log(trained / season_length)))


def _at_levels(by_level: FloatArray, levels: Sequence[float]) -> FloatArray:
    """Linear in normal deviates, shape ``(ranges, levels, columns)``; beyond the outermost trained level it goes on."""
    at, wanted = (np.array([NormalDist().inv_cdf(level) for level in some]) for some in (LEVELS, levels))
    low = np.clip(np.searchsorted(at, wanted, side="right") - 1, 0, len(at) - 2)
    part = ((wanted - at[low]) / (at[low + 1] - at[low]))[:, None]
    made: FloatArray = (1 - part) * by_level[:, low] + part * by_level[:, low + 1]
    return made


@cache
def _loaded() -> dict[int, FloatArray]:
    """By season length: shape ``(known, ranges, levels, columns)``."""
    with resources.files("forecaster.shipped").joinpath(FILE).open("rb") as file, np.load(file) as stored:
        if int(stored["version"]) != VERSION:
            raise ValueError(f"{FILE} has version {int(stored['version'])}, this program reads {VERSION}")
        return {season: stored[f"season_{season}"].astype(np.float64) for season in SEASONS}
