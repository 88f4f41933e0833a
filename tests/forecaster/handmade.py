"""Forecasts whose distribution is known in closed form."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
from scipy.special import ndtri

from domain.forecasts import Dependence, Forecast
from domain.series import FloatArray

NOON = datetime(2026, 11, 19, 12, tzinfo=UTC)
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


def normal(
    mean: FloatArray, deviation: float, *, dependence: Dependence | None, step: timedelta = timedelta(days=1),
    cutoff: datetime = NOON, signal: str = "shop/spend/daily",
) -> Forecast:  # fmt: skip
    """Each step normal around ``mean``."""
    return Forecast(
        signal=signal, model="fourier_ar", made_at=cutoff, cutoff=cutoff, step=step, season=None, mean=mean,
        quantiles=LEVELS, values=mean[:, None] + deviation * ndtri(np.array(LEVELS)), reference=None, backtest=None,
        history_start=cutoff, dependence=dependence,
    )  # fmt: skip
