"""A ScalingRule replayed on recorded signals, with the live decision's own numbers, pods that start and nodes.

``numbers`` turns the document into arrays once; ``replay`` runs it, compiled where numba is there. What the document
does not say (start-up, what a replica carries, metric delay) are ``Assumptions``, which a report tells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from types import ModuleType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from controller import combine, compiled, core, hpa, price
from controller.combine import Program
from controller.simulate import loop, metric, nodes, oracle, plans, pods, rule_loop
from controller.simulate.loop import FloatArray, Plan, World
from controller.simulate.nodes import Pools
from controller.simulate.pods import IntArray
from controller.simulate.rule_loop import Numbers, Record
from rules.schema import Behavior, Guard, ScalingRule, Trigger

STARTUP_SEED: Final = 20_260_416
STARTS: Final = 4_096
USAGE_SECONDS: Final = 60
"""Over which simulated usage is averaged; metrics-server's 30 s and a rate over a minute lie on both sides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumptions:
    """What the document does not say.

    Attributes:
        startup_seconds: Shortest and longest time from started to ready; uniform between them, with a fixed seed.
        safe_per_replica: The most load that a replica carries within the objective.
        largest_utilization_ratio: That load over what a replica can do at all.
        metric_delay_seconds: From the load to the decision that sees it.
        grace_seconds: For how long a pod that ends is still billed.
        patience_seconds: Work that may queue before clients give up.
        backlog_seconds: A longer queue misses the objective by itself.
        requests: Of one replica: ``cpu`` in cores, ``memory`` in bytes.
        limits: The same of its limits, for triggers that compare with them.
        usage_per_load: What one unit of load takes of a resource, for triggers on resources that were not recorded.
        pools: Nodes; None: pods never wait for one.
    """

    startup_seconds: tuple[float, float] = (60.0, 180.0)
    safe_per_replica: float
    largest_utilization_ratio: float = 0.85
    metric_delay_seconds: float = 30.0
    grace_seconds: float = 30.0
    patience_seconds: float = 60.0
    backlog_seconds: float = 0.05
    requests: Mapping[str, float] = field(default_factory=dict)
    limits: Mapping[str, float] = field(default_factory=dict)
    usage_per_load: Mapping[str, float] = field(default_factory=dict)
    pools: Pools | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """What was recorded, on an even grid; all arrays have shape ``(ticks,)``.

    Attributes:
        tick_seconds: Length of a tick.
        load: Offered at each tick, no NaN, in the unit of ``safe_per_replica``.
        values: What each trigger saw at the decision of each tick, by name; NaN where it saw nothing. Of a schedule,
            an event, a queue and ``asReplicas`` it is the number of replicas.
        peaks: Of each trigger with a forecast quantile: its peak within the lead, as known at each tick.
        plan: Of the trigger with a priced forecast.
        plan_from: The first tick at which that forecast has learned enough.
        left_out: Triggers of which next to nothing was recorded: they have no say, and hold nothing.
        schedule_min: Lower bound of the schedules; None: 0.
        schedule_max: Upper bound; None: no end.
        ceiling: The lowest ceiling; None: no end.
        slo: State of the SLO that guards the rule (``rule_loop.KEPT`` and its neighbours); None: not recorded.
        active: When each trigger tells of work, 0 or 1; for a rule that idles.
    """

    tick_seconds: float
    load: FloatArray
    values: Mapping[str, FloatArray]
    peaks: Mapping[str, FloatArray] = field(default_factory=dict)
    plan: Plan | None = None
    plan_from: int = 0
    left_out: frozenset[str] = frozenset()
    schedule_min: IntArray | None = None
    schedule_max: IntArray | None = None
    ceiling: IntArray | None = None
    slo: IntArray | None = None
    active: Mapping[str, IntArray] = field(default_factory=dict)

    @property
    def ticks(self) -> int:
        """How many."""
        return len(self.load)


@cache
def _engine() -> tuple[ModuleType, ModuleType, ModuleType]:
    """Loop, oracle and prices, compiled with the extra ``compiled``, else plain; compiling takes some 20 s, once."""
    made = compiled.twins([core, combine, price, metric, nodes, pods, loop, oracle, rule_loop])
    return made[-1], made[-2], made[2]


def is_compiled() -> bool:
    """Whether replays run as machine code."""
    return _engine()[0] is not rule_loop


def oracles() -> ModuleType:
    """The arithmetic of perfect foresight."""
    return _engine()[1]


def prices() -> ModuleType:
    """The price rule."""
    return _engine()[2]


