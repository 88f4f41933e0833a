"""The price rule: as many replicas as cost least when a missed tick costs as much as so many idle replicas.

``n + V·P(load > n·c)`` at its smallest, where P comes from a forecast: a centre and a scale in log load, and a table of
how often errors of so many scales were exceeded. Plain functions on numbers and arrays, for live and replay.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from controller.compiled import compiled

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@compiled
def miss_share(standard: float, tail: FloatArray, lowest: float, step: float) -> float:
    """How often an error of ``standard`` scales is exceeded, from ``tail`` on its even grid, by interpolation."""
    place = (standard - lowest) / step
    if place < 0.0:
        return 1.0
    last = len(tail) - 1
    if place >= last:
        return 0.0
    left = int(place)
    return float(tail[left] + (place - left) * (tail[left + 1] - tail[left]))


@compiled
def cheapest(
    centre: float, scale: float, tail: FloatArray, lowest: float, step: float, log_room: FloatArray, first: int,
    missed: float,
) -> int:  # fmt: skip
    """The number of replicas with the smallest price; the smaller one of two that are equal.

    Args:
        centre: Forecast of the log load.
        scale: Its usual error.
        tail: Share of errors beyond each point of the grid.
        lowest: First point of the grid, in scales.
        step: Between its points.
        log_room: Log of the load that 0, 1, 2, … replicas may carry.
        first: Fewer replicas than this (but one) surely miss and need no look.
        missed: Price of a missed tick, in replicas.
    """
    best, least = 1, 1.0 + missed
    count = max(first, 1)
    while count < least and count < len(log_room):
        price = count + missed * miss_share((log_room[count] - centre) / scale, tail, lowest, step)
        if price < least:
            best, least = count, price
        count += 1
    return best


@compiled
def floors(
    centre: FloatArray, scale: FloatArray, tails: FloatArray, row: IntArray, lowest: float, step: float,
    log_room: FloatArray, first: IntArray, missed: float, into: IntArray,
) -> None:  # fmt: skip
    """``cheapest`` for every tick, each with its row of ``tails``."""
    for tick in range(len(centre)):
        into[tick] = cheapest(centre[tick], scale[tick], tails[row[tick]], lowest, step, log_room, first[tick], missed)
