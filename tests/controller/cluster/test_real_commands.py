"""``foretide freeze``, ``reap`` and ``restore`` on a real API server, about a ScaledObject and an HPA."""

from __future__ import annotations

from datetime import timedelta

import pytest
from typer.testing import CliRunner

from app.cli import app
from app.system_clock import SystemClock
from controller.actuation.limits import Limits
from kube.kinds import SCALED_OBJECT
from tests.cluster.control_plane import Cluster
from tests.controller.cluster.real import REAPER
from tests.controller.cluster.test_real_targets import served
from tests.controller.cluster.world import World, eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
QUEUE = {"kind": "ScaledObject", "name": "queue"}


def foretide(cluster: Cluster, *words: str, user: str = "admin") -> str:
    """What the command prints."""
    where = ["--context", "foretide-test", "--kubeconfig", str(cluster.kubeconfig(user))]
    done = CliRunner().invoke(app, [*words, *where])
    assert done.exit_code == 0 or words[0] == "restore", done.output  # others' objects may be none to give back
    return done.output


def test_bounds_of_a_scaled_object_are_frozen_reaped_and_restored(guarded: Cluster, real_world: World) -> None:
    world = real_world
    served(guarded, "scaledobjects")
    spec = {"scaleTargetRef": {"name": "web"}, "triggers": []}
    world.owner().create(SCALED_OBJECT, world.namespace, {"metadata": {"name": "queue"}, "spec": spec})
    world.now = SystemClock().now() - timedelta(hours=2)  # what is set now has expired already
    with world.watching_keda():
        assert world.wants(1, 100, **QUEUE).after == Limits(low=1, high=100)

        foretide(guarded, "freeze", "--reason", "INC-4711")
        eventually(lambda: "INC-4711" in world.wants(1, 100, **QUEUE).said, "the kill switch is seen")
        foretide(guarded, "freeze", "--undo")
        foretide(guarded, "freeze", f"{world.namespace}/web", "--reason", "sale")
        eventually(lambda: "held, by its freeze annotation: sale" in world.wants(2).said, "the other is lifted")
        foretide(guarded, "freeze", f"{world.namespace}/web", "--undo")

        assert "given back" in foretide(guarded, "reap", "--for", "60", user=REAPER)
        assert (world.raw("queue", SCALED_OBJECT)["spec"], world.ours("queue", SCALED_OBJECT)) == (spec, {})

        world.later(hours=2)
        eventually(lambda: world.wants(4, 100, **QUEUE).after.low == 4, "writes go on")
        assert "given back" in foretide(guarded, "restore", "--all", "--at-once")
        assert (world.raw("queue", SCALED_OBJECT)["spec"], world.ours("queue", SCALED_OBJECT)) == (spec, {})
