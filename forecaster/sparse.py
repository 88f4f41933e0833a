"""Counters that are mostly zero: what came at this time of the season, as quantiles, and no model in between.

Regressions answer such a signal with a small number that never comes. What can be said is how often it is zero at this
time of day, and how large it is otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from domain.series import FloatArray, IntArray
from forecaster.conformal import sorted_quantiles
from forecaster.history import History

NAME: Final = "empirical"
MOSTLY: Final = 0.6
"""Share of zeros in the last season beyond which a signal counts as sparse."""
SEASONS: Final = 14
"""Looked back at most: two weeks of days."""
ENOUGH: Final = 40
"""Values that a phase's quantiles are taken from, two beyond the 0.95; neighbouring steps fill up what is missing."""
NEAR: Final = 48
"""A phase takes at least the steps within a 48th of the season on both sides: half an hour of a day."""


def zeros(history: History) -> float:
    """Share of zeros among what was measured in the last season."""
    last = slice(-history.season_length, None)
    return float((history.values[last][history.measured[last]] == 0).mean())


def is_sparse(history: History) -> bool:
    """Whether the signal is never negative and mostly zero."""
    return history.lowest is not None and zeros(history) > MOSTLY


def quantiles(history: History, origins: IntArray, horizon: int, levels: Sequence[float]) -> FloatArray:
    """Quantiles at each origin of what came around the same phase of the seasons before it.

    Args:
        history: At least one season before the first origin.
        origins: Number of steps known at each, rising.
        horizon: Steps ahead; beyond one season they repeat.
        levels: Rising.

    Returns:
        Shape ``(origins, horizon, levels)``, never crossing.
    """
    season = history.season_length
    known = np.where(history.measured, history.values, np.nan)
    return np.stack([newest(known[:origin], season, horizon, levels) for origin in origins])


def newest(known: FloatArray, season: int, horizon: int, levels: Sequence[float]) -> FloatArray:
    """The same from the end of a history, NaN where nothing was measured; shape ``(horizon, levels)``.

    A phase without values takes the quantiles of all.
    """
    seasons = min(SEASONS, len(known) // season)
    table = known[-seasons * season :].reshape(seasons, season)
    half = min(max(season // NEAR, -(-(ENOUGH // seasons) // 2)), (season - 1) // 2)
    phases = np.arange(min(horizon, season))
    around = (phases[:, None] + np.arange(-half, half + 1)) % season
    pools = np.moveaxis(table[:, around], 0, 1).reshape(len(phases), -1)
    silent = np.isnan(pools).all(axis=1)
    found = sorted_quantiles(np.sort(pools, axis=1), (~np.isnan(pools)).sum(axis=1), levels)
    if silent.any():
        found[silent] = np.nanquantile(known if np.isnan(table).all() else table, levels)
    return found[np.arange(horizon) % season]
