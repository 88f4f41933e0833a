"""What the served model would have missed one step ahead, step after step: what its residuals are judged by."""

from __future__ import annotations

from typing import Final

import numpy as np

from domain.series import FloatArray
from forecaster import ensemble, sparse
from forecaster.history import History
from forecaster.models import COMPETING

MOST: Final = 576
"""Two days at 5 minutes; the models are refitted every 16 of them at most, as in the backtest."""


def residuals(history: History, model: str) -> FloatArray | None:
    """Truth minus forecast of the newest steps that were measured; None where nobody here knows the model.

    Args:
        history: At least two seasons long.
        model: As in ``Forecast.model``.
    """
    size = len(history.values)
    count = min(MOST, size - history.season_length - size // 3)
    origins = np.arange(size - max(count, 1), size)
    if model == ensemble.NAME and ensemble.suits(history, origins, 1):
        made = ensemble.replayed(history, origins, 1, (0.5,))[ensemble.NAME][:, 0, 0]
    elif model == sparse.NAME:
        made = sparse.quantiles(history, origins, 1, (0.5,))[:, 0, 0]
    elif model in COMPETING:
        made = COMPETING[model](history.values, origins, season_length=history.season_length, horizon=1)[:, 0]
    else:
        return None
    found: FloatArray = (history.values[origins] - made)[history.measured[origins]]
    return found
