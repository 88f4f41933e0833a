"""Holt-Winters by statsmodels: the reference beside the served forecast, because everybody can explain it.

Never served. statsmodels is imported inside the function: it costs 1.3 s and 190 MB, so only a worker that ends shortly
afterwards may call it.
"""

from __future__ import annotations

import warnings
from typing import Any, Final

import numpy as np

from domain.errors import FitFailedError
from domain.series import FloatArray
from forecaster import coarse
from forecaster.models.textbook import Textbook

NAME: Final = "holt_winters"
POINTS_PER_SEASON: Final = 96
"""A finer season is averaged down to this: at 288 a fit takes seconds, at 96 some tens of milliseconds."""
SEASONS: Final = 7


def path(values: FloatArray, *, season_length: int, horizon: int) -> FloatArray:
    """The point forecast of ``fitted``, shape ``(horizon,)``.

    Raises:
        FitFailedError: statsmodels did not fit, or gave no finite number; the message carries its reason.
    """
    return fitted(values, season_length=season_length, horizon=horizon).path


def fitted(values: FloatArray, *, season_length: int, horizon: int) -> Textbook:
    """Level and additive season, smoothed over the last ``SEASONS`` seasons, and the weights it smooths with.

    Args:
        values: History without gaps, at least two seasons long.
        season_length: Steps per season, ≥ 2.
        horizon: Steps ahead.

    Raises:
        FitFailedError: statsmodels did not fit, or gave no finite number; the message carries its reason.
    """
    block = coarse.block_of(season_length, POINTS_PER_SEASON)
    points = coarse.averaged(values[-SEASONS * season_length :], block)
    result, ahead = _smooth(points, season_length // block, -(-horizon // block) + 1)
    known = {name: float(value) for name, value in result.params.items() if isinstance(value, float)}
    return Textbook(
        model=NAME, path=coarse.spread(ahead, points[-1], block, horizon), aic=float(result.aic), points=len(points),
        parameters={name: value for name, value in known.items() if np.isfinite(value)}, block=block,
    )  # fmt: skip


def _smooth(values: FloatArray, season_length: int, steps: int) -> tuple[Any, FloatArray]:
    from statsmodels.tsa.holtwinters import ExponentialSmoothing

    try:
        # After the import: statsmodels turns its own warnings on when it is loaded.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = ExponentialSmoothing(
                values, seasonal="add", seasonal_periods=season_length, initialization_method="heuristic"
            )
            result = model.fit()
            forecast = np.asarray(result.forecast(steps), dtype=np.float64)
    except (ValueError, ArithmeticError, IndexError, np.linalg.LinAlgError) as error:
        raise FitFailedError(f"Holt-Winters did not fit: {error}") from error
    if not np.isfinite(forecast).all():
        raise FitFailedError("Holt-Winters gave a forecast that is not finite")
    return result, forecast
