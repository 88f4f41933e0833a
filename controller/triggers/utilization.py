"""Utilisation of a resource against its target."""

from __future__ import annotations

from controller import core, hpa
from controller.triggers.wants import Want, said, silent
from domain.scaling import Workload
from domain.series import Signal
from rules.schema import Behavior, ResourceTarget, Trigger


def from_utilization(
    trigger: Trigger, resource: ResourceTarget, signal: Signal, workload: Workload, behavior: Behavior
) -> Want:
    """HPA's Resource metric on sums: replicas that are not ready yet count as idle when more are wanted."""
    request, ready, current = workload.requests.get(resource.name), workload.ready_replicas, workload.current_replicas
    if not request or request <= 0:
        return silent(trigger, f"{trigger.name}: {workload.ref} has no {resource.name} request to compare usage with")
    if not ready or current is None:
        return silent(trigger, f"{trigger.name}: {workload.ref} has no ready replica to compare usage with")
    if resource.utilization is None:
        return silent(trigger, f"{trigger.name}: nothing acts on averageValue yet")
    used = core.utilization(signal.value, request, ready)
    busy = used > resource.utilization
    counted = max(ready, current) if busy else ready
    ratio = core.utilization(signal.value, request, counted) / resource.utilization
    asked = hpa.ceil32(ratio * counted)
    # More use never means fewer: terminating replicas are still ready, starting ones not yet.
    replicas = max(asked, current) if busy else min(asked, current)
    value, target = used / 100, resource.utilization / 100
    told = f"{trigger.name} {used} % of the request over {ready} ready ÷ {resource.utilization} %"
    if hpa.within_tolerance(ratio, behavior):
        reason = f"{told} is within tolerance of {current}"
        return said(trigger, current, value, target, "ratio", signal, reason, asked=replicas, held=True)
    reason = f"{told} → {asked}"
    if replicas != asked:
        why = f"{current - ready} of them are not ready yet" if busy else f"{ready - current} more are on their way out"
        reason = f"{reason}; {current} are kept, {why}"
    return said(trigger, replicas, value, target, "ratio", signal, reason, asked=replicas)
