"""A CapacityBuffer on a real API server, by our ServiceAccounts' own rights."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from controller.cluster.kubernetes_buffer import discovered
from controller.reaped_buffers import reap_buffers
from kube import Writer
from tests.cluster.api import Object
from tests.cluster.control_plane import Cluster
from tests.controller.cluster.real import REAPER, connection_of
from tests.controller.cluster.test_buffers import order
from tests.controller.cluster.test_real_targets import served
from tests.controller.cluster.world import World
from tests.deploy.applying import apply
from tests.deploy.manifests import opt_in

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_room_is_kept_moved_and_given_back_by_our_own_rights(guarded: Cluster, real_world: World) -> None:
    world = real_world
    served(guarded, "capacitybuffers")
    kind = discovered(world.connection)
    assert kind is not None
    assert kind.api_version == "autoscaling.x-k8s.io/v1alpha1"
    target = replace(order(9).target, namespace=world.namespace)
    rule = f"{world.namespace}/web"

    def kept(need: int) -> str:
        wanted = replace(order(need), rule=rule, target=target)
        return world.cluster.buffers.keep([wanted], {rule}, world.now)[rule]

    def spec() -> Object:
        assert world.admin is not None
        path = kind.path(namespace=world.namespace, name="web")
        found: Object = json.loads(world.admin.request("GET", path))["spec"]
        return found

    assert "is forbidden" in kept(9)  # the namespace has not opted in
    for one in opt_in("buffer"):
        apply(guarded.api, {**one, "metadata": {**one["metadata"], "namespace": world.namespace}})
    guarded.api.until("it may act", lambda: "0 → 5" in kept(9))
    assert spec() == {
        "replicas": 5, "provisioningStrategy": "buffer.x-k8s.io/active-capacity",
        "scalableRef": {"apiGroup": "apps", "kind": "Deployment", "name": "web"},
    }  # fmt: skip
    guarded.api.until("the next step", lambda: "5 → 8" in kept(12))
    assert spec()["replicas"] == 8
    reaper = connection_of(guarded, REAPER)
    world.later(minutes=61)
    told = reap_buffers(reaper, Writer(reaper), switch="", everything=False, now=world.now)
    assert [(one.name, one.done) for one in told if one.namespace == world.namespace] == [("web", True)]
    reaper.close()
    world.cluster.buffers.stop()
