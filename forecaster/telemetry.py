"""Many series of fine telemetry at once: the engine's batch, for histories that begin at different times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from domain.series import FloatArray, IntArray
from forecaster import engine
from forecaster.history import prepare_batch
from forecaster.windows import Lengths

SHORTEST_SEASON: Final = 24
"""Below it there is no hour in the season to tell apart."""
ORIGINS: Final = 8
"""Of the backtest: each costs a forecast, all of them one fit."""
MOST_SEASONS: Final = 9
"""Older steps are left out: the engine was measured on nine days, and its time grows with them."""


def stretch(horizon: int, season_length: int) -> int:
    """Steps that are really forecast; beyond one season the last of them repeat."""
    return min(horizon, season_length)


def needed(horizon: int, season_length: int) -> int:
    """Shortest history: in its first two thirds there is a whole season of windows to learn from."""
    ahead = stretch(horizon, season_length)
    return 3 * (Lengths(season=season_length).needed(ahead) + ahead + season_length) // 2


def forecast(
    histories: Sequence[FloatArray], measured: Sequence[NDArray[np.bool_]], *, season_length: int, horizon: int,
    levels: Sequence[float],
) -> FloatArray:  # fmt: skip
    """Quantiles of every series, shape ``(series, horizon, levels)``.

    Args:
        histories: Without gaps, each at least ``needed`` steps, ending together.
        measured: Which of their values were measured.
        season_length: Steps per season, ≥ ``SHORTEST_SEASON``.
        horizon: Steps ahead.
        levels: Rising.
    """
    batch, seen = _together(histories, measured, season_length)
    ahead = stretch(horizon, season_length)
    state = engine.fit(batch, seen, season_length=season_length, horizon=ahead, levels=levels)
    made: FloatArray = np.asarray(state.forecast(ahead), dtype=np.float64)[:, np.arange(horizon) % ahead]
    return made


def backtest(
    histories: Sequence[FloatArray], measured: Sequence[NDArray[np.bool_]], *, season_length: int, horizon: int
) -> Mapping[str, FloatArray]:
    """WAPE of the median and each member from ``ORIGINS`` points in the last third, shape ``(series,)`` each.

    One more fit, on the first two thirds. NaN where nothing was measured after the first origin, or it was all 0.
    """
    batch, seen = _together(histories, measured, season_length)
    ahead, size = stretch(horizon, season_length), batch.shape[1]
    origins: IntArray = np.unique(np.linspace(size * 2 // 3, size, ORIGINS, endpoint=False).astype(np.int64))
    made = engine.replay(batch, seen, origins, season_length=season_length, horizon=ahead, levels=(0.5,))
    known = np.pad(np.where(seen, batch, np.nan), ((0, 0), (0, ahead)), constant_values=np.nan)
    actuals = known[:, origins[:, None] + np.arange(ahead)]
    total = np.nansum(np.abs(actuals), axis=(1, 2))
    scale = np.where(total > 0, total, np.nan)
    return {name: np.nansum(np.abs(actuals - paths[..., 0]), axis=(1, 2)) / scale for name, paths in made.items()}


def _together(
    histories: Sequence[FloatArray], measured: Sequence[NDArray[np.bool_]], season_length: int
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """One array that ends where all of them end, and which of its values were measured."""
    size = min(max(len(values) for values in histories), MOST_SEASONS * season_length)
    known = np.full((len(histories), size), np.nan)
    for row, values, mask in zip(known, histories, measured, strict=True):
        row[-min(size, len(values)) :] = np.where(mask, values, np.nan)[-size:]
    return prepare_batch(known, season_length)
