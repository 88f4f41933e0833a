"""From the metrics' number to the one that is set: stabilisation, rate limits, bounds; without and with ``behavior``.

Both return the number and the reason of the condition ScalingLimited. The memory is a plain list that the caller owns
and these functions change as Kubernetes does, outdated entries overwritten. Instants are seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from controller import core
from controller.hpa.numbers import MAX_INT32, MIN_INT32, Settings, Version, ceil32, int32

WITHIN_RANGE: Final = "DesiredWithinRange"


@dataclass(slots=True, kw_only=True)
class Remembered:
    """A recommendation, or a change of replicas (always positive; the list tells the direction)."""

    replicas: int
    at: float
    outdated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HPAScalingPolicy:
    """``Pods`` or ``Percent`` within a period."""

    type: str
    value: int
    period_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HPAScalingRules:
    """One direction, server-defaulted; a tolerance of None is the controller's flag."""

    window_seconds: int
    select_policy: str = "Max"
    policies: tuple[HPAScalingPolicy, ...] = (HPAScalingPolicy(type="Percent", value=100, period_seconds=15),)
    tolerance: float | None = None


DEFAULT_UP: Final = HPAScalingRules(
    window_seconds=0,
    policies=(
        HPAScalingPolicy(type="Pods", value=4, period_seconds=15),
        HPAScalingPolicy(type="Percent", value=100, period_seconds=15),
    ),
)
DEFAULT_DOWN: Final = HPAScalingRules(window_seconds=300)


@dataclass(frozen=True, slots=True, kw_only=True)
class HPABehavior:
    """``spec.behavior`` after the API server's defaults."""

    scale_up: HPAScalingRules = DEFAULT_UP
    scale_down: HPAScalingRules = DEFAULT_DOWN


@dataclass(slots=True, kw_only=True)
class History:
    """What the controller remembers of one HPA; None: it has not seen it before."""

    recommendations: list[Remembered] | None = None
    scale_up_events: list[Remembered] = field(default_factory=list)
    scale_down_events: list[Remembered] = field(default_factory=list)
    scaled_to_zero: bool = False

    def begin(self, current: int, now: float) -> None:
        """The first recommendation of an HPA is its current number; a restart of the controller begins anew."""
        if self.recommendations is None:
            self.recommendations = [Remembered(replicas=current, at=now)]


def without_behavior(
    desired: int, current: int, *, least: int, most: int, history: History, now: float, settings: Settings
) -> tuple[int, str]:
    """``normalizeDesiredReplicas``: one downscale window, then at most double (or 4)."""
    stabilized = _over_window(desired, history, now, settings.downscale_stabilization_seconds)
    limit = int32(max(settings.scale_up_limit_factor * current, settings.scale_up_limit_minimum), settings.version)
    highest, why = (limit, "ScaleUpLimit") if limit < most else (most, "TooManyReplicas")
    if stabilized < least:
        return least, "TooFewReplicas"
    if stabilized > highest:
        return highest, why
    reason = "ScaleDownStabilized" if stabilized > desired else WITHIN_RANGE
    return stabilized, reason


def with_behavior(
    desired: int, current: int, *, least: int, most: int, behavior: HPABehavior, history: History, now: float,
    version: Version,
) -> tuple[int, str]:  # fmt: skip
    """``normalizeDesiredReplicasWithBehaviors``: both windows, then both rates."""
    stabilized = stabilize(desired, current, behavior=behavior, history=history, now=now)
    replicas, reason = limit_rate(
        stabilized, current, least=least, most=most, behavior=behavior, history=history, now=now, version=version
    )
    if reason == WITHIN_RANGE and stabilized != desired:
        return replicas, "ScaleDownStabilized" if stabilized > desired else "ScaleUpStabilized"
    return replicas, reason


