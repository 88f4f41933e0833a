"""A whole ScalingRule replayed: at every tick its triggers, ``combine``, ``core.decide``, and then pods and nodes.

The numeric core is the live decision's own. What live keeps in lists is here reduced to what can still matter: of the
past recommendations the lowest and the highest of each window, of the changes their sum by policy period; ``core``
takes both forms for the same. Plain Python that numba can compile; in plain Python all sequences should be lists.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from controller import combine, core, price
from controller.compiled import compiled
from controller.simulate import loop, nodes, pods
from controller.simulate.loop import FloatArray, Plan, World
from controller.simulate.nodes import Pools
from controller.simulate.pods import IntArray

# What a trigger is, by number.
DEMAND: Final = 0
"""A total that all replicas share: value ÷ perReplica."""
RATIO: Final = 1
"""HPA's Value: the ratio to its target times the ready replicas."""
GIVEN: Final = 2
"""A number of replicas: a schedule, an event, a query that yields one."""
USAGE: Final = 3
"""Recorded usage of a resource by all pods together, in base units."""
BUSY: Final = 4
"""The same, simulated: what the load costs the replicas that are ready."""
QUANTILE: Final = 5
"""The forecast peak of a demand, ÷ perReplica; may only raise."""
PRICE: Final = 6
"""The plan of a priced forecast; may only raise."""

HOLD: Final = -1
NEVER: Final = -1
KEPT: Final = 0
"""What is known of the guarding SLO at a tick; burning is 1."""
BURNING: Final = 1
UNKNOWN: Final = 2
STALE_MS: Final = 120_000
"""A priced forecast holds while its load was not seen for longer, as live (``ahead.STALE_AFTER``)."""


class Numbers(NamedTuple):
    """A rule as numbers; arrays by trigger have shape ``(triggers,)``, by tick ``(ticks,)``.

    Attributes:
        kind: Of each trigger.
        target: perReplica, the ratio's target, or the utilisation in percent.
        request: Of one replica, for USAGE; for BUSY the request over what one unit of load costs.
        fallback_ticks: After so many silent ticks the fallback speaks; ``NEVER`` without one.
        fallback_replicas: What it gives at least; ``HOLD`` for the current number.
        used: 1 where ``combine`` names the trigger.
        codes: ``combine`` as a program; empty: the largest proposal counts.
        up: ``behavior.scaleUp``, flat.
        periods_ms: The different periods of all policies, shortest first.
        fallback_trigger: Place of the trigger that stands in; ``NEVER`` without one.
        step_up: The most replicas that one decision may add, and ``step_up_millionths`` as a share of them; -1: none.
        usage_ticks: Over which simulated usage is averaged.
        price_row: Place of the trigger whose load the priced forecast is of.
        price_capacity: Load that a replica carries, for the price.
        price_from: The first tick at which its forecast has learned enough to speak.
        slo: State of the guarding SLO by tick; empty: no guard.
        slo_releases: 1 where the guard lets replicas go although the SLO burns.
        slo_add: Pods that it adds while the SLO burns, and ``slo_add_millionths`` as a share of what is needed.
        idle_ms: After so long without work the rule goes to 0; ``NEVER``: it does not.
        heard: 1 for a trigger whose silence keeps the workload awake.
        wakes: 1 for a trigger that tells of work, shape ``(triggers,)``, and ``active`` when it does, shape
            ``(triggers, ticks)``; empty where the rule never idles.
    """

    kind: IntArray
    target: FloatArray
    request: FloatArray
    fallback_ticks: IntArray
    fallback_replicas: IntArray
    fallback_trigger: IntArray
    used: IntArray
    codes: IntArray
    arguments: FloatArray
    sizes: IntArray
    monotone: bool
    tolerance_down: float
    tolerance_up: float
    up: IntArray
    down: IntArray
    periods_ms: IntArray
    schedule_min: IntArray
    schedule_max: IntArray
    ceiling: IntArray
    min_replicas: int
    max_replicas: int
    step_up: int
    step_up_millionths: int
    step_down: int
    step_down_millionths: int
    usage_ticks: int
    price_row: int
    price_capacity: float
    price_from: int
    slo: IntArray
    slo_releases: int
    slo_add: int
    slo_add_millionths: int
    idle_ms: int
    heard: IntArray
    wakes: IntArray
    active: IntArray


class Record(NamedTuple):
    """What happened, by tick; filled by ``run``.

    ``current`` is what the decision of the tick saw, ``desired`` what it made of it; ``need`` and ``wanted`` are its
    stages before and after the forecast.
    """

    current: IntArray
    need: IntArray
    wanted: IntArray
    desired: IntArray
    ready: IntArray
    billed: IntArray
    late: IntArray
    pending: IntArray
    nodes: IntArray
    node_cost_per_hour: FloatArray
    busy: FloatArray


