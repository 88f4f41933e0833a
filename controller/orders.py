"""What a decision asks the cluster for: bounds of an autoscaler or a number of replicas, raised by what came back."""

from __future__ import annotations

from dataclasses import replace

from controller import own_hpa
from controller.actuation.limits import Limits
from controller.actuation.rollback import Watch
from controller.actuation.shares import Granted
from controller.cluster import BoundsOrder, Order, ReplicasOrder
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


def order_of(rule: ScalingRule, decision: Decision, watch: Watch) -> Order | None:
    """What the decision wants, whichever way the rule acts; None where it wants nothing."""
    if rule.spec.actuate.with_ == "scale" or wakes_or_sleeps(rule, decision):
        return replicas_order(rule, decision, watch)
    return bounds_order(rule, decision, watch)


def bounds_order(rule: ScalingRule, decision: Decision, watch: Watch) -> BoundsOrder | None:
    """What the decision wants of the autoscaler, and what came back; None where neither is anything."""
    watch = Watch() if decision.reason is Reason.PAUSED else watch
    decided = decision.lower_bound is not None and decision.upper_bound is not None
    if not decided and watch.back is None:
        return None
    limits, most = Limits(low=decision.lower_bound or 0, high=decision.upper_bound or 0), rule.spec.replicas.max
    raised, above = watch.raised(limits, most=most), watch.ceiling_above(most)
    kind, _, name = autoscaler_of(rule)
    return BoundsOrder(
        rule=rule.key, target=rule.target, kind=kind, name=name, reason=decision.reason.value, limits=raised,
        because=watch.why if raised != limits or above is not None else "", ceiling_before=above,
        own=own_hpa.of(rule) if rule.spec.actuate.with_ == "hpa" else None, median_need=decision.median_need,
    )  # fmt: skip


def replicas_order(rule: ScalingRule, decision: Decision, watch: Watch) -> ReplicasOrder | None:
    """How many replicas are wanted, as they are where nothing is but more came back; None where nothing is."""
    current, wanted = decision.current_replicas, decision.desired_replicas
    decided = None if decision.outcome is Outcome.HOLD else wanted
    back = None if current is None or decision.reason is Reason.PAUSED else watch.back
    least, standing = rule.spec.replicas.min, current if decided is None else decided
    returns = back is not None and standing is not None and min(back.low, rule.spec.replicas.max) > standing
    if back is not None and returns:
        decided = min(back.low, rule.spec.replicas.max)
    if decided is None:
        return None
    because = watch.why if returns else ""
    return ReplicasOrder(rule=rule.key, target=rule.target, replicas=decided, least=least, because=because)


def within(order: ReplicasOrder, grant: Granted | None, *, current: int) -> tuple[ReplicasOrder, str]:
    """The order as far as there is room for it, and why no further; what runs is never taken by this."""
    if grant is None or not grant.why or max(grant.low, current) >= order.replicas:
        return order, ""
    low = max(grant.low, current)
    return replace(order, replicas=low), f"{order.replicas} replicas are held at {low}: {grant.why}"


def burns(rule: ScalingRule, burn: Burn | None) -> str:
    """What a fast burning SLO says; empty where it does not burn so, or its guard lets replicas go all the same."""
    guard = rule.spec.guard
    if burn is None or not burn.fast or (guard is not None and not guard.when_burning.block_scale_down):
        return ""
    return burn.said