def stabilize(desired: int, current: int, *, behavior: HPABehavior, history: History, now: float) -> int:
    """``stabilizeRecommendationWithBehaviors``; what is remembered is ``desired``, not the result."""
    past = history.recommendations if history.recommendations is not None else []
    up_since, down_since = now - behavior.scale_up.window_seconds, now - behavior.scale_down.window_seconds
    lowest, highest, outdated = desired, desired, -1
    for i, one in enumerate(past):
        if one.at > up_since:
            lowest = min(lowest, one.replicas)
        if one.at > down_since:
            highest = max(highest, one.replicas)
        if one.at < up_since and one.at < down_since:
            outdated = i
    _put(past, outdated, Remembered(replicas=desired, at=now))
    history.recommendations = past
    return core.stabilized(current, lowest, highest)


def limit_rate(
    desired: int, current: int, *, least: int, most: int, behavior: HPABehavior, history: History, now: float,
    version: Version,
) -> tuple[int, str]:  # fmt: skip
    """``convertDesiredReplicasWithBehaviorRate``."""
    if desired > current:
        limit = max(scale_up_limit(current, behavior.scale_up, history, now, version), current)
        highest, why = (limit, "ScaleUpLimit") if limit < most else (most, "TooManyReplicas")
        return (highest, why) if desired > highest else (desired, WITHIN_RANGE)
    if desired < current:
        limit = min(scale_down_limit(current, behavior.scale_down, history, now, version), current)
        lowest, why = (limit, "ScaleDownLimit") if limit > least else (least, "TooFewReplicas")
        return (lowest, why) if desired < lowest else (desired, WITHIN_RANGE)
    return desired, WITHIN_RANGE


def scale_up_limit(current: int, rules: HPAScalingRules, history: History, now: float, version: Version) -> int:
    """``calculateScaleUpLimitWithScalingRules``; an empty list leaves the least int32."""
    if rules.select_policy == "Disabled":
        return current
    limits = []
    for policy in rules.policies:
        start = _at_start(current, policy, history, now)
        if policy.type == "Pods":
            limits.append(start + policy.value)
        else:
            limits.append(ceil32(start * (1 + policy.value / 100), version))
    return (min if rules.select_policy == "Min" else max)(limits, default=MIN_INT32)


def scale_down_limit(current: int, rules: HPAScalingRules, history: History, now: float, version: Version) -> int:
    """``calculateScaleDownLimitWithBehaviors``; an empty list leaves the largest int32."""
    if rules.select_policy == "Disabled":
        return current
    limits = []
    for policy in rules.policies:
        start = _at_start(current, policy, history, now)
        if policy.type == "Pods":
            limits.append(start - policy.value)
        else:
            limits.append(int32(start * (1 - policy.value / 100), version))
    return (max if rules.select_policy == "Min" else min)(limits, default=MAX_INT32)


def store_scale_event(behavior: HPABehavior, history: History, *, before: int, after: int, now: float) -> None:
    """``storeScaleEvent``: a change is kept for the longest period of its direction."""
    up = after > before
    events = history.scale_up_events if up else history.scale_down_events
    rules = behavior.scale_up if up else behavior.scale_down
    longest = max((policy.period_seconds for policy in rules.policies), default=0)
    outdated = -1
    for i, event in enumerate(events):
        if event.at < now - longest:
            event.outdated, outdated = True, i
    _put(events, outdated, Remembered(replicas=abs(after - before), at=now))


def _over_window(desired: int, history: History, now: float, window_seconds: float) -> int:
    """``stabilizeRecommendation``: the highest of the window; remembers ``desired``."""
    past = history.recommendations if history.recommendations is not None else []
    highest, outdated, since = desired, -1, now - window_seconds
    for i, one in enumerate(past):
        if one.at < since:
            outdated = i
        else:
            highest = max(highest, one.replicas)
    _put(past, outdated, Remembered(replicas=desired, at=now))
    history.recommendations = past
    return highest


def _at_start(current: int, policy: HPAScalingPolicy, history: History, now: float) -> int:
    since = now - policy.period_seconds
    added = sum(event.replicas for event in history.scale_up_events if event.at > since)
    removed = sum(event.replicas for event in history.scale_down_events if event.at > since)
    return current - added + removed


def _put(items: list[Remembered], place: int, item: Remembered) -> None:
    if place < 0:
        items.append(item)
    else:
        items[place] = item
