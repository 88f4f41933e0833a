"""A case of the rates of ``behavior``: the metrics' number, what happened before, and how far it may go."""

from __future__ import annotations

from typing import Any

from controller.hpa import normalize
from controller.hpa.normalize import History, HPABehavior, HPAScalingPolicy, HPAScalingRules, Remembered
from tests.conformance.hpa_harness import NOW, SETTINGS, expect
from tests.conformance.hpa_literals import (
    Fields,
    Skip,
    items,
    mapping,
    ratio,
    short,
    whole,
)


def check_behavior(given: dict[str, Any]) -> None:
    case = mapping(given, of="the case")
    current, desired = whole(case.get("currentReplicas")), whole(case.get("prenormalizedDesiredReplicas"))
    least, most = whole(case.get("minReplicas", "specMinReplicas")), whole(case.get("maxReplicas", "specMaxReplicas"))
    behavior = HPABehavior(
        scale_up=scaling_rules(case.get("scaleUpRules"), normalize.DEFAULT_UP),
        scale_down=scaling_rules(case.get("scaleDownRules"), normalize.DEFAULT_DOWN),
    )
    history = History(
        recommendations=[], scale_up_events=events_of(case.get("scaleUpEvents")),
        scale_down_events=events_of(case.get("scaleDownEvents")),
    )  # fmt: skip
    wanted, reason = case.get("expectedReplicas"), case.get("expectedCondition")
    case.ignore("annotations", "comment")
    case.refuse_others()
    replicas, why = normalize.limit_rate(
        desired, current, least=least, most=most, behavior=behavior, history=history, now=NOW, version=SETTINGS.version
    )
    expect("replicas", replicas, whole(wanted))
    if reason:
        expect("condition", why, str(reason))


def scaling_rules(value: Any, default: HPAScalingRules) -> HPAScalingRules:
    """``[pods, pods period, percent, percent period, window]``, 0 = none; or an object as Kubernetes spells it."""
    if value in (0, None, {}, []):
        return default
    if isinstance(value, list) and all(isinstance(one, int) for one in value) and len(value) in (4, 5):
        pods, pods_period, percent, percent_period, *window = value
        policies = [
            HPAScalingPolicy(type=kind, value=number, period_seconds=period)
            for kind, number, period in (("Pods", pods, pods_period), ("Percent", percent, percent_period))
            if number or period
        ]
        return HPAScalingRules(window_seconds=window[0] if window else 0, policies=tuple(policies))
    if not isinstance(value, dict):
        raise Skip(f"scaling rules {short(value)}")
    if "args" in value:
        return scaling_rules(items(value), default)
    return _spelled_out(mapping(value, of="scaling rules"), default)


def _spelled_out(given: Fields, default: HPAScalingRules) -> HPAScalingRules:
    policies = []
    for one in items(given.get("policies")):
        policy = mapping(one, of="policy")
        kind = "Pods" if str(policy.get("type")).startswith("Pods") else "Percent"
        value, period = whole(policy.get("value")), whole(policy.get("periodSeconds"))
        policies.append(HPAScalingPolicy(type=kind, value=value, period_seconds=period))
    window, select = given.get("stabilizationWindowSeconds"), str(given.get("selectPolicy") or "Max")
    tolerance = given.get("tolerance")
    given.refuse_others()
    return HPAScalingRules(
        window_seconds=default.window_seconds if window is None else whole(window),
        select_policy=next((word for word in ("Max", "Min", "Disabled") if select.startswith(word)), "Max"),
        policies=tuple(policies) if policies else default.policies,
        tolerance=None if tolerance is None else ratio(tolerance),
    )


def events_of(value: Any) -> list[Remembered]:
    """Changes of replicas inside the period: how far inside is not said, so just now."""
    if value in (0, None):
        return []
    return [Remembered(replicas=whole(change), at=NOW - 0.001) for change in items(value)]
