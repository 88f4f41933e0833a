"""What we build on, held to a real API server and the real HPA controller: what it does, not what is said of it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.cluster.api import ApiError, Object, path
from tests.cluster.build import VERSION
from tests.cluster.control_plane import Cluster
from tests.cluster.metrics_stub import EXTERNAL, RESOURCE, Fault
from tests.cluster.objects import condition, deployment, hpa, replicas, sizes

NAME = "shop"
HPA = "HorizontalPodAutoscaler"


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """A fresh one; its pods' usage is forgotten afterwards."""
    name = cluster.namespace("facts")
    yield name
    cluster.metrics.forget(name)
    cluster.api.delete("Namespace", name)


def given(cluster: Cluster, namespace: str, scaler: Object, *, count: int, each_millicores: float) -> None:
    """A Deployment of that many ready pods of that usage under an HPA that has calculated with it."""
    cluster.metrics.set_usage(namespace, NAME, cpu_millicores=each_millicores)
    cluster.api.create(deployment(NAME, namespace, replicas=count))
    cluster.api.until("the pods are ready", lambda: replicas(cluster.api, NAME, namespace) == (count, count))
    cluster.api.create(scaler)
    cluster.api.until(
        "the HPA calculates", lambda: condition(cluster.api.get(HPA, NAME, namespace), "ScalingActive")[0] == "True"
    )


def wanted(cluster: Cluster, namespace: str, count: int) -> None:
    cluster.api.until(f"{count} replicas", lambda: replicas(cluster.api, NAME, namespace)[0] == count)


def bounds(cluster: Cluster, namespace: str, **changed: int) -> None:
    cluster.api.merge(HPA, NAME, namespace, {"spec": changed})


def test_the_api_server_is_the_pinned_one(cluster: Cluster) -> None:
    assert cluster.api.request("GET", "/version")["gitVersion"] == VERSION


def test_an_api_service_reaches_a_server_on_loopback_through_an_external_name(cluster: Cluster) -> None:
    assert all(cluster.metrics.available(group) for group in (RESOURCE, EXTERNAL))
    cluster.api.request("GET", f"/apis/{RESOURCE}/v1beta1/nodes")


def test_the_hpa_scales_kwoks_pods_by_the_stubs_usage(cluster: Cluster, namespace: str) -> None:
    cluster.metrics.set_load(namespace, NAME, cpu_millicores=400)
    cluster.api.create(deployment(NAME, namespace, replicas=1))
    cluster.api.create(hpa(NAME, namespace))
    cluster.api.until("400m at 50 % of 100m", lambda: replicas(cluster.api, NAME, namespace) == (8, 8))


def test_the_hpa_scales_by_an_external_metric(cluster: Cluster, namespace: str) -> None:
    cluster.metrics.set_external(namespace, "rps", 45)
    metric = {"metric": {"name": "rps"}, "target": {"type": "AverageValue", "averageValue": "10"}}
    cluster.api.create(deployment(NAME, namespace, replicas=1))
    cluster.api.create(hpa(NAME, namespace, metrics=[{"type": "External", "external": metric}]))
    wanted(cluster, namespace, 5)


def test_bounds_act_while_all_metrics_are_dead(cluster: Cluster, namespace: str) -> None:
    """F1, both ways."""
    given(cluster, namespace, hpa(NAME, namespace, low=2), count=2, each_millicores=50)
    with cluster.metrics.failing(Fault.ERROR):
        cluster.api.until(
            "the HPA is blind", lambda: condition(cluster.api.get(HPA, NAME, namespace), "ScalingActive")[0] == "False"
        )
        bounds(cluster, namespace, minReplicas=6)
        wanted(cluster, namespace, 6)
        bounds(cluster, namespace, minReplicas=1, maxReplicas=3)
        wanted(cluster, namespace, 3)


def test_an_expired_floor_drops_at_once(cluster: Cluster, namespace: str) -> None:
    """F2: the window remembers what the metrics said below the floor, not the floor."""
    given(cluster, namespace, hpa(NAME, namespace, low=8), count=8, each_millicores=10)
    # Its history must say 2 for the whole window, here 10 s: it started full of eights.
    cluster.api.until(
        "the HPA would go below the floor",
        lambda: condition(cluster.api.get(HPA, NAME, namespace), "ScalingLimited") == ("True", "TooFewReplicas"),
    )
    bounds(cluster, namespace, minReplicas=1)
    wanted(cluster, namespace, 2)
    assert sizes(cluster.api, NAME, namespace) == [2]


def test_an_expired_floor_goes_step_by_step_with_a_policy(cluster: Cluster, namespace: str) -> None:
    """F2's way out."""
    policy = {"type": "Pods", "value": 2, "periodSeconds": 1}
    behavior = {"scaleDown": {"stabilizationWindowSeconds": 0, "policies": [policy]}}
    given(cluster, namespace, hpa(NAME, namespace, low=8, behavior=behavior), count=8, each_millicores=10)
    bounds(cluster, namespace, minReplicas=1)
    wanted(cluster, namespace, 2)
    assert sizes(cluster.api, NAME, namespace)[0] == 6


