"""What the served model would have said at earlier times: what its residuals and its challengers are judged by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from domain.forecasts import Combination
from domain.series import FloatArray, IntArray
from forecaster import cold_start, combine, ensemble, sparse
from forecaster.history import History
from forecaster.models import FINE

MOST: Final = 576
"""Two days at 5 minutes; the models are refitted every 16 of them at most, as in the backtest."""


def paths(
    history: History, model: str, origins: IntArray, horizon: int, combination: Sequence[Combination] = ()
) -> FloatArray | None:
    """Point forecasts at each origin, shape ``(origins, horizon)``; None where nobody here knows the model.

    Args:
        history: At least one season before the first origin.
        model: As in ``Forecast.model``.
        origins: Number of steps known at each, rising.
        horizon: Steps ahead.
        combination: As in ``Forecast.combination``.
    """
    if combination:
        return _combined(history, origins, horizon, combination)
    made: FloatArray
    if model == ensemble.NAME and ensemble.suits(history, origins, horizon):
        made = ensemble.replayed(history, origins, horizon, (0.5,))[ensemble.NAME][..., 0]
    elif model == sparse.NAME:
        made = sparse.quantiles(history, origins, horizon, (0.5,))[..., 0]
    elif model in FINE:
        made = FINE[model](history.values, origins, season_length=history.season_length, horizon=horizon)
    else:
        return None
    return made


def _combined(
    history: History, origins: IntArray, horizon: int, combination: Sequence[Combination]
) -> FloatArray | None:
    """Point forecasts of the members, combined; None where one of them cannot be replayed."""
    names = {name for one in combination for name in one.members}
    made: dict[str, FloatArray] = {}
    if ensemble.suits(history, origins, horizon) and names & {"quantile_ridge", "waves"}:
        made |= ensemble.replayed(history, origins, horizon, (0.5,))
    if cold_start.MEMBER in names:
        made[cold_start.MEMBER] = cold_start.replayed(
            history.values, origins, season_length=history.season_length, horizon=horizon, levels=(0.5,)
        )
    for name in (names - set(made)) & set(FINE):
        found = FINE[name](history.values, origins, season_length=history.season_length, horizon=horizon)
        made[name] = found[..., None]
    if names - set(made):
        return None
    parts = [
        combine.Part(
            steps=max(1, round(one.until / history.step)), members=one.members,
            weights=tuple(one.weights[name] for name in one.members) if one.weights else (),
        )
        for one in combination
    ]  # fmt: skip
    return combine.mixed(parts, made)[..., 0]


def residuals(history: History, model: str, combination: Sequence[Combination] = ()) -> FloatArray | None:
    """Truth minus forecast, one step ahead, of the newest steps that were measured; None as above.

    Args:
        history: At least two seasons long.
        model: As in ``Forecast.model``.
        combination: As in ``Forecast.combination``.
    """
    size = len(history.values)
    count = min(MOST, size - history.season_length - size // 3)
    origins: IntArray = np.arange(size - max(count, 1), size, dtype=np.int64)
    made = paths(history, model, origins, 1, combination)
    if made is None:
        return None
    found: FloatArray = (history.values[origins] - made[:, 0])[history.measured[origins]]
    return found
