"""HPA's controller where Kubernetes' own tables do not look: versions, several metrics, 0 replicas, its memory."""

from __future__ import annotations

import math

import pytest

from controller.hpa import normalize
from controller.hpa.metrics import Kind, Metric, TargetType
from controller.hpa.normalize import History, HPABehavior, HPAScalingPolicy, HPAScalingRules, Remembered
from controller.hpa.numbers import MIN_INT32, MetricError, Settings, Tolerances, Version, ceil32, divided, milli_value
from controller.hpa.pods import Container, Phase, Pod, PodMetric, group, requests_of, total, usage_of
from controller.hpa.reconcile import Controller, HorizontalPodAutoscaler, Reconciled, Scale
from controller.hpa.replica_calculator import ReplicaCalculator

NOW = 100_000.0
NEWEST, OF_1_32 = Version(), Version(minor=32)


def external(
    value: int, *, target: int = 1000, shape: TargetType = TargetType.AVERAGE_VALUE, error: str = ""
) -> Metric:
    return Metric(
        kind=Kind.EXTERNAL, target_type=shape, target=target, name="queue", values=(value,), error=error
    )  # fmt: skip


def reconciled(
    *metrics: Metric,
    spec: int,
    least: int = 1,
    most: int = 100,
    version: Version = NEWEST,
    history: History | None = None,
    behavior: HPABehavior | None = None,
    now: float = NOW,
) -> Reconciled:
    hpa = HorizontalPodAutoscaler(min_replicas=least, max_replicas=most, behavior=behavior)
    return Controller(settings=Settings(version=version)).reconcile(
        hpa, scale=Scale(spec_replicas=spec, status_replicas=spec), metrics=metrics, pods=(),
        history=History(recommendations=[]) if history is None else history, now=now,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("version", "replicas"),
    [(Version(minor=37), MIN_INT32), (Version(minor=37, arm64=True), 2**31 - 1), (NEWEST, 2**31 - 1)],
)
def test_overflow_wraps_on_amd64_until_it_saturates(version: Version, replicas: int) -> None:
    assert ceil32(3e9, version) == ceil32(math.inf, version) == replicas
    assert ceil32(-2.5, version) == -2


def test_under_overload_an_old_controller_scales_in() -> None:
    overload = external(2**62, target=1)
    assert reconciled(overload, spec=10, version=Version(minor=37)).replicas == 1
    assert reconciled(overload, spec=10).replicas == 20


def test_the_edge_of_the_tolerance_moved_in_1_33() -> None:
    edge = external(11_000)
    assert reconciled(edge, spec=10).replicas == 10
    assert reconciled(edge, spec=10, version=OF_1_32).replicas == 11


def test_tolerance_by_direction_is_heard_since_1_35() -> None:
    wide = HPABehavior(scale_up=HPAScalingRules(window_seconds=0, tolerance=0.5))
    assert reconciled(external(14_000), spec=10, behavior=wide).replicas == 10
    assert reconciled(external(14_000), spec=10, behavior=wide, version=Version(minor=34)).replicas == 14


def test_a_missing_pod_at_a_ratio_of_one_counted_as_idle_before_1_28() -> None:
    pods = [Pod(name=name) for name in ("a", "b", "c", "d")]
    metrics = {name: PodMetric(value=1000) for name in ("a", "b")}
    old = ReplicaCalculator(settings=Settings(version=Version(minor=27)))
    assert ReplicaCalculator().get_metric_replicas(4, 1000, metrics, pods, now=NOW).replicas == 4
    assert old.get_metric_replicas(4, 1000, metrics, pods, now=NOW).replicas == 2


def test_pods_are_grouped_in_kubernetes_order() -> None:
    pods = [
        Pod(name="deleted", deleted=True, phase=Phase.PENDING), Pod(name="failed", phase=Phase.FAILED),
        Pod(name="pending", phase=Phase.PENDING), Pod(name="missing"), Pod(name="no-condition", ready=None),
        Pod(name="not-started", started=None), Pod(name="never-ready", ready=False),
        Pod(name="was-ready", ready=False, ready_changed=900.0),
        Pod(name="hot", started=NOW - 1, ready_changed=NOW - 1),
        Pod(name="warm", started=NOW - 100, ready_changed=NOW - 90), Pod(name="succeeded", phase=Phase.SUCCEEDED),
    ]  # fmt: skip
    metrics = {pod.name: PodMetric(value=1, at=NOW) for pod in pods if pod.name != "missing"}
    cpu = group(pods, metrics, resource="cpu", now=NOW, settings=Settings())
    assert cpu.ignored == {"deleted", "failed"}
    assert cpu.unready == {"pending", "no-condition", "not-started", "never-ready", "hot"}
    assert cpu.missing == {"missing"}
    assert cpu.ready_count == 3
    memory = group(pods, metrics, resource="memory", now=NOW, settings=Settings())
    assert (memory.ready_count, memory.unready) == (8 - 1, {"pending"})


def test_requests_are_whole_or_the_metric_is_invalid() -> None:
    pod = Pod(name="p", containers=(Container(name="a", requests={"cpu": 100}), Container(name="b")))
    with pytest.raises(MetricError, match="missing request for cpu in container b of Pod p"):
        requests_of([pod], "cpu")
    with pytest.raises(MetricError, match="container c not found in Pod p"):
        requests_of([pod], "cpu", container="c")
    assert requests_of([pod], "cpu", container="a") == {"p": 100}
    assert requests_of([Pod(name="q", requests={"cpu": 7})], "cpu") == {"q": 7}


