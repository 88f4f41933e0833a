from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from controller.cluster.observe import ObserveCluster
from domain.errors import ForbiddenError
from domain.pods import PodState
from domain.scaling import WorkloadRef
from domain.startup import PodStart
from store.promql import check
from store.promql.coalesce import questions, shape_of

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SHOP = WorkloadRef(kind="Deployment", namespace="demo", name="shop")


class Metrics:
    """Answers a query by the metric that stands in it."""

    def __init__(self, **values: float) -> None:
        self.values, self.asked = values, []

    def __call__(self, query: str) -> float | None:
        self.asked.append(query)
        return next((value for name, value in self.values.items() if re.search(rf"\b{name}\b", query)), None)

    asked: list[str]


def test_kube_state_metrics_tell_replicas_and_requests() -> None:
    metrics = Metrics(
        kube_deployment_spec_replicas=5, kube_deployment_status_replicas_ready=4,
        kube_pod_container_resource_requests=0.25, kube_pod_container_resource_limits=0.5,
    )  # fmt: skip
    workload = ObserveCluster(metrics).workload(SHOP)
    assert (workload.current_replicas, workload.ready_replicas) == (5, 4)
    assert workload.requests == {"cpu": 0.25, "memory": 0.25}
    assert workload.limits == {"cpu": 0.5, "memory": 0.5}
    assert workload.source == "kube-state-metrics"
    assert metrics.asked[0] == 'max(kube_deployment_spec_replicas{deployment="shop", namespace="demo"})'


def test_without_them_targets_that_are_up_are_counted() -> None:
    metrics = Metrics(up=3)
    workload = ObserveCluster(metrics).workload(SHOP)
    assert (workload.current_replicas, workload.ready_replicas, workload.requests) == (3, 3, {})
    assert metrics.asked[-1] == 'count(up{job="shop"} == 1)'


def test_what_nobody_measures_is_unknown() -> None:
    assert ObserveCluster(Metrics()).workload(SHOP).current_replicas is None


@pytest.mark.parametrize(
    ("resource", "cadvisor", "api"),
    [
        ("cpu", "rate(container_cpu_usage_seconds_total{%s}[2m])", "metrics_k8s_io_container_cpu_usage_cores{%s}"),
        ("memory", "container_memory_working_set_bytes{%s}", "metrics_k8s_io_container_memory_working_set_bytes{%s}"),
    ],
)
def test_pods_that_cadvisor_does_not_cover_are_those_of_the_usage_api(resource: str, cadvisor: str, api: str) -> None:
    asking = ObserveCluster(Metrics(kube_deployment_spec_replicas=5), lambda expr: {}, usage_api=True)

    def by_pod(chosen: str) -> str:
        return f"sum by (pod) ({cadvisor % chosen}) or sum by (pod) ({api % chosen})"

    all_pods = by_pod('namespace="demo", container!=""')
    assert asking.pod_usage_query(SHOP, resource).expr == all_pods  # type: ignore[arg-type, union-attr]
    assert asking.pod_queries_of(SHOP, resource)[0] == all_pods  # type: ignore[arg-type]
    own = 'namespace="demo", pod=~"shop-[a-z0-9]+-[a-z0-9]{5}", container="app"'
    assert asking.usage_query(SHOP, resource, "app") == f"sum({by_pod(own)})"  # type: ignore[arg-type]
    check(all_pods)


def test_usage_comes_from_where_the_replicas_come_from() -> None:
    assert ObserveCluster(Metrics()).usage_query(SHOP, "cpu") == 'sum(rate(process_cpu_seconds_total{job="shop"}[1m]))'
    kube = ObserveCluster(Metrics(kube_deployment_spec_replicas=5))
    assert "container_memory_working_set_bytes" in kube.usage_query(SHOP, "memory")


def test_it_never_acts() -> None:
    with pytest.raises(ForbiddenError, match="observe never acts"):
        ObserveCluster(Metrics(up=3)).scale(SHOP, 4)


def test_start_ups_are_read_for_its_own_pods_with_the_age_of_their_nodes() -> None:
    mine, other = "shop-5d8f7c9b4d-abcde", "shopping-5d8f7c9b4d-abcde"
    answers = {
        "kube_pod_created": {mine: 100.0, other: 90.0, "shop-5d8f7c9b4d-fghij": 110.0},
        "kube_pod_status_ready_time": {mine: 130.0, other: 99.0},
        "kube_node_created": {mine: 95.0},
    }

    def by_pod(query: str) -> dict[str, float]:
        return next(values for name, values in answers.items() if name in query)

    starts = ObserveCluster(Metrics(), by_pod).starts(SHOP)
    assert starts == {mine: PodStart(created=100.0, ready=130.0, node_created=95.0)}
    assert starts[mine].is_cold
    assert ObserveCluster(Metrics(), by_pod).versions(SHOP) == {"5d8f7c9b4d"}
    cluster = ObserveCluster(Metrics(), by_pod)
    for query in (*cluster.queries_of(SHOP), *cluster.start_queries_of(SHOP)):
        check(query)


def test_its_pods_are_told_with_their_state_without_those_that_failed_or_go() -> None:
    old, young, other = "shop-5d8f7c9b4d-abcde", "shop-5d8f7c9b4d-fghij", "shop-api-5d8f7c9b4d-abcde"
    failed, going = "shop-5d8f7c9b4d-klmno", "shop-5d8f7c9b4d-pqrst"
    answers = {
        "kube_pod_created": dict.fromkeys((old, young, other, failed, going), NOW.timestamp() - 100),
        "kube_pod_status_ready_time": {old: NOW.timestamp() - 70, other: 1.0},
        "kube_pod_deletion_timestamp": {going: 5.0},
        'phase="Pending"': {young: 1.0},
        'phase="Failed"': {failed: 1.0},
        "kube_pod_container_resource_requests": {old: 0.5, young: 0.5},
        "kube_pod_container_resource_limits": {old: 2.0},
    }

    def by_pod(query: str) -> Mapping[str, float]:
        return next(values for name, values in answers.items() if name in query)

    cluster = ObserveCluster(Metrics(kube_deployment_spec_replicas=2), by_pod)
    both = {"cpu": 0.5, "memory": 0.5}
    assert cluster.pods(SHOP, NOW) == {
        old: PodState(age_seconds=100, ready_seconds=70, requests=both, limits={"cpu": 2.0, "memory": 2.0}),
        young: PodState(age_seconds=100, ready_seconds=None, pending=True, requests=both),
    }
    for query in cluster.pod_queries_of(SHOP, "cpu", "web"):
        check(query)
        assert shape_of(query) is not None


def test_usage_pod_by_pod_is_one_question_for_a_whole_namespace() -> None:
    cluster = ObserveCluster(Metrics(kube_deployment_spec_replicas=2), lambda query: {})
    asked = cluster.pod_usage_query(SHOP, "cpu")
    cart = replace(SHOP, name="cart")
    elsewhere = cluster.pod_usage_query(replace(SHOP, namespace="live"), "cpu")
    assert asked is not None
    assert elsewhere is not None
    assert asked == cluster.pod_usage_query(cart, "cpu")
    assert len(questions([asked.expr, elsewhere.expr])) == 1
    assert ObserveCluster(Metrics(up=3), lambda query: {}).pod_usage_query(SHOP, "cpu") is None
