"""Sums and means that forget, over a whole history. Scipy stays out of the live process: there each is one line."""

from __future__ import annotations

import numpy as np

from forecaster.lead_features import FloatArray


def decayed(values: FloatArray, half_life: float) -> FloatArray:
    """Exponentially weighted mean of all values so far."""
    from scipy.signal import lfilter  # 40 MB that only the worker that reads a whole history needs

    kept = 0.5 ** (1 / half_life)
    return np.asarray(lfilter([1 - kept], [1, -kept], values, zi=[kept * values[0]])[0])


def summed(values: FloatArray, kept: float) -> FloatArray:
    """Sum of all rows so far, of which a share is kept from row to row."""
    from scipy.signal import lfilter

    return np.asarray(lfilter([1.0], [1.0, -kept], values, axis=0))
