"""Holt-Winters by statsmodels: the reference beside the served forecast, because everybody can explain it.

Never served. statsmodels is imported inside the function: it costs 1.3 s and 190 MB, so only a worker that ends shortly
afterwards may call it.
"""

from __future__ import annotations

import warnings
from typing import Final

import numpy as np

from domain.errors import FitFailedError
from domain.series import FloatArray

POINTS_PER_SEASON: Final = 96
"""A finer season is averaged down to this: at 288 a fit takes seconds, at 96 some tens of milliseconds."""
SEASONS: Final = 7


def path(values: FloatArray, *, season_length: int, horizon: int) -> FloatArray:
    """Level and additive season, smoothed over the last ``SEASONS`` seasons.

    Args:
        values: History without gaps, at least two seasons long.
        season_length: Steps per season, ≥ 2.
        horizon: Steps ahead.

    Returns:
        Point forecast, shape ``(horizon,)``.

    Raises:
        FitFailedError: statsmodels did not fit, or gave no finite number; the message carries its reason.
    """
    block = _block(season_length)
    coarse = _averaged(values[-SEASONS * season_length :], block)
    steps = -(-horizon // block) + 1
    return _spread(_smooth(coarse, season_length // block, steps), coarse[-1], block, horizon)


def _block(season_length: int) -> int:
    """The smallest divisor of the season that leaves at most ``POINTS_PER_SEASON`` points, and at least two."""
    divisors = (d for d in range(1, season_length // 2 + 1) if season_length % d == 0)
    return next((d for d in divisors if season_length // d <= POINTS_PER_SEASON), 1)


def _averaged(values: FloatArray, block: int) -> FloatArray:
    """Means of blocks; the last block ends with the last value."""
    whole = len(values) // block * block
    means: FloatArray = values[len(values) - whole :].reshape(-1, block).mean(axis=1)
    return means


def _smooth(values: FloatArray, season_length: int, steps: int) -> FloatArray:
    from statsmodels.tsa.holtwinters import ExponentialSmoothing

    try:
        # After the import: statsmodels turns its own warnings on when it is loaded.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = ExponentialSmoothing(
                values, seasonal="add", seasonal_periods=season_length, initialization_method="heuristic"
            )
            forecast = np.asarray(model.fit().forecast(steps), dtype=np.float64)
    except (ValueError, ArithmeticError, IndexError, np.linalg.LinAlgError) as error:
        raise FitFailedError(f"Holt-Winters did not fit: {error}") from error
    if not np.isfinite(forecast).all():
        raise FitFailedError("Holt-Winters gave a forecast that is not finite")
    return forecast


def _spread(coarse: FloatArray, last: float, block: int, horizon: int) -> FloatArray:
    """Back from block means to steps, linearly between the blocks' centres."""
    if block == 1:
        return coarse[:horizon]
    centres = np.arange(-1, len(coarse)) * block + (block + 1) / 2
    spread: FloatArray = np.interp(np.arange(1, horizon + 1), centres, np.concatenate([[last], coarse]))
    return spread
