"""Utilisation of a resource against its target."""

from __future__ import annotations

from controller import core, hpa
from controller.triggers.wants import Want, said, silent
from controller.triggers.wording import number
from domain.scaling import Workload
from domain.series import Signal
from rules.schema import Behavior, ResourceTarget, Trigger


def from_usage(
    trigger: Trigger, resource: ResourceTarget, signal: Signal, workload: Workload, behavior: Behavior
) -> Want:
    """HPA's Resource metric on the sum over all replicas, where nobody can tell them apart."""
    if resource.utilization is None:
        return _from_average(trigger, resource, signal, workload, behavior)
    return _from_utilization(trigger, resource, resource.utilization, signal, workload, behavior)


def _from_average(
    trigger: Trigger, resource: ResourceTarget, signal: Signal, workload: Workload, behavior: Behavior
) -> Want:
    target, current = float(resource.average_value or 1), workload.current_replicas
    value, unit = max(signal.value, 0.0), " cores" if resource.name == "cpu" else " bytes"
    replicas = hpa.ceil32(value / target)
    told = f"{trigger.name} {number(value)}{unit} ÷ {number(target)}{unit} per replica"
    if current and hpa.within_tolerance(value / (target * current), behavior):
        reason = f"{told} is within tolerance of {current}"
        return said(trigger, current, value, target, unit.strip(), signal, reason, asked=replicas, held=True)
    return said(trigger, replicas, value, target, unit.strip(), signal, f"{told} → {replicas}", asked=replicas)


def _from_utilization(
    trigger: Trigger, resource: ResourceTarget, goal: int, signal: Signal, workload: Workload, behavior: Behavior
) -> Want:
    """Replicas that are not ready yet count as idle when more are wanted."""
    named = workload.requests if resource.against == "request" else workload.limits
    request, ready, current = named.get(resource.name), workload.ready_replicas, workload.current_replicas
    if not request or request <= 0:
        what = f"{workload.ref} has no {resource.name} {resource.against} to compare usage with"
        return silent(trigger, f"{trigger.name}: {what}")
    if not ready or current is None:
        return silent(trigger, f"{trigger.name}: {workload.ref} has no ready replica to compare usage with")
    used = core.utilization(signal.value, request, ready)
    busy = used > goal
    counted = max(ready, current) if busy else ready
    ratio = core.utilization(signal.value, request, counted) / goal
    asked = hpa.ceil32(ratio * counted)
    # More use never means fewer: terminating replicas are still ready, starting ones not yet.
    replicas = max(asked, current) if busy else min(asked, current)
    value, target = used / 100, goal / 100
    told = f"{trigger.name} {used} % of the {resource.against}, summed over {ready} ready ÷ {goal} %"
    if hpa.within_tolerance(ratio, behavior):
        reason = f"{told} is within tolerance of {current}"
        return said(trigger, current, value, target, "ratio", signal, reason, asked=replicas, held=True)
    reason = f"{told} → {asked}"
    if replicas != asked:
        why = f"{current - ready} of them are not ready yet" if busy else f"{ready - current} more are on their way out"
        reason = f"{reason}; {current} are kept, {why}"
    return said(trigger, replicas, value, target, "ratio", signal, reason, asked=replicas)
