"""A whole pass of Kubernetes' HPA controller: from what is reported to the replicas that are set."""

from __future__ import annotations

from typing import Any

from controller.hpa import normalize
from controller.hpa.metrics import Kind, Metric, TargetType
from controller.hpa.normalize import History, HPABehavior, Remembered
from controller.hpa.pods import Container, Phase, Pod, PodMetric
from controller.hpa.reconcile import Controller, HorizontalPodAutoscaler, Scale
from tests.conformance.hpa_behavior import events_of, scaling_rules
from tests.conformance.hpa_harness import NOW, SETTINGS, expect, phase
from tests.conformance.hpa_literals import (
    Fields,
    Skip,
    ago,
    condition,
    items,
    mapping,
    milli,
    started,
    whole,
)


def check_reconcile(given: dict[str, Any]) -> None:
    case = mapping(given, of="the case")
    spec = whole(case.get("specReplicas", "initialReplicas", "currentReplicas"))
    status = case.get("statusReplicas")
    scale = Scale(spec_replicas=spec, status_replicas=spec if status is None else whole(status))
    wanted = case.get("expectedDesiredReplicas", "desiredReplicas", "expectedReplicas")
    if wanted is None:
        wanted = 0
    levels = [whole(level) for level in items(case.get("reportedLevels"))]
    pods = _reported_pods(case, spec)
    found = [_target_metric(one, levels) for one in items(case.get("metricsTarget"))]
    cpu = whole(case.get("CPUTarget"))
    if cpu > 0:
        found.insert(0, _resource_metric("cpu", TargetType.UTILIZATION, cpu, levels))
    least = case.get("minReplicas")
    hpa = HorizontalPodAutoscaler(
        min_replicas=1 if least is None else whole(least), max_replicas=whole(case.get("maxReplicas")),
        behavior=_behavior(case),
    )  # fmt: skip
    history = _history(case)
    case.ignore(
        "CPUCurrent", "verifyCPUCurrent", "scaleUpdated", "statusUpdated", "eventCreated", "verifyEvents",
        "useMetricsAPI", "expectedConditions", "resource", "lastScaleTime", "expectedReportedReconciliationActionLabel",
        "expectedReportedReconciliationErrorLabel", "expectedReportedMetricComputationActionLabels",
        "expectedReportedMetricComputationErrorLabels", "expectedReportedDesiredReplicas",
    )  # fmt: skip
    case.refuse_others()
    result = Controller(settings=SETTINGS).reconcile(
        hpa, scale=scale, metrics=found, pods=pods, history=history, now=NOW
    )
    expect("replicas", result.replicas, whole(wanted))


def _reported_pods(case: Fields, spec: int) -> list[Pod]:
    """As many as have a request; each has one container."""
    requests = items(case.get("reportedCPURequests"))
    readiness, starts = items(case.get("reportedPodReadiness")), items(case.get("reportedPodStartTime"))
    phases, deleted = items(case.get("reportedPodPhase")), items(case.get("reportedPodDeletionTimestamp"))
    pods = []
    for i in range(len(requests) if requests else spec):
        request = {"cpu": milli(requests[i], number_is_milli=False)} if i < len(requests) else {}
        pods.append(
            Pod(
                name=f"test-pod-{i}",
                phase=phase(phases[i]) if i < len(phases) else Phase.RUNNING,
                ready=condition(readiness[i]) if i < len(readiness) else True,
                started=started(starts[i], now=NOW) if i < len(starts) else 0.0,
                deleted=i < len(deleted) and deleted[i] not in (None, False, {}),
                containers=(Container(name="container1", requests=request),),
            )
        )
    return pods


def _resource_metric(name: str, shape: TargetType, target: int, levels: list[int]) -> Metric:
    pods = {f"test-pod-{i}": PodMetric(value=level) for i, level in enumerate(levels)}
    return Metric(kind=Kind.RESOURCE, target_type=shape, target=target, name=name, pods=pods)


def _target_metric(value: Any, levels: list[int]) -> Metric:
    """One of ``metricsTarget``, in the spelling of autoscaling/v2 or of v2beta1."""
    given = mapping(value, of="metricsTarget")
    kind = str(given.get("type") or "").removesuffix("MetricSourceType").rpartition(".")[2]
    source = next((one for one in Kind if one.value == kind), None)
    if source is None:
        return Metric(kind=Kind.RESOURCE, target_type=TargetType.VALUE, target=0, error=f"unknown type {kind}")
    inner = mapping(given.get(source.value), of=source.value)
    target = mapping(inner.get("target"), of="target") if isinstance(inner.get("target"), dict) else inner
    shape, number = _target(target)
    name = inner.get("name", "metricName")
    if source in (Kind.RESOURCE, Kind.CONTAINER_RESOURCE):
        name = str(name or "cpu").lower().rpartition("resource")[2]
        return _resource_metric(name, shape, number, levels)
    if source is Kind.PODS:
        pods = {f"test-pod-{i}": PodMetric(value=level) for i, level in enumerate(levels)}
        return Metric(kind=source, target_type=shape, target=number, pods=pods)
    values = tuple(levels[:1] if source is Kind.OBJECT else levels)
    return Metric(kind=source, target_type=shape, target=number, values=values)


def _target(given: Fields) -> tuple[TargetType, int]:
    """The type follows from which number is given: the old spelling names no type."""
    utilization = given.get("averageUtilization", "targetAverageUtilization")
    average = given.get("averageValue", "targetAverageValue")
    value = given.get("value", "targetValue")
    if utilization is not None:
        return TargetType.UTILIZATION, whole(utilization)
    if average is not None:
        return TargetType.AVERAGE_VALUE, milli(average, number_is_milli=True)
    if value is not None:
        return TargetType.VALUE, milli(value, number_is_milli=True)
    raise Skip("metricsTarget has no target")


def _behavior(case: Fields) -> HPABehavior | None:
    up, down = case.get("scaleUpRules"), case.get("scaleDownRules")
    both = case.get("behavior")
    if both is not None:
        inner = mapping(both, of="behavior")
        up, down = inner.get("scaleUp"), inner.get("scaleDown")
    if up is None and down is None:
        return None
    return HPABehavior(
        scale_up=scaling_rules(up, normalize.DEFAULT_UP), scale_down=scaling_rules(down, normalize.DEFAULT_DOWN)
    )


def _history(case: Fields) -> History:
    """An empty list of recommendations is a known HPA without any; none at all is one seen for the first time."""
    given = case.get("recommendations")
    history = History(
        scale_up_events=events_of(case.get("scaleUpEvents")), scale_down_events=events_of(case.get("scaleDownEvents"))
    )
    if given is None:
        return history
    history.recommendations = [_recommendation(one) for one in items(given)]
    return history


def _recommendation(value: Any) -> Remembered:
    if isinstance(value, list) and len(value) == 2:
        return Remembered(replicas=whole(value[0]), at=NOW - ago(value[1]))
    given = mapping(value, of="recommendation")
    replicas, at = whole(given.get("recommendation", "replicas")), NOW - ago(given.get("timestamp", "at"))
    return Remembered(replicas=replicas, at=at)
