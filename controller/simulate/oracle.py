"""Perfect foresight: the cheapest replicas that never miss the objective."""

from __future__ import annotations

from types import ModuleType

import numpy as np

from controller.compiled import compiled
from controller.simulate.loop import FloatArray, World
from controller.simulate.pods import IntArray


def demand(world: World, *, min_replicas: int) -> IntArray:
    """Fewest ready replicas that meet the objective at each tick."""
    safe = world.capacity_rps * world.largest_utilization_ratio
    return np.maximum(np.ceil(world.load_rps / safe - 1e-12), min_replicas).astype(np.int64)


def bill(world: World, *, min_replicas: int, by: ModuleType | None = None) -> FloatArray:
    """Billed replicas by tick.

    A dip of one replica that is shorter than a start-up and a termination costs less kept than released: the exact
    optimum of each replica's ski rental with the future known, all together the closing of the
    demand. A start is billed with the mean start-up. ``by`` may be the compiled twin of this module.
    """
    paid = float(world.startup_ticks.mean()) + world.grace_ticks
    kept = (by.closed if by else closed)(demand(world, min_replicas=min_replicas), int(paid))
    starts = np.maximum(np.diff(kept, prepend=kept[0]), 0)
    return np.asarray(kept + starts * paid)


@compiled
def closed(counts: IntArray, longest_dip: int) -> IntArray:
    """``counts`` with every dip of up to ``longest_dip`` ticks filled, level by level: a grey closing."""
    size = len(counts)
    ahead = np.empty(size + longest_dip, dtype=np.int64)
    for place in range(size + longest_dip):
        first = max(place - longest_dip, 0)
        best = counts[min(first, size - 1)]
        for k in range(first, min(place + 1, size)):
            best = max(best, counts[k])
        ahead[place] = best
    made = np.empty(size, dtype=np.int64)
    for tick in range(size):
        best = ahead[tick]
        for place in range(tick, tick + longest_dip + 1):
            best = min(best, ahead[place])
        made[tick] = best
    return made