class Scratch(NamedTuple):
    """Room for the loop, so that it allocates nothing."""

    asked: FloatArray
    low: FloatArray
    high: FloatArray
    stack: FloatArray
    silent_since: IntArray
    given: IntArray
    stages: IntArray
    past_at: IntArray
    past: IntArray
    event_at: IntArray
    changes: IntArray
    lowest_at: IntArray
    lowest: IntArray
    highest_at: IntArray
    highest: IntArray
    used_before: FloatArray
    ring: IntArray
    ending: IntArray


def blank_record(ticks: int) -> Record:
    """Room for ``ticks`` ticks; may be used again by the next run of the same length."""

    def whole() -> IntArray:
        return np.zeros(ticks, dtype=np.int64)

    return Record(
        current=whole(), need=whole(), wanted=whole(), desired=whole(), ready=whole(), billed=whole(), late=whole(),
        pending=whole(), nodes=whole(), node_cost_per_hour=np.zeros(ticks), busy=np.zeros(ticks),
    )  # fmt: skip


def scratch(rule: Numbers, world: World) -> Scratch:
    """Room for a rule in a world."""
    triggers, ticks = len(rule.kind), len(world.load_rps)
    longest = max(int(world.startup_ticks.max()), world.grace_ticks) + 2

    def whole(size: int) -> IntArray:
        return np.zeros(size, dtype=np.int64)

    return Scratch(
        asked=np.zeros(triggers), low=np.zeros(triggers), high=np.zeros(triggers),
        stack=np.zeros(len(rule.codes) + 1), silent_since=np.full(triggers, NEVER, dtype=np.int64),
        given=whole(core.INPUTS), stages=whole(core.STAGES), past_at=whole(2), past=whole(2),
        event_at=whole(len(rule.periods_ms)), changes=whole(len(rule.periods_ms)), lowest_at=whole(ticks + 1),
        lowest=whole(ticks + 1), highest_at=whole(ticks + 1), highest=whole(ticks + 1),
        used_before=np.zeros(ticks + 1), ring=whole(longest), ending=whole(longest),
    )  # fmt: skip


@compiled
def ask(
    kinds: IntArray, targets: FloatArray, requests: FloatArray, tolerance_down: float, tolerance_up: float,
    fallback_ticks: IntArray, fallback_replicas: IntArray, fallback_trigger: IntArray,
    used: IntArray, values: FloatArray, silent_since: IntArray,
    asked: FloatArray, low: FloatArray, high: FloatArray, tick: int, current: int, ready: int, usage: float,
    planned: int,
) -> bool:  # fmt: skip
    """What each trigger asks for, into ``asked``, ``low`` and ``high``; whether one that counts is silent.

    The arrays come one by one: inside a tuple compiled code would count references to all of them at every call.
    """
    silent = False
    for k in range(len(kinds)):
        kind, target, missing, dumb = kinds[k], targets[k], False, False
        wants, held = combine.MISSING, False
        value = usage if kind == BUSY else values[k][tick]
        if kind == PRICE:
            wants = combine.MISSING if planned == core.NOTHING else float(planned)
        elif value != value:
            missing = kind != QUANTILE
        elif kind == DEMAND:
            value = max(value, 0.0)
            wants = float(core.ceil32(value / target))
            held = current > 0 and core.within(value / (target * current), tolerance_down, tolerance_up)
        elif kind == RATIO and current == 0:
            wants = float(core.ceil32(max(value, 0.0) / target))
        elif kind == RATIO:
            ratio = max(value, 0.0) / target
            whole = core.ceil32(ratio * ready)
            wants = float(max(whole, current) if ratio > 1.0 else min(whole, current))
            held = core.within(ratio, tolerance_down, tolerance_up)
        elif kind == GIVEN:
            wants = float(core.ceil32(max(value, 0.0)))
        elif kind == QUANTILE:
            wants = float(core.ceil32(max(value, 0.0) / target))
        elif ready <= 0 or requests[k] <= 0.0:
            missing = dumb = True  # a resource that nobody uses is no missing answer: no fallback
        else:
            busy = core.utilization(value, requests[k], ready) > target
            counted = max(ready, current) if busy else ready
            ratio = core.utilization(value, requests[k], counted) / target
            whole = core.ceil32(ratio * counted)
            wants = float(max(whole, current) if busy else min(whole, current))
            held = core.within(ratio, tolerance_down, tolerance_up)
        if missing:
            if silent_since[k] == NEVER:
                silent_since[k] = tick
            due = fallback_ticks[k] != NEVER and tick - silent_since[k] >= fallback_ticks[k]
            if not dumb and due and fallback_trigger[k] == NEVER:
                wants = float(max(fallback_replicas[k], current))
            silent = silent or used[k] == 1
        else:
            silent_since[k] = NEVER
        asked[k] = wants
        low[k] = min(wants, float(current)) if held else wants
        high[k] = max(wants, float(current)) if held else wants
    stand_in(fallback_ticks, fallback_trigger, silent_since, asked, low, high, tick, current)
    return silent