def test_a_floor_released_by_dropping_the_field_becomes_one(cluster: Cluster, namespace: str) -> None:
    """F4: the baseline of 3 is lost."""
    cluster.api.create(hpa(NAME, namespace, low=3))
    ours = {**hpa(NAME, namespace), "spec": {"minReplicas": 5}}
    cluster.api.apply(ours, manager="foretide", force=True)
    told = cluster.api.apply({**ours, "spec": {}}, manager="foretide")
    assert told["spec"]["minReplicas"] == 1


def test_a_conflict_names_the_other_manager_and_the_field(cluster: Cluster, namespace: str) -> None:
    cluster.api.apply(hpa(NAME, namespace, low=3), manager="argocd-controller")
    with pytest.raises(ApiError) as refused:
        cluster.api.apply({**hpa(NAME, namespace), "spec": {"minReplicas": 5}}, manager="foretide")
    assert refused.value.status == 409
    causes = refused.value.told["details"]["causes"]
    assert [(one["reason"], one["field"]) for one in causes] == [("FieldManagerConflict", ".spec.minReplicas")]
    assert "argocd-controller" in causes[0]["message"]


def test_a_resource_version_in_the_patch_is_a_precondition_of_apply(cluster: Cluster, namespace: str) -> None:
    seen = cluster.api.apply(hpa(NAME, namespace, low=3))["metadata"]["resourceVersion"]
    bounds(cluster, namespace, minReplicas=4)
    late = hpa(NAME, namespace, low=5)
    late["metadata"]["resourceVersion"] = seen
    with pytest.raises(ApiError) as refused:
        cluster.api.apply(late, force=True)
    assert (refused.value.status, refused.value.reason) == (409, "Conflict")


@pytest.mark.parametrize("fault", [Fault.ERROR, Fault.HANG, Fault.NAN, Fault.EMPTY, Fault.GARBAGE])
def test_the_hpa_holds_without_metrics(cluster: Cluster, namespace: str, fault: Fault) -> None:
    given(cluster, namespace, hpa(NAME, namespace, low=1), count=4, each_millicores=50)
    with cluster.metrics.failing(fault):
        if fault is not Fault.HANG:  # the controller waits for an answer and says nothing
            cluster.api.until(
                "the HPA says so",
                lambda: (
                    condition(cluster.api.get(HPA, NAME, namespace), "ScalingActive")
                    == ("False", "FailedGetResourceMetric")
                ),
            )
    assert sizes(cluster.api, NAME, namespace) == []


def test_the_hpa_believes_stale_metrics(cluster: Cluster, namespace: str) -> None:
    """It does not ask how old a measurement is: who wants that must ask before it."""
    given(cluster, namespace, hpa(NAME, namespace), count=2, each_millicores=50)
    with cluster.metrics.failing(Fault.STALE):
        cluster.metrics.set_usage(namespace, NAME, cpu_millicores=100)
        wanted(cluster, namespace, 4)


def test_an_unavailable_metrics_api_is_told_by_its_api_service(cluster: Cluster, namespace: str) -> None:
    with cluster.metrics.failing(Fault.GONE):
        cluster.api.until("the stub is missed", lambda: not cluster.metrics.available())
        with pytest.raises(ApiError) as refused:
            cluster.api.request("GET", f"/apis/{RESOURCE}/v1beta1/nodes")
        assert refused.value.status == 503
    cluster.api.until("the stub is back", cluster.metrics.available)


def test_a_service_account_may_nothing_until_it_is_bound(cluster: Cluster, namespace: str) -> None:
    cluster.api.create(hpa(NAME, namespace))
    account = cluster.as_user(f"system:serviceaccount:{namespace}:controller")
    with pytest.raises(ApiError) as refused:
        account.get(HPA, NAME, namespace)
    assert refused.value.status == 403


def test_a_watch_from_before_a_restart_is_gone(cluster: Cluster, namespace: str) -> None:
    """410, as an event within an answer of 200: it asks for a new list."""
    old = cluster.api.request("GET", path(HPA, None, namespace))["metadata"]["resourceVersion"]
    cluster.api.create(hpa(NAME, namespace))
    cluster.compact()
    cluster.restart_api()
    query = {"watch": 1, "resourceVersion": old, "timeoutSeconds": 5}
    told = cluster.api.request("GET", path(HPA, None, namespace), query=query)
    assert told["type"] == "ERROR"
    assert (told["object"]["code"], told["object"]["reason"]) == (410, "Expired")


def test_every_write_is_in_the_audit_log_by_user(cluster: Cluster, namespace: str) -> None:
    user = f"system:serviceaccount:{namespace}:controller"
    with pytest.raises(ApiError):
        cluster.as_user(user).create(hpa(NAME, namespace))
    assert [(one["verb"], one["responseStatus"]["code"]) for one in cluster.writes(user)] == [("create", 403)]


def test_a_kubeconfig_by_certificate_and_by_token(cluster: Cluster, namespace: str) -> None:
    by_certificate = json.loads(cluster.kubeconfig().read_text())["users"][0]["user"]
    by_token = json.loads(cluster.kubeconfig(f"system:serviceaccount:{namespace}:api").read_text())["users"][0]["user"]
    assert set(by_certificate) == {"client-certificate", "client-key"}
    assert set(by_token) == {"token"}
