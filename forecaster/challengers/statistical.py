"""statsforecast's median of MSTL + ETS, dynamic optimised theta, complex smoothing and ARIMA.

Its own intervals are left aside, they cover too little: the points are banded by our split-conformal quantiles.
Needs the ``challenger`` extra; 2 s a fit at 288 steps a season.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from domain.errors import FitFailedError
from domain.series import FloatArray
from forecaster.calibrate import calibrate

SEASONS: Final = 7
INNER: Final = 2
"""Earlier forecasts of each history that its band is taken from: few, because each is another fit."""


@dataclass(frozen=True, slots=True)
class Statistical:
    """The challenger."""

    name: str = "statsforecast"

    def quantiles(
        self, histories: Sequence[FloatArray], *, season_length: int, horizon: int, levels: Sequence[float]
    ) -> FloatArray:
        """As ``Candidate.quantiles``."""
        return np.stack([_banded(values, season_length, horizon, levels) for values in histories])


def _banded(values: FloatArray, season_length: int, horizon: int, levels: Sequence[float]) -> FloatArray:
    size = len(values)
    most = max(1, size - 2 * season_length)
    cuts = sorted({size - min(most, back * horizon) for back in range(1, INNER + 1)})
    points = np.stack([_point(values[:cut], season_length, horizon) for cut in [*cuts, size]])
    known = np.concatenate([values, np.full(horizon, np.nan)])
    actuals = known[np.array(cuts)[:, None] + np.arange(horizon)]
    return calibrate(actuals, points[:-1], levels).band(points[-1])


def _point(values: FloatArray, season_length: int, horizon: int) -> FloatArray:
    try:
        from statsforecast.models import MSTL, AutoARIMA, AutoCES, AutoETS, DynamicOptimizedTheta
    except ImportError as error:
        raise FitFailedError("statsforecast needs the extra: pip install 'foretide[challenger]'") from error
    recent = values[-SEASONS * season_length :]
    models: list[Any] = [
        MSTL(season_length=season_length, trend_forecaster=AutoETS(model="ZZN")),
        DynamicOptimizedTheta(season_length=season_length), AutoCES(season_length=season_length), AutoARIMA(),
    ]  # fmt: skip
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = [np.asarray(model.forecast(y=recent, h=horizon)["mean"], dtype=np.float64) for model in models]
    except Exception as error:  # its models raise all kinds, down to bare Exception
        raise FitFailedError(f"statsforecast did not fit: {type(error).__name__}: {error}") from error
    middle: FloatArray = np.median(made, axis=0)
    return middle