def test_a_pod_without_the_container_is_dropped() -> None:
    usage = usage_of({"a": {"app": 3, "proxy": 4}, "b": {"proxy": 1}, "c": {}}, container="app")
    assert {name: metric.value for name, metric in usage.items()} == {"a": 3}


def test_external_items_are_summed_and_none_is_an_error() -> None:
    assert total([1, 2, 3]) == 6
    assert total([2**62, 2**62]) == 2**63 - 1
    with pytest.raises(MetricError, match="no metrics returned"):
        total([])


@pytest.mark.parametrize(("values", "replicas"), [((3000, 12_000), 12), ((3000, 2000), 3), ((3000,), 3)])
def test_the_largest_of_several_metrics_wins(values: tuple[int, ...], replicas: int) -> None:
    assert reconciled(*(external(value) for value in values), spec=10).replicas == replicas


def test_with_an_invalid_metric_only_a_rise_goes_on() -> None:
    broken = external(0, error="unable to fetch")
    down, up, none = (reconciled(*metrics, spec=10) for metrics in (
        (broken, external(3000)), (broken, external(15_000)), (broken,),
    ))  # fmt: skip
    assert (down.replicas, down.scaling_active) == (10, "FailedGetExternalMetric")
    assert (up.replicas, up.scaling_active) == (15, "ValidMetricFound")
    assert none.replicas == 10


def test_outside_its_bounds_it_goes_there_at_once() -> None:
    slow = HPABehavior(scale_down=HPAScalingRules(window_seconds=300, select_policy="Disabled"))
    assert reconciled(external(50_000), spec=50, most=20, behavior=slow).replicas == 20
    assert reconciled(external(0), spec=2, least=6).replicas == 6


def test_a_zero_by_hand_is_a_pause_and_one_of_its_own_is_left_again() -> None:
    history = History(recommendations=[])
    assert reconciled(external(9000), spec=0, least=0).scaling_active == "ScalingDisabled"
    assert reconciled(external(0), spec=1, least=0, history=history).replicas == 0
    assert history.scaled_to_zero
    assert reconciled(external(3000), spec=0, least=0, history=history).replicas == 3
    assert not history.scaled_to_zero
    assert reconciled(external(3000), spec=0, least=0, version=Version(minor=35)).replicas == 3
    assert reconciled(external(3000), spec=0, least=1).replicas == 0


def test_seen_for_the_first_time_it_holds_for_the_window() -> None:
    history = History()
    assert reconciled(external(2000), spec=8, history=history).replicas == 8
    assert reconciled(external(2000), spec=8, history=history, now=NOW + 300).replicas == 8
    assert reconciled(external(2000), spec=8, history=history, now=NOW + 301).replicas == 2


def test_without_behavior_a_rise_is_at_most_double_or_four() -> None:
    assert reconciled(external(90_000), spec=1).replicas == 4
    assert reconciled(external(90_000), spec=7).scaling_limited == "ScaleUpLimit"


def test_a_rise_counts_against_the_next_within_its_period() -> None:
    policy = HPAScalingPolicy(type="Pods", value=4, period_seconds=60)
    behavior = HPABehavior(scale_up=HPAScalingRules(window_seconds=0, policies=(policy,)))
    history = History(recommendations=[])
    assert reconciled(external(90_000), spec=10, behavior=behavior, history=history).replicas == 14
    assert reconciled(external(90_000), spec=14, behavior=behavior, history=history, now=NOW + 59).replicas == 14
    assert reconciled(external(90_000), spec=14, behavior=behavior, history=history, now=NOW + 61).replicas == 18
    assert len(history.scale_up_events) == 1  # the outdated one was overwritten


def test_what_is_remembered_is_what_was_asked_for() -> None:
    behavior = HPABehavior(scale_up=HPAScalingRules(window_seconds=60))
    history = History(recommendations=[Remembered(replicas=4, at=NOW - 400), Remembered(replicas=5, at=NOW - 30)])
    assert normalize.stabilize(9, 4, behavior=behavior, history=history, now=NOW) == 5
    assert [(one.replicas, one.at) for one in history.recommendations or ()] == [(9, NOW), (5, NOW - 30)]


@pytest.mark.parametrize("select", ["Max", "Min", "Disabled"])
def test_a_direction_without_policies_cannot_move(select: str) -> None:
    none = HPAScalingRules(window_seconds=0, policies=(), select_policy=select)
    behavior = HPABehavior(scale_up=none, scale_down=none)
    for desired in (1, 50):
        replicas, _ = normalize.limit_rate(
            desired, 10, least=1, most=100, behavior=behavior, history=History(), now=NOW, version=NEWEST
        )
        assert replicas == 10


def test_an_average_over_nothing_scales_from_zero() -> None:
    calculator = ReplicaCalculator()
    assert calculator.get_external_per_pod_metric_replicas(0, 1000, [2500]).replicas == 3
    assert calculator.get_external_per_pod_metric_replicas(0, 1000, [2500]).usage == 2500
    assert calculator.get_external_per_pod_metric_replicas(0, 1000, [0]).replicas == 0


def test_numbers_are_kubernetes() -> None:
    assert [milli_value(text) for text in ("1", "1500m", "0.0001", "2k", "0")] == [
        1000, 1500, 1, 2_000_000, 0,
    ]  # fmt: skip
    assert (divided(-7, 2), divided(7, -2), divided(7, 2)) == (-3, -3, 3)
    assert Tolerances().hold(1.1, NEWEST)
    assert not Tolerances().hold(1.1, OF_1_32)