@compiled
def stand_in(
    fallback_ticks: IntArray, fallback_trigger: IntArray, silent_since: IntArray, asked: FloatArray, low: FloatArray,
    high: FloatArray, tick: int, current: int,
) -> None:  # fmt: skip
    """What another trigger asks for, where it speaks itself, for one that has been silent long enough."""
    for k in range(len(asked)):
        other = fallback_trigger[k]
        if other == NEVER or silent_since[k] == NEVER or tick - silent_since[k] < fallback_ticks[k]:
            continue
        if silent_since[other] == NEVER and asked[other] == asked[other]:
            asked[k] = low[k] = high[k] = max(asked[other], float(current))


@compiled
def largest(
    kinds: IntArray, asked: FloatArray, low: FloatArray, high: FloatArray, current: int, forecasts: bool
) -> int:
    """The largest proposal of the triggers that measure, or of the forecasts; ``NOTHING`` when none has a say."""
    best = core.NOTHING
    for k in range(len(kinds)):
        wants = asked[k]
        if (kinds[k] >= QUANTILE) == forecasts and wants == wants:
            # Held at the current number exactly where low or high is not what is asked.
            held = low[k] != wants or high[k] != wants
            best = max(best, current if held else int(wants))
    return best


@compiled
def combined(
    codes: IntArray, arguments: FloatArray, sizes: IntArray, monotone: bool, stack: FloatArray, kinds: IntArray,
    asked: FloatArray, low: FloatArray, high: FloatArray, current: int,
) -> tuple[int, int]:  # fmt: skip
    """``combine`` without the forecasts and with them: the reactive number and the floor, where there is one."""
    floor = core.NOTHING
    if largest(kinds, asked, low, high, current, True) != core.NOTHING:
        value = combine.replicas(codes, arguments, sizes, monotone, asked, low, high, current, stack)
        floor = max(value, core.NOTHING)
    for k in range(len(kinds)):
        if kinds[k] >= QUANTILE:
            asked[k] = low[k] = high[k] = combine.MISSING
    return combine.replicas(codes, arguments, sizes, monotone, asked, low, high, current, stack), floor


@compiled
def has_work(
    kinds: IntArray, heard: IntArray, wakes: IntArray, active: IntArray, asked: FloatArray, silent_since: IntArray,
    tick: int, current: int,
) -> bool:  # fmt: skip
    """Whether a trigger says that there is work; while there are pods, missing data count as work."""
    for k in range(len(asked)):
        silent = silent_since[k] != NEVER
        if current > 0 and silent and heard[k] == 1 and kinds[k] < QUANTILE:
            return True
        if wakes[k] == 1 and asked[k] > 0.0 and (silent or active[k][tick] == 1):
            return True
    return False


@compiled
def moved(stages: IntArray, outside: bool) -> bool:
    """Whether any stage after the need moved the number: then the decision's reason is that stage's."""
    if outside:
        return True
    for k in range(1, len(stages)):
        if stages[k] != stages[k - 1]:
            return True
    return False