def world(signals: Signals, given: Assumptions) -> World:
    """Load and pods of a replay; the same for every rule that is compared."""
    seconds, lowest = signals.tick_seconds, given.startup_seconds
    drawn = np.random.default_rng(STARTUP_SEED).uniform(*lowest, size=STARTS)
    return World(
        load_rps=signals.load,
        load_before=np.concatenate([[0.0], np.cumsum(signals.load)]),
        startup_ticks=np.maximum(np.ceil(drawn / seconds), 1).astype(np.int64),
        tick_seconds=float(seconds),
        capacity_rps=given.safe_per_replica / given.largest_utilization_ratio,
        largest_utilization_ratio=given.largest_utilization_ratio,
        delay_ticks=round(given.metric_delay_seconds / seconds),
        grace_ticks=round(given.grace_seconds / seconds),
        patience_seconds=given.patience_seconds,
        backlog_seconds=given.backlog_seconds,
    )


def replay(
    rule: ScalingRule, signals: Signals, given: Assumptions, *, first: int | None = None, plain: bool = False,
    program: Program | None = None,
) -> Record:  # fmt: skip
    """What the rule would have done, and what would have happened.

    Args:
        rule: The rule; its ``pause`` is left out, it is of its day, and its ``budget``.
        signals: What was recorded.
        given: What was not.
        first: Replicas at the beginning; by default as many as the first load needs.
        plain: Without the compiled extra; the answer is the same.
        program: Of ``combine``; None: the largest proposal.
    """
    around, made = world(signals, given), numbers(rule, signals, given, program=program)
    values = seen(rule, signals)
    begin = first if first is not None else needed(signals.load[0], given)
    begin = min(max(begin, made.min_replicas), made.max_replicas)
    plan, pools = signals.plan or plans.no_plan(), given.pools or nodes.no_pools()
    record, room = rule_loop.blank_record(signals.ticks), rule_loop.scratch(made, around)
    chosen = rule_loop if plain else _engine()[0]
    if chosen is not rule_loop:
        chosen.run(around, made, values, plan, pools, begin, room, record)
        return record
    lists = Record(*_lists(record))
    scratch = rule_loop.Scratch(*_lists(room))
    rule_loop.run(
        World(*_lists(around)), Numbers(*_lists(made)), values.tolist(), Plan(*_lists(plan)),
        pools, begin, scratch, lists,
    )  # fmt: skip
    arrays: tuple[NDArray[Any], ...] = tuple(record)
    for array, filled in zip(arrays, lists, strict=True):
        array[:] = filled
    return record


def needed(load: float, given: Assumptions) -> int:
    """Fewest replicas that carry a load within the objective."""
    return max(core.ceil32(load / given.safe_per_replica - 1e-12), 1)


def seen(rule: ScalingRule, signals: Signals) -> FloatArray:
    """One row for each trigger."""
    nothing = np.full(signals.ticks, np.nan)
    rows = []
    for trigger in rule.spec.triggers:
        source = signals.peaks if trigger.forecast is not None else signals.values
        rows.append(np.asarray(source.get(trigger.name, nothing), dtype=np.float64))
    return np.stack(rows)


def numbers(rule: ScalingRule, signals: Signals, given: Assumptions, *, program: Program | None = None) -> Numbers:
    """The rule as arrays."""
    spec, ticks = rule.spec, signals.ticks
    each = [_of_trigger(rule, trigger, signals, given) for trigger in spec.triggers]
    behavior = spec.behavior
    names = [trigger.name for trigger in spec.triggers]
    priced = next((one.forecast.of for one in spec.triggers if one.forecast and one.forecast.price), None)
    used = [int((program is None or name in program.used) and name not in signals.left_out) for name in names]
    slo, (releases, add, share) = _guard(spec.guard, signals)
    idle_ms, active = _idling(rule, signals)
    return Numbers(
        kind=_whole([kind for kind, _, _ in each]),
        target=np.array([target for _, target, _ in each]),
        request=np.array([request for _, _, request in each]),
        fallback_ticks=_whole([_fallback_ticks(trigger, signals.tick_seconds) for trigger in spec.triggers]),
        fallback_replicas=_whole([_fallback_replicas(trigger) for trigger in spec.triggers]),
        fallback_trigger=_whole([_stand_in(trigger, names) for trigger in spec.triggers]),
        used=_whole(used),
        codes=_whole(program.codes if program else ()),
        arguments=np.array(program.arguments if program else (), dtype=np.float64),
        sizes=_whole(program.sizes if program else ()),
        monotone=program.monotone if program else True,
        tolerance_down=float(behavior.scale_down.tolerance),
        tolerance_up=float(behavior.scale_up.tolerance),
        up=_whole(hpa.flat(behavior.scale_up)),
        down=_whole(hpa.flat(behavior.scale_down)),
        periods_ms=_whole(_periods(behavior)),
        schedule_min=signals.schedule_min if signals.schedule_min is not None else np.zeros(ticks, dtype=np.int64),
        schedule_max=_or_endless(signals.schedule_max, ticks),
        ceiling=_or_endless(signals.ceiling, ticks),
        min_replicas=max(spec.replicas.min, 1),
        max_replicas=spec.replicas.max,
        step_up=_step(spec.steps.up)[0], step_up_millionths=_step(spec.steps.up)[1],
        step_down=_step(spec.steps.down)[0], step_down_millionths=_step(spec.steps.down)[1],
        usage_ticks=max(round(USAGE_SECONDS / signals.tick_seconds), 1),
        price_row=0 if priced is None else names.index(priced), price_from=signals.plan_from,
        price_capacity=1.0 if priced is None else float(rule.trigger(priced).per_replica or 1),
        slo=slo, slo_releases=releases, slo_add=add, slo_add_millionths=share, idle_ms=idle_ms, active=active,
        heard=_whole([int(name not in signals.left_out) for name in names]),
        wakes=_whole([int(trigger.can_wake) for trigger in spec.triggers]),
    )  # fmt: skip


