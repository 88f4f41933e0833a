"""How well each model would have done on this very history: the same walk forward that a live forecaster takes.

Every model forecasts from up to ``ORIGINS`` points in the last third of the history, seeing only what came before each.
The errors choose the model; its residuals calibrate the band (``forecaster.calibrate``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from domain.series import FloatArray, IntArray
from forecaster.history import History
from forecaster.models import Paths

ORIGINS: Final = 128
"""A 0.95 quantile from 12 origins is their maximum; from 128 it is the seventh largest."""
SHARE: Final = 1 / 3
"""Share of the history that is forecast again: enough for the band, recent enough to hold (facts: 30–35 %)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What the models said at each origin, and what came.

    Attributes:
        origins: Number of steps known at each origin, rising, shape ``(n,)``.
        actuals: What came, shape ``(n, horizon)``; NaN beyond the end of the history and where nothing was measured.
        points: Point forecasts of each model, each of the shape of ``actuals``.
    """

    origins: IntArray
    actuals: FloatArray
    points: Mapping[str, FloatArray]

    def joined(self, quantiles: Mapping[str, FloatArray], levels: Sequence[float]) -> Replay:
        """With forecasts of shape ``(origins, horizon, levels)``; 0.5 is their point forecast."""
        middle = list(levels).index(0.5)
        points = {name: made[..., middle] for name, made in quantiles.items() if name not in self.points}
        return replace(self, points={**self.points, **points})

    def wape(self, model: str) -> float:
        """Sum of absolute errors ÷ sum of absolute actuals; infinite where all actuals are 0 and the model errs."""
        error = float(np.nansum(np.abs(self.actuals - self.points[model])))
        size = float(np.nansum(np.abs(self.actuals)))
        if size > 0:
            return error / size
        return 0.0 if error == 0 else float("inf")


def replay(history: History, models: Mapping[str, Paths], *, horizon: int) -> Replay:
    """Forecast the last third of the history again with every model.

    A model that fails or gives a number that is not finite is left out: it cannot be served.

    Args:
        history: At least two seasons long.
        models: By name.
        horizon: Steps ahead.
    """
    values = history.values
    origins = _origins(len(values), history.season_length)
    known = np.concatenate([np.where(history.measured, values, np.nan), np.full(horizon, np.nan)])
    points = {name: _points(paths, history, origins, horizon) for name, paths in models.items()}
    return Replay(
        origins=origins,
        actuals=known[origins[:, None] + np.arange(horizon)],
        points={name: path for name, path in points.items() if path is not None and np.isfinite(path).all()},
    )


def _origins(length: int, season_length: int) -> IntArray:
    """Evenly spread over the last third, but never before one season (and a bit, for the AR) is known."""
    earliest = max(season_length + 1, length - int(length * SHARE))
    return np.unique(np.linspace(earliest, length - 1, ORIGINS).astype(np.int64))


def _points(paths: Paths, history: History, origins: IntArray, horizon: int) -> FloatArray | None:
    try:
        made = paths(history.values, origins, season_length=history.season_length, horizon=horizon)
    except (np.linalg.LinAlgError, FloatingPointError):
        return None
    return made if history.lowest is None else np.maximum(made, history.lowest)
