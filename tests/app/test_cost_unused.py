"""From objects of an API server and series of a store to what nobody uses, as the endpoint and the command tell it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app import cost_unused_kinds as kinds
from app.cost_unused import NO_CLUSTER, Unused, view
from app.cost_unused_activity import NO_FIGURES, Figures
from app.cost_unused_command import Asked, commands, run, table
from app.cost_unused_read import ClusterReader
from app.cost_unused_week import Weeks
from app.queries import Queries
from cost.pricing.chain import Sources
from cost.unused.finding import Kind, Target
from cost.unused.snapshot import Snapshot
from domain.clock import to_ms
from domain.labels import METRIC_NAME, Labels
from domain.series import Series
from kube import Access, Connection, connect
from store.metrics import MetricsStore
from tests.app.conftest import Served
from tests.app.world import NOW
from tests.cost.unused import things
from tests.fakes.clock import ManualClock
from tests.fakes.kube_api import KubeApi

OLD = (NOW - timedelta(days=30)).strftime("%Y-%m-%dT%H:%M:%SZ")
WEB = Target(namespace="shop", kind="Deployment", name="web")
POD = "web-7d4b9c6f5d-x2v4k"


@pytest.fixture
def api() -> Iterator[KubeApi]:
    with KubeApi() as started:
        yield started


@pytest.fixture
def connection(api: KubeApi, tmp_path: Path, clock: ManualClock) -> Connection:
    return connect(Access(kubeconfig=api.kubeconfig(tmp_path), context="fake"), clock=clock)


@pytest.fixture
def store(tmp_path: Path, clock: ManualClock) -> Iterator[MetricsStore]:
    opened = MetricsStore.open(tmp_path / "metrics.db", retention=timedelta(days=15), clock=clock)
    yield opened
    opened.close()


def create(api: KubeApi, kind: Any, name: str, namespace: str = "shop", *, labels: Any = None, owners: Any = (),
           keep: str | None = None, **rest: Any) -> None:  # fmt: skip
    meta: dict[str, Any] = {"name": name, "labels": labels or {}, "creationTimestamp": OLD}
    if kind.namespaced:
        meta["namespace"] = namespace
    if owners:
        meta["ownerReferences"] = [{"apiVersion": "apps/v1", "kind": owner, "name": of, "uid": "1", "controller": True}
                                   for owner, of in owners]  # fmt: skip
    if keep is not None:
        meta["annotations"] = {"foretide.dev/keep": keep}
    with api.changing() as kept:
        key = (meta.get("namespace", ""), name)
        made = kept.create((kind.group, kind.plural), key, {"metadata": meta, **rest}, manager="tests")
        made["metadata"]["creationTimestamp"] = OLD
        kept.of((kind.group, kind.plural))[key]["metadata"]["creationTimestamp"] = OLD


def workload(plural: str) -> Any:
    return next(one for one in kinds.WORKLOADS if one.plural == plural)


def pod_spec(claim: str | None = None) -> dict[str, Any]:
    asked = {"requests": {"cpu": "500m", "memory": "1Gi"}}
    volumes = [] if claim is None else [{"name": "v", "persistentVolumeClaim": {"claimName": claim}}]
    return {"containers": [{"name": "app", "resources": asked}], "volumes": volumes}


def a_shop(api: KubeApi) -> None:
    """A Deployment with a pod, and one of each of what nobody uses."""
    create(api, kinds.NAMESPACE, "shop")
    create(api, kinds.NAMESPACE, "attic")
    create(api, kinds.NODE, "n1", status={"capacity": {"cpu": "4", "memory": "16Gi"}})
    create(api, workload("deployments"), "web", spec={"replicas": 1, "template": {"spec": pod_spec()}})
    create(api, workload("replicasets"), "web-7d4b9c6f5d", owners=[("Deployment", "web")])
    create(api, kinds.POD, POD, owners=[("ReplicaSet", "web-7d4b9c6f5d")], spec={**pod_spec(), "nodeName": "n1"},
           status={"phase": "Running"})  # fmt: skip
    for name, keep in (("data", None), ("archive", "the audit"), ("mine", None)):
        spec = {"volumeName": f"pv-{name}", "storageClassName": "fast", "resources": {"requests": {"storage": "10Gi"}}}
        create(api, kinds.CLAIM, name, spec=spec, keep=keep, status={"phase": "Bound", "capacity": {"storage": "20Gi"}})
    create(api, workload("cronjobs"), "nightly",
           spec={"jobTemplate": {"spec": {"template": {"spec": pod_spec("mine")}}}})  # fmt: skip
    create(api, workload("jobs"), "import", status={"completionTime": OLD})
    create(api, kinds.VOLUME, "pv-old", spec={
        "capacity": {"storage": "100Gi"}, "storageClassName": "fast", "persistentVolumeReclaimPolicy": "Retain",
        "claimRef": {"namespace": "shop", "name": "gone"}, "csi": {"driver": "x", "volumeHandle": "vol-1"},
    }, status={"phase": "Released", "lastPhaseTransitionTime": OLD})  # fmt: skip
    create(api, kinds.SERVICE, "edge", spec={"type": "LoadBalancer"},
           status={"loadBalancer": {"ingress": [{"ip": "192.0.2.7"}]}})  # fmt: skip
    create(api, kinds.SLICE, "edge-x", labels={"kubernetes.io/service-name": "edge"}, endpoints=None)
    create(api, kinds.HPA, "web", spec={"scaleTargetRef": {"kind": "Deployment", "name": "web"}, "maxReplicas": 5})
    api.groups["argoproj.io/v1alpha1"] = {}


def hours(name: str, values: np.ndarray | float, **labels: str) -> Series:
    """Every five minutes for eight days."""
    count = 8 * 288
    times = to_ms(NOW) - 300_000 * np.arange(count - 1, -1, -1, dtype=np.int64)
    column = np.broadcast_to(np.asarray(values, float), (count,)).copy()
    return Series(labels=Labels.of({METRIC_NAME: name, **labels}), timestamps_ms=times, values=column)


def figures(pod: str = POD, *, per_second: float = 100.0) -> list[Series]:
    at = {"namespace": "shop", "pod": pod}
    counted = 300.0 * per_second * np.arange(8 * 288)
    return [
        hours("container_network_receive_bytes_total", counted, interface="eth0", **at),
        hours("container_network_transmit_bytes_total", counted, interface="eth0", **at),
        hours("metrics_k8s_io_container_cpu_usage_cores", 0.002, container="app", **at),
    ]


def seen(store: MetricsStore, clock: ManualClock, snapshot: Snapshot, made: list[Series]) -> Any:
    store.load(made)
    return Figures(Queries(store, clock=clock)).measured(snapshot)


def snapshot_of(connection: Connection, at: datetime = NOW, namespace: str = "") -> Snapshot:
    return ClusterReader(connection, namespace=namespace).snapshot(at)


def test_every_kind_of_the_cluster_is_read_once(api: KubeApi, connection: Connection) -> None:
    a_shop(api)
    found = snapshot_of(connection)

    assert found.missing == {}
    assert found.foreign == ("argoproj.io",)
    assert [str(one.about.target) for one in found.claims] == [
        f"shop/PersistentVolumeClaim/{name}" for name in ("archive", "data", "mine")
    ]
    assert found.claims[0].gib == 20
    assert (found.volumes[0].phase, found.volumes[0].claim, found.volumes[0].handle) == (
        "Released", "shop/gone", "vol-1",
    )  # fmt: skip
    assert [(one.slices, one.ready, one.address) for one in found.load_balancers] == [(1, 0, "192.0.2.7")]
    listed = [one.path for one in api.asked if one.method == "GET" and one.path != "/apis"]
    assert sorted(listed) == sorted(one.path() for one in kinds.EVERY)
    assert not any("secrets" in path for path in listed)


def test_a_kind_that_may_not_be_listed_is_told_and_the_others_are_read(api: KubeApi, connection: Connection) -> None:
    a_shop(api)
    api.forbidden = {("GET", "/persistentvolumes"), ("GET", "/cronjobs")}
    found = snapshot_of(connection)

    assert found.missing == {
        "persistentvolumes": "may not list persistentvolumes", "cronjobs": "may not list cronjobs",
    }  # fmt: skip
    assert len(found.claims) == 3


def test_a_server_that_does_not_answer_is_asked_once(api: KubeApi, connection: Connection) -> None:
    api.stop()
    try:
        found = snapshot_of(connection)
    finally:
        api.start()

    assert set(found.missing) == {one.plural for one in kinds.EVERY if one is not kinds.SLICE}
    assert all(why.startswith("the API server does not answer") for why in found.missing.values())


def test_a_workload_without_traffic_and_change_is_abandoned(
    api: KubeApi, connection: Connection, store: MetricsStore, clock: ManualClock
) -> None:
    a_shop(api)
    made = seen(store, clock, snapshot_of(connection), figures())

    assert made.traffic[WEB].cover_the_week
    assert made.traffic[WEB].highest == pytest.approx(200.0)
    assert made.cpu[WEB].highest == pytest.approx(0.002)


@pytest.mark.parametrize("gap", ["history", "pod", "hour"])
def test_what_was_not_measured_is_not_known(
    gap: str, api: KubeApi, connection: Connection, store: MetricsStore, clock: ManualClock
) -> None:
    """Six days of history; a second pod of which nothing is known; a pod that is gone and had no traffic."""
    a_shop(api)
    made = figures()
    if gap == "history":
        cut = 6 * 288
        made = [Series(labels=one.labels, timestamps_ms=one.timestamps_ms[-cut:], values=one.values[-cut:])
                for one in made]  # fmt: skip
    if gap == "pod":
        create(api, kinds.POD, "web-7d4b9c6f5d-zzzzz", owners=[("ReplicaSet", "web-7d4b9c6f5d")],
               status={"phase": "Running"})  # fmt: skip
    if gap == "hour":
        made += [one for one in figures("web-7d4b9c6f5d-bbbbb") if "cpu" in one.labels.metric_name]
    found = seen(store, clock, snapshot_of(connection), made)

    hours_known = found.traffic.get(WEB)
    assert hours_known is None or not hours_known.cover_the_week


def test_claims_that_pods_mounted_and_autoscalers_at_their_maximum_are_seen(
    store: MetricsStore, clock: ManualClock
) -> None:
    at = {"namespace": "shop"}
    half = np.where(np.arange(8 * 288) < 5 * 288, np.nan, 1.0)
    found = seen(store, clock, things.cluster(), [
        hours("kube_pod_spec_volumes_persistentvolumeclaims_info", half[::-1], persistentvolumeclaim="data", **at),
        hours("kubelet_volume_stats_used_bytes", 5e9, persistentvolumeclaim="logs", **at),
        hours("kube_horizontalpodautoscaler_status_desired_replicas", 5, horizontalpodautoscaler="web", **at),
        hours("kube_horizontalpodautoscaler_spec_max_replicas", 5, horizontalpodautoscaler="web", **at),
    ])  # fmt: skip

    assert NOW - timedelta(days=6) < found.mounted["shop", "data"] < NOW - timedelta(days=4)
    assert found.mounted["shop", "logs"] == NOW
    assert found.filled["shop", "logs"].cover_the_week
    assert (found.at_max["shop", "web"].share_ratio, found.at_max["shop", "web"].known_ratio) == (1.0, 1.0)
    why = "no series container_network_receive_bytes_total within 7 days, looked at hour by hour (docs/unused.md)"
    assert found.missing == {Kind.ABANDONED_WORKLOAD: why}


@pytest.fixture
def answered(api: KubeApi, connection: Connection, store: MetricsStore, clock: ManualClock) -> Any:
    a_shop(api)
    store.load(figures())
    sources = Sources(currency="EUR", sheet=things.SHEET)
    unused = Unused(connection, Queries(store, clock=clock), lambda at: sources, clock)
    before = len(api.asked)
    unused.surveyed()
    after = len(api.asked)
    unused.surveyed()
    assert after > before
    assert len(api.asked) == after, "the cluster is listed once within five minutes"
    return unused


def test_the_endpoint_tells_all_of_it(answered: Unused) -> None:
    told = view(answered.surveyed())

    assert [(one.kind, f"{one.monthly:f}") for one in told.findings] == [
        (Kind.ABANDONED_WORKLOAD, "13.87"), (Kind.RELEASED_PV, "11.9"), (Kind.UNUSED_PVC, "2.38"),
        (Kind.EMPTY_NAMESPACE, "0"), (Kind.FINISHED_JOBS, "0"),
    ]  # fmt: skip
    assert f"{told.monthly:f}" == "28.15"
    assert [(one.target.name, one.reason) for one in told.kept] == [("archive", "the audit")]
    assert {one.kind for one in told.not_known} == {Kind.ORPHAN_LB, Kind.HPA_PINNED_AT_MAX, Kind.OVERSIZED_PV}
    assert told.findings[1].evidence["price"] == "PriceSheet default/list, stated"
    only = view(answered.surveyed(), namespace="attic")
    assert [one.kind for one in only.findings] == [Kind.EMPTY_NAMESPACE]
    some = view(answered.surveyed(), kind=Kind.RELEASED_PV, limit=1)
    assert (len(some.findings), some.findings_total, {one.kind for one in some.not_known}) == (1, 1, set())


def test_the_command_prints_what_the_server_says(answered: Unused) -> None:
    out = io.StringIO()
    told = view(answered.surveyed()).model_dump(mode="json")
    table(told, out)
    lines = out.getvalue().splitlines()

    assert lines[0].split() == ["FINDING", "OBJECT", "EUR", "A", "MONTH", "SINCE", "BECAUSE"]
    assert lines[2].split(maxsplit=4)[:4] == ["releasedPV", "PersistentVolume/pv-old", "11.90", OLD[:10]]
    assert "5 findings, 28.15 EUR a month" in lines
    assert "kept: unusedPVC shop/PersistentVolumeClaim/archive: the audit" in lines
    why = "no series kubelet_volume_stats_used_bytes within 7 days, looked at hour by hour (docs/unused.md)"
    assert f"not known: oversizedPV: {why}" in lines
    printed = list(commands(told))
    assert len(printed) == 15
    assert printed[1] == "kubectl -n shop scale deployment/web --replicas=0"
    assert all(line.startswith("# undo: ") for line in printed[2::3])


def test_one_cluster_is_read_by_its_context(api: KubeApi, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The clock is the real one here; the objects are older anyhow."""
    a_shop(api)
    sheet = tmp_path / "prices.yaml"
    sheet.write_text(things.SHEET.model_dump_json(by_alias=True, exclude_none=True, exclude_defaults=True))
    where = {"context": "fake", "kubeconfig": api.kubeconfig(tmp_path)}
    out = io.StringIO()
    assert run(Asked(**where, prices=sheet, output="json"), out) == 0
    told = json.loads(out.getvalue())
    assert {one["kind"]: one["monthly"] for one in told["findings"]} == {
        "releasedPV": "11.9", "unusedPVC": "2.38", "emptyNamespace": "0", "finishedJobs": "0",
    }  # fmt: skip
    assert [one["why"] for one in told["not_known"] if one["kind"] == "abandonedWorkload"] == [NO_FIGURES]
    out = io.StringIO()
    assert run(Asked(**where, namespace="shop", kind="unusedPVC", output="csv"), out) == 0
    (row,) = csv.DictReader(io.StringIO(out.getvalue()))
    assert (row["name"], row["monthly"], row["currency"]) == ("data", "0.8", "USD")
    assert "kept: unusedPVC" in capsys.readouterr().err


