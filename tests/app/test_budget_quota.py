"""A quota by a budget: it leaves room for what the namespace's rules will need, and goes while an SLO there burns."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from app.budget_loop import Budgets
from app.budget_world import Cluster
from controller.budgets.cron_jobs import CronJobs
from controller.budgets.deeds import DeedState
from controller.budgets.minima import Minima
from controller.budgets.quotas import QUOTA, Quotas
from controller.budgets.sleepers import Sleepers
from controller.budgets.sleeping import candidates
from controller.guardrails import SloState
from kube import Access, Connection, Writer, connect
from kube.kinds import POD
from store.state import State
from tests.app import test_budgets_act
from tests.app.test_budget_minima import CAP
from tests.app.test_budgets_act import NOW, Costs, costs, fitted
from tests.app.world import rule_set, rule_text
from tests.fakes.clock import ManualClock
from tests.fakes.kube_api import KubeApi

FREEZE = "cap: {type: quota, namespace: demo, headroom: 10%, mode: MODE}"


class World(test_budgets_act.World):
    connection: Connection
    action = FREEZE

    def edit(self, *, budget: bool = True) -> None:
        rule = rule_text().replace("replicas: {min: 2, max: 8}", "replicas: {min: 2, max: 20}")
        rule = rule.replace("metadata: {", f"metadata: {{{self.labels}", 1) + "  guard: {slo: latency}\n"
        text = (
            test_budgets_act.BUDGET.replace(CAP, self.action).replace("LIMIT", self.limit).replace("BASIS", self.basis)
        )
        documents = [rule, test_budgets_act.SLO, *([text.replace("MODE", self.mode)] if budget else [])]
        self.rules = rule_set(self.folder, *documents)

    def budgets(self) -> Budgets:
        if self.made is None:
            writer = Writer(self.connection, qps=1000, burst=1000)
            cluster = Cluster(
                cron_jobs=CronJobs(self.connection, writer, switch=lambda: ""),
                quotas=Quotas(self.connection, writer, switch=lambda: "", own_namespace="foretide"),
                minima=Minima(self.connection, writer, switch=lambda: "", own_namespace="foretide"),
                sleepers=Sleepers(self.connection, writer, switch=lambda: "", own_namespace="foretide"),
                may_sleep=partial(candidates, self.connection, own_namespace="foretide"),
            )  # fmt: skip
            self.made = Budgets(
                rules=lambda: self.rules, spending=Costs(costs(self.days)), state=self.state,  # type: ignore[arg-type]
                fit=fitted, burn=self.burn, cluster=cluster,
            )  # fmt: skip
        return self.made

    def quotas(self) -> int:
        return self.connection.request("GET", QUOTA.path(namespace="demo")).decode().count("foretide-cost-cap-month")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    state = State.open(f"sqlite:///{tmp_path / 'state.db'}")
    with KubeApi() as fake:
        connection = connect(Access(kubeconfig=fake.kubeconfig(tmp_path), context="fake"), clock=ManualClock(NOW))
        asks = {"requests": {"cpu": "1", "memory": "1Gi"}}
        pod = {"metadata": {"name": "shop"}, "spec": {"containers": [{"name": "c", "resources": asks}]}}
        Writer(connection, "kubectl-create").create(POD, "demo", pod)
        made = World(tmp_path, state)
        made.connection = connection
        yield made
        connection.close()
    state.close()


def test_it_leaves_room_for_the_need_and_goes_while_the_slo_burns(world: World) -> None:
    world.tick()
    # The rule has 2 replicas and needs 9.0 (95th percentile): a tenth more are 10, five times what there is.
    assert [str(one) for one in world.deed().changes] == [
        "ResourceQuota demo/foretide-cost-cap-month: spec.hard none -> requests.cpu 5000m, requests.memory 5120Mi"
    ]
    assert (world.deed().state, world.quotas()) == (DeedState.HELD, 1)
    world.slo = SloState.BURNING
    world.tick()
    assert (world.deed().state, world.quotas()) == (DeedState.INACTIVE, 0)
    world.tick()
    assert world.deed().reason == "not now: SLO demo/latency of demo/shop burns"
    world.slo = SloState.OK
    world.tick()
    assert (world.deed().state, world.quotas()) == (DeedState.HELD, 1)
    world.edit(budget=False)
    world.tick()
    assert world.quotas() == 0


def test_an_approval_does_not_outlive_what_it_was_given_for(world: World) -> None:
    world.mode = "approve"
    world.edit()
    world.tick()
    digest = world.deed().digest
    world.budgets().approve("demo/month", "warn", "cap", digest=digest, actor="ops", now=world.now)
    world.tick()
    assert world.quotas() == 1
    world.slo = SloState.UNKNOWN
    world.tick()
    world.slo = SloState.OK
    world.tick()
    assert (world.deed().state, world.quotas()) == (DeedState.AWAITING_APPROVAL, 0)
