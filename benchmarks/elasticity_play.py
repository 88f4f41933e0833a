"""Workloads against controllers, compiled, on all cores; each replay judged on the whole and on both halves."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np

from benchmarks.elasticity_traces import Workload
from controller import compiled, core, price
from controller.simulate import loop, metric, nodes, oracle, plans, pods, protocol
from controller.simulate.loop import FloatArray, Plan, Reactive, World
from controller.simulate.protocol import Result
from controller.simulate.service import Service
from domain.load_ahead import LoadAhead
from forecaster import lead

SERVICE: Final = Service.queue()
MIN_REPLICAS: Final = 2
USUAL_START: Final = (60.0, 180.0)
SLOW_START: Final = (180.0, 420.0)
CLOCK: Final = lead.Clock(day=protocol.DAY_TICKS, minute=4, delay=protocol.DELAY_SECONDS // protocol.TICK_SECONDS)
OFFSET: Final = 0.05 * SERVICE.safe_rps
NUMERIC: Final = (core, price, metric, nodes, pods, loop, oracle)

_twins = compiled.twins(NUMERIC)
FAST_PRICE: Final[Any] = _twins[1]
FAST_LOOP: Final[Any] = _twins[5]
FAST_ORACLE: Final[Any] = _twins[6]


class Judged(NamedTuple):
    """One replay on the whole, on the half to choose on and on the half to judge on."""

    whole: Result
    first: Result
    second: Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One workload with one start-up regime."""

    name: str
    world: World
    bill: FloatArray
    lead_ticks: tuple[int, int]

    @property
    def ticks(self) -> int:
        """How long it is."""
        return len(self.world.load_rps)


Setting = tuple[Reactive, Plan]
"""One variant of a controller."""


def case(of: Workload, startup_seconds: tuple[float, float]) -> Case:
    """A workload ready to be replayed."""
    world = protocol.world(of.load_rps, service=SERVICE, startup_seconds=startup_seconds)
    bill = oracle.bill(world, min_replicas=MIN_REPLICAS, by=FAST_ORACLE)
    ticks = (int(world.startup_ticks.min()), int(world.startup_ticks.max()))
    return Case(name=of.name, world=world, bill=bill, lead_ticks=ticks)


def play(on: Case, settings: Sequence[Setting], *, workers: int | None = None) -> list[Judged]:
    """Every setting, in order; the machine code holds no lock, so threads share the workload."""
    count = workers or os.cpu_count() or 1
    with ThreadPoolExecutor(count) as pool:
        parts = pool.map(lambda k: _some(on, settings[k::count]), range(count))
        made: list[Judged | None] = [None] * len(settings)
        for k, part in enumerate(parts):
            made[k::count] = part
    return [one for one in made if one is not None]


def _some(on: Case, settings: Sequence[Setting]) -> list[Judged]:
    record = loop.blank_record(on.ticks)
    first, second = protocol.halves(on.ticks)
    made = []
    for reactive, plan in settings:
        FAST_LOOP.run(on.world, reactive, plan, nodes.no_pools(), record)
        made.append(
            Judged(*(protocol.judge(on.world, record, on.bill, where)
                     for where in (protocol.evaluated(on.ticks), first, second)))
        )  # fmt: skip
    return made


def outlook(on: Case) -> tuple[LoadAhead, LoadAhead]:
    """The load when a start of now is ready, and until then and a little longer."""
    first, last = on.lead_ticks
    middle = (first + last) / 2
    windows = ((round(middle) - 1, round(middle) + 1), (1, last))
    add, keep = lead.forecast(on.world.load_rps, windows=windows, clock=CLOCK, offset=OFFSET)
    return add, keep


def geometric_mean(values: Sequence[float]) -> float:
    """Of ratios."""
    return math.exp(float(np.mean(np.log(values))))


def points(of: Sequence[Judged]) -> list[protocol.Point]:
    """Cost and violated time on the whole."""
    return [(one.whole.cost_ratio, one.whole.violated_pct) for one in of]


def chosen(of: Sequence[Judged], violated_pct: float = 0.3) -> Judged:
    """What a backtest on the first half would choose: the cheapest within the class, else the least violated."""
    good = [one for one in of if one.first.violated_pct <= violated_pct]
    if good:
        return min(good, key=lambda one: one.first.cost_ratio)
    return min(of, key=lambda one: one.first.violated_pct)
