"""CronJobs that are suspended and given back: whatever somebody else says wins, and nothing of ours is left."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.budget_writes import taken_back, written
from controller.budgets.cron_jobs import CRON_JOB, CronJobs
from controller.budgets.deeds import Change, Deed, DeedState
from controller.budgets.notes import RESTORE
from kube import Access, Connection, Writer, connect
from tests.fakes.clock import ManualClock
from tests.fakes.kube_api import KubeApi

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
NIGHTLY = Change(target="CronJob shop/nightly", field="spec.suspend", before=False, after=True)


@pytest.fixture
def fake() -> Iterator[KubeApi]:
    with KubeApi() as api:
        yield api


class World:
    """One namespace, its CronJobs, and the edits of others."""

    def __init__(self, connection: Connection) -> None:
        self.connection, self.frozen = connection, ""
        self.ours = CronJobs(connection, Writer(connection, qps=1000, burst=1000), switch=lambda: self.frozen)
        self.hands = {"CronJob": self.ours}
        self.make()

    def make(self, name: str = "nightly", **metadata: Any) -> None:
        body = {"metadata": {"name": name, **metadata}, "spec": {"schedule": "0 3 * * *", "suspend": False}}
        Writer(self.connection, "kubectl-create").create(CRON_JOB, "shop", body)

    def edit(self, suspend: bool, *, manager: str = "kubectl-edit") -> None:
        Writer(self.connection, manager).patch_merge(CRON_JOB, "shop", "nightly", {"spec": {"suspend": suspend}})

    def git(self, suspend: bool, *, force: bool = False) -> None:
        body = {"spec": {"suspend": suspend}}
        Writer(self.connection, "argocd").apply(CRON_JOB, "shop", "nightly", body, force=force)

    def raw(self, name: str = "nightly") -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.connection.request("GET", CRON_JOB.path(namespace="shop", name=name)))
        return found

    def suspended(self, name: str = "nightly") -> bool:
        return bool(self.raw(name)["spec"]["suspend"])

    def traces(self) -> list[str]:
        return list(self.raw()["metadata"].get("annotations") or {})

    def managers(self) -> set[str]:
        """The fake server keeps an entry that a patch takes out; the real one does not."""
        return {str(one.get("manager")) for one in self.raw()["metadata"].get("managedFields", [])}

    def deed(self, *changes: Change) -> Deed:
        return Deed(
            id="shop/month/over/stop", period="2026-11-01", state=DeedState.ACTING, since=NOON,
            changes=changes or (NIGHTLY,), expires_at=NOON + timedelta(days=9),
        )  # fmt: skip

    def held(self, *changes: Change) -> Deed:
        return written(self.deed(*changes), self.hands, NOON)

    def back(self, deed: Deed) -> Deed:
        return taken_back(replace(deed, state=DeedState.REVERTING, since=NOON), self.hands, NOON)


@pytest.fixture
def world(fake: KubeApi, tmp_path: Path) -> Iterator[World]:
    connection = connect(Access(kubeconfig=fake.kubeconfig(tmp_path), context="fake"), clock=ManualClock(NOON))
    yield World(connection)
    connection.close()


def test_what_runs_is_found_by_labels(world: World) -> None:
    world.make("report", labels={"tier": "batch"})
    assert [change.target for change, _ in world.ours.running(("shop",), {})] == [
        "CronJob shop/nightly", "CronJob shop/report",
    ]  # fmt: skip
    assert [change.target for change, _ in world.ours.running(("shop",), {"tier": "batch"})] == ["CronJob shop/report"]
    world.edit(True)
    assert [change.target for change, _ in world.ours.running(("shop",), {})] == ["CronJob shop/report"]


def test_suspended_and_given_back_without_a_trace(world: World) -> None:
    before = world.raw()["spec"]
    deed = world.held()
    assert (deed.state, world.suspended()) == (DeedState.HELD, True)
    assert json.loads(world.raw()["metadata"]["annotations"][RESTORE])["before"] is False
    deed = world.back(deed)
    assert (deed.state, world.raw()["spec"], world.traces()) == (DeedState.INACTIVE, before, [])


def test_again_does_nothing_and_overwrites_no_note(world: World) -> None:
    world.held()
    version = world.raw()["metadata"]["resourceVersion"]
    world.held()
    assert world.raw()["metadata"]["resourceVersion"] == version
    world.back(world.held())
    assert world.back(world.held()).state is DeedState.INACTIVE


def test_what_a_user_changed_in_between_stays(world: World) -> None:
    deed = world.held()
    world.edit(False)
    deed = world.back(deed)
    assert (deed.state, world.suspended(), world.traces()) == (DeedState.INACTIVE, False, [])
    assert deed.reason.startswith("left as ")


def test_a_user_who_suspends_it_himself_keeps_it_suspended(world: World) -> None:
    deed = world.held()
    world.edit(False)
    world.edit(True)
    world.back(deed)
    assert (world.suspended(), world.traces()) == (True, [])


def test_what_git_states_is_not_taken(world: World) -> None:
    world.git(False)
    deed = world.held()
    assert (deed.state, world.suspended()) == (DeedState.CONFLICT, False)
    assert deed.reason == "conflict: argocd states spec.suspend of CronJob shop/nightly"
    assert RESTORE not in (world.raw()["metadata"].get("annotations") or {})


def test_what_a_last_applied_configuration_states_is_not_taken(world: World) -> None:
    applied = json.dumps({"spec": {"suspend": False}})
    world.make("report", annotations={"kubectl.kubernetes.io/last-applied-configuration": applied})
    report = replace(NIGHTLY, target="CronJob shop/report")
    deed = world.held(NIGHTLY, report)
    assert (deed.state, world.suspended(), world.suspended("report")) == (DeedState.HELD, True, False)
    assert "last applied configuration" in deed.reason


def test_what_git_states_later_wins(world: World) -> None:
    deed = world.held()
    world.git(True)
    world.back(deed)
    assert (world.suspended(), world.traces()) == (True, [])


def test_one_that_is_gone_is_given_back(world: World) -> None:
    deed = world.held()
    Writer(world.connection).delete(CRON_JOB, "shop", "nightly")
    assert world.back(deed).state is DeedState.INACTIVE


def test_a_lost_database_is_no_loss_the_reaper_reads_the_note(world: World) -> None:
    world.held()
    expires = NOON + timedelta(days=9)
    assert world.ours.expired(expires - timedelta(seconds=1)) == []
    ((name, outcome),) = world.ours.expired(expires)
    assert (name, outcome.said, world.suspended(), world.traces()) == ("CronJob shop/nightly", "resumed", False, [])
    assert world.ours.expired(expires) == []


def test_the_kill_switch_stops_the_writes(world: World) -> None:
    world.frozen = "an incident"
    deed = world.held()
    assert (deed.state, deed.reason, world.suspended()) == (DeedState.ACTING, "the kill switch: an incident", False)
    world.frozen = ""
    deed = written(deed, world.hands, NOON)
    world.frozen = "an incident"
    deed = world.back(deed)
    assert (deed.state, world.suspended()) == (DeedState.REVERTING, True)


def test_what_is_done_by_half_is_taken_back(world: World, fake: KubeApi) -> None:
    world.make("report")
    deed = world.deed(NIGHTLY, replace(NIGHTLY, target="CronJob shop/report"))
    fake.fail(100, 503, method="PATCH", part="report")
    for _ in range(5):
        deed = written(deed, {"CronJob": CronJobs(world.connection, _hasty(world.connection), switch=lambda: "")}, NOON)
    assert (deed.state, deed.over, world.suspended()) == (DeedState.REVERTING, True, True)
    fake.faults.clear()
    deed = world.back(deed)
    assert (deed.state, world.suspended(), world.traces()) == (DeedState.EXPIRED, False, [])


def _hasty(connection: Connection) -> Writer:
    return Writer(connection, qps=1000, burst=1000, pause=lambda seconds: None)
