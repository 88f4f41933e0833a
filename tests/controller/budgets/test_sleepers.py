"""Deployments and ScaledObjects that sleep by the clock: they come back as they were, and whoever else speaks wins."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.budget_writes import kept, taken_back, written
from controller.budgets.deeds import Change, Deed, DeedState, woken
from controller.budgets.levers import BY_CLOCK
from controller.budgets.notes import RESTORE
from controller.budgets.sleepers import KINDS, PAUSED, Sleepers
from controller.budgets.sleeping import DEPLOYMENT, LABEL, PRIORITY_CLASS, SCALED_OBJECT, candidates
from kube import Access, Connection, Writer, connect
from kube.kinds import DISRUPTION_BUDGET, NAMESPACE, Kind
from tests.fakes.clock import ManualClock
from tests.fakes.kube_api import KubeApi

DAY = timedelta(days=1)
EVENING, MORNING = datetime(2026, 11, 21, 20, tzinfo=UTC), datetime(2026, 11, 22, 6, tzinfo=UTC)
NIGHT = '0 from "0 20 * * *" to "0 6 * * *" in UTC'


def change(target: str) -> Change:
    return Change(target=target, field=BY_CLOCK, before=None, after=NIGHT)


WEB = change("Deployment batch/web")
QUEUE = change("ScaledObject batch/queue")


class World:
    def __init__(self, connection: Connection) -> None:
        self.connection, self.frozen, self.hold = connection, "", ""
        self.ours = Sleepers(
            connection, Writer(connection, qps=1000, burst=1000), switch=lambda: self.frozen, own_namespace="foretide"
        )
        self.hands = dict.fromkeys(KINDS, self.ours)
        self.admin = Writer(connection, "kubectl-create")
        self.admin.create(NAMESPACE, None, {"metadata": {"name": "batch", "labels": {LABEL: "allowed"}}})
        self.deployment("web")
        target = {"name": "worker"}
        self.admin.create(
            SCALED_OBJECT, "batch", {"metadata": {"name": "queue"}, "spec": {"scaleTargetRef": target}}
        )  # fmt: skip

    def deployment(self, name: str, replicas: int = 3, labels: dict[str, str] | None = None, **pod: Any) -> None:
        template = {"metadata": {"labels": {"app": name}}, "spec": pod}
        body = {
            "metadata": {"name": name, "labels": labels or {}}, "spec": {"replicas": replicas, "template": template}
        }  # fmt: skip
        self.admin.create(DEPLOYMENT, "batch", body)

    def scale(self, replicas: int, manager: str = "kubectl-scale", name: str = "web") -> None:
        body = {"spec": {"replicas": replicas}}
        Writer(self.connection, manager).patch_merge(DEPLOYMENT, "batch", name, body, subresource="scale")

    def raw(self, kind: Kind[Any] = DEPLOYMENT, name: str = "web") -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.connection.request("GET", kind.path(namespace="batch", name=name)))
        return found

    def replicas(self, name: str = "web") -> int:
        return int(self.raw(name=name)["spec"]["replicas"])

    def traces(self, kind: Kind[Any] = DEPLOYMENT, name: str = "web") -> list[str]:
        return list(self.raw(kind, name)["metadata"].get("annotations") or {})

    def held(self, *changes: Change) -> Deed:
        deed = Deed(
            id="shop/month/over/sleep", period="2026-11-01", state=DeedState.ACTING, since=EVENING,
            changes=changes or (WEB,), expires_at=EVENING + 9 * DAY,
        )  # fmt: skip
        return written(deed, self.hands, EVENING)

    def at(self, deed: Deed, now: datetime) -> Deed:
        return kept(deed, self.ours, now, hold=lambda one: self.hold)

    def back(self, deed: Deed, now: datetime = EVENING) -> Deed:
        return taken_back(replace(deed, state=DeedState.REVERTING, since=now), self.hands, now)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with KubeApi() as fake:
        connection = connect(Access(kubeconfig=fake.kubeconfig(tmp_path), context="fake"), clock=ManualClock(EVENING))
        yield World(connection)
        connection.close()


def test_it_sleeps_in_the_window_and_a_missed_wake_up_is_caught_up(world: World) -> None:
    deed = world.held()
    assert (deed.state, world.replicas()) == (DeedState.HELD, 3)  # by the clock, not by the deed
    deed = world.at(deed, EVENING)
    assert (world.replicas(), deed.reason) == (0, "in force; Deployment batch/web sleeps")
    note = json.loads(world.raw()["metadata"]["annotations"][RESTORE])
    assert (note["before"], note["expires"]) == (3, MORNING.isoformat())
    world.at(deed, EVENING + timedelta(hours=1))
    assert world.replicas() == 0
    deed = world.at(deed, MORNING + timedelta(hours=3))  # nobody looked at six
    assert (world.replicas(), world.traces(), deed.reason) == (3, [], "in force")
    world.at(deed, MORNING + timedelta(hours=4))
    assert (world.replicas(), world.traces()) == (3, [])


def test_what_an_hpa_had_set_is_what_comes_back(world: World) -> None:
    deed = world.held()
    world.scale(7, "kube-controller-manager")
    deed = world.at(deed, EVENING)
    world.at(deed, MORNING)
    assert (world.replicas(), world.traces()) == (7, [])


def test_wake_up_now_holds_until_its_time(world: World) -> None:
    deed = world.at(world.held(), EVENING)
    until = EVENING + timedelta(hours=2)
    deed = world.at(woken(deed, until, "ops"), EVENING + timedelta(minutes=1))
    assert (world.replicas(), deed.reason) == (3, "in force; awake until 2026-11-21 22:00 UTC, by ops")
    world.at(deed, until)
    assert world.replicas() == 0


def test_who_scales_up_what_sleeps_has_his_way_until_morning(world: World) -> None:
    deed = world.at(world.held(), EVENING)
    world.scale(5)
    for minute in (1, 2):
        deed = world.at(deed, EVENING + timedelta(minutes=minute))
        assert world.replicas() == 5
    assert "is awake until 2026-11-22 06:00 UTC: somebody wants it so" in deed.reason
    deed = world.at(deed, MORNING)
    assert (world.replicas(), world.traces()) == (5, [])
    world.at(deed, EVENING + DAY)
    assert world.replicas() == 0  # another night


def test_who_set_zero_himself_keeps_it(world: World) -> None:
    deed = world.at(world.held(), EVENING)
    world.scale(5)
    world.at(deed, EVENING + timedelta(minutes=1))
    world.scale(0)
    world.at(deed, MORNING)
    assert (world.replicas(), world.traces()) == (0, [])


def test_what_git_states_is_not_taken(world: World) -> None:
    Writer(world.connection, "argocd").apply(DEPLOYMENT, "batch", "web", {"spec": {"replicas": 3}})
    deed = world.held()
    assert (deed.state, deed.reason) == (
        DeedState.CONFLICT, "conflict: argocd states the replicas of Deployment batch/web"
    )  # fmt: skip
    assert (world.replicas(), world.traces()) == (3, [])


def test_what_git_states_later_wins(world: World) -> None:
    deed = world.at(world.held(), EVENING)
    Writer(world.connection, "argocd").apply(DEPLOYMENT, "batch", "web", {"spec": {"replicas": 4}}, force=True)
    deed = world.at(deed, EVENING + timedelta(minutes=1))
    assert world.replicas() == 4
    deed = world.back(deed)
    assert (deed.state, world.replicas(), world.traces()) == (DeedState.INACTIVE, 4, [])


def test_one_that_is_gone_is_given_back(world: World) -> None:
    deed = world.at(world.held(), EVENING)
    world.admin.delete(DEPLOYMENT, "batch", "web")
    assert world.at(deed, EVENING).state is DeedState.HELD
    assert world.back(deed).state is DeedState.INACTIVE


def test_a_lost_database_is_no_loss_the_reaper_wakes_by_the_note(world: World) -> None:
    world.at(world.held(WEB, QUEUE), EVENING)
    assert world.ours.expired(MORNING - timedelta(seconds=1)) == []
    told = dict(world.ours.expired(MORNING))
    assert {name: one.said for name, one in told.items()} == {
        "Deployment batch/web": "woken", "ScaledObject batch/queue": "woken"
    }  # fmt: skip
    assert (world.replicas(), world.traces(), world.traces(SCALED_OBJECT, "queue")) == (3, [], [])


def test_keda_is_paused_at_zero_and_goes_on(world: World) -> None:
    deed = world.at(world.held(QUEUE), EVENING)
    assert world.raw(SCALED_OBJECT, "queue")["metadata"]["annotations"][PAUSED] == "0"
    deed = world.at(deed, MORNING)
    assert world.traces(SCALED_OBJECT, "queue") == []
    world.admin.patch_merge(SCALED_OBJECT, "batch", "queue", {"metadata": {"annotations": {PAUSED: "2"}}})
    world.at(deed, EVENING + DAY)
    world.at(deed, MORNING + DAY)
    assert world.raw(SCALED_OBJECT, "queue")["metadata"]["annotations"] == {PAUSED: "2"}


def test_the_kill_switch_and_the_slo_hold_it_awake(world: World) -> None:
    deed = world.held()
    world.frozen = "an incident"
    world.at(deed, EVENING)
    world.frozen, world.hold = "", "SLO shop/latency of shop/web is not known"
    deed = world.at(deed, EVENING)
    assert (world.replicas(), world.traces()) == (3, [])
    assert deed.reason.endswith("stays awake: SLO shop/latency of shop/web is not known")
    world.hold = ""
    world.at(deed, EVENING)
    world.frozen = "an incident"
    assert (world.back(deed).state, world.replicas()) == (DeedState.REVERTING, 0)
    ((_, told),) = world.ours.expired(EVENING, everything=True)  # `foretide restore` goes before the switch
    assert (told.said, world.replicas()) == ("woken", 3)


def test_a_scale_that_fails_leaves_no_note(world: World, tmp_path: Path) -> None:
    with KubeApi() as fake:
        connection = connect(Access(kubeconfig=fake.kubeconfig(tmp_path), context="fake"), clock=ManualClock(EVENING))
        other = World(connection)
        fake.fail(1, 403, method="PATCH", part="/scale")
        deed = other.at(other.held(), EVENING)
        assert ("by test" in deed.reason, other.replicas(), other.traces()) == (True, 3, [])
        connection.close()


def test_not_all_wake_in_the_same_minute(world: World) -> None:
    names = [f"w{number}" for number in range(8)]
    for name in names:
        world.deployment(name)
    changes = [change(f"Deployment batch/{name}") for name in names]
    deed = world.at(world.held(*changes), EVENING)
    assert sum(world.replicas(name) for name in names) == 0
    world.at(deed, MORNING)
    assert sum(world.replicas(name) > 0 for name in names) == 5
    world.at(deed, EVENING + DAY)
    going = world.back(deed, EVENING + DAY)
    assert (going.state, sum(world.replicas(name) > 0 for name in names)) == (DeedState.REVERTING, 5)
    assert taken_back(going, world.hands, EVENING + DAY).state is DeedState.INACTIVE
    assert all(world.replicas(name) == 3 and not world.traces(name=name) for name in names)


def test_who_may_sleep(world: World) -> None:
    wanted = {"selector": {"matchLabels": {"app": "pinned"}}, "minAvailable": 1}
    world.admin.create(DISRUPTION_BUDGET, "batch", {"metadata": {"name": "keep"}, "spec": wanted})
    for name, value in (("high", 1000), ("low", -10)):
        world.admin.create(PRIORITY_CLASS, None, {"metadata": {"name": name}, "value": value})
    world.deployment("pinned")
    world.deployment("urgent", priorityClassName="high")
    world.deployment("patient", priorityClassName="low")
    world.deployment("always", labels={LABEL: "never"})
    world.deployment("worker", labels={"tier": "batch"})
    world.admin.create(NAMESPACE, None, {"metadata": {"name": "other"}})
    world.admin.create(DEPLOYMENT, "other", {"metadata": {"name": "unasked"}, "spec": {"replicas": 1}})
    found = candidates(world.connection, ["batch", "other", "kube-system"], {}, own_namespace="foretide")
    assert {one.target: one.why_not for one in found} == {
        "Deployment batch/always": f"label {LABEL} does not allow it",
        "Deployment batch/patient": "",
        "Deployment batch/pinned": "PodDisruptionBudget keep wants some of it",
        "Deployment batch/urgent": "it is of priority class high",
        "Deployment batch/web": "",
        "Deployment other/unasked": f"label {LABEL} does not allow it",
        "ScaledObject batch/queue": "",
        "namespace kube-system": "nothing is written in namespace kube-system",
    }
    assert [
        one.target for one in candidates(world.connection, ["batch"], {"tier": "batch"}, own_namespace="foretide")
    ] == ["ScaledObject batch/queue"]
