"""The real API server's word on a quota of ours and on Deployments that sleep, by the ServiceAccounts' own rights."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.budget_writes import kept, taken_back, written
from controller.budgets import minima
from controller.budgets.deeds import Change, Deed, DeedState
from controller.budgets.levers import BY_CLOCK
from controller.budgets.minima import Minima
from controller.budgets.notes import RESTORE
from controller.budgets.quotas import FIELD, QUOTA, Quotas
from controller.budgets.sleepers import KINDS, Sleepers
from controller.budgets.sleeping import DEPLOYMENT, LABEL, candidates
from domain.errors import KubeError
from kube import Connection, Writer
from kube.kinds import HPA, NAMESPACE, POD, Kind
from tests.cluster.control_plane import Cluster
from tests.controller.cluster.real import CONTROLLER, REAPER, RIGHTS, connection_of
from tests.deploy.applying import apply
from tests.deploy.manifests import FOLDER, objects, opt_in

EVENING, MORNING = datetime(2026, 11, 21, 20, tzinfo=UTC), datetime(2026, 11, 22, 6, tzinfo=UTC)
NIGHT = '0 from "0 20 * * *" to "0 6 * * *" in UTC'
ASKS = {"requests": {"cpu": "500m", "memory": "512Mi"}}
CONTAINERS = {"containers": [{"name": "c", "image": "c", "resources": ASKS}]}


@pytest.fixture(scope="module")
def namespace(cluster: Cluster) -> str:
    for one in objects(FOLDER):
        if one["kind"] in RIGHTS:
            apply(cluster.api, one)
    made = cluster.namespace("levers")
    for one in opt_in("bounds", "quota", "sleep"):
        apply(cluster.api, {**one, "metadata": {**one["metadata"], "namespace": made}})
    return made


@pytest.fixture
def accounts(cluster: Cluster) -> Iterator[tuple[Connection, Connection, Connection]]:
    every = (connection_of(cluster), connection_of(cluster, CONTROLLER), connection_of(cluster, REAPER))
    yield every
    for one in every:
        one.close()


def raw(connection: Connection, kind: Kind[Any], namespace: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(connection.request("GET", kind.path(namespace=namespace, name=name)))
    return found


def deed_of(*changes: Change) -> Deed:
    return Deed(
        id="b/month/over/x", period="2026-11-01", state=DeedState.ACTING, since=EVENING, changes=changes,
        expires_at=EVENING + timedelta(days=9),
    )  # fmt: skip


def writer(connection: Connection) -> Writer:
    return Writer(connection, qps=1000, burst=1000)


def test_deployments_sleep_and_wake_without_a_trace(
    namespace: str, accounts: tuple[Connection, Connection, Connection]
) -> None:
    admin, controller, reaper = accounts
    made = Writer(admin, "kubectl-create")
    made.patch_merge(NAMESPACE, None, namespace, {"metadata": {"labels": {LABEL: "allowed"}}})
    for name in ("web", "lost", "woken"):
        labels = {"app": name}
        template = {"metadata": {"labels": labels}, "spec": CONTAINERS}
        spec = {"replicas": 3, "selector": {"matchLabels": labels}, "template": template}
        made.create(DEPLOYMENT, namespace, {"metadata": {"name": name}, "spec": spec})
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    made.create(HPA, namespace, {"metadata": {"name": "web"}, "spec": {"scaleTargetRef": target, "maxReplicas": 9}})
    before = raw(admin, DEPLOYMENT, namespace, "web")["spec"]

    ours = Sleepers(controller, writer(controller), switch=lambda: "", own_namespace="foretide")
    may = candidates(controller, [namespace], {}, own_namespace="foretide")
    assert [(one.target.rpartition("/")[2], one.why_not) for one in may] == [("lost", ""), ("web", ""), ("woken", "")]
    hands = dict.fromkeys(KINDS, ours)
    deed = deed_of(*(Change(target=one.target, field=BY_CLOCK, before=None, after=NIGHT) for one in may))
    deed = kept(written(deed, hands, EVENING), ours, EVENING, hold=lambda change: "")
    asleep = {name: raw(admin, DEPLOYMENT, namespace, name) for name in ("web", "lost", "woken")}
    assert [one["spec"]["replicas"] for one in asleep.values()] == [0, 0, 0], deed.reason

    Writer(admin, "kubectl-scale").patch_merge(
        DEPLOYMENT, namespace, "woken", {"spec": {"replicas": 5}}, subresource="scale"
    )
    again = Sleepers(reaper, writer(reaper), switch=lambda: "", own_namespace="foretide")
    told = {name.partition("/")[2]: one.said for name, one in again.expired(MORNING) if f" {namespace}/" in name}
    assert told == {"lost": "woken", "web": "woken", "woken": "left as somebody has it"}
    assert taken_back(replace(deed, state=DeedState.REVERTING), hands, EVENING).state is DeedState.INACTIVE
    for name, replicas in (("web", 3), ("lost", 3), ("woken", 5)):
        after = raw(admin, DEPLOYMENT, namespace, name)
        assert after["spec"]["replicas"] == replicas
        assert RESTORE not in after["metadata"].get("annotations", {})
        assert "foretide" not in {one["manager"] for one in after["metadata"]["managedFields"]}
    assert raw(admin, DEPLOYMENT, namespace, "web")["spec"] == before


def test_a_quota_of_ours_and_nobody_elses(namespace: str, accounts: tuple[Connection, Connection, Connection]) -> None:
    admin, controller, reaper = accounts
    made = Writer(admin, "kubectl-create")
    made.create(POD, namespace, {"metadata": {"name": "one"}, "spec": CONTAINERS})
    made.create(QUOTA, namespace, {"metadata": {"name": "theirs"}, "spec": {"hard": {"pods": "500"}}})
    ours = Quotas(controller, writer(controller), switch=lambda: "", own_namespace="foretide")
    assert ours.use(namespace).cpu >= 0.5
    name = "foretide-cost-cap-month"
    hard = "requests.cpu 90000m, requests.memory 90000Mi"
    cap = Change(target=f"ResourceQuota {namespace}/{name}", field=FIELD, before=None, after=hard)
    deed = written(deed_of(cap), {"ResourceQuota": ours}, EVENING)
    assert (deed.state, deed.reason) == (DeedState.HELD, "in force")
    assert raw(admin, QUOTA, namespace, name)["spec"]["hard"] == {"requests.cpu": "90", "requests.memory": "90000Mi"}

    with pytest.raises(KubeError, match="only what Foretide has made itself"):
        writer(controller).delete(QUOTA, namespace, "theirs")
    with pytest.raises(KubeError, match="makes only ResourceQuotas foretide-cost-cap"):
        writer(controller).create(QUOTA, namespace, {"metadata": {"name": "x"}, "spec": {"hard": {"pods": "1"}}})
    with pytest.raises(KubeError, match="changes no ResourceQuota"):
        writer(controller).patch_merge(QUOTA, namespace, name, {"spec": {"hard": {"requests.cpu": "1"}}})

    again = Quotas(reaper, writer(reaper), switch=lambda: "", own_namespace="foretide")
    told = dict(again.expired(EVENING + timedelta(days=9)))
    assert told[cap.target].said == "deleted"
    with pytest.raises(KubeError, match="not found"):
        raw(admin, QUOTA, namespace, name)


def test_an_hpas_min_under_our_own_guardrails(
    namespace: str, accounts: tuple[Connection, Connection, Connection]
) -> None:
    admin, controller, reaper = accounts
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "low"}
    spec = {"scaleTargetRef": target, "minReplicas": 20, "maxReplicas": 40}
    metadata = {"name": "low", "labels": {minima.LABEL: "allowed"}}
    Writer(admin, "kubectl-create").create(HPA, namespace, {"metadata": metadata, "spec": spec})
    before = raw(admin, HPA, namespace, "low")["spec"]
    ours = Minima(controller, writer(controller), switch=lambda: "", own_namespace="foretide")
    (one,) = ours.allowed((namespace,), {})
    change = Change(target=f"{minima.ON_HPA}{namespace}/low", field=minima.FIELD, before=one.least, after=16)
    deed = written(deed_of(change), {"HorizontalPodAutoscaler": ours}, EVENING)
    assert (deed.reason, raw(admin, HPA, namespace, "low")["spec"]["minReplicas"]) == ("in force", 16)
    with pytest.raises(KubeError, match="bounds move only with the epoch"):
        writer(controller).patch_merge(HPA, namespace, "low", {"spec": {"maxReplicas": 30}})
    again = Minima(reaper, writer(reaper), switch=lambda: "", own_namespace="foretide")
    said = [dict(again.expired(EVENING + timedelta(days=9)))[change.target].said for _ in range(2)]
    assert said == ["min 18, on its way to 20", "given back"]
    after = raw(admin, HPA, namespace, "low")
    assert (after["spec"], "foretide" in {each["manager"] for each in after["metadata"]["managedFields"]}) == (
        before, False
    )  # fmt: skip
