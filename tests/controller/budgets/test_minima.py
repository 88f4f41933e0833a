"""HPAs without a rule: a lower bound that comes back by a tenth a minute, from wherever it is, or stays the user's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.budget_needs import HpaNeeds
from app.budget_writes import taken_back, written
from controller.budgets.deeds import Change, Deed, DeedState
from controller.budgets.minima import LABEL, Minima
from controller.budgets.notes import RESTORE
from domain.series import FloatArray
from kube import Access, Connection, Writer, connect
from kube.kinds import HPA
from tests.fakes.clock import ManualClock
from tests.fakes.kube_api import KubeApi

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
EXPIRES = NOON + timedelta(days=9)
LOWER = Change(target="HorizontalPodAutoscaler shop/web", field="spec.minReplicas", before=20, after=16)


class World:
    def __init__(self, connection: Connection) -> None:
        self.connection, self.frozen = connection, ""
        writer = Writer(connection, qps=1000, burst=1000)
        self.ours = Minima(connection, writer, switch=lambda: self.frozen, own_namespace="foretide")
        self.hands = {"HorizontalPodAutoscaler": self.ours}
        self.make("web")

    def make(self, name: str, **metadata: Any) -> None:
        target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
        metadata = {"name": name, "labels": {LABEL: "allowed"}, **metadata}
        spec = {"scaleTargetRef": target, "minReplicas": 20, "maxReplicas": 40}
        Writer(self.connection, "kubectl-create").create(HPA, "shop", {"metadata": metadata, "spec": spec})

    def raw(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.connection.request("GET", HPA.path(namespace="shop", name="web")))
        return found

    def least(self) -> int:
        return int(self.raw()["spec"]["minReplicas"])

    def noted(self) -> bool:
        return RESTORE in (self.raw()["metadata"].get("annotations") or {})

    def edit(self, least: int) -> None:
        Writer(self.connection, "kubectl-edit").patch_merge(HPA, "shop", "web", {"spec": {"minReplicas": least}})

    def held(self, change: Change = LOWER) -> Deed:
        deed = Deed(
            id="shop/month/over/lower", period="2026-11-01", state=DeedState.ACTING, since=NOON, changes=(change,),
            expires_at=EXPIRES,
        )  # fmt: skip
        return written(deed, self.hands, NOON)

    def back(self, deed: Deed) -> Deed:
        return taken_back(replace(deed, state=DeedState.REVERTING, since=NOON), self.hands, NOON)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with KubeApi() as fake:
        connection = connect(Access(kubeconfig=fake.kubeconfig(tmp_path), context="fake"), clock=ManualClock(NOON))
        yield World(connection)
        connection.close()


def test_lowered_and_given_back_by_a_tenth_a_look_without_a_trace(world: World) -> None:
    before = world.raw()["spec"]
    deed = world.held()
    assert (deed.state, world.least(), world.held().state) == (DeedState.HELD, 16, DeedState.HELD)
    deed = world.back(deed)
    assert (deed.state, world.least()) == (DeedState.REVERTING, 18)
    deed = world.back(deed)
    assert (deed.state, world.raw()["spec"], world.noted()) == (DeedState.INACTIVE, before, False)


@pytest.mark.parametrize("least", [5, 30])
def test_what_a_user_set_in_between_stays_also_half_way(world: World, least: int) -> None:
    deed = world.held()
    world.edit(least)
    deed = world.back(deed)
    assert (deed.state, world.least(), world.noted()) == (DeedState.INACTIVE, least, False)
    world.edit(20)
    deed = world.back(world.held())
    assert world.least() == 18
    world.edit(least)
    world.back(deed)
    assert (world.least(), world.noted()) == (least, False)


def test_what_git_states_is_a_conflict_and_what_has_changed_is_not_what_was_approved(world: World) -> None:
    assert world.held(replace(LOWER, before=10, after=5)).state is DeedState.FAILED
    Writer(world.connection, "argocd").apply(HPA, "shop", "web", {"spec": {"minReplicas": 20}})
    deed = world.held()
    assert (deed.state, world.least(), world.noted()) == (DeedState.CONFLICT, 20, False)
    assert "conflict: argocd states spec.minReplicas" in deed.reason


def test_gone_lost_and_frozen(world: World) -> None:
    deed = world.held()
    world.frozen = "an incident"
    assert (world.back(deed).state, world.least()) == (DeedState.REVERTING, 16)
    ((name, told),) = world.ours.expired(NOON, everything=True)
    assert (name, told.said, world.least(), world.noted()) == (LOWER.target, "given back", 20, False)
    world.frozen = ""
    deed = world.held()
    assert world.ours.expired(EXPIRES - timedelta(seconds=1)) == []
    assert [world.ours.expired(EXPIRES)[0][1].said for _ in range(2)] == ["min 18, on its way to 20", "given back"]
    deed = world.held()
    Writer(world.connection).delete(HPA, "shop", "web")
    assert world.back(deed).state is DeedState.INACTIVE


def test_only_what_is_labelled_and_nobody_steers(world: World) -> None:
    world.make("unasked", labels={})
    world.make("ruled", annotations={"foretide.dev/rule": "shop/ruled"})
    keda = {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": "k", "uid": "u"}
    world.make("keda", ownerReferences=[keda])
    world.make("frozen", annotations={"foretide.dev/freeze": ""})
    assert [one.name for one in world.ours.allowed(("shop", "kube-system"), {})] == ["web"]


def test_what_an_hpa_needed_is_read_where_half_of_the_week_is_known() -> None:
    asked: list[str] = []

    def history(values: FloatArray) -> HpaNeeds:
        def told(expr: str, start: datetime, end: datetime, step: timedelta) -> tuple[FloatArray, bool]:
            asked.append(expr)
            return values, False

        return HpaNeeds(told)

    assert history(np.array([1.0, 2.0, np.nan]))("shop", "web", NOON) == pytest.approx(1.95)
    assert history(np.array([1.0, np.nan, np.nan]))("shop", "web", NOON) is None
    assert 'namespace="shop",horizontalpodautoscaler="web"' in asked[0]
