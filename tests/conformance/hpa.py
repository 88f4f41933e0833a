"""Runs Kubernetes' own HPA tables: ``python -m tests.conformance.hpa FILE…``.

One line for each failing case and, last, ``N passed, M failed, K skipped``. Three kinds of table are told apart by
their keys: the replica calculator (replicas, reported usage and utilisation, error or none), the rates of ``behavior``
(replicas and reason), and whole passes of the controller (replicas). A case with a column that nobody knows, or
that the upstream test changes in code, is skipped by itself, with the reason.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from controller.hpa import metrics, normalize
from controller.hpa.metrics import Kind, Metric, TargetType
from controller.hpa.normalize import History, HPABehavior, HPAScalingPolicy, HPAScalingRules, Remembered
from controller.hpa.numbers import MetricError, Settings, Tolerances, Version
from controller.hpa.pods import Container, Phase, Pod, PodMetric, usage_of
from controller.hpa.reconcile import Controller, HorizontalPodAutoscaler, Scale
from controller.hpa.replica_calculator import ReplicaCalculator
from tests.conformance.hpa_literals import (
    Fields,
    Skip,
    ago,
    condition,
    items,
    mapping,
    milli,
    ratio,
    short,
    started,
    whole,
)

NOW = 1e9
"""Far from the zero time, at which the tables' samples are taken and readiness changes."""
SETTINGS = Settings(
    version=Version(minor=35), cpu_initialization_seconds=120.0, readiness_delay_seconds=10.0,
    scale_up_limit_factor=8.0,
)  # fmt: skip
"""The tables' own flags. 1.35: the newest arithmetic with the meaning that 0 replicas had when they were written."""
_CODE_REPLACES_A_CLIENT = re.compile(r"TestCondition(Failed|InvalidSelector)|OneMetricEmpty")
"""Their literal cannot say which client errs; they are counted only where they pass all the same."""


class Mismatch(Exception):
    """What was expected is not what came."""


def run(path: Path) -> Iterator[tuple[str, str]]:
    """Verdict (``passed``, ``failed``, ``skipped``) and message of every case of a file."""
    table = json.loads(path.read_text(encoding="utf-8"))
    found = table if isinstance(table, list) else table.get("cases") or []
    columns = table.get("columns") if isinstance(table, dict) else None
    for number, case in enumerate(found, start=1):
        name, fields = _read(case, columns, number)
        verdict, message = _checked(name, fields)
        yield verdict, f"{path.name}: {name}: {message}"


def _read(case: Any, columns: Any, number: int) -> tuple[str, Any]:
    """Name and fields of a case: a row under ``columns``, a mapping, or ``{"name", "case"}``."""
    if isinstance(case, list) and isinstance(columns, list):
        case = dict(zip(columns, case, strict=False))
    if not isinstance(case, dict):
        return f"case {number}", None
    name = str(case.get("name") or case.get("test") or f"case {number}")
    inner = case.get("case")
    return name, inner if isinstance(inner, dict) else {k: v for k, v in case.items() if k not in ("name", "test")}


def _checked(name: str, fields: Any) -> tuple[str, str]:
    try:
        _check_of(fields)(fields)
    except Skip as reason:
        return "skipped", str(reason)
    except Mismatch as mismatch:
        if _CODE_REPLACES_A_CLIENT.search(name):
            return "skipped", f"the upstream test replaces a client in code ({mismatch})"
        return "failed", str(mismatch)
    except Exception as error:  # a crash is a failing case, not the end of the run
        return "failed", f"crashed with {type(error).__name__}: {error}"
    return "passed", ""


def _check_of(fields: Any) -> Callable[[dict[str, Any]], None]:
    if not isinstance(fields, dict):
        raise Skip("it is no mapping")
    keys = {key.replace("_", "").lower() for key in fields}
    if "prenormalizeddesiredreplicas" in keys:
        return check_behavior
    if keys & {"expecteddesiredreplicas", "metricstarget", "reportedlevels", "cputarget"}:
        return check_reconcile
    if keys & {"resource", "metric"}:
        return check_calculator
    raise Skip(f"neither calculator, behaviour nor whole pass: {', '.join(sorted(keys))}")


def _expect(what: str, got: object, wanted: object) -> None:
    if got != wanted:
        raise Mismatch(f"{what} {got}, expected {wanted}")


# ---- the replica calculator


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
    _expect("replicas", proposed.replicas, wanted)
    for what, number in expected.items():
        _expect(what, getattr(proposed, what), number)


def _pods(case: Fields, current: int) -> list[Pod]:
    readiness, starts = items(case.get("podReadiness")), items(case.get("podStartTime"))
    phases, deleted = items(case.get("podPhase")), items(case.get("podDeletionTimestamp"))
    # Failed pods stand in the phases but not in currentReplicas.
    return [
        Pod(
            name=f"test-pod-{i}",
            phase=_phase(phases[i]) if i < len(phases) else Phase.RUNNING,
            ready=condition(readiness[i]) if i < len(readiness) else True,
            started=started(starts[i], now=NOW) if i < len(starts) else 0.0,
            deleted=i < len(deleted) and deleted[i] not in (None, False, {}),
        )
        for i in range(max(current, len(phases), len(deleted)))
    ]


