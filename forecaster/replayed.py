"""What the served model would have said at earlier times: what its residuals and its challengers are judged by."""

from __future__ import annotations

from typing import Final

import numpy as np

from domain.series import FloatArray, IntArray
from forecaster import ensemble, sparse
from forecaster.history import History
from forecaster.models import COMPETING

MOST: Final = 576
"""Two days at 5 minutes; the models are refitted every 16 of them at most, as in the backtest."""


def paths(history: History, model: str, origins: IntArray, horizon: int) -> FloatArray | None:
    """Point forecasts at each origin, shape ``(origins, horizon)``; None where nobody here knows the model.

    Args:
        history: At least one season before the first origin.
        model: As in ``Forecast.model``.
        origins: Number of steps known at each, rising.
        horizon: Steps ahead.
    """
    made: FloatArray
    if model == ensemble.NAME and ensemble.suits(history, origins, horizon):
        made = ensemble.replayed(history, origins, horizon, (0.5,))[ensemble.NAME][..., 0]
    elif model == sparse.NAME:
        made = sparse.quantiles(history, origins, horizon, (0.5,))[..., 0]
    elif model in COMPETING:
        made = COMPETING[model](history.values, origins, season_length=history.season_length, horizon=horizon)
    else:
        return None
    return made


def residuals(history: History, model: str) -> FloatArray | None:
    """Truth minus forecast, one step ahead, of the newest steps that were measured; None as above.

    Args:
        history: At least two seasons long.
        model: As in ``Forecast.model``.
    """
    size = len(history.values)
    count = min(MOST, size - history.season_length - size // 3)
    origins: IntArray = np.arange(size - max(count, 1), size, dtype=np.int64)
    made = paths(history, model, origins, 1)
    if made is None:
        return None
    found: FloatArray = (history.values[origins] - made[:, 0])[history.measured[origins]]
    return found
