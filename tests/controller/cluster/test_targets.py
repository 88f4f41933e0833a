"""Targets of other kinds: found by the API server's word, held while a canary is under way."""

from __future__ import annotations

from typing import Any

import pytest

from domain.errors import RefusedError
from domain.scaling import WorkloadRef
from kube.kinds import custom
from tests.controller.cluster.world import World, eventually
from tests.fakes.kube_api import KubeApi

ROLLOUT = custom(group="argoproj.io", version="v1alpha1", kind="Rollout", plural="rollouts")
WEB = WorkloadRef(kind="Rollout", namespace="shop", name="web", api_version="argoproj.io/v1alpha1")
STEADY = {
    "observedGeneration": "1", "replicas": 4, "readyReplicas": 4, "updatedReplicas": 4, "phase": "Healthy",
    "currentPodHash": "aa", "stableRS": "aa",
}  # fmt: skip
STEPS = {"canary": {"steps": [{"setWeight": 20}, {"pause": {}}, {"setWeight": 60}]}}


@pytest.fixture
def argo(fake: KubeApi, world: World) -> World:
    """With a Rollout of four replicas at rest."""
    resources = [
        {"name": "rollouts", "kind": "Rollout", "namespaced": True},
        {"name": "rollouts/scale", "kind": "Scale", "namespaced": True},
        {"name": "analysisruns", "kind": "AnalysisRun", "namespaced": True},
    ]
    fake.groups["argoproj.io/v1alpha1"] = {"kind": "APIResourceList", "resources": resources}
    template = {"spec": {"containers": [{"name": "main", "resources": {"requests": {"cpu": "250m"}}}]}}
    spec = {"replicas": 4, "strategy": STEPS, "template": template}
    world.owner().create(ROLLOUT, "shop", {"metadata": {"name": "web"}, "spec": spec})
    reports(world, STEADY)
    return world


def reports(world: World, status: dict[str, Any]) -> None:
    world.owner("argo").patch_merge(ROLLOUT, "shop", "web", {"status": status}, subresource="status")


def test_a_rollout_is_read_and_scaled_by_its_scale_subresource(fake: KubeApi, argo: World) -> None:
    found = argo.cluster.workload(WEB)
    assert (found.current_replicas, found.ready_replicas, found.requests) == (4, 4, {"cpu": 0.25})
    argo.cluster.scale(WEB, 2)
    assert argo.raw("web", ROLLOUT)["spec"]["replicas"] == 2
    assert any(one.path.endswith("/rollouts/web/scale") and one.method == "PATCH" for one in fake.asked)
    eventually(lambda: argo.cluster.workload(WEB).current_replicas == 2, "it is seen")


def test_its_scale_is_asked_for_once_after_each_change(fake: KubeApi, argo: World) -> None:
    for _ in range(3):
        argo.cluster.workload(WEB)
    assert len([one for one in fake.asked if one.path.endswith("web/scale") and one.method == "GET"]) == 1


@pytest.mark.parametrize(
    ("status", "why"),
    [
        ({"phase": "Paused", "currentPodHash": "bb", "currentStepIndex": 1}, "its canary is paused at step 2 of 3"),
        ({"phase": "Progressing", "currentPodHash": "bb"}, "its canary is under way"),
        ({"phase": "Degraded", "currentPodHash": "bb", "abort": True}, "its canary was aborted"),
        ({"observedGeneration": "0"}, "a rollout begins: its controller has not seen the newest spec yet"),
        ({"updatedReplicas": 1}, "a rollout is under way: 1 of 4 replicas are new"),
    ],
)
def test_a_canary_holds_what_takes_away_and_nothing_else(argo: World, status: dict[str, Any], why: str) -> None:
    reports(argo, STEADY | status)
    eventually(lambda: argo.cluster.workload(WEB).rollout == why, why)
    with pytest.raises(RefusedError, match=f"is not set to 3: held, {why}"):
        argo.cluster.scale(WEB, 3)
    argo.cluster.scale(WEB, 6)
    assert argo.raw("web", ROLLOUT)["spec"]["replicas"] == 6


def test_growing_at_rest_is_no_canary(argo: World) -> None:
    reports(argo, STEADY | {"phase": "Progressing", "readyReplicas": 2})
    eventually(lambda: argo.cluster.workload(WEB).ready_replicas == 2, "it is seen")
    assert argo.cluster.workload(WEB).rollout == ""


@pytest.mark.parametrize(
    ("kind", "api", "why"),
    [
        ("AnalysisRun", "argoproj.io/v1alpha1", "kind AnalysisRun of argoproj.io/v1alpha1 has no scale subresource"),
        ("Thing", "argoproj.io/v1alpha1", "API argoproj.io/v1alpha1 has no Thing in namespaces"),
        ("Thing", "example.com/v1", "no API example.com/v1 here"),
    ],
)
def test_what_cannot_be_scaled_is_said(argo: World, kind: str, api: str, why: str) -> None:
    ref = WorkloadRef(kind=kind, namespace="shop", name="web", api_version=api)
    found = argo.cluster.workload(ref)
    assert (found.current_replicas, found.source) == (None, f"the Kubernetes API, which has no {ref} ({why})")
    with pytest.raises(RefusedError, match=why):
        argo.cluster.scale(ref, 2)
