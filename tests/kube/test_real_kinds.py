"""The fields of every kind, as a real API server spells them."""

from __future__ import annotations

from typing import Any

import pytest

from kube import listed, owners, read, read_scale
from kube.kinds import (
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    HPA,
    NAMESPACE,
    NODE,
    POD,
    REPLICA_SET,
    STATEFUL_SET,
    Kind,
)
from tests.cluster import objects
from tests.cluster.control_plane import NODE as KWOK
from tests.cluster.control_plane import Cluster
from tests.kube.conftest import Place, eventually

KINDS: list[Kind[Any]] = [
    DEPLOYMENT, DISRUPTION_BUDGET, HPA, NAMESPACE, NODE, POD, REPLICA_SET, STATEFUL_SET,
]  # fmt: skip


@pytest.fixture
def shop(cluster: Cluster, on_real: Place) -> Place:
    """A Deployment of two ready pods, its budget and its HPA."""
    namespace = on_real.namespace
    cluster.api.create(objects.deployment("web", namespace, replicas=2))
    cluster.api.create(objects.hpa("web", namespace, low=2, high=6))
    selector = {"matchLabels": {"app": "web"}}
    on_real.writer("helm").create(
        DISRUPTION_BUDGET,
        namespace,
        {"metadata": {"name": "web"}, "spec": {"minAvailable": "50%", "selector": selector}},
    )
    eventually(lambda: deployment(on_real).status.ready_replicas == 2, "two ready pods")
    return on_real


def deployment(place: Place) -> Any:
    return read(place.connection, DEPLOYMENT, namespace=place.namespace, name="web")


def test_a_deployment_its_pods_and_their_owners(shop: Place) -> None:
    found = deployment(shop)
    pods = listed(shop.connection, POD, namespace=shop.namespace, label_selector="app=web").objects.values()
    (sets,) = listed(shop.connection, REPLICA_SET, namespace=shop.namespace).objects.values()

    assert (found.spec.replicas, found.spec.selector.match_labels) == (2, {"app": "web"})
    assert found.status.observed_generation == found.metadata.generation
    assert (found.status.updated_replicas, found.status.available_replicas) == (2, 2)
    assert {one.type for one in found.status.conditions or ()} == {"Available", "Progressing"}
    assert [(one.kind, one.uid, one.controller) for one in sets.metadata.owner_references or ()] == [
        ("Deployment", found.metadata.uid, True)
    ]
    for pod in pods:
        assert [one.uid for one in pod.metadata.owner_references or ()] == [sets.metadata.uid]
        assert (pod.spec.node_name, pod.status.phase, bool(pod.status.pod_ip)) == (KWOK, "Running", True)
        assert [one.resources.requests for one in pod.spec.containers] == [{"cpu": "100m", "memory": "64Mi"}]
        assert [one.ready for one in pod.status.container_statuses or ()] == [True]
        assert pod.metadata.creation_timestamp is not None
    assert read_scale(shop.connection, DEPLOYMENT, namespace=shop.namespace, name="web").status.selector == "app=web"


def test_a_budget_says_how_many_may_go(shop: Place) -> None:
    def budget() -> Any:
        return read(shop.connection, DISRUPTION_BUDGET, namespace=shop.namespace, name="web")

    eventually(lambda: budget().status.disruptions_allowed == 1, "one may go")

    found = budget()
    assert (found.spec.min_available, found.status.expected_pods, found.status.desired_healthy) == ("50%", 2, 1)
    assert found.spec.selector.match_labels == {"app": "web"}


def test_an_hpa_its_status_and_who_wrote_it(shop: Place) -> None:
    def hpa() -> Any:
        return read(shop.connection, HPA, namespace=shop.namespace, name="web")

    eventually(lambda: hpa().status.conditions, "the HPA controller looked at it")

    found = hpa()
    assert (found.spec.min_replicas, found.spec.max_replicas, found.spec.behavior) == (2, 6, None)
    assert "AbleToScale" in [one.type for one in found.status.conditions]
    assert [one.operation for one in owners(found.metadata, "spec", "maxReplicas")] == ["Update"]
    assert [one.manager for one in owners(found.metadata, "status")] == ["kube-controller-manager"]
    assert [one.subresource for one in owners(found.metadata, "status")] == ["status"]


def test_a_node_and_a_namespace(shop: Place) -> None:
    node = read(shop.connection, NODE, namespace=None, name=KWOK)
    space = read(shop.connection, NAMESPACE, namespace=None, name=shop.namespace)

    assert {"cpu", "memory", "pods"} <= set(node.status.allocatable or {})
    assert [one.status for one in node.status.conditions or () if one.type == "Ready"] == ["True"]
    assert space.status.phase == "Active"
    assert (space.metadata.labels or {})["kubernetes.io/metadata.name"] == shop.namespace


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_every_object_of_a_kind_can_be_read(shop: Place, kind: Kind[Any], caplog: pytest.LogCaptureFixture) -> None:
    namespace = shop.namespace if kind.namespaced else None

    found, whole = (listed(shop.connection, one, namespace=namespace) for one in (kind, kind.as_dicts()))

    assert found.objects or kind is STATEFUL_SET
    assert {key for key in found.objects.keys() ^ whole.objects.keys() if kind.namespaced} == set()
    assert "cannot be read" not in caplog.text
