from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from app.cluster_collection import ClusterCollection, OtherKubeState
from app.queries import Queries
from app.sources import LOCAL
from collector.config import parse_scrape_config
from collector.kubernetes import kinds
from collector.metrics import discovered_targets
from controller.cluster.observe import ObserveCluster
from domain.clock import to_ms
from domain.errors import NoDataError, QuerySourceError
from domain.labels import Labels
from domain.scaling import WorkloadRef
from kube import Access, connect
from kube.kinds import DEPLOYMENT, REPLICA_SET
from store.metrics import MetricsStore
from tests.collector.kubernetes.conftest import eventually
from tests.collector.kubernetes.objects import meta, owner, pod
from tests.collector.kubernetes.test_usage import usage
from tests.fakes.clock import ManualClock
from tests.fakes.kube_api import KubeApi

KSM = Labels.of(__name__="kube_pod_info", job="kube-state-metrics", pod="x", namespace="shop")
WEB = WorkloadRef(kind="Deployment", namespace="shop", name="web")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def store(tmp_path: Path, clock: ManualClock) -> Iterator[MetricsStore]:
    opened = MetricsStore.open(tmp_path / "metrics.db", retention=timedelta(days=1), clock=clock)
    yield opened
    opened.close()


def test_another_job_with_kube_state_metrics_series_is_found_while_they_are_fresh(
    store: MetricsStore, clock: ManualClock
) -> None:
    other = OtherKubeState(Queries(store, clock=clock))
    assert other.job(clock.now()) == ""

    store.append((KSM.with_(job="foretide-kubernetes"),), to_ms(clock.now()), np.array([1.0]))
    assert other.job(clock.now()) == ""

    store.append((KSM,), to_ms(clock.now()), np.array([1.0]))
    assert other.job(clock.now()) == "kube-state-metrics"

    clock.advance(timedelta(minutes=6))
    assert other.job(clock.now()) == ""


class Server:
    """Stands for the queries of a house whose default source is somebody's Prometheus."""

    def __init__(self) -> None:
        self.jobs, self.asked, self.away = ["ksm"], 0, False

    def instant(self, expr: str, now: datetime, source: str | None = None) -> dict[tuple[tuple[str, str], ...], float]:
        if source == LOCAL:
            return {}
        self.asked += 1
        if self.away:
            raise QuerySourceError("away")
        return {(("job", job),): 1.0 for job in self.jobs}


def test_somebodys_server_is_asked_once_a_minute_and_what_it_said_holds_while_it_is_away(clock: ManualClock) -> None:
    server = Server()
    other = OtherKubeState(server)  # type: ignore[arg-type]

    told = [other.job(clock.advance(timedelta(seconds=15))) for _ in range(4)]
    assert (told, server.asked) == (["ksm"] * 4, 1)

    server.away = True
    assert other.job(clock.advance(timedelta(seconds=15))) == "ksm"
    server.away, server.jobs = False, []
    assert other.job(clock.advance(timedelta(seconds=15))) == ""
    assert server.asked == 3


def test_a_cluster_without_any_exporter_answers_replicas_requests_pods_and_usage(
    store: MetricsStore, clock: ManualClock, tmp_path: Path
) -> None:
    text = json.dumps({"scrape_configs": [{"job_name": "pods", "kubernetes_sd_configs": [{"role": "pod"}]}]})
    queries = Queries(store, clock=clock)

    def number(expr: str) -> float | None:
        try:
            return queries.number(expr, clock.now()).value
        except NoDataError:
            return None

    with KubeApi() as api:
        with api.changing() as kept:
            rest = {"spec": {"replicas": 1}, "status": {"replicas": 1, "readyReplicas": 1}}
            replica_set = meta("web-5d9c7f6b8", ownerReferences=[owner("Deployment", "web")])
            for kind, one in (
                (kinds.POD, pod()),
                (DEPLOYMENT, {"metadata": meta("web"), **rest}),
                (REPLICA_SET, {"metadata": replica_set, **rest}),
                (kinds.POD_USAGE, usage(at=clock.now())),
            ):
                key = ("shop", one["metadata"]["name"])
                kept.create((kind.group, kind.plural), key, one, manager="tests")
        collection = ClusterCollection(
            connect(Access(kubeconfig=api.kubeconfig(tmp_path), context="fake"), clock=clock), cluster="test",
            own_namespace="foretide", jobs=parse_scrape_config(text, "f").jobs, store=store, queries=queries,
            clock=clock, discovered=discovered_targets(CollectorRegistry()),
        )  # fmt: skip
        collection.start()

        def told() -> bool:
            for _, tick in collection.loops().values():
                tick(clock.advance(timedelta(milliseconds=1)))
            return all(not one.last_error for one in collection.statuses()) and len(collection.targets()) == 2

        eventually(told, "state, usage and targets")
        collection.close()

    seen = ObserveCluster(number, lambda expr: queries.by_pod(expr, clock.now()), usage_api=True)
    workload = seen.workload(WEB)
    assert (workload.current_replicas, workload.ready_replicas) == (1, 1)
    assert (workload.requests["cpu"], workload.limits["cpu"]) == (0.25, 1)
    assert [state.requests["cpu"] for state in seen.pods(WEB, clock.now()).values()] == [0.25]
    used = seen.pod_usage_query(WEB, "cpu")
    assert used is not None
    assert queries.pods(used.expr, clock.now()) == {"web-5d9c7f6b8-abcde": pytest.approx(0.2515)}
    assert {target.address for target in collection.targets()} == {"10.1.0.7:8080", "10.1.0.7"}
