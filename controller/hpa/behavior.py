"""HPA v2's ``behavior`` as our rules write it: tolerance, windows, policies, over the arithmetic of ``core``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from controller import core
from controller.memory import Recommendation, ScaleEvent, milliseconds
from rules.schema import Behavior, Policy, ScalingRules

_SELECT: Final = {"Max": core.SELECT_MAX, "Min": core.SELECT_MIN, "Disabled": core.DISABLED}


def within_tolerance(ratio: float, behavior: Behavior) -> bool:
    """Whether ``ratio`` (value ÷ target) is near enough to 1 to leave the replicas alone; the form since 1.33."""
    return core.within(ratio, float(behavior.scale_down.tolerance), float(behavior.scale_up.tolerance))


def flat(rules: ScalingRules) -> core.Ints:
    """One direction as ``core`` reads it."""
    numbers = [rules.stabilization_window_seconds * 1000, _SELECT[rules.select_policy]]
    for policy in rules.policies:
        numbers += _flat(policy)
    return numbers


def stabilize(desired: int, current: int, past: Iterable[Recommendation], *, behavior: Behavior, now: datetime) -> int:
    """The replicas after both stabilisation windows.

    A rise goes no higher than the lowest recommendation of the scale-up window, a fall no lower than the highest
    one of the scale-down window; the present recommendation counts in both.
    """
    seen, moment = tuple(past), milliseconds(now)
    at, replicas = [milliseconds(one.at) for one in seen], [one.replicas for one in seen]
    up, down = (rules.stabilization_window_seconds * 1000 for rules in (behavior.scale_up, behavior.scale_down))
    lowest = core.lowest_since(moment - up, at, replicas, len(at), desired)
    highest = core.highest_since(moment - down, at, replicas, len(at), desired)
    return core.stabilized(current, lowest, highest)


def scale_up_limit(current: int, events: Sequence[ScaleEvent], *, rules: ScalingRules, now: datetime) -> int:
    """The most replicas that the scale-up policies allow now; never below ``current``."""
    at, changes = _changes(events)
    return core.scale_up_limit(current, milliseconds(now), flat(rules), at, changes, len(at))


def scale_down_limit(current: int, events: Sequence[ScaleEvent], *, rules: ScalingRules, now: datetime) -> int:
    """The fewest replicas that the scale-down policies allow now; never above ``current``."""
    at, changes = _changes(events)
    return core.scale_down_limit(current, milliseconds(now), flat(rules), at, changes, len(at))


def window(rules: ScalingRules) -> timedelta:
    """The stabilisation window of one direction."""
    return timedelta(seconds=rules.stabilization_window_seconds)


def longest_window(behavior: Behavior) -> timedelta:
    """How long a recommendation can matter."""
    return max(window(behavior.scale_up), window(behavior.scale_down))


def longest_period(behavior: Behavior) -> timedelta:
    """How long a scale event can matter."""
    policies = (*behavior.scale_up.policies, *behavior.scale_down.policies)
    return timedelta(seconds=max((policy.period_seconds for policy in policies), default=0))


def _changes(events: Sequence[ScaleEvent]) -> tuple[core.Ints, core.Ints]:
    return [milliseconds(one.at) for one in events], [one.change for one in events]


def _flat(policy: Policy) -> tuple[int, int, int]:
    kind = core.PODS if policy.type == "Pods" else core.PERCENT
    return kind, policy.value, policy.period_seconds * 1000
