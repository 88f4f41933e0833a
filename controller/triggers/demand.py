"""A measured number against its target: what one replica carries, a ratio to hold, or replicas as they are."""

from __future__ import annotations

from controller import hpa
from controller.triggers.wants import Want, said
from controller.triggers.wording import carried, number, unit_of
from domain.scaling import Workload
from domain.series import Signal
from rules.schema import Behavior, Trigger


def from_number(trigger: Trigger, signal: Signal, workload: Workload, behavior: Behavior) -> Want:
    """A query or a measure of traces, by the target that goes with it."""
    if trigger.as_replicas:
        return _as_replicas(trigger, signal)
    if trigger.value is not None:
        return _from_value(trigger, signal, workload, behavior)
    return _from_demand(trigger, signal, workload, behavior)


def _from_demand(trigger: Trigger, signal: Signal, workload: Workload, behavior: Behavior) -> Want:
    """HPA's External metric with AverageValue: tolerance around current × target, else ceil(value ÷ target)."""
    target, learned = carried(trigger, workload), workload.carried.get(trigger.name)
    value = max(signal.value, 0.0)  # as KEDA does since #7880: less than no demand is no demand
    current = workload.current_replicas
    replicas = hpa.ceil32(value / target)
    unit = unit_of(trigger)
    sum_ = f"{trigger.name} {number(value)}{unit} ÷ {number(target)}{unit} per replica"
    if learned is not None:
        sum_ = f"{sum_} ({learned.said})"
    if current and hpa.within_tolerance(value / (target * current), behavior):
        reason = f"{sum_} is within tolerance of {current}"
        return said(trigger, current, value, target, unit, signal, reason, asked=replicas, held=True)
    return said(trigger, replicas, value, target, unit, signal, f"{sum_} → {replicas}", asked=replicas)


def _from_value(trigger: Trigger, signal: Signal, workload: Workload, behavior: Behavior) -> Want:
    """HPA's External metric with Value: as many times the ready replicas as the value is of its target."""
    target, value, unit = trigger.target_value or 1.0, max(signal.value, 0.0), unit_of(trigger)
    current, ratio = workload.current_replicas, value / (trigger.target_value or 1.0)
    ready = current if workload.ready_replicas is None else workload.ready_replicas
    compared = f"{trigger.name} {number(value)}{unit} against {number(target)}{unit}"
    if not current or ready is None:
        replicas = hpa.ceil32(ratio)
        return said(trigger, replicas, value, target, unit, signal, f"{compared} → {replicas}", asked=replicas)
    replicas = hpa.ceil32(ratio * ready)
    if hpa.within_tolerance(ratio, behavior):
        reason = f"{compared} is within tolerance, {current} stay"
        return said(trigger, current, value, target, unit, signal, reason, asked=replicas, held=True)
    # More never means fewer: starting replicas are not ready yet, terminating ones still are.
    kept = max(replicas, current) if ratio > 1 else min(replicas, current)
    reason = f"{compared}: {number(ratio)} × {ready} ready → {replicas}"
    if kept != replicas:
        reason = f"{reason}; {current} are kept, not all of them are ready"
    return said(trigger, kept, value, target, unit, signal, reason, asked=kept)


def _as_replicas(trigger: Trigger, signal: Signal) -> Want:
    value = max(signal.value, 0.0)
    replicas = hpa.ceil32(value)
    reason = f"{trigger.name} says {replicas} replicas"
    return said(trigger, replicas, value, 1.0, "replicas", signal, reason, asked=replicas)
