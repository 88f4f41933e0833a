"""Utilisation pod by pod: Kubernetes' own calculation, with who is ready, who starts and who has no sample."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from controller import hpa
from controller.hpa.numbers import MetricError, Settings, Tolerances
from controller.hpa.pods import Groups, Phase, Pod, PodMetric, group
from controller.hpa.replica_calculator import Proposed, ReplicaCalculator
from controller.triggers.wants import LEAST_COMPLETENESS, PodSignal, Want, silent
from controller.triggers.wording import number
from domain.pods import PodState
from domain.scaling import Proposal, Reason, Workload
from rules.schema import Behavior, ResourceTarget, Trigger

_MILLI: Final = 1000
_EXACT: Final = Tolerances(down=0.0, up=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """What one calculation is about, in HPA's terms."""

    resource: ResourceTarget
    current: int
    pods: tuple[Pod, ...]
    metrics: Mapping[str, PodMetric]

    def groups(self) -> Groups:
        return group(self.pods, self.metrics, resource=self.resource.name, now=0.0, settings=Settings())

    def calculated(self, tolerances: Tolerances) -> Proposed:
        calculator, name, goal = ReplicaCalculator(tolerances=tolerances), self.resource.name, self.resource.utilization
        if goal is not None:
            return calculator.get_resource_replicas(self.current, goal, name, self.metrics, self.pods, now=0.0)
        target = math.ceil(float(self.resource.average_value or 1) * _MILLI)
        return calculator.get_raw_resource_replicas(self.current, target, name, self.metrics, self.pods, now=0.0)

    def replicas(self, tolerances: Tolerances, ratio: float) -> int:
        """Pods are known up to a minute late: those that went since then shall not turn a fall into a rise."""
        found = self.calculated(tolerances).replicas
        return min(found, self.current) if ratio < 1 else found


def from_pod_usage(
    trigger: Trigger, resource: ResourceTarget, signal: PodSignal, workload: Workload, behavior: Behavior
) -> Want:
    """HPA's Resource and ContainerResource metric."""
    current, usual = workload.current_replicas, _usual(resource, signal.states, workload)
    if not current:
        return silent(trigger, f"{trigger.name}: {workload.ref} has no pods to look at")
    if resource.utilization is not None and not usual:
        what = f"{workload.ref} has no {resource.name} {resource.against} to compare usage with"
        return silent(trigger, f"{trigger.name}: {what}")
    case = _Case(
        resource=resource, current=current, metrics=_metrics(signal),
        pods=tuple(_pods(resource, signal.states, usual, current)),
    )  # fmt: skip
    try:
        return _said(trigger, case, signal, behavior)
    except MetricError as error:
        return silent(trigger, f"{trigger.name}: {error}")


def _said(trigger: Trigger, case: _Case, signal: PodSignal, behavior: Behavior) -> Want:
    tolerances = Tolerances(down=float(behavior.scale_down.tolerance), up=float(behavior.scale_up.tolerance))
    value, target, unit, used, goal = _compared(case.resource, case.calculated(tolerances))
    ratio, groups, current = value / target, case.groups(), case.current
    replicas, complete = case.replicas(tolerances, ratio), signal.completeness_ratio
    held = replicas == current and hpa.within_tolerance(ratio, behavior)
    told = f"{trigger.name} {used} on average over {groups.ready_count} of {current} pods ÷ {goal}"
    end = (
        f" is within tolerance of {current}" if held else f" → {replicas}{_kept(groups) if replicas == current else ''}"
    )
    proposal = Proposal(
        trigger=trigger.name, kind=trigger.kind, replicas=replicas, value=value, target=target, unit=unit,
        reason=f"{told}{end}", as_of=signal.as_of, incomplete=complete < LEAST_COMPLETENESS, completeness=complete,
    )  # fmt: skip
    word = Reason.WITHIN_TOLERANCE if held else Reason.DESIRED_WITHIN_RANGE
    return Want(proposal=proposal, word=word, asked=case.replicas(_EXACT, ratio) if held else replicas)


def _compared(resource: ResourceTarget, found: Proposed) -> tuple[float, float, str, str, str]:
    """Value, target and unit of the proposal, and both as the sentence says them."""
    if resource.utilization is not None:
        used, goal = found.utilization or 0, resource.utilization
        return used / 100, goal / 100, "ratio", f"{used} % of the {resource.against}", f"{goal} %"
    mean, target = found.usage / _MILLI, float(resource.average_value or 1)
    unit = "cores" if resource.name == "cpu" else "bytes"
    return mean, target, unit, f"{number(mean)} {unit}", f"{number(target)} {unit}"


def _metrics(signal: PodSignal) -> dict[str, PodMetric]:
    window = signal.window.total_seconds()
    values = ((pod, value) for pod, value in signal.values.items() if math.isfinite(value))
    return {pod: PodMetric(value=math.ceil(value * _MILLI), window_seconds=window) for pod, value in values}


def _kept(groups: Groups) -> str:
    """Who may stand against a move that the mean alone would make."""
    starting, silent_ones = len(groups.unready), len(groups.missing)
    parts = (f"{starting} not ready yet" if starting else "", f"{silent_ones} without a sample" if silent_ones else "")
    said = ", ".join(one for one in parts if one)
    return f"; {said}" if said else ""


def _usual(resource: ResourceTarget, states: Mapping[str, PodState], workload: Workload) -> float:
    """What its pods request, or are limited to: the largest of them; 0 where nobody knows."""
    named = workload.requests if resource.against == "request" else workload.limits
    known = [own for one in states.values() if (own := _own(resource, one))]
    return max(known, default=0.0 if resource.container is not None else named.get(resource.name, 0.0))


def _own(resource: ResourceTarget, state: PodState) -> float | None:
    named = state.requests if resource.against == "request" else state.limits
    return named.get(resource.name) or None


def _pods(resource: ResourceTarget, states: Mapping[str, PodState], usual: float, current: int) -> Iterator[Pod]:
    """Those that are known, and as many that only begin as are asked for beyond them; now is 0.

    A pod that is not known to request anything is taken to request the usual.
    """
    name = resource.name
    for pod, one in states.items():
        ready = one.ready_seconds
        yield Pod(
            name=pod, phase=Phase.PENDING if one.pending else Phase.RUNNING,
            ready=ready is not None if one.was_ready else None, ready_changed=-(ready or 0.0),
            started=-one.age_seconds, requests={name: math.ceil((_own(resource, one) or usual) * _MILLI)},
        )  # fmt: skip
    for index in range(len(states), current):
        yield Pod(name=f" {index}", phase=Phase.PENDING, requests={name: math.ceil(usual * _MILLI)})
