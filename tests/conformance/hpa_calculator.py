"""A case of Kubernetes' replica calculator: one metric, what it asks for, and what the status reports."""

from __future__ import annotations

from typing import Any

from controller.hpa import metrics
from controller.hpa.metrics import Kind, Metric, TargetType
from controller.hpa.numbers import MetricError, Tolerances
from controller.hpa.pods import Container, Phase, Pod, PodMetric, usage_of
from controller.hpa.replica_calculator import ReplicaCalculator
from tests.conformance.hpa_harness import NOW, SETTINGS, Mismatch, expect, phase
from tests.conformance.hpa_literals import (
    Fields,
    Skip,
    condition,
    items,
    mapping,
    milli,
    ratio,
    started,
    whole,
)


def check_calculator(given: dict[str, Any]) -> None:
    case = mapping(given, of="the case")
    current, error = whole(case.get("currentReplicas")), case.get("expectedError")
    pods = _pods(case, current)
    resource, metric = case.get("resource"), case.get("metric")
    tolerances = _tolerances(case.get("tolerances", "tolerance"))
    calculator = ReplicaCalculator(settings=SETTINGS, tolerances=tolerances)
    wanted = whole(case.get("expectedReplicas"))
    container = str(case.get("container") or "")
    case.refuse_others()
    if resource is not None:
        metric_of, expected = _resource(mapping(resource, of="resource"), pods, container)
    else:
        metric_of, expected = _metric(mapping(metric, of="metric"))
    pods = [*pods] if resource is None else _with_requests(pods, mapping(resource, of="resource"))
    try:
        proposed = metrics.replicas_of(
            metric_of, calculator=calculator, current=current, status_replicas=current, pods=pods, now=NOW
        )
    except MetricError as failure:
        if not error:
            raise Mismatch(f"error {failure}") from failure
        return
    if error:
        raise Mismatch(f"{proposed.replicas} replicas, expected the error {error}")
    expect("replicas", proposed.replicas, wanted)
    for what, number in expected.items():
        expect(what, getattr(proposed, what), number)


def _pods(case: Fields, current: int) -> list[Pod]:
    readiness, starts = items(case.get("podReadiness")), items(case.get("podStartTime"))
    phases, deleted = items(case.get("podPhase")), items(case.get("podDeletionTimestamp"))
    # Failed pods stand in the phases but not in currentReplicas.
    return [
        Pod(
            name=f"test-pod-{i}",
            phase=phase(phases[i]) if i < len(phases) else Phase.RUNNING,
            ready=condition(readiness[i]) if i < len(readiness) else True,
            started=started(starts[i], now=NOW) if i < len(starts) else 0.0,
            deleted=i < len(deleted) and deleted[i] not in (None, False, {}),
        )
        for i in range(max(current, len(phases), len(deleted)))
    ]


def _tolerances(value: Any) -> Tolerances:
    if value in (None, {}):
        return Tolerances()
    if not isinstance(value, dict) or "call" in value:
        both = ratio(value)
        return Tolerances(down=both, up=both)
    given = mapping(value, of="tolerances")
    down, up = given.get("scaleDown", "down"), given.get("scaleUp", "up")
    given.refuse_others()
    return Tolerances(down=0.1 if down is None else ratio(down), up=0.1 if up is None else ratio(up))


def _with_requests(pods: list[Pod], resource: Fields) -> list[Pod]:
    """Every pod has two containers, and a request counts for each of them."""
    name, requests = str(resource.get("name")), items(resource.get("requests"))
    return [
        Pod(
            name=pod.name, phase=pod.phase, ready=pod.ready, started=pod.started, deleted=pod.deleted,
            containers=tuple(
                Container(name=f"container{c + 1}", requests=_request(name, requests[i : i + 1], c)) for c in range(2)
            ),
        )
        for i, pod in enumerate(pods)
    ]  # fmt: skip


def _request(name: str, given: list[Any], container: int) -> dict[str, int]:
    if not given:
        return {}
    value = given[0]
    if isinstance(value, list):
        value = value[min(container, len(value) - 1)]
    return {name: milli(value, number_is_milli=False)}


def _resource(given: Fields, pods: list[Pod], container: str) -> tuple[Metric, dict[str, int]]:
    name, names = str(given.get("name")), items(given.get("podNames"))
    samples = {}
    for i, level in enumerate(items(given.get("levels"))):
        pod = str(names[i]) if i < len(names) else f"test-pod-{i}"
        each = items(level) if isinstance(level, list | dict) else [level, level]
        samples[pod] = {f"container{c + 1}": whole(value) for c, value in enumerate(each)}
    utilization = given.get("targetUtilization", "target")
    average = given.get("targetAverageValue", "targetValue", "perPodTarget")
    expected = _expected(given, utilization=("expectedUtilization",), usage=("expectedValue", "expectedRawValue"))
    given.ignore("requests", "selector")
    given.refuse_others()
    if utilization is None:
        expected.pop("utilization", None)
    if utilization is None and average is None:
        raise Skip("resource has no target")
    average_target = 0 if average is None else milli(average, number_is_milli=True)
    metric = Metric(
        kind=Kind.CONTAINER_RESOURCE if container else Kind.RESOURCE,
        target_type=TargetType.AVERAGE_VALUE if utilization is None else TargetType.UTILIZATION,
        target=average_target if utilization is None else whole(utilization),
        name=name, container=container, pods=usage_of(samples, container=container),
    )  # fmt: skip
    return metric, expected


def _expected(given: Fields, **spellings: tuple[str, ...]) -> dict[str, int]:
    """What is said about the reported values; a 0 that Go leaves out is not checked."""
    values = {attribute: given.get(*names) for attribute, names in spellings.items()}
    return {attribute: whole(value) for attribute, value in values.items() if value is not None}


def _metric(given: Fields) -> tuple[Metric, dict[str, int]]:
    levels = [whole(level) for level in items(given.get("levels"))]
    kind = str(given.get("metricType") or "objectMetric").lower()
    per_pod = given.get("perPodTargetUtilization", "perPodTargetUsage", "perPodTarget", "perPodTargetValue")
    target = given.get("targetUtilization", "targetUsage", "target", "targetValue")
    expected = _expected(given, usage=("expectedUtilization", "expectedUsage", "expectedValue"))
    given.ignore("name", "singleObject", "selector")
    given.refuse_others()
    is_per_pod = "perpod" in kind
    chosen = per_pod if is_per_pod else target
    if chosen is None:
        raise Skip(f"a {kind} without target")
    number = milli(chosen, number_is_milli=True)
    if "external" in kind or "object" in kind:
        source = Kind.EXTERNAL if "external" in kind else Kind.OBJECT
        shape = TargetType.AVERAGE_VALUE if is_per_pod else TargetType.VALUE
        return Metric(kind=source, target_type=shape, target=number, name="qps", values=tuple(levels)), expected
    if "pod" not in kind:
        raise Skip(f"metric type {kind}")
    pods = {f"test-pod-{i}": PodMetric(value=level) for i, level in enumerate(levels)}
    return Metric(kind=Kind.PODS, target_type=TargetType.AVERAGE_VALUE, target=number, name="qps", pods=pods), expected