@compiled
def step_limit(current: int, step: int, millionths: int) -> int:
    """The most that one decision may change; of a share a begun replica counts."""
    if step >= 0:
        return max(step, 1)
    if millionths >= 0:
        return max(-(-current * millionths // 1_000_000), 1)
    return core.MAX_INT32


@compiled
def run(
    world: World, rule: Numbers, values: FloatArray, plan: Plan, pools: Pools, first: int, room: Scratch,
    record: Record,
) -> None:  # fmt: skip
    """Replay the whole world into ``record``.

    Args:
        world: Load and pods.
        rule: The rule.
        values: What each trigger saw, shape ``(triggers, ticks)``; NaN where it saw nothing.
        plan: Of the priced forecast.
        pools: Nodes; without pools pods never wait.
        first: Replicas at the beginning.
        room: Scratch, blank.
        record: Takes what happens.
    """
    # Long on purpose: what it shares with ``loop.run`` stands in ``pods``, ``nodes`` and ``loop.served``. The rest
    # hands some twenty numbers from step to step; as functions that would be tuples longer than the steps.
    # Local names: compiled code then counts references to these arrays once and not every tick.
    load, startup_ticks, capacity = world.load_rps, world.startup_ticks, world.capacity_rps
    ring, ending, given, stages = room.ring, room.ending, room.given, room.stages
    past_at, past, event_at, changes = room.past_at, room.past, room.event_at, room.changes
    lowest_at, lowest, highest_at, highest = room.lowest_at, room.lowest, room.highest_at, room.highest
    desired_at, used_before, late_at = record.desired, room.used_before, record.late
    ready_at, billed_at, pending_at, busy_at = record.ready, record.billed, record.pending, record.busy
    current_at, need_at, wanted_at = record.current, record.need, record.wanted
    nodes_at, node_cost_at = record.nodes, record.node_cost_per_hour
    up, down, periods = rule.up, rule.down, rule.periods_ms
    kinds, targets, requests, used = rule.kind, rule.target, rule.request, rule.used
    fallback_ticks, fallback_replicas, silent_since = rule.fallback_ticks, rule.fallback_replicas, room.silent_since
    fallback_trigger = rule.fallback_trigger
    asked, low, high, stack = room.asked, room.low, room.high, room.stack
    codes, arguments, sizes, programmed = rule.codes, rule.arguments, rule.sizes, len(rule.codes) > 0
    schedule_min, schedule_max, ceiling = rule.schedule_min, rule.schedule_max, rule.ceiling
    raise_below, raise_to, lower_above, lower_to = plan.raise_below, plan.raise_to, plan.lower_above, plan.lower_to
    priced = len(raise_to[0]) > 0
    tick_ms = int(world.tick_seconds * 1000)
    longest, count, levels = len(ring), len(pools.slots), len(plan.raise_to)
    nodes_up, idle_for = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
    booting = np.zeros((count, (pools.boot_ticks.max() if count > 0 else 0) + 2), dtype=np.int64)
    desired, ready, starting, waiting, leaving, started = first, first, 0, 0, 0, 0
    if count > 0:
        nodes.request(pools, nodes_up, booting, 0, desired)
        nodes_up += booting.sum(axis=1)
        booting[:] = 0
    # What stood at the beginning is the first recommendation, as for an HPA.
    low_head, low_tail, high_head, high_tail = 0, 1, 0, 1
    lowest[0] = highest[0] = first
    lowest_at[0] = highest_at[0] = 0
    backlog, level, slot, unseen = 0.0, plan.first_level, -1, 0
    given[core.BUDGET_CEILING], given[core.PROTECTED] = core.MAX_INT32, 0
    given[core.MIN], given[core.MAX] = rule.min_replicas, rule.max_replicas
    given[core.RELEASES], slo, guarded = rule.slo_releases, rule.slo, len(rule.slo) > 0
    heard, wakes, active, idle_since = rule.heard, rule.wakes, rule.active, NEVER
    given[core.HOLD_MIN], given[core.HOLD_MAX] = 0, core.MAX_INT32
    for tick in range(len(load)):
        slot = slot + 1 if slot + 1 < longest else 0
        ready += ring[slot]
        starting -= ring[slot]
        leaving -= ending[slot]
        ring[slot] = ending[slot] = 0
        if count > 0:
            nodes.booted(nodes_up, booting, tick)
            free = nodes.free_slots(pools, nodes_up, ready + starting + leaving)
            placed = min(waiting, free)
            started = pods.start(ring, slot, placed, startup_ticks, started)
            starting += placed
            waiting -= placed
            nodes.request(pools, nodes_up, booting, tick, waiting)
            nodes.consolidate(pools, nodes_up, idle_for, free - placed if waiting == 0 else 0)
            nodes_at[tick] = nodes_up.sum() + booting.sum()
            node_cost_at[tick] = nodes.cost_per_hour(pools, nodes_up, booting)

        busy, backlog, late = loop.served(
            load[tick] * world.tick_seconds + backlog, ready * capacity, world.tick_seconds,
            world.largest_utilization_ratio, world.patience_seconds, world.backlog_seconds,
        )  # fmt: skip
        ready_at[tick], pending_at[tick], busy_at[tick] = ready, waiting, min(busy, 1.0)
        billed_at[tick] = ready + starting + leaving
        late_at[tick] = late
        used_before[tick + 1] = used_before[tick] + min(busy, 1.0) * ready * capacity

        now, newest = tick * tick_ms, tick + 1 - world.delay_ticks
        usage = combine.MISSING
        if newest > 0:
            usage = loop.mean_before(used_before, newest, rule.usage_ticks)
        current_at[tick] = desired
        planned = core.NOTHING
        if priced:
            seen = values[rule.price_row][tick]
            unseen = 0 if seen == seen else unseen + tick_ms
            if tick < rule.price_from:
                planned = core.NOTHING
            elif unseen - tick_ms > STALE_MS:
                planned = desired
            else:
                offered = max(seen, 0.0) if seen == seen else 0.0
                missed = price.is_missed(offered, ready, rule.price_capacity)
                level = price.steered(level, missed, plan.violated_budget, plan.gain, levels - 1.0)
                planned = price.planned(raise_below, raise_to, lower_above, lower_to, tick, level, desired)
                planned = price.relieved(planned, offered, ready, rule.price_capacity)
        silent = ask(
            kinds, targets, requests, rule.tolerance_down, rule.tolerance_up, fallback_ticks, fallback_replicas,
            fallback_trigger, used, values, silent_since, asked, low, high, tick, desired, ready, usage, planned,
        )  # fmt: skip
        idle = False
        if rule.idle_ms != NEVER:
            if has_work(kinds, heard, wakes, active, asked, silent_since, tick, desired):
                idle_since = NEVER
            else:
                idle_since = now if idle_since == NEVER else idle_since
                idle = desired == 0 or now - idle_since >= rule.idle_ms
        if programmed:
            reactive, floor = combined(codes, arguments, sizes, rule.monotone, stack, kinds, asked, low, high, desired)
        else:
            reactive = largest(kinds, asked, low, high, desired, False)
            floor = largest(kinds, asked, low, high, desired, True)
        nothing = reactive < 0 or (silent and reactive < desired)
        need = core.reactive(max(reactive, core.NOTHING), desired, silent)
        given[core.MIN] = 0 if idle else rule.min_replicas
        if idle:
            nothing, need, floor = False, 0, core.NOTHING

        while low_head < low_tail and lowest_at[low_head] <= now - up[core.WINDOW_MS]:
            low_head += 1
        while high_head < high_tail and highest_at[high_head] <= now - down[core.WINDOW_MS]:
            high_head += 1
        known = 0
        if low_head < low_tail and not idle:  # idleAfter is a window of its own
            past_at[known], past[known] = lowest_at[low_head], lowest[low_head]
            known += 1
        if high_head < high_tail and not idle:
            past_at[known], past[known] = highest_at[high_head], highest[high_head]
            known += 1
        later = desired
        for k in range(len(periods)):
            back = -(-periods[k] // tick_ms)
            before = desired_at[tick - back] if tick >= back else first
            event_at[k], changes[k] = now - periods[k] + 1, later - before
            later = before
        given[core.CURRENT], given[core.NEED], given[core.FLOOR] = desired, need, floor
        given[core.SCHEDULE_MIN], given[core.SCHEDULE_MAX] = schedule_min[tick], schedule_max[tick]
        given[core.CEILING] = ceiling[tick]
        if guarded:
            given[core.PROTECTED] = 1 if slo[tick] != KEPT else 0
            adds = slo[tick] == BURNING and not idle and not nothing
            given[core.ADD] = rule.slo_add if adds else 0
            given[core.ADD_MILLIONTHS] = rule.slo_add_millionths if adds else 0
        given[core.STEP_UP] = step_limit(desired, rule.step_up, rule.step_up_millionths)
        given[core.STEP_DOWN] = step_limit(desired, rule.step_down, rule.step_down_millionths)
        target = core.decide(now, given, up, down, past_at, past, known, event_at, changes, len(periods), stages)
        need_at[tick], wanted_at[tick] = stages[core.AT_NEED], stages[core.AT_FORECAST]
        outside = desired < given[core.MIN] or desired > rule.max_replicas
        if not nothing or moved(stages, outside):
            wanted = stages[core.AT_FORECAST]
            while low_tail > low_head and lowest[low_tail - 1] >= wanted:
                low_tail -= 1
            lowest[low_tail], lowest_at[low_tail] = wanted, now
            low_tail += 1
            while high_tail > high_head and highest[high_tail - 1] <= wanted:
                high_tail -= 1
            highest[high_tail], highest_at[high_tail] = wanted, now
            high_tail += 1

        if target != desired:
            ready, starting, waiting, leaving, started = pods.changed(
                ring, ending, slot, target - desired, count > 0, world.grace_ticks, startup_ticks, ready, starting,
                waiting, leaving, started,
            )  # fmt: skip
        desired = target
        desired_at[tick] = desired
