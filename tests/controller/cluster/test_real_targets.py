"""``actuate: {with: scale}`` on a real API server: to nothing and back, by our own account."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from domain.errors import RefusedError
from domain.scaling import WorkloadRef
from kube.kinds import custom
from tests.cluster.control_plane import Cluster
from tests.cluster.objects import replicas
from tests.controller.cluster.world import World, eventually
from tests.deploy.applying import apply
from tests.deploy.manifests import opt_in

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
ROLLOUT = custom(group="argoproj.io", version="v1alpha1", kind="Rollout", plural="rollouts")
KINDS = Path(__file__).resolve().parents[2] / "cluster" / "foreign_kinds"


def served(guarded: Cluster, name: str) -> None:
    """A kind of somebody else's, as far as a scaler sees it."""
    definition = yaml.safe_load((KINDS / f"{name}.yaml").read_text(encoding="utf-8"))
    apply(guarded.api, definition)
    spec = definition["spec"]
    where = f"/apis/{spec['group']}/{spec['versions'][0]['name']}/{name}"
    guarded.api.until(f"{name} are served", lambda: guarded.api.request("GET", where))


@pytest.fixture
def world(guarded: Cluster, real_world: World) -> World:
    """That of the real server, its Deployment without an HPA; its namespace lets us scale."""
    served(guarded, "rollouts")
    for one in opt_in("scale"):
        apply(guarded.api, {**one, "metadata": {**one["metadata"], "namespace": real_world.namespace}})
    guarded.api.delete("HorizontalPodAutoscaler", "web", real_world.namespace)
    eventually(
        lambda: real_world.view.autoscaler("HorizontalPodAutoscaler", real_world.namespace, "web") is None, "gone"
    )
    return real_world


def test_a_deployment_goes_to_nothing_and_back(guarded: Cluster, world: World) -> None:
    web = WorkloadRef(kind="Deployment", namespace=world.namespace, name="web")
    for count in (0, 3):
        world.cluster.scale(web, count)
        there = guarded.api.until("it follows", lambda n=count: replicas(guarded.api, "web", world.namespace) == (n, n))
        assert there
        eventually(lambda n=count: world.cluster.workload(web).current_replicas == n, "it is seen")
        eventually(lambda: not world.cluster.workload(web).rollout, "it is at rest")


def test_a_rollout_goes_to_nothing_and_back_and_keeps_its_canary(world: World) -> None:
    web = WorkloadRef(kind="Rollout", namespace=world.namespace, name="web", api_version="argoproj.io/v1alpha1")
    world.owner().create(ROLLOUT, world.namespace, {"metadata": {"name": "web"}, "spec": {"replicas": 4}})
    for count in (0, 3):
        world.cluster.scale(web, count)
        eventually(lambda n=count: world.cluster.workload(web).current_replicas == n, "it is seen")
    canary = {"phase": "Paused", "currentPodHash": "b", "stableRS": "a", "HPAReplicas": 3}
    world.owner("argo").patch_merge(ROLLOUT, world.namespace, "web", {"status": canary}, subresource="status")
    eventually(lambda: world.cluster.workload(web).rollout == "its canary is paused", "the canary is seen")
    with pytest.raises(RefusedError, match="held, its canary is paused"):
        world.cluster.scale(web, 1)
    world.cluster.scale(web, 5)
    assert world.raw("web", ROLLOUT)["spec"] == {"replicas": 5}