def _guard(guard: Guard | None, signals: Signals) -> tuple[IntArray, tuple[int, int, int]]:
    """State of the SLO by tick, and what the guard does: whether it releases, pods that it adds, as a share."""
    if guard is None or signals.slo is None:
        return _whole([]), (0, 0, 0)
    add, share = _step(guard.when_burning.add)
    return signals.slo, (int(not guard.when_burning.block_scale_down), max(add, 0), max(share, 0))


def _idling(rule: ScalingRule, signals: Signals) -> tuple[int, IntArray]:
    """After how long without work it goes to 0, and when each trigger tells of work."""
    bounds, names = rule.spec.replicas, [trigger.name for trigger in rule.spec.triggers]
    if bounds.min > 0 or bounds.idle_after is None or not names:
        return rule_loop.NEVER, np.zeros((len(names), 0), dtype=np.int64)
    nothing = np.zeros(signals.ticks, dtype=np.int64)
    return round(bounds.idle_after.total_seconds() * 1000), np.stack(
        [signals.active.get(one, nothing) for one in names]
    )


def _of_trigger(rule: ScalingRule, trigger: Trigger, signals: Signals, given: Assumptions) -> tuple[int, float, float]:
    """Kind, target and request of one trigger."""
    if trigger.forecast is not None:
        source = trigger if trigger.forecast.of is None else rule.trigger(trigger.forecast.of)
        kind = rule_loop.QUANTILE if trigger.forecast.price is None else rule_loop.PRICE
        return kind, float(source.per_replica or 1), 1.0
    if trigger.resource is not None and trigger.resource.average_value is not None:
        return rule_loop.DEMAND, float(trigger.resource.average_value), 1.0
    if trigger.resource is not None:
        name, percent = trigger.resource.name, float(trigger.resource.utilization or 0)
        request = (given.requests if trigger.resource.against == "request" else given.limits).get(name, 0.0)
        if trigger.name in signals.values or trigger.name in signals.left_out:
            return rule_loop.USAGE, percent, request
        return rule_loop.BUSY, percent, request / given.usage_per_load[name]
    if trigger.kind in ("schedule", "event", "queue") or trigger.as_replicas:
        return rule_loop.GIVEN, 1.0, 1.0
    if trigger.value is not None:
        return rule_loop.RATIO, trigger.target_value or 1.0, 1.0
    return rule_loop.DEMAND, float(trigger.per_replica or 1), 1.0


def _step(amount: int | str | None) -> tuple[int, int]:
    """Replicas, or millionths of them; -1 for what is not given."""
    if amount is None or isinstance(amount, int):
        return (-1 if amount is None else amount), -1
    return -1, round(float(amount.removesuffix("%")) * 10_000)


def _fallback_ticks(trigger: Trigger, tick_seconds: float) -> int:
    if trigger.fallback is None:
        return rule_loop.NEVER
    return int(np.ceil(trigger.fallback.after.total_seconds() / tick_seconds))


def _fallback_replicas(trigger: Trigger) -> int:
    replicas = None if trigger.fallback is None else trigger.fallback.replicas
    return rule_loop.HOLD if replicas is None else replicas


def _stand_in(trigger: Trigger, names: Sequence[str]) -> int:
    other = None if trigger.fallback is None else trigger.fallback.trigger
    return rule_loop.NEVER if other is None else names.index(other)


def _periods(behavior: Behavior) -> list[int]:
    policies = (*behavior.scale_up.policies, *behavior.scale_down.policies)
    return sorted({policy.period_seconds * 1000 for policy in policies})


def _or_endless(values: IntArray | None, ticks: int) -> IntArray:
    return values if values is not None else np.full(ticks, core.MAX_INT32, dtype=np.int64)


def _whole(values: Sequence[int] | IntArray) -> IntArray:
    return np.array(values, dtype=np.int64)


def _lists(of: tuple[Any, ...]) -> list[Any]:
    """Plain Python reads a list five times as fast as an array."""
    return [value.tolist() if isinstance(value, np.ndarray) else value for value in of]
