"""Demand divided by what one replica carries."""

from __future__ import annotations

from controller import hpa
from controller.triggers.wants import Want, said
from controller.triggers.wording import number, per_replica, unit_of
from domain.scaling import Workload
from domain.series import Signal
from rules.schema import Behavior, Trigger


def from_demand(trigger: Trigger, signal: Signal, workload: Workload, behavior: Behavior) -> Want:
    """HPA's External metric with AverageValue: tolerance around current × target, else ceil(value ÷ target)."""
    target = per_replica(trigger)
    value = max(signal.value, 0.0)  # as KEDA does since #7880: less than no demand is no demand
    current = workload.current_replicas
    replicas = hpa.ceil32(value / target)
    unit = unit_of(trigger)
    sum_ = f"{trigger.name} {number(value)}{unit} ÷ {number(target)}{unit} per replica"
    if current and hpa.within_tolerance(value / (target * current), behavior):
        reason = f"{sum_} is within tolerance of {current}"
        return said(trigger, current, value, target, unit, signal, reason, asked=replicas, held=True)
    return said(trigger, replicas, value, target, unit, signal, f"{sum_} → {replicas}", asked=replicas)
