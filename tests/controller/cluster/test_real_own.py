"""HPAs of our own under a real HPA controller, by our ServiceAccounts and under our guardrails."""

from __future__ import annotations

import pytest

from controller.actuation import stamp as stamps
from controller.actuation.limits import Limits
from controller.reaper import Orders
from domain.errors import KubeError
from domain.scaling import WorkloadRef
from kube import Writer
from kube.kinds import HPA
from tests.cluster.control_plane import Cluster
from tests.cluster.objects import hpa, replicas
from tests.controller.cluster.real import CONTROLLER, connection_of, reaped, untouched
from tests.controller.cluster.world import World, eventually
from tests.deploy.applying import apply
from tests.deploy.manifests import opt_in

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def world(guarded: Cluster, real_world: World) -> World:
    """That of the real server; its namespace lets us keep HPAs, too."""
    for one in opt_in("hpa"):
        apply(guarded.api, {**one, "metadata": {**one["metadata"], "namespace": real_world.namespace}})
    return real_world


def grown(guarded: Cluster, world: World, count: int) -> None:
    api = guarded.api
    api.until(f"{count} replicas", lambda: replicas(api, "web", world.namespace) == (count, count) or None)


def test_one_is_made_scales_goes_on_without_us_and_is_deleted(guarded: Cluster, world: World) -> None:
    guarded.api.delete("HorizontalPodAutoscaler", "web", world.namespace)
    eventually(lambda: world.view.autoscaler(HPA.kind, world.namespace, "web") is None, "it is gone")
    assert world.keeps(6, 12).after == Limits(low=6, high=18)
    grown(guarded, world, 6)
    world.seen()
    assert world.later(seconds=15).keeps(6, 12).said.endswith("waits for its next step to 6..12")
    assert world.managers() - {"kube-controller-manager"} == {"foretide"}
    told = reaped(guarded, world.later(minutes=61))
    assert (told["web"].done, world.bounds()) == (True, Limits(low=2, high=20))
    copy = {"metadata": {"name": "copy", "annotations": world.ours()}, "spec": hpa("cart", world.namespace)["spec"]}
    world.owner("kubectl").create(HPA, world.namespace, copy)
    with pytest.raises(KubeError, match="only what Foretide has made itself is deleted"):
        Writer(connection_of(guarded, CONTROLLER)).delete(HPA, world.namespace, "copy")
    guarded.api.delete("HorizontalPodAutoscaler", "copy", world.namespace)
    before = replicas(guarded.api, "web", world.namespace)
    for _ in range(2):
        world.seen()
        world.cluster.settle(set(), world.now)
    names = [one["metadata"]["name"] for one in guarded.api.list("HorizontalPodAutoscaler", world.namespace)]
    assert (names, replicas(guarded.api, "web", world.namespace)) == ([], before)


def test_to_nothing_and_back_while_its_hpa_rests(guarded: Cluster, world: World) -> None:
    guarded.api.delete("HorizontalPodAutoscaler", "web", world.namespace)
    eventually(lambda: world.view.autoscaler(HPA.kind, world.namespace, "web") is None, "it is gone")
    web = WorkloadRef(kind="Deployment", namespace=world.namespace, name="web")
    world.keeps(2)
    world.seen()
    for count in (0, 3):
        world.cluster.scale(web, count)
        grown(guarded, world, count)
        eventually(lambda count=count: world.cluster.workload(web).current_replicas == count, "it is seen")


def test_one_is_taken_over_and_given_back_as_it_was(guarded: Cluster, world: World) -> None:
    behavior = {"scaleDown": {"stabilizationWindowSeconds": 17, "tolerance": "0.2", "selectPolicy": "Min"}}
    world.edited({"spec": {"behavior": behavior}, "metadata": {"annotations": {"team": "a"}}})
    before = world.raw()
    assert world.keeps(8, 30, takes_over=True, own=(1, 30)).after == Limits(low=8, high=30)
    grown(guarded, world, 8)
    spec = world.raw()["spec"]
    assert spec["metrics"][0]["resource"]["target"]["averageUtilization"] == 60
    assert (spec["behavior"]["scaleDown"]["tolerance"], world.ours()[stamps.KEPT].split()[0]) == ("100m", "adopted")
    world.seen()
    assert world.later(seconds=15).keeps(8, 30, takes_over=True, own=(1, 30)).said.endswith("keeps 8..30")
    told = reaped(guarded, world, Orders(everything=True, at_once=True))
    assert told["web"].said == "given back"
    after = world.raw()
    assert untouched(after)[:2] == untouched(before)[:2]
    assert "foretide" not in world.managers()
