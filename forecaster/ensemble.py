"""The engine's median as one more competitor of ``fit``: for one signal, backtested like the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from domain.series import FloatArray, IntArray
from forecaster import engine
from forecaster.history import History
from forecaster.windows import Lengths

NAME: Final = "median"
SHORTEST_SEASON: Final = 24
"""Below it there is no hour in the season to tell apart."""


def suits(history: History, origins: IntArray, horizon: int) -> bool:
    """Whether before the first origin a whole season of windows can be learned from."""
    season = history.season_length
    if season < SHORTEST_SEASON:
        return False
    return int(origins[0]) >= Lengths(season=season).needed(horizon) + horizon + season


def replayed(history: History, origins: IntArray, horizon: int, levels: Sequence[float]) -> Mapping[str, FloatArray]:
    """Quantiles at each origin, ``median`` and its members, shape ``(origins, horizon, levels)``."""
    made = engine.replay(
        history.values[None], history.measured[None], origins, season_length=history.season_length, horizon=horizon,
        levels=levels,
    )  # fmt: skip
    return {name: quantiles[0] for name, quantiles in made.items()}


def fit(history: History, horizon: int, levels: Sequence[float]) -> engine.State:
    """A batch of one, fitted on the whole history."""
    return engine.fit(
        history.values[None], history.measured[None], season_length=history.season_length, horizon=horizon,
        levels=levels,
    )  # fmt: skip
