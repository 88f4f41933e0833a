"""A workload replayed against a controller: compiled where numba is there, the same loop in plain Python elsewhere."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from controller import compiled, core, price
from controller.simulate import envelope, loop, metric, nodes, oracle, pods
from controller.simulate.loop import Plan, Reactive, Record, World
from controller.simulate.nodes import Pools


class Engine(NamedTuple):
    """The numeric modules, plain or compiled."""

    price: Any
    envelope: Any
    loop: Any
    oracle: Any


PLAIN = Engine(price=price, envelope=envelope, loop=loop, oracle=oracle)


@cache
def engine() -> Engine:
    """Compiled with the extra ``compiled``, else plain. The first run of each function compiles it: some 15 s, once."""
    made = compiled.twins([core, price, metric, nodes, pods, envelope, loop, oracle])
    return Engine(price=made[1], envelope=made[5], loop=made[6], oracle=made[7])


def replay(
    world: World, reactive: Reactive, plan: Plan, *, pools: Pools | None = None, record: Record | None = None,
    by: Engine | None = None,
) -> Record:  # fmt: skip
    """What happens to the whole workload.

    Args:
        world: The workload.
        reactive: The HPA.
        plan: What the forecast asks; ``plans.no_plan()`` for none.
        pools: Nodes; capacity without end by default.
        record: Room to use again; new by default.
        by: The engine; the fastest by default.
    """
    chosen, made = by or engine(), record or loop.blank_record(len(world.load_rps))
    machines = pools or nodes.no_pools()
    if chosen.loop is not loop:
        chosen.loop.run(world, reactive, plan, machines, made)
        return made
    scratch = Record(*_lists(made))
    loop.run(World(*_lists(world)), Reactive(*_lists(reactive)), Plan(*_lists(plan)), machines, scratch)
    arrays: tuple[NDArray[Any], ...] = tuple(made)
    for array, values in zip(arrays, scratch, strict=True):
        array[:] = values
    return made


def _lists(of: tuple[Any, ...]) -> list[Any]:
    """Plain Python reads a list five times as fast as an array."""
    return [value.tolist() if isinstance(value, np.ndarray) else value for value in of]
