"""SARIMAX by statsmodels with waves of the season as regressors: the second reference that everybody can explain.

A seasonal ARIMA of 288 steps would take minutes; waves carry the season instead, and ARMA(1, 1) what is left. Never
served. statsmodels is imported inside the function, as for Holt-Winters.
"""

from __future__ import annotations

import warnings
from typing import Any, Final

import numpy as np

from domain.errors import FitFailedError
from domain.series import FloatArray
from forecaster import coarse
from forecaster.models.textbook import Textbook

NAME: Final = "sarimax"
POINTS_PER_SEASON: Final = 24
SEASONS: Final = 14
"""At 24 points and 14 seasons a fit takes 0.3 s, at 48 and 7 0.5 s; at 288 and 7 it would be many."""
WAVES: Final = 4
ORDER: Final = (1, 0, 1)
ITERATIONS: Final = 50


def fitted(values: FloatArray, *, season_length: int, horizon: int) -> Textbook:
    """Level, waves of the season and ARMA(1, 1), by maximum likelihood over the last ``SEASONS`` seasons.

    Args:
        values: History without gaps, at least two seasons long.
        season_length: Steps per season, ≥ 2.
        horizon: Steps ahead.

    Raises:
        FitFailedError: statsmodels did not fit, or gave no finite number; the message carries its reason.
    """
    block = coarse.block_of(season_length, POINTS_PER_SEASON)
    points = coarse.averaged(values[-SEASONS * season_length :], block)
    period, steps = season_length // block, -(-horizon // block) + 1
    result, ahead = _maximised(points, _waves(np.arange(len(points) + steps, dtype=np.float64), period))
    if not np.isfinite(ahead).all():
        raise FitFailedError("SARIMAX gave a forecast that is not finite")
    converged = bool(result.mle_retvals.get("converged", False))
    return Textbook(
        model=NAME, path=coarse.spread(ahead, points[-1], block, horizon), aic=float(result.aic), points=len(points),
        parameters=dict(zip(_readable(result.param_names, period), map(float, result.params), strict=True)),
        block=block, note="" if converged else f"the fit had not converged after {ITERATIONS} iterations",
    )  # fmt: skip


def _waves(steps: FloatArray, period: int) -> FloatArray:
    """Sine and cosine of each wave, shape ``(steps, waves)``; a wave of two points has no sine."""
    angles = [2 * np.pi * k * steps / period for k in range(1, min(WAVES, (period - 1) // 2) + 1)]
    columns = [wave(angle) for angle in angles for wave in (np.sin, np.cos)]
    return np.stack(columns or [np.cos(np.pi * steps)], axis=1)


def _maximised(points: FloatArray, waves: FloatArray) -> tuple[Any, FloatArray]:
    from statsmodels.tsa.statespace.sarimax import SARIMAX

    known = len(points)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = SARIMAX(points, exog=waves[:known], order=ORDER, trend="c")
            result = model.fit(disp=False, maxiter=ITERATIONS, cov_type="none")
            ahead = np.asarray(result.forecast(len(waves) - known, exog=waves[known:]), dtype=np.float64)
    except (ValueError, ArithmeticError, IndexError, np.linalg.LinAlgError) as error:
        raise FitFailedError(f"SARIMAX did not fit: {error}") from error
    return result, ahead


def _readable(names: list[str], period: int) -> list[str]:
    """``x1`` becomes ``sin1``, ``x2`` ``cos1`` and so on."""
    regressors = [name for k in range(1, WAVES + 1) for name in (f"sin{k}", f"cos{k}")]
    if period < 3:
        regressors = ["alternation"]
    given = {f"x{i}": name for i, name in enumerate(regressors, start=1)}
    return [given.get(name, name) for name in names]