@pytest.mark.parametrize(("asked", "code", "said"), [
    (Asked(output="xml"), 2, "-o xml"), (Asked(kind="thing"), 2, "--kind thing"),
    (Asked(context="a", server="http://b"), 2, "not both"), (Asked(prices=Path("x")), 2, "--prices goes with"),
    (Asked(context="nobody", kubeconfig=Path("/nowhere")), 2, "no access"),
    (Asked(server="http://127.0.0.1:9"), 4, "does not answer"),
])  # fmt: skip
def test_what_cannot_be_asked_is_a_sentence_and_an_exit_code(
    asked: Asked, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(asked, io.StringIO()) == code
    assert said in capsys.readouterr().err


def test_a_cluster_that_does_not_answer_is_4(api: KubeApi, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = Asked(context="fake", kubeconfig=api.kubeconfig(tmp_path))
    api.stop()
    try:
        assert run(where, io.StringIO()) == 4
    finally:
        api.start()
    assert "the API server does not answer" in capsys.readouterr().err


def test_a_foretide_without_a_cluster_says_so(served: Served) -> None:
    told = json.loads(served.ask("/api/v1/cost/unused").body)["data"]

    assert told["findings"] == []
    assert {one["why"] for one in told["not_known"]} == {NO_CLUSTER}
    out = io.StringIO()
    assert run(Asked(server=f"http://127.0.0.1:{served.port}"), out) == 0
    assert out.getvalue() == f"0 findings, 0.00 USD a month\nnot known: everything: {NO_CLUSTER}\n"


class Counting(Queries):
    """Tells how many steps were asked for."""

    def __init__(self, store: MetricsStore, clock: ManualClock) -> None:
        super().__init__(store, clock=clock)
        self.steps = 0

    def lines(self, expr: str, start: datetime, end: datetime, step: timedelta, source: str | None = None) -> Any:
        self.steps += (end - start) // step + 1
        return super().lines(expr, start, end, step, source)


@pytest.mark.parametrize("hours_later", [0.5, 1, 30, 400])
def test_a_second_look_asks_for_the_hours_since_and_answers_as_a_first_one_would(
    hours_later: float, store: MetricsStore, clock: ManualClock
) -> None:
    counted = 300.0 * 100.0 * np.arange(8 * 288)
    ended = np.where(np.arange(8 * 288) < 4 * 288, counted, np.nan)
    at = {"namespace": "shop"}
    store.load([hours("x_total", counted, pod="a", **at), hours("x_total", ended, pod="gone", **at)])
    queries, expr = Counting(store, clock), "sum by (namespace, pod) (rate(x_total[1h]))"
    weeks, earlier = Weeks(queries), NOW - timedelta(hours=hours_later)
    weeks.by(expr, "pod", earlier)
    queries.steps = 0
    second = weeks.by(expr, "pod", NOW)
    assert queries.steps == min(int(hours_later + 0.5), 168)

    first = Weeks(queries).by(expr, "pod", NOW)
    assert sorted(second) == sorted(first)
    for name, values in first.items():
        np.testing.assert_array_equal(second[name], values)
