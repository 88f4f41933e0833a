"""The metrics of one HPA: each kind with its target becomes a proposal, and the proposals one number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from controller.hpa.numbers import MetricError
from controller.hpa.pods import Pod, PodMetrics
from controller.hpa.replica_calculator import Proposed, ReplicaCalculator


class Kind(StrEnum):
    """``MetricSpec.type``."""

    RESOURCE = "Resource"
    CONTAINER_RESOURCE = "ContainerResource"
    PODS = "Pods"
    OBJECT = "Object"
    EXTERNAL = "External"


class TargetType(StrEnum):
    """``MetricTarget.type``."""

    UTILIZATION = "Utilization"
    VALUE = "Value"
    AVERAGE_VALUE = "AverageValue"


_FAILED: Final = {
    Kind.RESOURCE: "FailedGetResourceMetric",
    Kind.CONTAINER_RESOURCE: "FailedGetContainerResourceMetric",
    Kind.PODS: "FailedGetPodsMetric",
    Kind.OBJECT: "FailedGetObjectMetric",
    Kind.EXTERNAL: "FailedGetExternalMetric",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One of ``spec.metrics`` with what was read for it.

    Attributes:
        kind: Where it comes from.
        target_type: What the target counts.
        target: Milli-units, or percent for ``Utilization``.
        name: Resource or metric name.
        container: For ``ContainerResource``.
        pods: Per pod, for Resource, ContainerResource and Pods.
        values: Of the object (one) or the external items, in milli-units.
        error: Why it could not be read; empty when it could.
    """

    kind: Kind
    target_type: TargetType
    target: int
    name: str = ""
    container: str = ""
    pods: PodMetrics = field(default_factory=dict)
    values: tuple[int, ...] = ()
    error: str = ""

    @property
    def comes_from_outside(self) -> bool:
        """Object and External metrics have a value without a pod, so that HPA can come back from 0."""
        return self.kind in (Kind.OBJECT, Kind.EXTERNAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """What all metrics come to.

    Attributes:
        replicas: None where HPA does not scale.
        reason: Of the condition ScalingActive: ``ValidMetricFound``, or why not.
        metric: Name of the metric that decided.
        proposals: Of each metric, in order; None where it is invalid.
    """

    replicas: int | None
    reason: str
    metric: str = ""
    message: str = ""
    proposals: tuple[Proposed | None, ...] = ()


def replicas_of(
    metric: Metric, *, calculator: ReplicaCalculator, current: int, status_replicas: int, pods: Sequence[Pod],
    now: float,
) -> Proposed:  # fmt: skip
    """One metric's proposal; ``MetricError`` where it is invalid."""
    if metric.error:
        raise MetricError(metric.error)
    match metric.kind, metric.target_type:
        case ((Kind.RESOURCE | Kind.CONTAINER_RESOURCE), TargetType.UTILIZATION):
            return calculator.get_resource_replicas(
                current, metric.target, metric.name, metric.pods, pods, now=now, container=metric.container
            )
        case ((Kind.RESOURCE | Kind.CONTAINER_RESOURCE), TargetType.AVERAGE_VALUE):
            return calculator.get_raw_resource_replicas(current, metric.target, metric.name, metric.pods, pods, now=now)
        case Kind.PODS, TargetType.AVERAGE_VALUE:
            return calculator.get_metric_replicas(current, metric.target, metric.pods, pods, now=now)
        case Kind.OBJECT, TargetType.VALUE:
            return calculator.get_object_metric_replicas(current, metric.target, _one(metric), pods)
        case Kind.OBJECT, TargetType.AVERAGE_VALUE:
            return calculator.get_object_per_pod_metric_replicas(status_replicas, metric.target, _one(metric))
        case Kind.EXTERNAL, TargetType.VALUE:
            return calculator.get_external_metric_replicas(current, metric.target, metric.values, pods)
        case Kind.EXTERNAL, TargetType.AVERAGE_VALUE:
            return calculator.get_external_per_pod_metric_replicas(status_replicas, metric.target, metric.values)
        case _:
            raise MetricError(f"a {metric.kind} metric has no target of type {metric.target_type}")


def desired(
    metrics: Sequence[Metric], *, calculator: ReplicaCalculator, current: int, status_replicas: int,
    pods: Sequence[Pod], now: float,
) -> Desired:  # fmt: skip
    """The largest valid proposal; nothing where none is valid, or where some are invalid and it would scale in."""
    replicas, winner, failed, message = 0, "", "", ""
    proposals: list[Proposed | None] = []
    for metric in metrics:
        try:
            proposed = replicas_of(
                metric, calculator=calculator, current=current, status_replicas=status_replicas, pods=pods, now=now
            )
        except MetricError as error:
            failed, message = failed or _FAILED[metric.kind], message or str(error)
            proposals.append(None)
            continue
        proposals.append(proposed)
        if replicas == 0 or proposed.replicas > replicas:
            replicas, winner = proposed.replicas, metric.name
    none_valid = not any(proposal is not None for proposal in proposals)
    if none_valid or (failed and replicas < current):
        return Desired(replicas=None, reason=failed or "InvalidMetrics", message=message, proposals=tuple(proposals))
    return Desired(replicas=replicas, reason="ValidMetricFound", metric=winner, proposals=tuple(proposals))


def _one(metric: Metric) -> int:
    if len(metric.values) != 1:
        raise MetricError(f"{metric.name}: an object metric has one value; found {len(metric.values)}")
    return metric.values[0]
