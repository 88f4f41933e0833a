"""Kubernetes' HPA v2 in numbers: tolerance, stabilisation windows, scaling policies.

Written from the description of ``pkg/controller/podautoscaler`` (1.33 and later), which its own test tables confirm.
The float expressions are kept exactly as they stand there: 10 pods less 90 % is 0, not 1, and 7 pods plus 10 % is 8.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from controller.memory import Recommendation, ScaleEvent
from rules.schema import Behavior, Policy, ScalingRules

MAX_INT32: Final = 2**31 - 1


def ceil32(value: float) -> int:
    """The next integer up, saturating at 2³¹ − 1 as HPA does since 1.37 (before, overload wrapped to the minimum)."""
    return MAX_INT32 if value >= MAX_INT32 else math.ceil(value)


def within_tolerance(ratio: float, behavior: Behavior) -> bool:
    """Whether ``ratio`` (value ÷ target) is near enough to 1 to leave the replicas alone; the form since 1.33."""
    down, up = float(behavior.scale_down.tolerance), float(behavior.scale_up.tolerance)
    return 1.0 - down <= ratio <= 1.0 + up


def stabilize(desired: int, current: int, past: Iterable[Recommendation], *, behavior: Behavior, now: datetime) -> int:
    """The replicas after both stabilisation windows.

    A rise goes no higher than the lowest recommendation of the scale-up window, a fall no lower than the highest
    one of the scale-down window; the present recommendation counts in both.
    """
    up_since = now - window(behavior.scale_up)
    down_since = now - window(behavior.scale_down)
    lowest = highest = desired
    for recommendation in past:
        if recommendation.at > up_since:
            lowest = min(lowest, recommendation.replicas)
        if recommendation.at > down_since:
            highest = max(highest, recommendation.replicas)
    return min(max(current, lowest), highest)


def scale_up_limit(current: int, events: Sequence[ScaleEvent], *, rules: ScalingRules, now: datetime) -> int:
    """The most replicas that the scale-up policies allow now; never below ``current``."""
    limits = [_raised(_at_period_start(current, events, policy, now), policy) for policy in rules.policies]
    if rules.select_policy == "Disabled" or not limits:
        return current
    return max(current, min(limits) if rules.select_policy == "Min" else max(limits))


def scale_down_limit(current: int, events: Sequence[ScaleEvent], *, rules: ScalingRules, now: datetime) -> int:
    """The fewest replicas that the scale-down policies allow now; never above ``current``."""
    limits = [_lowered(_at_period_start(current, events, policy, now), policy) for policy in rules.policies]
    if rules.select_policy == "Disabled" or not limits:
        return current
    return min(current, max(limits) if rules.select_policy == "Min" else min(limits))


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


def _at_period_start(current: int, events: Iterable[ScaleEvent], policy: Policy, now: datetime) -> int:
    """Replicas when the policy's period began: current, less what was added since, plus what was removed."""
    since = now - timedelta(seconds=policy.period_seconds)
    return current - sum(event.change for event in events if event.at > since)


def _raised(start: int, policy: Policy) -> int:
    if policy.type == "Pods":
        return start + policy.value
    return ceil32(start * (1 + policy.value / 100))


def _lowered(start: int, policy: Policy) -> int:
    if policy.type == "Pods":
        return start - policy.value
    return int(start * (1 - policy.value / 100))
