"""Naive: tomorrow is what now is. Whoever loses to it has not earned to be served."""

from __future__ import annotations

import numpy as np

from domain.series import FloatArray, IntArray


def paths(values: FloatArray, origins: IntArray, *, season_length: int, horizon: int) -> FloatArray:
    """The last value of each origin, held flat.

    Args:
        values: History without gaps, shape ``(n,)``.
        origins: Number of values known at each origin, each ≥ 1.
        season_length: Not used; there for the common signature.
        horizon: Steps ahead.

    Returns:
        Point forecasts, shape ``(len(origins), horizon)``.
    """
    return np.repeat(values[origins - 1][:, None], horizon, axis=1)
