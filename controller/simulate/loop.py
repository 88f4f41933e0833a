"""The loop: one workload, one controller, every 15 s; queue, pods, nodes and decision on preallocated arrays.

``run`` is plain Python that numba can compile, so that a replay with and without it is one code and one answer.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from controller import core, price
from controller.compiled import compiled
from controller.simulate import metric, nodes, pods
from controller.simulate.nodes import Pools
from controller.simulate.pods import IntArray

FloatArray = NDArray[np.float64]

NOTHING: Final = 0
CPU: Final = 1
RPS: Final = 2


class World(NamedTuple):
    """What happens to the controller, tick by tick; the same for every controller that is compared.

    Attributes:
        load_rps: Offered requests per second, shape ``(ticks,)``.
        load_before: Sums of ``load_rps`` over all earlier ticks, shape ``(ticks + 1,)``.
        startup_ticks: Start-up of the first, second, … pod that is started; taken round again at its end.
        tick_seconds: Length of a tick, which is also the sync period.
        capacity_rps: Of one replica, at utilisation 1.
        largest_utilization_ratio: Above it the objective is missed.
        delay_ticks: Age of the newest metric that a decision sees.
        grace_ticks: For how long a pod that ends is still billed.
        patience_seconds: Work that may queue up before clients give up.
        backlog_seconds: A longer queue misses the objective by itself.
    """

    load_rps: FloatArray
    load_before: FloatArray
    startup_ticks: IntArray
    tick_seconds: float
    capacity_rps: float
    largest_utilization_ratio: float
    delay_ticks: int
    grace_ticks: int
    patience_seconds: float
    backlog_seconds: float


class Reactive(NamedTuple):
    """An HPA: one metric, tolerance, windows, policies. Policies are rows ``(kind, value, period in ticks)``.

    Attributes:
        metric: ``CPU`` (mean utilisation of ready pods), ``RPS`` (total per replica) or ``NOTHING``.
        target: Utilisation ratio, or requests per second and replica.
        window_ticks: Over which the metric is averaged.
        up_ticks: Stabilisation window of scale-up; 1 or less is none.
        down_ticks: The same for scale-down.
    """

    metric: int
    target: float
    window_ticks: int
    tolerance_up: float
    tolerance_down: float
    up_ticks: int
    down_ticks: int
    up_policies: IntArray
    down_policies: IntArray
    up_select: int
    down_select: int
    min_replicas: int
    max_replicas: int


class Plan(NamedTuple):
    """What the forecast asks, by level of caution and tick, shape ``(levels, ticks)`` each; functions of load only.

    Fewer than ``raise_below`` replicas become ``raise_to``; more than ``lower_above`` become ``lower_to``. Between the
    two the number stays: a move is not worth its price. ``written`` is a lower bound under the reactive controller.

    Attributes:
        violated_budget: Share of time that may miss the objective; steers the level. 0: level 0 always.
        gain: Levels per ``memory_ticks`` at twice the budget.
        first_level: Where steering begins.
    """

    raise_below: IntArray
    raise_to: IntArray
    lower_above: IntArray
    lower_to: IntArray
    written: IntArray
    violated_budget: float
    gain: float
    first_level: float


class Record(NamedTuple):
    """What happened, by tick; filled by ``run``."""

    desired: IntArray
    ready: IntArray
    billed: IntArray
    late: NDArray[np.uint8]
    pending: IntArray
    node_cost_per_hour: FloatArray
    utilization_before: FloatArray
    recommended: IntArray
    highest_at: IntArray
    lowest_at: IntArray
    level: FloatArray


def blank_record(ticks: int) -> Record:
    """Room for ``ticks`` ticks; may be used again by the next run of the same length."""

    def whole() -> IntArray:
        return np.zeros(ticks, dtype=np.int64)

    return Record(
        desired=whole(), ready=whole(), billed=whole(), late=np.zeros(ticks, dtype=np.uint8), pending=whole(),
        node_cost_per_hour=np.zeros(ticks), utilization_before=np.zeros(ticks + 1), recommended=whole(),
        highest_at=whole(), lowest_at=whole(), level=np.zeros(ticks),
    )  # fmt: skip


@compiled
def mean_before(sums: FloatArray, newest: int, ticks: int) -> float:
    """Mean of the ``ticks`` values that end before ``newest``, from sums over all earlier values."""
    oldest = max(newest - ticks, 0)
    return float((sums[newest] - sums[oldest]) / (newest - oldest))


@compiled
def highest_since(record: IntArray, queue: IntArray, head: int, tail: int, tick: int, window: int) -> tuple[int, int]:
    """Keep in ``queue`` the ticks that may still be the maximum of the window; its new head and tail."""
    while tail > head and record[queue[tail - 1]] <= record[tick]:
        tail -= 1
    queue[tail] = tick
    tail += 1
    while queue[head] <= tick - window:
        head += 1
    return head, tail


@compiled
def lowest_since(record: IntArray, queue: IntArray, head: int, tail: int, tick: int, window: int) -> tuple[int, int]:
    """The same for the minimum."""
    while tail > head and record[queue[tail - 1]] >= record[tick]:
        tail -= 1
    queue[tail] = tick
    tail += 1
    while queue[head] <= tick - window:
        head += 1
    return head, tail


@compiled
def most_allowed(desired: IntArray, current: int, tick: int, policies: IntArray, select: int) -> int:
    """The limit of the scale-up policies; never below ``current``."""
    if select == core.DISABLED or len(policies) == 0:
        return current
    limit = 0
    for k in range(len(policies)):
        before = desired[max(tick - policies[k][2], 0)] if tick > 0 else current
        one = core.raised(before, policies[k][0], policies[k][1])
        limit = one if k == 0 else (min(limit, one) if select == core.SELECT_MIN else max(limit, one))
    return max(current, limit)


@compiled
def fewest_allowed(desired: IntArray, current: int, tick: int, policies: IntArray, select: int) -> int:
    """The limit of the scale-down policies; never above ``current``."""
    if select == core.DISABLED or len(policies) == 0:
        return current
    limit = 0
    for k in range(len(policies)):
        before = desired[max(tick - policies[k][2], 0)] if tick > 0 else current
        one = core.lowered(before, policies[k][0], policies[k][1])
        limit = one if k == 0 else (max(limit, one) if select == core.SELECT_MIN else min(limit, one))
    return min(current, limit)


@compiled
def served(
    work: float, rate: float, seconds: float, largest_utilization: float, patience: float, longest_backlog: float
) -> tuple[float, float, int]:
    """One tick of the queue.

    Args:
        work: Requests that wait or arrive.
        rate: Requests per second that all ready replicas can serve.
        seconds: Length of the tick.
        largest_utilization: Above it the objective is missed.
        patience: Seconds of work that may wait before clients give up.
        longest_backlog: Seconds of work in the queue that miss the objective by themselves.

    Returns:
        Utilisation (2 without a replica, 0 without work for it), requests that wait, and 1 where the objective is
        missed.
    """
    room = rate * seconds
    busy = work / room if room > 0 else (2.0 if work > 0 else 0.0)
    backlog = min(max(work - room, 0.0), rate * patience)
    late = 1 if busy > largest_utilization or backlog > longest_backlog * rate else 0
    return busy, backlog, late


@compiled
def run(world: World, hpa: Reactive, plan: Plan, pools: Pools, record: Record) -> None:
    """Replay the whole workload into ``record``; all sequences may be lists, which plain Python reads faster."""
    # Local names: compiled code then counts references to these arrays once and not every tick, 5 times as fast.
    load, load_before, startup_ticks = world.load_rps, world.load_before, world.startup_ticks
    raise_below, raise_to, lower_above, lower_to = plan.raise_below, plan.raise_to, plan.lower_above, plan.lower_to
    written, levels = plan.written, len(plan.raise_to)
    desired_at, ready_at, billed_at, late_at = record.desired, record.ready, record.billed, record.late
    pending_at, node_cost_at, level_at = record.pending, record.node_cost_per_hour, record.level
    utilization_before, recommended = record.utilization_before, record.recommended
    highest_at, lowest_at = record.highest_at, record.lowest_at
    longest = max(max(startup_ticks), world.grace_ticks) + 2
    ring = np.zeros(longest, dtype=np.int64)
    ending = np.zeros(longest, dtype=np.int64)
    count = len(pools.slots)
    up, idle_for = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
    booting = np.zeros((count, (pools.boot_ticks.max() if count > 0 else 0) + 2), dtype=np.int64)
    first = core.ceil32(load[0] / (world.capacity_rps * world.largest_utilization_ratio))
    desired = min(max(first, hpa.min_replicas), hpa.max_replicas)
    ready, starting, waiting, leaving, started = desired, 0, 0, 0, 0
    if count > 0:
        nodes.request(pools, up, booting, 0, desired)
        up += booting.sum(axis=1)
        booting[:] = 0
    high_head, high_tail, low_head, low_tail = 0, 0, 0, 0
    backlog, level, slot = 0.0, plan.first_level, -1
    for tick in range(len(load)):
        slot = slot + 1 if slot + 1 < longest else 0
        ready += ring[slot]
        starting -= ring[slot]
        leaving -= ending[slot]
        ring[slot] = ending[slot] = 0
        if count > 0:
            nodes.booted(up, booting, tick)
            free = nodes.free_slots(pools, up, ready + starting + leaving)
            placed = min(waiting, free)
            started = pods.start(ring, slot, placed, startup_ticks, started)
            starting += placed
            waiting -= placed
            nodes.request(pools, up, booting, tick, waiting)
            nodes.consolidate(pools, up, idle_for, free - placed if waiting == 0 else 0)
            node_cost_at[tick] = nodes.cost_per_hour(pools, up, booting)

        busy, backlog, late = served(
            load[tick] * world.tick_seconds + backlog, ready * world.capacity_rps, world.tick_seconds,
            world.largest_utilization_ratio, world.patience_seconds, world.backlog_seconds,
        )  # fmt: skip
        ready_at[tick] = ready
        billed_at[tick] = ready + starting + leaving
        pending_at[tick] = waiting
        late_at[tick] = late
        utilization_before[tick + 1] = utilization_before[tick] + min(busy, 1.0)
        seen = late_at[tick - world.delay_ticks] if tick >= world.delay_ticks else 0
        level = price.steered(level, seen, plan.violated_budget, plan.gain, levels - 1.0)
        level_at[tick] = level

        want, newest = core.NOTHING, tick + 1 - world.delay_ticks
        if newest > 0 and hpa.metric == RPS:
            usage = mean_before(load_before, newest, hpa.window_ticks)
            want = metric.average_value_replicas(usage, hpa.target, desired, hpa.tolerance_down, hpa.tolerance_up)
        elif newest > 0 and hpa.metric == CPU:
            ratio = mean_before(utilization_before, newest, hpa.window_ticks) / hpa.target
            want = metric.utilization_replicas(
                ratio, ready, starting + waiting, desired, hpa.tolerance_down, hpa.tolerance_up
            )
        if len(raise_to[0]) > 0:
            want = max(want, price.planned(raise_below, raise_to, lower_above, lower_to, tick, level, desired))
        if want == core.NOTHING:
            want = desired
        floor = hpa.min_replicas
        if len(written[0]) > 0:
            floor = min(max(floor, written[0][tick]), hpa.max_replicas)
        recommended[tick] = want
        high_head, high_tail = highest_since(recommended, highest_at, high_head, high_tail, tick,
                                             max(hpa.down_ticks, 1))  # fmt: skip
        low_head, low_tail = lowest_since(recommended, lowest_at, low_head, low_tail, tick,
                                          max(hpa.up_ticks, 1))  # fmt: skip
        if desired < floor:
            target = floor
        elif desired > hpa.max_replicas:
            target = hpa.max_replicas
        else:
            target = core.stabilized(desired, recommended[lowest_at[low_head]],
                                     recommended[highest_at[high_head]])  # fmt: skip
            if target > desired:
                target = min(target, most_allowed(desired_at, desired, tick, hpa.up_policies, hpa.up_select))
            elif target < desired:
                target = max(target, fewest_allowed(desired_at, desired, tick, hpa.down_policies, hpa.down_select))
            target = min(max(target, floor), hpa.max_replicas)
        if target != desired:
            ready, starting, waiting, leaving, started = pods.changed(
                ring, ending, slot, target - desired, count > 0, world.grace_ticks, startup_ticks, ready, starting,
                waiting, leaving, started,
            )  # fmt: skip
        desired = target
        desired_at[tick] = desired
