"""Splits an exact amount by inexact weights, so that the parts add up to the amount to the last digit.

Weights come out of float arithmetic. Rounding each part by itself loses up to half a unit per part; rounding the
running sum loses nothing, keeps every part within one unit of its own value and never makes one negative.
"""

from __future__ import annotations

from decimal import Decimal, localcontext
from typing import Final

import numpy as np
from numpy.typing import NDArray

EXACT_DIGITS: Final = 80
"""Prices times bytes in GiB (30 decimal places) times hours in microseconds (10) stay whole."""
_SIGNIFICANT: Final = 15
"""Decimal digits that a float carries for certain."""


def apportion(total: Decimal, weights: NDArray[np.float64]) -> list[Decimal]:
    """``total`` in parts proportional to ``weights``.

    Args:
        total: Of either sign; zero gives zeros.
        weights: Shape ``(n,)``, not all zero unless ``total`` is; negative ones (OpenCost's idle) are taken as they
            are.

    Returns:
        ``n`` amounts whose exact sum is ``total``; what does not fit the unit goes to the largest.

    Raises:
        ValueError: There is something to split and nothing to split it by.
    """
    if not total:
        return [Decimal(0)] * len(weights)
    running = np.cumsum(weights / (np.abs(weights).max(initial=0.0) or 1.0))
    if not len(weights) or running[-1] == 0.0:
        raise ValueError("nothing to split the amount by: the weights are zero")
    exponent = total.adjusted() - _SIGNIFICANT + 1
    units = np.rint(running / running[-1] * float(total.scaleb(-exponent)))
    with localcontext() as context:
        context.prec = EXACT_DIGITS
        parts = [Decimal(int(unit)).scaleb(exponent) for unit in np.diff(units, prepend=0.0)]
        largest = int(np.argmax(np.abs(weights)))
        parts[largest] += total - sum(parts, Decimal(0))
    return parts
