"""Many series of fine telemetry at once: the engine's batch, for histories that begin at different times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from domain.series import FloatArray
from forecaster import engine
from forecaster.history import prepare_batch
from forecaster.windows import Lengths

SHORTEST_SEASON: Final = 24
"""Below it there is no hour in the season to tell apart."""
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
    size = min(max(len(values) for values in histories), MOST_SEASONS * season_length)
    known = np.full((len(histories), size), np.nan)
    for row, values, mask in zip(known, histories, measured, strict=True):
        row[-min(size, len(values)) :] = np.where(mask, values, np.nan)[-size:]
    batch, seen = prepare_batch(known, season_length)
    ahead = stretch(horizon, season_length)
    state = engine.fit(batch, seen, season_length=season_length, horizon=ahead, levels=levels)
    made: FloatArray = np.asarray(state.forecast(ahead), dtype=np.float64)[:, np.arange(horizon) % ahead]
    return made
