"""Profile: the median of the same hour of the last weeks. Deaf to what happens now, and to every spike."""

from __future__ import annotations

from typing import Final

import numpy as np

from domain.series import FloatArray, IntArray

WEEKS: Final = 4


def paths(batch: FloatArray, origins: IntArray, *, period: int, horizon: int, periods: int = WEEKS) -> FloatArray:
    """Median over the same phase of the last ``periods`` periods, fewer where fewer are known.

    Args:
        batch: Histories without gaps, shape ``(n, length)``.
        origins: Number of values known at each origin, each ≥ ``period``.
        period: Steps.
        horizon: Steps ahead; beyond one period it repeats.
        periods: How many to look back.

    Returns:
        Shape ``(len(origins), n, horizon)``.
    """
    phase = np.arange(horizon) % period
    made = np.empty((len(origins), len(batch), horizon))
    for k, origin in enumerate(origins):
        back = np.arange(1, min(periods, int(origin) // period) + 1)
        made[k] = np.median(batch[:, origin - period * back[:, None] + phase], axis=1)
    return made
