"""Which workloads may run on spot: from a cluster's objects to the checklist, the mix and the printed table."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from app import cost_spot
from app.cost_commitments_live import LiveCommitments
from app.cost_prices import PriceParts
from app.cost_spot_command import spot_lines
from app.cost_spot_objects import Seen, read
from app.queries import Queries
from app.settings import read_settings
from app.system_clock import SystemClock
from kube import Access, Connection, Writer, connect
from kube.kind import Kind
from kube.kinds import DEPLOYMENT, DISRUPTION_BUDGET, STATEFUL_SET
from rules.ruleset import RuleSet
from store.metrics import MetricsStore
from tests.app.asgi import call
from tests.app.test_cost_commitments_live import NODES, OWNED, naive, sheet
from tests.fakes.clock import ManualClock
from tests.fakes.kube_api import KubeApi

SPREAD = [{"topologyKey": "topology.kubernetes.io/zone", "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"}]
CLAIM, VOLUME = (
    Kind(group="", version="v1", kind=kind, plural=f"{kind.lower()}s", namespaced=kind.endswith("Claim"), type=dict)
    for kind in ("PersistentVolumeClaim", "PersistentVolume")
)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[KubeApi, Connection]]:
    """A cluster of five workloads, each with one thing about it."""
    with KubeApi() as fake:
        access = Access(kubeconfig=fake.kubeconfig(tmp_path_factory.mktemp("kube")), context="fake")
        connection = connect(access, clock=SystemClock())
        by = Writer(connection, "kubectl", qps=1000, burst=1000)
        by.create(DEPLOYMENT, "shop", workload("web"))
        by.create(DEPLOYMENT, "shop", workload("held", labels={"app": "held"}))
        by.create(DEPLOYMENT, "shop", workload("disk", volumes=[{"persistentVolumeClaim": {"claimName": "data"}}]))
        by.create(DEPLOYMENT, "shop", workload("forced", replicas=1, annotations={"foretide.dev/spot": "true"}))
        by.create(STATEFUL_SET, "shop", workload("db", volumes=[{"emptyDir": {}}]))
        selector = {"matchLabels": {"app": "held"}}
        kept = {"metadata": {"name": "held"}, "spec": {"minAvailable": "75%", "selector": selector}}
        by.create(DISRUPTION_BUDGET, "shop", kept)
        by.create(CLAIM, "shop", {"metadata": {"name": "data"}, "spec": {"volumeName": "pv-1"}})
        by.create(VOLUME, "", {"metadata": {"name": "pv-1"}, "spec": {"local": {"path": "/disk"}}})
        yield fake, connection
        connection.close()


def workload(
    name: str, *, replicas: int = 4, labels: dict[str, str] | None = None, annotations: dict[str, str] | None = None,
    volumes: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:  # fmt: skip
    container = {"name": "app", "resources": {"requests": {"cpu": "500m"}}}
    pod = {"containers": [container], "topologySpreadConstraints": SPREAD, "volumes": volumes or []}
    return {
        "metadata": {"name": name, "annotations": annotations or {}},
        "spec": {"replicas": replicas, "template": {"metadata": {"labels": labels or {"app": name}}, "spec": pod}},
    }


def failed(seen: Seen, name: str) -> list[tuple[str, bool | None]]:
    (one,) = (one for one in seen.workloads if one.name == name)
    checks = cost_spot.readiness(one.workload, notice=timedelta(minutes=2))
    return [(check.name, check.passed) for check in checks if check.passed is not True]


def test_the_clusters_objects_answer_the_checklist(api: tuple[KubeApi, Connection]) -> None:
    seen = read(api[1])
    assert {name: failed(seen, name) for name in ("web", "held", "disk", "db", "forced")} == {
        "web": [], "held": [("disruptionBudget", False)], "disk": [("localVolume", False)],
        "db": [("kind", False), ("emptyDir", False)], "forced": [("replicas", False), ("rollingUpdate", False)],
    }  # fmt: skip
    assert seen.unseen == ()


def test_what_may_not_be_listed_is_not_known(api: tuple[KubeApi, Connection]) -> None:
    fake, connection = api
    fake.forbidden |= {("GET", "poddisruptionbudgets"), ("GET", "persistentvolumes")}
    try:
        seen = read(connection)
    finally:
        fake.forbidden.clear()
    assert (failed(seen, "web"), failed(seen, "disk")[-1]) == ([("disruptionBudget", None)], ("localVolume", None))
    assert seen.unseen == ("poddisruptionbudgets", "persistentvolumes")


def test_spot_takes_what_is_above_commitments_and_only_of_what_is_ready(
    api: tuple[KubeApi, Connection], clock: ManualClock, tmp_path: Path
) -> None:
    store = MetricsStore.open(tmp_path / "metrics.db", retention=timedelta(days=30), clock=clock)
    store.load(NODES)
    settings = read_settings(config=None, environment={}, working_dir=tmp_path)
    stated = RuleSet(price_sheets=(sheet(OWNED),))
    parts = PriceParts(settings, Queries(store, clock=clock), lambda: stated, clock)
    app = FastAPI()
    route = cost_spot.router(parts, LiveCommitments(parts, naive), api[1])
    app.include_router(route, prefix="/api/v1")
    found = json.loads(call(app, "/api/v1/cost/spot").body)["data"]
    store.close()
    (pool,) = found["pools"]
    # web and forced: 2.5 of 8.5 cores. 3.5 machines, of them 2 committed: at most one may be missing.
    assert round(found["eligible_ratio"], 3) == 0.294
    assert (pool["committed"] + pool["spot"] + pool["on_demand"], pool["idle_committed"]) == (3.5, 0)
    assert 0 < pool["spot"] <= 1
    assert float(pool["monthly_saving"]) > 0
    assert "0.02 interruptions of a machine in an hour: an assumption" in found["assumptions"]
    told = {line.split()[0]: " ".join(line.split()[1:]) for line in spot_lines(found) if "shop/" in line}
    assert told["shop/Deployment/web"] == "ready"
    assert told["shop/Deployment/forced"] == "ready annotation foretide.dev/spot"
    assert told["shop/StatefulSet/db"].startswith("not ready StatefulSet: only a Deployment's pods may move freely;")
