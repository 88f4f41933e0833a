"""A floor to be written under a reactive HPA: it follows the decisions in few, wide steps; the HPA does the rest.

Up when the decision has outgrown the floor by a share of it, down when for a whole window far less was enough.
"""

from __future__ import annotations

from typing import Final

from controller import core
from controller.compiled import compiled
from controller.simulate.pods import IntArray

UP_SHARE: Final = 0.15
DOWN_SHARE: Final = 0.25
WINDOW_SECONDS: Final = 3_600


@compiled
def follow(wanted: IntArray, up_share: float, down_share: float, window: int, into: IntArray) -> int:
    """The floor by tick, written ``into`` an array; how many writes it took.

    Args:
        wanted: Decided replicas by tick.
        up_share: How far ``wanted`` may lie above the floor before it is raised, to ``wanted``.
        down_share: How far below the floor the window's largest ``wanted`` must lie before it is lowered to that.
        window: In ticks.
        into: Takes the floor.
    """
    floor, writes, largest, until = wanted[0], 0, wanted[0], 0
    for tick in range(len(wanted)):
        if wanted[tick] >= largest:
            largest, until = wanted[tick], tick + window
        elif tick >= until:
            largest = wanted[max(tick - window + 1, 0) : tick + 1].max()
            back = 0
            while wanted[tick - back] != largest:
                back += 1
            until = tick - back + window
        if wanted[tick] > max(core.ceil32(floor * (1 + up_share)), floor + 1):
            floor = wanted[tick]
            writes += 1
        elif largest < min(floor * (1 - down_share), floor - 1):
            floor = largest
            writes += 1
        into[tick] = floor
    return writes
