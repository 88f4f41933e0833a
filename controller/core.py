"""The arithmetic of a decision: plain functions on numbers and on sequences that the caller made before.

Nothing is allocated and no object is asked, so that a compiler may take these functions as they stand: the live loop
calls them with lists, a replay their compiled twins with arrays, and both decide the same. Times are whole
milliseconds. A recorder is a sequence with a place for each stage; who wants no trace passes the same scratch again and
again.
"""

from __future__ import annotations

import math
from collections.abc import MutableSequence, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from controller.compiled import compiled

Ints = Sequence[int] | NDArray[np.int64]
Recorder = MutableSequence[int] | NDArray[np.int64]


MAX_INT32: Final = 2**31 - 1
MIN_INT32: Final = -(2**31)
NOTHING: Final = -1
"""In place of a number of replicas: there is none."""

# One direction of `behavior`, flat: window, selectPolicy, then kind, value and period of each policy.
WINDOW_MS, SELECT, POLICIES_FROM, POLICY_SIZE = 0, 1, 2, 3
SELECT_MAX, SELECT_MIN, DISABLED = 0, 1, 2
PODS, PERCENT = 0, 1

# What `decide` is given, by index.
CURRENT, NEED, FLOOR, SCHEDULE_MIN, SCHEDULE_MAX, CEILING, BUDGET_CEILING, PROTECTED, MIN, MAX = range(10)
HOLD_MIN, HOLD_MAX, STEP_DOWN, STEP_UP = range(10, 14)
RELEASES, ADD, ADD_MILLIONTHS = range(14, 17)
INPUTS: Final = 17

# What it leaves in the recorder: the number after each stage.
(AT_NEED, AT_FORECAST, AT_SCHEDULE, AT_CEILINGS, AT_SLO, AT_BOUNDS, AT_STABILIZATION, AT_POLICIES, AT_HOLDS,
 AT_STEPS) = range(10)  # fmt: skip
STAGES: Final = 10


@compiled
def ceil32(value: float) -> int:
    """The next integer up, saturating at both ends of an int32; 0 for NaN."""
    if value != value:
        return 0
    if value >= MAX_INT32:
        return MAX_INT32
    if value <= MIN_INT32:
        return MIN_INT32
    return int(math.ceil(value))


@compiled
def within(ratio: float, down: float, up: float) -> bool:
    """Whether ``ratio`` is near enough to 1; the expressions of Kubernetes 1.33 and later, edges included."""
    return (1.0 - down) <= ratio and ratio <= (1.0 + up)


@compiled
def within_before_1_33(ratio: float, tolerance: float) -> bool:
    """The older form, which at 1.1 and a tolerance of 0.1 does not hold: ``abs(1 − 1.1)`` is 0.10000000000000009."""
    return abs(1.0 - ratio) <= tolerance


