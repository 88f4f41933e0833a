"""The price rule: as many replicas as cost least when a missed tick costs as much as so many idle replicas.

``n + V·P(load > n·c)`` at its smallest, where P comes from a forecast: a centre and a scale in log load, and a table of
how often errors of so many scales were exceeded. Plain functions on numbers and arrays, for live and replay.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from controller import core
from controller.compiled import compiled

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

OVERLOADED: Final = 0.95 / 0.85
"""95 % of what a replica can do at all, told by what it carries within its objective, where 85 % is usual."""
RELIEF: Final = 1.5


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


@compiled
def floors_by(
    centre: FloatArray, scale: FloatArray, tails: FloatArray, row: IntArray, lowest: float, step: float,
    log_room: FloatArray, first: IntArray, missed: FloatArray, into: IntArray,
) -> None:  # fmt: skip
    """``cheapest`` for every tick, each with its own price of a missed tick."""
    for tick in range(len(centre)):
        into[tick] = cheapest(
            centre[tick], scale[tick], tails[row[tick]], lowest, step, log_room, first[tick], missed[tick]
        )


@compiled
def steered(level: float, late: int, budget: float, gain: float, highest: float) -> float:
    """One tick of the error budget: a late tick makes more careful, each other tick a little less."""
    if budget <= 0:
        return level
    return min(max(level + gain * (late - budget), 0.0), highest)


@compiled
def between(of: IntArray, low: int, high: int, tick: int, share: float) -> int:
    """The number between two levels of caution, rounded up."""
    if share == 0.0:
        return int(of[low][tick])
    return core.ceil32(of[low][tick] + share * (of[high][tick] - of[low][tick]))


@compiled
def planned(
    raise_below: IntArray, raise_to: IntArray, lower_above: IntArray, lower_to: IntArray, tick: int, level: float,
    current: int,
) -> int:  # fmt: skip
    """What the plan wants at this level of caution, between whole levels by interpolation."""
    low = int(level)
    high = min(low + 1, len(raise_to) - 1)
    share = level - low

    if current < between(raise_below, low, high, tick, share):
        return between(raise_to, low, high, tick, share)
    if current > between(lower_above, low, high, tick, share):
        return min(current, between(lower_to, low, high, tick, share))
    return current


@compiled
def is_missed(load: float, ready: int, capacity: float) -> int:
    """1 where the load that is seen is more than the ready replicas carry within the objective."""
    return 1 if load > ready * capacity else 0


@compiled
def relieved(asked: int, load: float, ready: int, capacity: float) -> int:
    """At least half as many again as are ready, while these are overloaded.

    Of those that are ready: what was started last tick is on its way, and asking for half of it again every 15 s would
    make twentyfold of a start-up of two minutes.
    """
    if load > OVERLOADED * ready * capacity:
        return max(asked, core.ceil32(RELIEF * ready))
    return asked
