"""Guard rails: a forecast that nobody would believe is not served, whichever model made it."""

from __future__ import annotations

from typing import Final

import numpy as np

from domain.series import FloatArray
from forecaster.history import History

OUT_OF_RANGE: Final = 3.0
WIDEST: Final = 10.0
"""In widths of the history's range. The lesson: on daily data a seasonal ETS once forecast 1.4e8 times the truth."""


def objection(mean: FloatArray, values: FloatArray, history: History) -> str | None:
    """Why the forecast is not to be believed; None when it is within reason.

    Args:
        mean: Point forecast, shape ``(horizon,)``.
        values: Its quantiles, shape ``(horizon, n)``, rising along the last axis.
        history: What it was made from.
    """
    return beyond(mean, values, lowest=float(history.values.min()), highest=float(history.values.max()))


def beyond(mean: FloatArray, values: FloatArray, *, lowest: float, highest: float) -> str | None:
    """The same of a history of which only the range is known."""
    if not (np.isfinite(mean).all() and np.isfinite(values).all()):
        return "gave a number that is not finite"
    spread = highest - lowest
    reach = OUT_OF_RANGE * spread
    if float(mean.max()) > highest + reach or float(mean.min()) < lowest - reach:
        return f"left the history's range by more than {OUT_OF_RANGE:g} times its width"
    if float((values[:, -1] - values[:, 0]).max()) > WIDEST * spread:
        return f"has a band wider than {WIDEST:g} times the history's range"
    return None
