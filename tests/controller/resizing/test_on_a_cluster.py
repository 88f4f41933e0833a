"""The real API server's own word: a pod resized in place, the template, the HPA, the policy, and all of it given back.

The Deployment's controller is real, pods are kwok's, and the test plays the kubelet's part of a resize.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from controller.resizing.case import Case, Deed, Ruling, Stage, Word
from controller.resizing.change import NOTE
from controller.resizing.giving_back import reap
from controller.resizing.raw import HPAS, MANAGER, PODS
from domain.errors import KubeError
from kube import Writer
from tests.cluster.control_plane import NODE, Cluster
from tests.controller.cluster.real import CONTROLLER, REAPER, RIGHTS, connection_of
from tests.controller.resizing.shop import DEPLOYMENT, Raw, Shop, patch_of
from tests.deploy.applying import apply
from tests.deploy.manifests import FOLDER, objects, opt_in

GO = Ruling(word=Word.GO)


@pytest.fixture
def shop(cluster: Cluster) -> Iterator[Shop]:
    """Opted in, by the controller's own ServiceAccount."""
    for one in objects(FOLDER):
        if one["kind"] in RIGHTS:
            apply(cluster.api, one)
    ours, admin = connection_of(cluster, CONTROLLER), connection_of(cluster)
    shop = Shop(ours, namespace=cluster.namespace("sizes"), admin=admin)
    shop.make(node=NODE)
    case = shop.accepted(patch_of(shop.namespace))
    cluster.api.until("the pods are there", lambda: rolled_out(shop, case))
    assert "has not opted in" in shop.writes.rehearsed(case, shop.now).failure
    for one in opt_in("resize"):
        apply(cluster.api, {**one, "metadata": {**one["metadata"], "namespace": shop.namespace}})
    cluster.api.until("the opt-in is in force", lambda: not shop.writes.rehearsed(case, shop.now).failure)
    yield shop
    ours.close()
    admin.close()


def rolled_out(shop: Shop, case: Case) -> bool:
    status = shop.raw()["status"]
    return status.get("observedGeneration") == shop.raw()["metadata"]["generation"] and (
        status.get("availableReplicas"), status.get("updatedReplicas"), status.get("replicas")
    ) == (3, 3, 3)  # fmt: skip


def test_one_pod_in_place_then_all_and_all_of_it_back_without_a_trace(cluster: Cluster, shop: Shop) -> None:
    before, hpa = shop.raw(), shop.raw(HPAS)
    case = shop.accepted(patch_of(shop.namespace))
    assert shop.sights.look(case).not_in_place == "its kubelet cannot resize pods"
    for one in shop.sights.pods(case.patch.ref):
        shop.kubelet(one["metadata"]["name"])
    case = shop.tick(case)
    assert case.stage is Stage.CANARY, case.reason
    assert case.canary is not None
    name = case.canary.name
    assert shop.pod_cpu(name) == "920m"
    assert shop.raw(PODS, name)["metadata"]["uid"] == case.canary.uid
    assert shop.cpu == "1"
    shop.kubelet(name)
    case = shop.until(case, Stage.SOAKING)
    case = shop.until(case, Stage.REST, GO)
    while Deed.TEMPLATE not in case.written:
        case = shop.tick(case)
    assert shop.percent == 80
    cluster.api.until("the rollout is done", lambda: rolled_out(shop, case))
    case = shop.until(case, Stage.WATCHING)
    assert (shop.cpu, shop.percent) == ("920m", 87)
    assert shop.sights.harm(case).ooms == 0
    # The store is gone: the reaper, as itself, needs the note alone.
    reaper = connection_of(cluster, REAPER)
    writer, late = Writer(reaper, MANAGER, qps=1000, burst=1000), shop.now + timedelta(hours=49)
    told = {one.ref.namespace: one for one in reap(reaper, writer, switch=lambda: "", everything=False, now=late)}
    reaper.close()
    assert told[shop.namespace].done, told[shop.namespace].said
    after = shop.raw()
    assert after["spec"] == before["spec"]
    assert (NOTE in (after["metadata"].get("annotations") or {}), shop.percent) == (False, 80)
    assert shop.raw(HPAS)["spec"] == hpa["spec"]
    for raw in (after, shop.raw(HPAS)):
        assert MANAGER not in {one["manager"] for one in raw["metadata"]["managedFields"]}


def test_the_policy_refuses_what_no_right_sizing_does(cluster: Cluster, shop: Shop) -> None:
    container = shop.raw()["spec"]["template"]["spec"]["containers"][0]
    half = {**container, "resources": {**container["resources"], "requests": {"cpu": "500m", "memory": "1Gi"}}}
    writer = Writer(shop.connection, MANAGER, qps=1000, burst=1000)

    def refused(spec: Raw) -> str:
        try:
            writer.patch_merge(DEPLOYMENT, shop.namespace, "web", {"spec": spec}, dry_run=True)
        except KubeError as error:
            return error.message
        return ""

    def of(one: Raw) -> Raw:
        return {"template": {"spec": {"containers": [one]}}}

    cluster.api.until("the policy is in force", lambda: "three tenths at most" in refused(of(half)))
    assert "of a container but its resources" in refused(of({**container, "image": "other"}))
    assert "but its containers' resources" in refused({"replicas": 9})
    frozen = {"metadata": {"annotations": {"foretide.dev/freeze": "a release"}}}
    shop.by().patch_merge(DEPLOYMENT, shop.namespace, "web", frozen)
    assert "it is frozen" in refused(of(half))
