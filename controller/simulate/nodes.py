"""Machines under the pods: pools with slots, price and boot time; what does not fit stays Pending until one has booted.

Pods are alike and a node holds so many of them; consolidation repacks without cost, which flatters it a little.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from controller.compiled import compiled
from controller.simulate.pods import IntArray


class Pools(NamedTuple):
    """Node pools, cheapest slot first; all arrays of shape ``(pools,)``. No pools: pods never wait for a node.

    Attributes:
        slots: Pods that a node holds.
        largest: Nodes that the pool may have (quota, or what the provider has left).
        boot_ticks: From the request until pods can be placed.
        price: Per node and hour.
        idle_ticks: How long a whole node's slots must be free before one node is given back.
    """

    slots: IntArray
    largest: IntArray
    boot_ticks: IntArray
    price: NDArray[np.float64]
    idle_ticks: int


def no_pools() -> Pools:
    """Capacity without end."""
    none = np.zeros(0, dtype=np.int64)
    return Pools(slots=none, largest=none, boot_ticks=none, price=np.zeros(0), idle_ticks=0)


@compiled
def booted(up: IntArray, booting: IntArray, tick: int) -> None:
    """Nodes whose boot ends at ``tick`` join."""
    slot = tick % booting.shape[1]
    for pool in range(len(up)):
        up[pool] += booting[pool, slot]
        booting[pool, slot] = 0


@compiled
def free_slots(pools: Pools, up: IntArray, used: int) -> int:
    """Slots of the nodes that are up and hold no pod; never below 0."""
    total = 0
    for pool in range(len(up)):
        total += up[pool] * pools.slots[pool]
    return max(total - used, 0)


@compiled
def request(pools: Pools, up: IntArray, booting: IntArray, tick: int, missing: int) -> None:
    """Ask for nodes until ``missing`` slots are on their way, cheapest pool first, or every pool is at its limit."""
    for pool in range(len(up)):
        coming = booting[pool].sum()
        missing -= coming * pools.slots[pool]
    for pool in range(len(up)):
        here = up[pool] + booting[pool].sum()
        while missing > 0 and here < pools.largest[pool]:
            booting[pool, (tick + pools.boot_ticks[pool]) % booting.shape[1]] += 1
            here += 1
            missing -= pools.slots[pool]


@compiled
def consolidate(pools: Pools, up: IntArray, idle_for: IntArray, free: int) -> None:
    """Give one node back, dearest pool first, when a node's worth of slots has been free long enough."""
    for pool in range(len(up) - 1, -1, -1):
        idle = up[pool] > 0 and free >= pools.slots[pool]
        idle_for[pool] = idle_for[pool] + 1 if idle else 0
        if idle_for[pool] > pools.idle_ticks:
            up[pool] -= 1
            idle_for[pool] = 0
            free -= pools.slots[pool]


@compiled
def cost_per_hour(pools: Pools, up: IntArray, booting: IntArray) -> float:
    """Of all nodes, those that boot included: providers bill from the start."""
    total = 0.0
    for pool in range(len(up)):
        total += (up[pool] + booting[pool].sum()) * pools.price[pool]
    return total
