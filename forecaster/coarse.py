"""A fine season averaged down to so many points: what a textbook model can take in bounded time."""

from __future__ import annotations

import numpy as np

from domain.series import FloatArray


def block_of(season_length: int, most: int) -> int:
    """Steps per point: the smallest divisor of the season that leaves at most ``most`` points, and at least two.

    1 where there is none (a season of 283 steps): the time is then bounded by the history's length alone.
    """
    divisors = (d for d in range(1, season_length // 2 + 1) if season_length % d == 0)
    return next((d for d in divisors if season_length // d <= most), 1)


def averaged(values: FloatArray, block: int) -> FloatArray:
    """Means of blocks; the last block ends with the last value, and what does not fill a block is left out."""
    whole = len(values) // block * block
    means: FloatArray = values[len(values) - whole :].reshape(-1, block).mean(axis=1)
    return means


def spread(coarse: FloatArray, last: float, block: int, horizon: int) -> FloatArray:
    """A path of block means back on steps, linearly between the blocks' centres; ``last`` is the newest known mean."""
    if block == 1:
        return coarse[:horizon]
    centres = np.arange(-1, len(coarse)) * block + (block + 1) / 2
    spread_out: FloatArray = np.interp(np.arange(1, horizon + 1), centres, np.concatenate([[last], coarse]))
    return spread_out