@compiled
def utilization(usage: float, request: float, replicas: int) -> int:
    """Whole percent, truncated, from milli-units: HPA's arithmetic."""
    return int(math.ceil(max(usage, 0.0) * 1000) * 100 // (math.ceil(request * 1000) * replicas))


@compiled
def reactive(asked: int, current: int, silent: bool) -> int:
    """HPA's rule for several metrics: without a number, or against missing data, the current one is the least."""
    if asked == NOTHING or (silent and asked < current):
        return current
    return asked


@compiled
def with_share(replicas: int, pods: int, millionths: int) -> int:
    """So many pods more, and so many millionths of ``replicas``, a begun one counting."""
    return int(min(replicas + pods - (-replicas * millionths // 1_000_000), MAX_INT32))


@compiled
def limited(replicas: int, given: Ints, record: Recorder) -> int:
    """Schedule bounds, ceilings, SLO guard and [min, max] in their order.

    While the SLO is protected (it burns, or nobody knows) the budget's ceiling is lifted, what the guard adds is added,
    and nothing is lowered unless the guard ``RELEASES``; the other ceilings stay, since more pods would not help, but
    they lower nothing then either. Monotone in ``replicas``.
    """
    scheduled = min(max(replicas, given[SCHEDULE_MIN]), given[SCHEDULE_MAX])
    affordable = min(scheduled, given[CEILING], given[BUDGET_CEILING])
    protected = affordable
    if given[PROTECTED]:
        protected = min(with_share(scheduled, given[ADD], given[ADD_MILLIONTHS]), given[CEILING])
        if not given[RELEASES]:
            protected = max(protected, given[CURRENT])
    bounded = min(max(protected, given[MIN]), given[MAX])
    record[AT_SCHEDULE], record[AT_CEILINGS], record[AT_SLO], record[AT_BOUNDS] = (
        scheduled, affordable, protected, bounded,
    )  # fmt: skip
    return int(bounded)


@compiled
def lowest_since(since: int, at: Ints, replicas: Ints, count: int, desired: int) -> int:
    """The smallest of ``desired`` and of those of the first ``count`` that are later than ``since``."""
    lowest = desired
    for i in range(count):
        if at[i] > since and replicas[i] < lowest:
            lowest = replicas[i]
    return lowest


@compiled
def highest_since(since: int, at: Ints, replicas: Ints, count: int, desired: int) -> int:
    """The largest of ``desired`` and of those of the first ``count`` that are later than ``since``."""
    highest = desired
    for i in range(count):
        if at[i] > since and replicas[i] > highest:
            highest = replicas[i]
    return highest


@compiled
def stabilized(current: int, lowest: int, highest: int) -> int:
    """``current`` moved between the lowest recommendation of the up window and the highest of the down window.

    The present recommendation counts in both.
    """
    return min(max(current, lowest), highest)


@compiled
def at_period_start(current: int, since: int, at: Ints, changes: Ints, count: int) -> int:
    """Replicas when a policy's period began: current, less what was added since, plus what was removed."""
    replicas = current
    for i in range(count):
        if at[i] > since:
            replicas -= changes[i]
    return int(replicas)


@compiled
def raised(start: int, kind: int, value: int) -> int:
    """The most that one scale-up policy allows: 7 pods and 10 % are 7.700000000000001, so 8."""
    if kind == PODS:
        return min(start + value, MAX_INT32)
    return ceil32(start * (1 + value / 100))


@compiled
def lowered(start: int, kind: int, value: int) -> int:
    """The least that one scale-down policy allows: 10 pods less 90 % are 0.9999999999999998, so 0."""
    if kind == PODS:
        return start - value
    return int(start * (1 - value / 100))


@compiled
def scale_up_limit(current: int, now: int, rules: Ints, at: Ints, changes: Ints, count: int) -> int:
    """The most replicas that the scale-up policies allow now; never below ``current``."""
    if rules[SELECT] == DISABLED:
        return current
    limit = NOTHING
    for i in range(POLICIES_FROM, len(rules), POLICY_SIZE):
        start = at_period_start(current, now - rules[i + 2], at, changes, count)
        allowed = raised(start, rules[i], rules[i + 1])
        if limit == NOTHING or (allowed < limit) == (rules[SELECT] == SELECT_MIN):
            limit = allowed
    return max(limit, current)


@compiled
def scale_down_limit(current: int, now: int, rules: Ints, at: Ints, changes: Ints, count: int) -> int:
    """The fewest replicas that the scale-down policies allow now; never above ``current``."""
    if rules[SELECT] == DISABLED:
        return current
    limit = MAX_INT32
    for i in range(POLICIES_FROM, len(rules), POLICY_SIZE):
        start = at_period_start(current, now - rules[i + 2], at, changes, count)
        allowed = lowered(start, rules[i], rules[i + 1])
        if limit == MAX_INT32 or (allowed > limit) == (rules[SELECT] == SELECT_MIN):
            limit = allowed
    return min(limit, current)


@compiled
def decide(
    now: int,
    given: Ints,
    up: Ints,
    down: Ints,
    past_at: Ints,
    past: Ints,
    past_count: int,
    event_at: Ints,
    changes: Ints,
    event_count: int,
    record: Recorder,
) -> int:
    """From the reactive need to the number of replicas, every stage in the order of the architecture.

    Args:
        now: Time of the tick, in milliseconds, as all times here.
        given: By the indices above; ``NOTHING`` for a floor that is not there, 0 and ``MAX_INT32`` for bounds.
        up: ``behavior.scaleUp``, flat.
        down: ``behavior.scaleDown``, flat.
        past_at: When each earlier recommendation (the number after the forecast) was made, in any order.
        past: The recommendations.
        past_count: How many of them count.
        event_at: When each change of replicas was made, in any order.
        changes: The changes, signed.
        event_count: How many of them count.
        record: Takes the number after each stage.
    """
    current = given[CURRENT]
    record[AT_NEED] = given[NEED]
    wanted = max(given[NEED], given[FLOOR])
    record[AT_FORECAST] = wanted
    if given[MIN] <= current <= given[MAX]:
        # The limits are monotone, so the extremes of the limited numbers are the limited extremes.
        lowest = limited(lowest_since(now - up[WINDOW_MS], past_at, past, past_count, wanted), given, record)
        highest = limited(highest_since(now - down[WINDOW_MS], past_at, past, past_count, wanted), given, record)
        limited(wanted, given, record)
        replicas = stabilized(current, lowest, highest)
        record[AT_STABILIZATION] = replicas
        if replicas > current:
            allowed = scale_up_limit(current, now, up, event_at, changes, event_count)
            replicas = min(replicas, max(allowed, 1))  # a policy in percent would leave a workload at 0 for ever
        elif replicas < current:
            replicas = max(replicas, scale_down_limit(current, now, down, event_at, changes, event_count))
    else:  # HPA's shortcut: outside its bounds a workload goes to the bound, without windows and policies
        limited(wanted, given, record)
        replicas = min(max(current, given[MIN]), given[MAX])
        record[AT_BOUNDS] = record[AT_STABILIZATION] = replicas
    record[AT_POLICIES] = replicas
    replicas = min(max(replicas, given[HOLD_MIN]), given[HOLD_MAX])
    record[AT_HOLDS] = replicas
    replicas = min(max(replicas, current - given[STEP_DOWN]), current + given[STEP_UP])
    record[AT_STEPS] = replicas
    return int(replicas)
