"""Off-hours by a budget: it sleeps and wakes with the loop, wakes for a person and for an SLO that burns."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from controller.budgets.deeds import DeedState
from controller.budgets.sleeping import DEPLOYMENT, LABEL
from controller.guardrails import SloState
from kube import Access, Writer, connect
from kube.kinds import NAMESPACE
from store.state import State
from tests.app import test_budget_quota
from tests.app.asgi import call
from tests.app.test_budgets_act import HOUR, MINUTE, NOW, application
from tests.fakes.clock import ManualClock
from tests.fakes.kube_api import KubeApi

SLEEP = """cap:
      type: offHours
      select: {namespaces: [demo]}
      schedule: {start: "0 20 * * 1-5", end: "0 7 * * 1-5", timezone: Europe/Berlin}
      mode: MODE"""
EVENING = datetime(2026, 11, 18, 19, 1, tzinfo=UTC)  # a Wednesday, 20:01 in Berlin


class World(test_budget_quota.World):
    action = SLEEP

    def replicas(self) -> int:
        raw = self.connection.request("GET", DEPLOYMENT.path(namespace="demo", name="shop"))
        return int(json.loads(raw)["spec"]["replicas"])

    def at(self, now: datetime) -> int:
        self.now = now
        self.tick(timedelta())
        return self.replicas()

    def wake(self, until: datetime) -> int:
        sent = json.dumps({"until": until.isoformat()}).encode()
        headers = {"content-type": "application/json"}
        path = "/api/v1/budgets/demo/month/wake"
        return call(application(self), path, method="POST", headers=headers, body=[sent]).status


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    state = State.open(f"sqlite:///{tmp_path / 'state.db'}")
    with KubeApi() as fake:
        connection = connect(Access(kubeconfig=fake.kubeconfig(tmp_path), context="fake"), clock=ManualClock(NOW))
        admin = Writer(connection, "kubectl-create")
        admin.create(NAMESPACE, None, {"metadata": {"name": "demo", "labels": {LABEL: "allowed"}}})
        admin.create(DEPLOYMENT, "demo", {"metadata": {"name": "shop"}, "spec": {"replicas": 4}})
        made = World(tmp_path, state)
        made.connection = connection
        yield made
        connection.close()
    state.close()


def test_it_sleeps_by_night_and_wakes_for_a_person_and_in_the_morning(world: World) -> None:
    world.tick()
    assert (world.deed().state, world.replicas()) == (DeedState.HELD, 4)
    assert [str(one) for one in world.deed().changes] == [
        "Deployment demo/shop: spec.replicas by the clock none -> "
        '0 from "0 20 * * 1-5" to "0 7 * * 1-5" in Europe/Berlin'
    ]
    assert world.at(EVENING) == 0
    assert world.wake(EVENING) == world.wake(EVENING + timedelta(days=8)) == 422
    assert world.wake(datetime.max.replace(tzinfo=timezone(-HOUR))) == 422  # in UTC that is after the last year
    assert world.wake(EVENING + 2 * HOUR) == 202
    assert world.at(EVENING + MINUTE) == 4
    world.made = None  # a restart
    assert world.at(EVENING + HOUR) == 4
    assert world.at(EVENING + 2 * HOUR) == 0
    assert world.at(EVENING + 14 * HOUR) == 4
    assert world.at(datetime(2026, 11, 22, 12, tzinfo=UTC)) == 0  # a Sunday
    world.mode = "observe"
    world.edit()
    assert world.at(world.now + MINUTE) == 4
    assert (world.deed().state, world.wake(world.now + HOUR)) == (DeedState.INACTIVE, 409)


def test_the_slo_keeps_it_awake_and_wakes_it_only_by_burning(world: World) -> None:
    world.tick()
    world.slo = SloState.UNKNOWN
    assert world.at(EVENING) == 4
    assert world.deed().reason.endswith("stays awake: SLO demo/latency of demo/shop is not known")
    world.slo = SloState.OK
    assert world.at(EVENING + MINUTE) == 0
    world.slo = SloState.UNKNOWN  # who sleeps measures nothing
    assert world.at(EVENING + 2 * MINUTE) == 0
    world.slo = SloState.BURNING
    assert world.at(EVENING + 3 * MINUTE) == 4
    assert world.deed().state is DeedState.INACTIVE


def test_without_the_label_nothing_sleeps_and_the_deed_says_so(world: World) -> None:
    Writer(world.connection, "kubectl").patch_merge(NAMESPACE, None, "demo", {"metadata": {"labels": {LABEL: None}}})
    world.tick()
    assert (world.deed().state, world.at(EVENING)) == (DeedState.INACTIVE, 4)
    assert world.deed().reason == f"Deployment demo/shop is left out: label {LABEL} does not allow it"
