"""HPA's Pods metric: the average over the pods that have a value, and what the others are taken to have."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from controller import hpa
from controller.hpa.numbers import MetricError, Tolerances
from controller.hpa.pods import Phase, Pod, PodMetric
from controller.hpa.replica_calculator import ReplicaCalculator
from controller.triggers.wants import LEAST_COMPLETENESS, PodSignal, Want, silent
from controller.triggers.wording import number, per_replica
from domain.scaling import Proposal, Reason, Workload
from rules.schema import Behavior, Trigger


def from_pods(trigger: Trigger, signal: PodSignal, workload: Workload, behavior: Behavior) -> Want:
    """Kubernetes' own calculation: a ready pod without a value stands against the move, one that starts counts as idle.

    Of the pods only their numbers are known, so those without a value have no names here.
    """
    target, current = per_replica(trigger), workload.current_replicas
    if current is None or not current:
        return silent(trigger, f"{trigger.name}: {workload.ref} has no pods to look at")
    finite = {name: value for name, value in signal.values.items() if math.isfinite(value)}
    metrics = {name: PodMetric(value=math.ceil(value * 1000)) for name, value in finite.items()}
    tolerances = Tolerances(down=float(behavior.scale_down.tolerance), up=float(behavior.scale_up.tolerance))
    pods = (*(Pod(name=name) for name in finite), *_unseen(len(finite), workload, current))
    try:
        found = ReplicaCalculator(tolerances=tolerances).get_metric_replicas(
            current, math.ceil(target * 1000), metrics, pods, now=0.0
        )
    except MetricError as error:
        return silent(trigger, f"{trigger.name}: {error}")
    mean = found.usage / 1000
    told = f"{trigger.name} {number(mean)} on average over {len(finite)} of {current} pods ÷ {number(target)}"
    held = found.replicas == current and hpa.within_tolerance(mean / target, behavior)
    ready = current if workload.ready_replicas is None else min(workload.ready_replicas, current)
    complete = min(len(finite) / ready, 1.0) if ready else 1.0
    proposal = Proposal(
        trigger=trigger.name, kind=trigger.kind, replicas=found.replicas, value=mean, target=target, unit="",
        reason=f"{told} is within tolerance of {current}" if held else f"{told} → {found.replicas}",
        as_of=signal.as_of, incomplete=complete < LEAST_COMPLETENESS, completeness=complete,
    )  # fmt: skip
    word = Reason.WITHIN_TOLERANCE if held else Reason.DESIRED_WITHIN_RANGE
    return replace(Want(proposal=proposal, word=word), asked=found.replicas)


def _unseen(seen: int, workload: Workload, current: int) -> Iterator[Pod]:
    """Pods without a value: first those that are ready and should have one, then those that start."""
    ready = current if workload.ready_replicas is None else workload.ready_replicas
    for index in range(seen, current):
        yield Pod(name=f" {index}", phase=Phase.RUNNING if index < ready else Phase.PENDING)
