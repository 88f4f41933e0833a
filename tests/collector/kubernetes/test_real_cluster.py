"""On the real API server, with the rights of deploy/kubernetes/discovery and no others."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from collector.config import parse_scrape_config
from collector.kubernetes.discovery import KubernetesTargets
from collector.kubernetes.exporter import EXPORTED, StateExporter
from collector.kubernetes.usage import UsageExporter
from collector.metrics import discovered_targets
from collector.targets import Health
from domain import names
from kube import Access, Connection, Reflector, connect
from tests.cluster import objects
from tests.cluster.control_plane import Cluster
from tests.collector.kubernetes.conftest import eventually
from tests.fakes.metrics_store import MemoryMetricsStore

pytestmark = pytest.mark.slow

ROLE = Path(__file__).parents[3] / "deploy" / "kubernetes" / "discovery" / "rbac.yaml"


class RunningClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return datetime.now(UTC).timestamp()


@pytest.fixture(scope="module")
def namespace(cluster: Cluster) -> str:
    """With a Deployment of three pods, its HPA, a Service and an Ingress."""
    name = cluster.namespace("state")
    web = objects.deployment("web", name, replicas=3)
    (container,) = web["spec"]["template"]["spec"]["containers"]
    container["ports"] = [{"name": "http", "containerPort": 8080}]
    api = cluster.api
    for one in (
        web,
        objects.hpa("web", name, low=3, high=9),
        {
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": name},
            "spec": {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]},
        },
        {
            "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q", "namespace": name},
            "spec": {"hard": {"requests.cpu": "2"}},
        },
    ):  # fmt: skip
        api.create(one)
    cluster.metrics.set_usage(name, "web-", cpu_millicores=40, memory_bytes=2**26)
    api.until("the pods are ready", lambda: objects.replicas(api, "web", name) == (3, 3))
    return name


@pytest.fixture(scope="module")
def connection(cluster: Cluster, namespace: str) -> Connection:
    account = f"system:serviceaccount:{namespace}:collector"
    cluster.token(account)
    shipped, _ = yaml.safe_load_all(ROLE.read_text(encoding="utf-8"))
    named = {"apiVersion": shipped["apiVersion"], "metadata": {"name": f"collector-{namespace}"}}
    cluster.api.create({**shipped, **named})
    cluster.api.create(
        {
            **named,
            "kind": "ClusterRoleBinding",
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": f"collector-{namespace}",
            },
            "subjects": [{"kind": "ServiceAccount", "name": "collector", "namespace": namespace}],
        }
    )
    kubeconfig = cluster.kubeconfig(account)

    context = yaml.safe_load(kubeconfig.read_text())["current-context"]
    return connect(Access(kubeconfig=kubeconfig, context=context), clock=RunningClock())


def test_every_kind_is_told_with_no_more_rights_than_to_read(
    cluster: Cluster, namespace: str, connection: Connection
) -> None:
    store, clock = MemoryMetricsStore(), RunningClock()
    reflectors: dict[str, Reflector[Any]] = {one.kind.plural: Reflector(connection, one.kind) for one in EXPORTED}
    for reflector in reflectors.values():
        reflector.start()
    exporter = StateExporter(reflectors, store=store, clock=clock, instance="test")

    def told() -> bool:
        exporter.tick(clock.now())
        return exporter.status.health is Health.UP

    eventually(told, "every kind", seconds=30)
    for reflector in reflectors.values():
        reflector.stop()

    def last(name: str, **labels: str) -> float | str:
        return store.last(name, namespace=namespace, **labels)

    assert last("kube_deployment_spec_replicas", deployment="web") == 3
    assert last("kube_deployment_status_replicas_ready", deployment="web") == 3
    assert last("kube_horizontalpodautoscaler_spec_max_replicas", horizontalpodautoscaler="web") == 9
    assert (
        last("kube_horizontalpodautoscaler_spec_target_metric", metric_name="cpu", metric_target_type="utilization")
        == 50
    )
    assert last("kube_resourcequota", resource="requests.cpu", type="hard") == 2
    assert store.last("kube_node_info", node="kwok-0") == 1
    pods = {dict(own)["pod"] for own in store.samples if dict(own).get("namespace") == namespace and "pod" in dict(own)}
    assert len(pods) == 3
    for name in pods:
        assert last("kube_pod_status_phase", pod=name, phase="Running") == 1
        assert last("kube_pod_status_ready_time", pod=name) >= last("kube_pod_created", pod=name)
        assert last("kube_pod_container_resource_requests", pod=name, resource="cpu") == 0.1
        assert last("kube_pod_owner", pod=name, owner_kind="ReplicaSet", owner_is_controller="true") == 1
    assert store.last("kube_replicaset_owner", namespace=namespace, owner_kind="Deployment", owner_name="web") == 1


def test_usage_comes_through_the_aggregated_api(cluster: Cluster, namespace: str, connection: Connection) -> None:
    store, clock = MemoryMetricsStore(), RunningClock()
    exporter = UsageExporter(connection, store=store, clock=clock, instance="test")

    exporter.tick(clock.now())

    used = [own for own in store.samples if own.metric_name == names.USED_CPU and dict(own)["namespace"] == namespace]
    assert [store.samples[own][-1][1] for own in used] == [0.04] * 3
    assert exporter.status.last_error == ""


def test_pods_and_slices_are_discovered(namespace: str, connection: Connection) -> None:
    entry = {"namespaces": {"names": [namespace]}}
    text = json.dumps(
        {
            "scrape_configs": [
                {
                    "job_name": role,
                    "kubernetes_sd_configs": [{"role": role, **({} if role == "node" else entry)}],
                    "relabel_configs": [
                        {"regex": "__meta_kubernetes_(.+_name)", "action": "labelmap", "replacement": "$1"}
                    ],
                }
                for role in ("node", "service", "pod", "endpointslice", "ingress")
            ]
        }
    )
    made = KubernetesTargets(
        parse_scrape_config(text, "f").jobs,
        connection,
        own_namespace="",
        counts=discovered_targets(CollectorRegistry()),
    )
    made.start()

    def found() -> dict[str, int]:
        made.tick(datetime.now(UTC))
        counts: dict[str, int] = {}
        for target in made.targets():
            counts[target.job.job_name] = counts.get(target.job.job_name, 0) + 1
        return counts

    expected = {"node": 1, "service": 1, "pod": 3, "endpointslice": 3}
    eventually(lambda: expected.items() <= found().items(), "every role", seconds=30)
    made.stop()

    slices = [target for target in made.targets() if target.job.job_name == "endpointslice"]
    assert {target.labels.value_of("service_name") for target in slices} == {"web"}
    assert {target.address.rpartition(":")[2] for target in slices} == {"8080"}
    assert len({target.labels.value_of("pod_name") for target in slices}) == 3
