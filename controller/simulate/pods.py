"""Pods that start and end: a ring of those on their way, each with its own start-up; the last to be ready go first."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from controller.compiled import compiled

IntArray = NDArray[np.int64]


@compiled
def start(ring: IntArray, slot: int, count: int, startup_ticks: IntArray, started: int) -> int:
    """Put ``count`` new pods on the ring, each with the next start-up of the common list; the new count of starts.

    Args:
        ring: Pods by the tick at which they will be ready, round and round; longer than the longest start-up.
        slot: The present tick's place.
        count: How many start.
        startup_ticks: The common list.
        started: How many were started before.
    """
    size, known = len(ring), len(startup_ticks)
    for k in range(started, started + count):
        place = slot + startup_ticks[k % known]
        ring[place if place < size else place - size] += 1
    return started + count


@compiled
def cancel(ring: IntArray, slot: int, count: int) -> int:
    """Take up to ``count`` pods off the ring, those that would be ready last first; how many it took."""
    size, left = len(ring), count
    for ahead in range(size - 1, 0, -1):
        if left == 0:
            break
        place = slot + ahead
        place = place if place < size else place - size
        taken = min(ring[place], left)
        ring[place] -= taken
        left -= taken
    return count - left


@compiled
def changed(
    ring: IntArray, ending: IntArray, slot: int, change: int, on_nodes: bool, grace_ticks: int,
    startup_ticks: IntArray, ready: int, starting: int, waiting: int, leaving: int, started: int,
) -> tuple[int, int, int, int, int]:  # fmt: skip
    """So many pods more or fewer; those that are ready, starting, waiting for a node, leaving, and ever started.

    Where there are nodes a new pod waits for one. Those go first that wait, then those that start.
    """
    if change > 0:
        if on_nodes:
            return ready, starting, waiting + change, leaving, started
        return ready, starting + change, waiting, leaving, start(ring, slot, change, startup_ticks, started)
    unplaced = min(waiting, -change)
    cancelled = cancel(ring, slot, -change - unplaced)
    ended = -change - unplaced - cancelled
    place = slot + grace_ticks + 1
    ending[place if place < len(ending) else place - len(ending)] += ended
    return ready - ended, starting - cancelled, waiting - unplaced, leaving + ended, started
