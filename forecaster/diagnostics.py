"""Two textbook tests by statsmodels: does the level wander, and is anything left to learn in the residuals?

statsmodels is imported inside the functions: only a worker that ends shortly afterwards may call them.
"""

from __future__ import annotations

import warnings
from typing import Final

import numpy as np

from domain.errors import FitFailedError
from domain.series import FloatArray

ADF_LAGS: Final = 24
"""At most; AIC chooses. statsmodels' own bound grows with the history, and its time with the square of it."""
LJUNG_BOX_LAGS: Final = 10
"""Hyndman's advice for data without a season, which residuals should be; at most a fifth of their number."""


def adf_p(values: FloatArray) -> float | None:
    """Augmented Dickey-Fuller: probability of such values if their level were a random walk; None where it cannot tell.

    Small means that the level returns.
    """
    from statsmodels.tsa.stattools import adfuller

    if len(values) < 2 * ADF_LAGS or not np.ptp(values):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = adfuller(values, maxlag=ADF_LAGS, autolag="AIC", result_object=True)
    except (ValueError, ArithmeticError, np.linalg.LinAlgError) as error:
        raise FitFailedError(f"the Dickey-Fuller test failed: {error}") from error
    return float(result.pvalue) if np.isfinite(result.pvalue) else None


def ljung_box_p(residuals: FloatArray) -> tuple[float, int] | None:
    """Ljung-Box: probability of such autocorrelation if the residuals were noise, and over how many lags.

    Small means that something is left to learn. None where there are fewer than 50 residuals, or all are the same.
    """
    from statsmodels.stats.diagnostic import acorr_ljungbox

    if len(residuals) < 5 * LJUNG_BOX_LAGS or not np.ptp(residuals):
        return None
    table = acorr_ljungbox(residuals, lags=[LJUNG_BOX_LAGS], return_df=True)
    p = float(table["lb_pvalue"].iloc[0])
    return (p, LJUNG_BOX_LAGS) if np.isfinite(p) else None
