"""A quota of our own: it allows what runs, refuses where it would reject, and only what we made is deleted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from app.budget_writes import taken_back, written
from controller.budgets import quota_sums
from controller.budgets.deeds import Change, Deed, DeedState
from controller.budgets.notes import RESTORE
from controller.budgets.quota_sums import PodParts, Use
from controller.budgets.quotas import OWNER, QUOTA, Quotas
from kube import Access, Connection, Writer, connect
from kube.kinds import POD, Kind
from tests.fakes.clock import ManualClock
from tests.fakes.kube_api import KubeApi

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
EXPIRES = NOON + timedelta(days=9)
NAME = "foretide-cost-cap-month"
CAP = Change(
    target=f"ResourceQuota batch/{NAME}", field="spec.hard", before=None,
    after="requests.cpu 1100m, requests.memory 1127Mi",
)  # fmt: skip
ASKS = {"requests": {"cpu": "500m", "memory": "512Mi"}}
LIMITS: Kind[Any] = Kind(group="", version="v1", kind="LimitRange", plural="limitranges", namespaced=True, type=dict)
CRON: Kind[Any] = Kind(group="batch", version="v1", kind="CronJob", plural="cronjobs", namespaced=True, type=dict)


class World:
    def __init__(self, connection: Connection) -> None:
        self.connection, self.frozen = connection, ""
        self.admin = Writer(connection, "kubectl-create")
        self.ours = Quotas(
            connection, Writer(connection, qps=1000, burst=1000), switch=lambda: self.frozen, own_namespace="foretide"
        )
        for name in ("a", "b"):
            self.pod(name, ASKS)

    def pod(self, name: str, resources: dict[str, Any], phase: str = "Running") -> None:
        spec = {"containers": [{"name": "c", "resources": resources}]}
        body = {"metadata": {"name": name}, "spec": spec, "status": {"phase": phase}}
        self.admin.create(POD, "batch", body)

    def raw(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.connection.request("GET", QUOTA.path(namespace="batch", name=NAME)))
        return found

    def there(self) -> bool:
        return NAME in self.connection.request("GET", QUOTA.path(namespace="batch")).decode()

    def held(self, change: Change = CAP) -> Deed:
        deed = Deed(
            id="shop/month/over/freeze", period="2026-11-01", state=DeedState.ACTING, since=NOON, changes=(change,),
            expires_at=EXPIRES,
        )  # fmt: skip
        return written(deed, {"ResourceQuota": self.ours}, NOON)

    def back(self, deed: Deed) -> Deed:
        return taken_back(replace(deed, state=DeedState.REVERTING, since=NOON), {"ResourceQuota": self.ours}, NOON)

    def edit(self, **hard: str) -> None:
        Writer(self.connection, "kubectl-edit").patch_merge(QUOTA, "batch", NAME, {"spec": {"hard": hard}})


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with KubeApi() as fake:
        connection = connect(Access(kubeconfig=fake.kubeconfig(tmp_path), context="fake"), clock=ManualClock(NOON))
        yield World(connection)
        connection.close()


def test_made_with_what_was_approved_and_deleted_without_a_trace(world: World) -> None:
    use = world.ours.use("batch")
    assert quota_sums.hard(use, factor=Decimal("1.1")) == CAP.after
    deed = world.held()
    made = world.raw()
    assert (deed.state, made["spec"]["hard"]) == (
        DeedState.HELD, {"requests.cpu": "1100m", "requests.memory": "1127Mi"}
    )  # fmt: skip
    assert json.loads(made["metadata"]["annotations"][RESTORE])["uid"] == made["metadata"]["uid"]
    assert world.held().state is DeedState.HELD  # again does nothing
    assert world.raw() == made
    deed = world.back(deed)
    assert (deed.state, world.there()) == (DeedState.INACTIVE, False)


def test_what_has_ended_does_not_count_and_what_is_planned_does(world: World) -> None:
    world.pod("done", ASKS, phase="Succeeded")
    before = world.ours.use("batch")
    template = {"spec": {"containers": [{"name": "c", "resources": ASKS}]}}
    job = {"spec": {"parallelism": 3, "template": template}}
    world.admin.create(CRON, "batch", {"metadata": {"name": "nightly"}, "spec": {"jobTemplate": job}})
    assert before.cpu == 1
    assert world.ours.use("batch").cpu == Decimal("2.5")


def test_a_pod_that_asks_for_nothing_needs_a_limit_range(world: World) -> None:
    world.pod("blank", {"requests": {"cpu": "1"}})
    said = "Pod batch/blank asks for no memory and no LimitRange gives a default: a quota would reject it"
    assert world.ours.use("batch").rejected == said
    failed = world.held()
    assert (failed.state, failed.reason, world.there()) == (DeedState.FAILED, said, False)
    item = {"type": "Container", "default": {"memory": "1Gi"}, "defaultRequest": {"memory": "256Mi"}}
    world.admin.create(LIMITS, "batch", {"metadata": {"name": "defaults"}, "spec": {"limits": [item]}})
    assert world.ours.use("batch") == Use(cpu=Decimal(2), memory=Decimal(1280 * 1024**2))


def test_what_has_grown_over_the_approval_is_not_held_back(world: World) -> None:
    world.pod("third", ASKS)
    deed = world.held()
    assert (deed.state, world.there()) == (DeedState.ACTING, False)
    assert "more is used by now" in deed.reason


def test_what_a_user_edited_is_his_and_our_note_goes(world: World) -> None:
    deed = world.held()
    world.edit(**{"requests.cpu": "9"})
    deed = world.back(deed)
    left = world.raw()
    assert (deed.state, left["spec"]["hard"]["requests.cpu"]) == (DeedState.INACTIVE, "9")
    assert (left["metadata"].get("annotations"), OWNER in left["metadata"].get("labels", {})) == ({}, False)
    assert deed.reason.startswith("left as somebody has it")


def test_another_ones_quota_of_that_name_is_a_conflict(world: World) -> None:
    world.admin.create(QUOTA, "batch", {"metadata": {"name": NAME}, "spec": {"hard": {"pods": "5"}}})
    before = world.raw()
    deed = world.held()
    assert (deed.state, world.raw()) == (DeedState.CONFLICT, before)
    assert world.back(deed).state is DeedState.INACTIVE
    assert world.raw() == before


def test_a_copy_and_a_recreated_one_are_not_ours(world: World) -> None:
    deed = world.held()
    copy = world.raw()
    world.admin.delete(QUOTA, "batch", NAME)
    metadata = {name: copy["metadata"][name] for name in ("name", "labels", "annotations")}
    world.admin.create(QUOTA, "batch", {"metadata": metadata, "spec": copy["spec"]})
    assert world.back(deed).state is DeedState.INACTIVE
    assert world.there()
    world.admin.delete(QUOTA, "batch", NAME)
    assert world.back(deed).state is DeedState.INACTIVE  # gone is given back


def test_a_lost_database_is_no_loss_and_the_kill_switch_holds(world: World) -> None:
    world.held()
    assert world.ours.expired(EXPIRES - timedelta(seconds=1)) == []
    world.frozen = "an incident"
    ((_, outcome),) = world.ours.expired(EXPIRES)
    assert (outcome.failure, world.there()) == ("the kill switch: an incident", True)
    ((name, outcome),) = world.ours.expired(NOON, everything=True)
    assert (name, outcome.said, world.there()) == (f"ResourceQuota batch/{NAME}", "deleted", False)


@pytest.mark.parametrize("namespace", ["kube-system", "foretide"])
def test_system_namespaces_and_our_own_never(world: World, namespace: str) -> None:
    assert world.ours.use(namespace).rejected == f"nothing is written in namespace {namespace}"


def test_a_pod_asks_for_its_largest_moment() -> None:
    """As the API server counts: init containers one after the other, sidecars beside all that come later."""

    def part(cpu: str, **more: Any) -> dict[str, Any]:
        return {"name": "c", "resources": {"requests": {"cpu": cpu, "memory": "1Mi"}}, **more}

    spec = {
        "containers": [part("300m"), part("200m")], "overhead": {"cpu": "50m"},
        "initContainers": [part("100m"), part("100m", restartPolicy="Always"), part("700m")],
    }  # fmt: skip
    pod = msgspec.convert(spec, PodParts)
    assert quota_sums.use_of([("p", pod, 2)], {}).cpu == Decimal("1.7")  # twice (0.1 beside 0.7, and 0.05)
    limited = {"containers": [{"name": "c", "resources": {"limits": {"cpu": "2", "memory": "1Gi"}}}]}
    assert quota_sums.use_of([("p", msgspec.convert(limited, PodParts), 1)], {}).cpu == 2
