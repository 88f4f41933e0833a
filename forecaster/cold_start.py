"""The first hours of a signal: shipped coefficients over a history that is tiled back to look like days.

Less than two seasons teach no model of their own. What is known is repeated backwards, and a quantile ridge that was
trained on made workloads with as little history says what may come, and how sure that is (``forecaster.shipped``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from domain.series import FloatArray, IntArray
from forecaster.engine import Scale
from forecaster.history import FEWEST_STEPS
from forecaster.shipped import coefficients
from forecaster.windows import Newest, Windows

NAME: Final = "cold_start"
MEMBER: Final = "shipped_ridge"
"""Its name where it is one member of several."""
SHORTEST_SEASON: Final = 24
"""Below it there is no hour in the season to tell apart."""
TILED: Final = 3
"""Seasons that a short history is tiled to."""
LEAST: Final = 1 / 8
"""Of a season: three hours of a day. Below it the flat line."""


def shortest(season_length: int) -> int:
    """Steps from which shipped coefficients answer."""
    return max(FEWEST_STEPS, round(LEAST * season_length))


def suits(steps: int, season_length: int) -> bool:
    """Whether so short a history can be forecast like this."""
    return season_length >= SHORTEST_SEASON and steps >= shortest(season_length)


def tiled(values: FloatArray, season_length: int, size: int) -> FloatArray:
    """The last ``size`` steps of a history that repeats its first season, or what there is of it, backwards."""
    begin, missing = values[:season_length], max(0, size - len(values))
    before = begin[(np.arange(missing) - missing) % len(begin)]
    return np.concatenate([before, values[-size:]])


def quantiles(values: FloatArray, *, season_length: int, horizon: int, levels: Sequence[float]) -> FloatArray:
    """Quantiles of the next steps, shape ``(horizon, levels)``, never crossing.

    Args:
        values: Without gaps, as many as ``suits`` asks for.
        season_length: Steps per season.
        horizon: Steps ahead; beyond one season it repeats.
        levels: Rising.
    """
    known = tiled(values, season_length, max(TILED * season_length, len(values)))[None]
    scale = Scale.of(known)
    soft = scale.soft(known)
    ahead = min(horizon, season_length)
    ridge = coefficients.for_history(season_length, len(values), horizon=ahead, levels=levels)
    made = ridge.paths(Newest(soft, season_length, soft.std(axis=1) + 1e-12), known.shape[1], ahead)
    found: FloatArray = scale.hard(np.maximum.accumulate(made, axis=-1))[0]
    return found[np.arange(horizon) % ahead]


def replayed(
    values: FloatArray, origins: IntArray, *, season_length: int, horizon: int, levels: Sequence[float]
) -> FloatArray:
    """What shipped coefficients would have said at earlier origins, shape ``(origins, horizon, levels)``.

    Args:
        values: History without gaps, shape ``(n,)``.
        origins: Number of values known at each, rising, each more than a season and its smoothing.
        season_length: Steps per season.
        horizon: Steps ahead; beyond one season it repeats.
        levels: Rising.
    """
    begin, ahead = int(origins[0]), min(horizon, season_length)
    scale = Scale.of(values[None, :begin])
    soft = scale.soft(values[None])
    reads = Windows(soft, season_length)
    reads.spread = soft[:, :begin].std(axis=1) + 1e-12
    ridge = coefficients.for_history(season_length, begin, horizon=ahead, levels=levels)
    made: FloatArray = scale.hard(np.maximum.accumulate(ridge.paths_at(reads, origins, ahead), axis=-1))[0]
    return made[:, np.arange(horizon) % ahead]