def _phase(value: Any) -> Phase:
    for phase in Phase:
        if str(value).endswith(phase.value):
            return phase
    raise Skip(f"phase {short(value)}")


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


# ---- the rates of behavior


def check_behavior(given: dict[str, Any]) -> None:
    case = mapping(given, of="the case")
    current, desired = whole(case.get("currentReplicas")), whole(case.get("prenormalizedDesiredReplicas"))
    least, most = whole(case.get("minReplicas", "specMinReplicas")), whole(case.get("maxReplicas", "specMaxReplicas"))
    behavior = HPABehavior(
        scale_up=_rules(case.get("scaleUpRules"), normalize.DEFAULT_UP),
        scale_down=_rules(case.get("scaleDownRules"), normalize.DEFAULT_DOWN),
    )
    history = History(
        recommendations=[], scale_up_events=_events(case.get("scaleUpEvents")),
        scale_down_events=_events(case.get("scaleDownEvents")),
    )  # fmt: skip
    wanted, reason = case.get("expectedReplicas"), case.get("expectedCondition")
    case.ignore("annotations", "comment")
    case.refuse_others()
    replicas, why = normalize.limit_rate(
        desired, current, least=least, most=most, behavior=behavior, history=history, now=NOW, version=SETTINGS.version
    )
    _expect("replicas", replicas, whole(wanted))
    if reason:
        _expect("condition", why, str(reason))


def _rules(value: Any, default: HPAScalingRules) -> HPAScalingRules:
    """``[pods, pods period, percent, percent period, window]``, 0 = none; or an object as Kubernetes spells it."""
    if value in (0, None, {}, []):
        return default
    if isinstance(value, list) and all(isinstance(one, int) for one in value) and len(value) in (4, 5):
        pods, pods_period, percent, percent_period, *window = value
        policies = [
            HPAScalingPolicy(type=kind, value=number, period_seconds=period)
            for kind, number, period in (("Pods", pods, pods_period), ("Percent", percent, percent_period))
            if number or period
        ]
        return HPAScalingRules(window_seconds=window[0] if window else 0, policies=tuple(policies))
    if not isinstance(value, dict):
        raise Skip(f"scaling rules {short(value)}")
    if "args" in value:
        return _rules(items(value), default)
    return _spelled_out(mapping(value, of="scaling rules"), default)


def _spelled_out(given: Fields, default: HPAScalingRules) -> HPAScalingRules:
    policies = []
    for one in items(given.get("policies")):
        policy = mapping(one, of="policy")
        kind = "Pods" if str(policy.get("type")).startswith("Pods") else "Percent"
        value, period = whole(policy.get("value")), whole(policy.get("periodSeconds"))
        policies.append(HPAScalingPolicy(type=kind, value=value, period_seconds=period))
    window, select = given.get("stabilizationWindowSeconds"), str(given.get("selectPolicy") or "Max")
    tolerance = given.get("tolerance")
    given.refuse_others()
    return HPAScalingRules(
        window_seconds=default.window_seconds if window is None else whole(window),
        select_policy=next((word for word in ("Max", "Min", "Disabled") if select.startswith(word)), "Max"),
        policies=tuple(policies) if policies else default.policies,
        tolerance=None if tolerance is None else ratio(tolerance),
    )


def _events(value: Any) -> list[Remembered]:
    """Changes of replicas inside the period: how far inside is not said, so just now."""
    if value in (0, None):
        return []
    return [Remembered(replicas=whole(change), at=NOW - 0.001) for change in items(value)]


# ---- whole passes


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
    _expect("replicas", result.replicas, whole(wanted))


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
                phase=_phase(phases[i]) if i < len(phases) else Phase.RUNNING,
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
    return HPABehavior(scale_up=_rules(up, normalize.DEFAULT_UP), scale_down=_rules(down, normalize.DEFAULT_DOWN))


def _history(case: Fields) -> History:
    """An empty list of recommendations is a known HPA without any; none at all is one seen for the first time."""
    given = case.get("recommendations")
    history = History(
        scale_up_events=_events(case.get("scaleUpEvents")), scale_down_events=_events(case.get("scaleDownEvents"))
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


def main(paths: list[str]) -> int:
    """Run the files; 1 where a case fails, 2 without files."""
    if not paths:
        print("usage: python -m tests.conformance.hpa FILE…", file=sys.stderr)
        return 2
    verdicts: Counter[str] = Counter()
    for path in paths:
        for verdict, message in run(Path(path)):
            verdicts[verdict] += 1
            if verdict != "passed":
                print(message, file=sys.stdout if verdict == "failed" else sys.stderr)
    print(f"{verdicts['passed']} passed, {verdicts['failed']} failed, {verdicts['skipped']} skipped")
    return 1 if verdicts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
