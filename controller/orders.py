"""What a decision asks the cluster for: bounds of an autoscaler or a number of replicas, raised by what came back."""

from __future__ import annotations

from controller import own_hpa
from controller.actuation.limits import Limits
from controller.actuation.rollback import Watch
from controller.cluster import BoundsOrder
from controller.slo import Burn
from domain.scaling import Decision, Outcome, Reason
from rules.schema import ScalingRule


def autoscaler_of(rule: ScalingRule) -> tuple[str, str, str]:
    """Kind, namespace and name of what ``bounds`` or ``hpa`` sets; the name is empty where the rule sets none."""
    actuate, namespace = rule.spec.actuate, rule.metadata.namespace
    if actuate.scaled_object is not None:
        return "ScaledObject", namespace, actuate.scaled_object
    sets = actuate.with_ in ("bounds", "hpa")
    return "HorizontalPodAutoscaler", namespace, own_hpa.name_of(rule) if sets else ""


def wakes_or_sleeps(rule: ScalingRule, decision: Decision) -> bool:
    """Whether an HPA of ours is to be at rest, or no more: to 0 and back the workload itself is scaled."""
    between = 0 in (decision.current_replicas, decision.desired_replicas)
    return rule.spec.actuate.with_ == "hpa" and rule.spec.replicas.min == 0 and between


def bounds_order(rule: ScalingRule, decision: Decision, watch: Watch) -> BoundsOrder | None:
    """What the decision wants of the autoscaler, and what came back; None where neither is anything."""
    decided = decision.lower_bound is not None and decision.upper_bound is not None
    limits = Limits(low=decision.lower_bound or 0, high=decision.upper_bound or 0) if decided else watch.back
    if limits is None:
        return None
    kind, _, name = autoscaler_of(rule)
    raised = limits if decision.reason is Reason.PAUSED else watch.raised(limits, most=rule.spec.replicas.max)
    return BoundsOrder(
        rule=rule.key, target=rule.target, kind=kind, name=name, reason=decision.reason.value, limits=raised,
        because=watch.why if watch.back is not None and (not decided or raised != limits) else "",
        own=own_hpa.of(rule) if rule.spec.actuate.with_ == "hpa" else None, median_need=decision.median_need,
    )  # fmt: skip


def replicas_of(rule: ScalingRule, decision: Decision, watch: Watch) -> tuple[int | None, str]:
    """How many replicas are to be asked for, and why it is more than decided; None: nothing is."""
    current, wanted = decision.current_replicas, decision.desired_replicas
    decided = None if decision.outcome is Outcome.HOLD else wanted
    if watch.back is None or current is None or decision.reason is Reason.PAUSED:
        return decided, ""
    back = min(watch.back.low, rule.spec.replicas.max)
    if (current if decided is None else decided) >= back:
        return decided, ""
    return (back if back != current else None), watch.why


def burns(rule: ScalingRule, burn: Burn | None) -> str:
    """What a fast burning SLO says; empty where it does not burn so, or its guard lets replicas go all the same."""
    guard = rule.spec.guard
    if burn is None or not burn.fast or (guard is not None and not guard.when_burning.block_scale_down):
        return ""
    return burn.said
