"""How many nodes of a pool are needed: first-fit decreasing, with DaemonSets' overhead and the largest pod in mind.

Requests of CPU and memory and the number of pods are looked at; affinities, taints, volumes of a zone and disruption
budgets are not, so a pool that is full of those gives back less than is said here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cost.recommendations.present import MOST_PODS, Load, Node

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """``used`` says of each node whether pods other than DaemonSets' are on it; ``fits`` whether all found room."""

    used: Mask
    fits: bool


def order(nodes: Sequence[Node]) -> list[Node]:
    """In which they are filled: those that cannot be given back, then the dearest.

    So those that go are the cheapest, and no more is promised than comes.
    """
    return sorted(nodes, key=lambda node: (node.committed_until is None, -node.monthly, node.name))


def pack(nodes: Sequence[Node], loads: Sequence[Load]) -> Packed:
    """Put the loads onto the nodes, filled in the order given; largest pods first, each onto the first node with room.

    Equal pods are placed together, which gives what one after the other would.
    """
    free = np.array([[node.cpu_millicores, node.memory_bytes, MOST_PODS] for node in nodes], dtype=np.int64)
    free = free.reshape(len(nodes), 3)
    whole = free.max(axis=0, initial=1).astype(np.float64)
    for load in loads:
        if load.on_every_node:
            free -= np.array([load.cpu_millicores, load.memory_bytes, 1])
    used = np.zeros(len(nodes), dtype=bool)
    fits = True
    for need, pods in _largest_first(loads, whole):
        room = np.clip((free[:, need > 0] // need[need > 0]).min(axis=1), 0, None)
        before = np.cumsum(room) - room
        placed = np.clip(pods - before, 0, room)
        free -= placed[:, None] * need
        used |= placed > 0
        fits = fits and int(placed.sum()) == pods
    return Packed(used=used, fits=fits)


def _largest_first(loads: Sequence[Load], whole: NDArray[np.float64]) -> list[tuple[NDArray[np.int64], int]]:
    """By the share of a node that a pod takes of what it takes most of."""
    shapes: dict[tuple[int, int], int] = {}
    for load in loads:
        if not load.on_every_node and load.pods > 0:
            shape = (load.cpu_millicores, load.memory_bytes)
            shapes[shape] = shapes.get(shape, 0) + load.pods
    ordered = sorted(shapes, key=lambda shape: (-max(shape[0] / whole[0], shape[1] / whole[1]), shape))
    return [(np.array([*shape, 1], dtype=np.int64), shapes[shape]) for shape in ordered]
