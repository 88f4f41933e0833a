"""Workloads against controllers, compiled, on all cores; each replay judged on the whole and on both halves."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from benchmarks.elasticity_traces import Workload
from controller.simulate import loop, oracle, plans, protocol, replay
from controller.simulate.loop import FloatArray, Plan, Reactive, World
from controller.simulate.protocol import Result
from controller.simulate.service import Service
from forecaster import lead, lead_surge

SERVICE: Final = Service.queue()
MIN_REPLICAS: Final = 2
USUAL_START: Final = (60.0, 180.0)
SLOW_START: Final = (180.0, 420.0)
CLOCK: Final = lead.Clock(day=protocol.DAY_TICKS, minute=4, delay=protocol.DELAY_SECONDS // protocol.TICK_SECONDS)
BUDGET_GAIN: Final = 0.05
"""Levels of caution for a missed tick: a missed minute makes a miss 15 % dearer."""


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
    bill = oracle.bill(world, min_replicas=MIN_REPLICAS, by=replay.engine().oracle)
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
        replay.replay(on.world, reactive, plan, record=record)
        made.append(
            Judged(*(protocol.judge(on.world, record, on.bill, where)
                     for where in (protocol.evaluated(on.ticks), first, second)))
        )  # fmt: skip
    return made


def plan(
    on: Case, missed: Sequence[float], *, keep_longer: int = 0, release_share: float = 0.5, budget: float = 0.0
) -> Plan:
    """The policy: forecast, surge floor and price rule.

    Args:
        on: The workload.
        missed: Prices of a missed tick, one for each level of caution.
        keep_longer: Ticks beyond the longest start-up for which a replica must not be needed to be given back.
        release_share: Price of a miss in that question.
        budget: Share of time that may miss the objective, which steers the level.
    """
    load, (first, last) = on.world.load_rps, on.lead_ticks
    middle = round((first + last) / 2)
    add, keep = lead.forecast(
        load, windows=((middle - 1, middle + 1), (1, last + keep_longer)), clock=CLOCK, unit=SERVICE.safe_rps
    )
    surge = lead_surge.floor(load, last=last, day=CLOCK.day, minute=CLOCK.minute, delay=CLOCK.delay)
    return plans.following(
        add, keep, safe_rps=SERVICE.safe_rps, missed=missed, surge_rps=surge, release_share=release_share,
        violated_budget=budget, gain=BUDGET_GAIN, by=replay.engine().price,
    )  # fmt: skip


def one_level(of: Plan, level: int) -> Plan:
    """The plan of one price alone."""
    rows = {
        name: getattr(of, name)[level : level + 1] for name in ("raise_below", "raise_to", "lower_above", "lower_to")
    }
    return of._replace(**rows)


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
