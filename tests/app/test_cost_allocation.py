"""From series in the store to what a namespace cost, by the API's own function."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.cost_allocation import Allocations
from app.cost_allocation_command import Question, _csv, _table
from app.cost_endpoints import conditions, view
from app.cost_facts import CostFacts
from app.cost_prices import Prices
from app.queries import Queries
from cost.allocation.report import Asked
from domain.clock import to_ms
from domain.labels import Labels
from domain.series import STALE_NAN, Series
from rules.ruleset import RuleSet
from rules.schema import PriceSheet
from store.metrics import MetricsStore
from tests.app.world import NOW
from tests.fakes.clock import ManualClock

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
OURS = {"job": "foretide-kubernetes", "instance": "prod"}
USED = {"job": "foretide-metrics-api", "instance": "prod"}
GIB = 2.0**30


@pytest.fixture
def store(tmp_path: Path, clock: ManualClock) -> Iterator[MetricsStore]:
    opened = MetricsStore.open(tmp_path / "metrics.db", retention=timedelta(days=15), clock=clock)
    yield opened
    opened.close()


def series(
    name: str, value: float, /, *, first: int = 0, last: int = 60, of: dict[str, str] = OURS, **labels: str
) -> Series:
    """One sample a minute, ``first`` and ``last`` counted from an hour ago."""
    start = to_ms(NOW - HOUR)
    times = np.array([start + 60_000 * minute for minute in range(first, last + 1)], np.int64)
    found = Labels.of({"__name__": name, **of, **labels})
    return Series(labels=found, timestamps_ms=times, values=np.full(len(times), value))


def amounts(name: str, node: str, cpu: float, gib: float) -> list[Series]:
    return [series(name, cpu, node=node, resource="cpu"), series(name, gib * GIB, node=node, resource="memory")]


def pod(
    name: str, namespace: str, cpu: float, *, first: int = 0, last: int = 60, owner: str = "web-5d"
) -> list[Series]:
    where = {"namespace": namespace, "pod": name, "node": "n1"}
    made_by = {"created_by_kind": "ReplicaSet", "created_by_name": owner}
    created = (NOW - HOUR + (first - 0.5) * MINUTE).timestamp()
    requests = {"resource": "cpu", "container": "app"}
    return [
        series("kube_pod_info", 1.0, first=first, last=last, **where, **made_by),
        series("kube_pod_created", created, first=first, last=last, namespace=namespace, pod=name),
        series("kube_pod_container_resource_requests", cpu, first=first, last=last, **where, **requests),
    ]  # fmt: skip


CLUSTER = [
    *amounts("kube_node_status_capacity", "n1", 4, 8), *amounts("kube_node_status_allocatable", "n1", 3.5, 8),
    series("kube_node_labels", 1.0, node="n1", label_karpenter_sh_capacity_type="spot",
           label_cloud_google_com_gke_nodepool="blue"),
    series("kube_replicaset_owner", 1.0, namespace="shop", replicaset="web-5d", owner_kind="Deployment",
           owner_name="web"),
    *pod("web-1", "shop", 1.0), *pod("job-1", "batch", 1.0, first=30, owner="once"),
    series("metrics_k8s_io_container_cpu_usage_cores", 0.5, of=USED, namespace="shop", pod="web-1", container="app"),
]  # fmt: skip


def allocations(store: MetricsStore, clock: ManualClock, *sheets: PriceSheet, local: Any = None) -> Allocations:
    queries = Queries(store, clock=clock)
    prices = Prices(queries, lambda: RuleSet(price_sheets=sheets))
    return Allocations(CostFacts(queries, local=local), prices, clock)


def sheet(**spec: Any) -> PriceSheet:
    document = {"apiVersion": "foretide.dev/v1alpha1", "kind": "PriceSheet", "metadata": {"name": "eu"}}
    return PriceSheet.model_validate({**document, "spec": {"currency": "EUR", **spec}})


EUROS = sheet(
    rules=[{"perUnit": {"cpuCoreHour": 1, "memGiBHour": 0}}, {"match": {"capacityType": "spot"},
           "discountFromOnDemand": 0.5}], overheadHourly={"controlPlane": 0.1},
)  # fmt: skip


def found(store: MetricsStore, clock: ManualClock, *sheets: PriceSheet, asked: Asked | None = None) -> dict[str, Any]:
    question = asked or Asked()
    made = allocations(store, clock, *sheets).of(NOW - HOUR, NOW, question, "conserving")
    shown: dict[str, Any] = json.loads(view(made, question.by, 100).model_dump_json())
    return shown


def test_a_cluster_in_the_store_is_priced_by_its_sheet_and_split(store: MetricsStore, clock: ManualClock) -> None:
    store.load(CLUSTER)
    told = found(store, clock, EUROS)
    costs = {row["key"]["namespace"]: Decimal(row["cost"]) for row in told["rows"]}
    assert float(costs["shop"]) == pytest.approx(0.5)  # 1 core of 4 for an hour, half price on spot
    assert float(costs["batch"]) == pytest.approx(0.5 * 30.5 / 60)  # since it was created, between two samples
    assert told["lines"] == {"__overhead__": "0.100000000000000000"}
    parts = [*costs.values(), *map(Decimal, told["idle"].values()), Decimal("0.1")]
    assert sum(parts) == Decimal(told["total"]) == Decimal("2.1")
    assert told["prices"][0]["source"] == "PriceSheet default/eu"
    assert float(told["rows"][0]["requested_unused"]) == pytest.approx(0.25)
    assert told["notes"] == ["no usage is known of 1 pods: they are charged for what they request"]


def test_owners_are_deployments_and_nodes_have_their_pool(store: MetricsStore, clock: ManualClock) -> None:
    store.load(CLUSTER)
    told = found(store, clock, EUROS, asked=Asked(by=("nodePool", "owner"), share_idle="weighted"))
    assert [row["key"] for row in told["rows"]] == [
        {"nodePool": "blue", "owner": "Deployment/web"},
        {"nodePool": "blue", "owner": "ReplicaSet/once"},
    ]  # fmt: skip


def test_without_a_sheet_prices_are_estimates_and_said_to_be(store: MetricsStore, clock: ManualClock) -> None:
    store.load(CLUSTER)
    told = found(store, clock)
    assert told["currency"] == "USD"
    assert told["prices"][0]["confidence"] == "estimate"
    assert "100% of the hourly cost is an estimate, by default prices" in told["notes"]


def test_opencosts_metrics_go_before_defaults(store: MetricsStore, clock: ManualClock) -> None:
    theirs = {"job": "opencost", "instance": "opencost:9003", "node": "n1"}
    prices = [series("node_cpu_hourly_cost", 0.1, of=theirs), series("node_ram_hourly_cost", 0.0, of=theirs)]
    store.load([*CLUSTER, *prices])
    told = found(store, clock)
    assert (told["prices"][0]["confidence"], told["prices"][0]["hourly"]) == ("reported", "0.40")


def test_what_is_not_known_is_said(store: MetricsStore, clock: ManualClock) -> None:
    assert found(store, clock)["notes"][-1].startswith("no node is known in this time")
    store.load(CLUSTER)
    only = sheet(rules=[{"match": {"instanceType": "m5.large"}, "hourly": 1}])
    assert found(store, clock, only)["notes"][0] == (
        "no price in EUR of n1: neither these nodes nor their pods are in the sums"
    )


def test_a_pod_that_was_resized_pays_for_what_it_requested_when(store: MetricsStore, clock: ManualClock) -> None:
    where = {"namespace": "shop", "pod": "web-1", "node": "n1", "resource": "cpu", "container": "app"}
    grown = series("kube_pod_container_resource_requests", 1.0, last=60, **where)
    grown.values[30:] = 3.0
    store.load([*amounts("kube_node_status_capacity", "n1", 4, 8), *pod("web-1", "shop", 1.0)[:2], grown])
    told = found(store, clock, sheet(cpuCoreHour=1, memoryGiBHour=0))
    assert float(told["rows"][0]["cost"]) == pytest.approx(2.0)


@pytest.mark.parametrize(("first", "second"), [((0, 30), (31, 60)), ((0, 60), (0, 60))])
def test_two_kube_state_metrics_one_after_the_other_or_side_by_side_tell_of_one_cluster(
    store: MetricsStore, clock: ManualClock, first: tuple[int, int], second: tuple[int, int]
) -> None:
    told = [*amounts("kube_node_status_capacity", "n1", 4, 8), *pod("web-1", "shop", 1.0)]
    for number, (begin, end) in enumerate((first, second)):
        own = {"job": "kube-state-metrics", "instance": f"10.0.0.{number}:8080"}
        for one in told:
            part = slice(begin, end + 1)
            labels = Labels.of({**dict(one.labels), **own})
            store.load([Series(labels=labels, timestamps_ms=one.timestamps_ms[part], values=one.values[part])])
    made = found(store, clock, sheet(cpuCoreHour=1, memoryGiBHour=0))
    assert (float(made["total"]), float(made["rows"][0]["cost"])) == (4.0, 1.0)


def test_our_own_processes_run_on_the_host(store: MetricsStore, clock: ManualClock) -> None:
    host = {"job": "node", "instance": "laptop"}
    shop = {"job": "shop", "namespace": "demo", "pod": "shop-0", "instance": "127.0.0.1:1"}
    store.load([
        series("node_cpu_seconds_total", 1.0, of=host, mode="idle", cpu="0"),
        series("node_cpu_seconds_total", 1.0, of=host, mode="idle", cpu="1"),
        series("node_memory_MemTotal_bytes", 8 * GIB, of=host), series("up", 1.0, of=shop),
    ])  # fmt: skip
    made = allocations(store, clock, sheet(cpuCoreHour=1, memoryGiBHour=0), local={("demo", "shop"): {"cpu": 0.5}})
    report = made.of(NOW - HOUR, NOW, Asked(by=("owner",)), "conserving").report
    assert [(row.key, float(row.cost)) for row in report.rows] == [(("Deployment/shop",), pytest.approx(0.5))]
    assert report.total == 2
    told = made.of(NOW - HOUR, NOW, Asked(by=("label:team", "service")), "conserving").report.notes
    assert {"processes of this host have no labels: a cluster's pods have",
            "processes of this host stand behind no Service: a cluster's pods do"} <= set(told)  # fmt: skip


def test_a_host_that_was_seen_for_the_first_time_a_moment_ago_has_its_cost(
    store: MetricsStore, clock: ManualClock
) -> None:
    host = {"job": "node", "instance": "laptop"}
    asks = allocations(store, clock, sheet(cpuCoreHour=60, memoryGiBHour=0), local={})
    (missed,) = asks.of(NOW - 24 * HOUR, NOW, Asked(), "conserving").report.notes
    assert "no sample in it" in missed
    assert missed.endswith("come every 15 s: after a start, ask again in half a minute")
    first = to_ms(NOW) - 10_000
    for name, labels in (("node_cpu_seconds_total", {"mode": "idle", "cpu": "0"}), ("node_memory_MemTotal_bytes", {})):
        store.append((Labels.of({"__name__": name, **host, **labels}),), first, np.array([8.0]))
    late = "no node is known before 2026-11-21 11:59 UTC: what nodes cost until then is not in the sums"
    for window, notes in ((24 * HOUR, (late,)), (timedelta(seconds=20), ())):
        report = asks.of(NOW - window, NOW, Asked(), "conserving").report
        assert (report.total, report.notes) == (1, notes)


def test_what_came_and_went_counts_from_when_it_was_made_to_when_it_was_last_seen(
    store: MetricsStore, clock: ManualClock
) -> None:
    gone = pod("web-1", "shop", 4.0, first=10, last=20)
    store.load([*amounts("kube_node_status_capacity", "n1", 4, 8), *gone])
    for one in gone:
        store.append((one.labels,), to_ms(NOW - HOUR + 20.5 * MINUTE), np.array([STALE_NAN]))
    told = found(store, clock, sheet(cpuCoreHour=1, memoryGiBHour=0))
    assert float(told["rows"][0]["cost"]) == pytest.approx(4 * 10.5 / 60)  # made at 9:30, last seen at 20:00


def test_windows_that_cannot_be_meant_are_refused(store: MetricsStore, clock: ManualClock) -> None:
    asks = allocations(store, clock)
    with pytest.raises(ValueError, match="before now"):
        asks.of(NOW, NOW + HOUR, Asked(), "conserving")
    with pytest.raises(ValueError, match="at most 31 days"):
        asks.of(NOW - timedelta(days=40), NOW, Asked(), "conserving")


def test_filters_are_read_and_what_is_none_is_refused() -> None:
    one, two = conditions("namespace:ne:shop,label:team:in:a|b")
    assert (one.dimension, one.values, one.negated) == ("namespace", {"shop"}, True)
    assert (two.dimension, two.values, two.negated) == ("label:team", {"a", "b"}, False)
    with pytest.raises(ValueError, match='"team=a" is no filter'):
        conditions("team=a")
    with pytest.raises(ValueError, match='"galaxy" is no dimension'):
        conditions("galaxy:eq:a")


def test_the_command_asks_in_the_apis_words_and_its_csv_adds_up(store: MetricsStore, clock: ManualClock) -> None:
    path = Question(by="owner", start="2h", share=("namespace:eq:kube-system",)).path(NOW)
    assert path.startswith("/api/v1/cost/allocation?by=owner&")
    assert "share=namespace%3Aeq%3Akube-system" in path
    store.load(CLUSTER)
    told, out, table = found(store, clock, EUROS), StringIO(), StringIO()
    _csv(told, out)
    rows = list(csv.DictReader(out.getvalue().splitlines()))
    assert sum(Decimal(row["cost"]) for row in rows) == Decimal(told["total"])
    _table(told, table)
    assert "__idle__ prod" in table.getvalue()
    assert table.getvalue().splitlines()[0].endswith("in EUR, basis conserving")


def test_a_node_that_is_replaced_hands_its_commitment_on_and_what_was_before_the_first_is_not_called_unused(
    store: MetricsStore, clock: ManualClock
) -> None:
    for name, first, last in (("n2", 0, 30), ("n1", 30, 60)):
        store.load([
            one for of in ("capacity", "allocatable") for resource, amount in (("cpu", 4.0), ("memory", 8 * GIB))
            for one in [series(f"kube_node_status_{of}", amount, node=name, resource=resource, first=first, last=last)]
        ])  # fmt: skip
        store.load([series("kube_node_labels", 1.0, node=name, label_node_kubernetes_io_instance_type="m6i",
                           first=first, last=last)])  # fmt: skip
    bought = {"id": "c", "match": {"instanceType": "m6i"}, "quantity": 2, "hourly": 0.6, "ends": "2027-12-31"}
    priced = sheet(rules=[{"perUnit": {"cpuCoreHour": 1, "memGiBHour": 0}}], commitments=[bought])
    for hours, total in ((1, "1.2"), (24, "1.22")):  # what has just come is there for a step
        made = allocations(store, clock, priced).of(NOW - hours * HOUR, NOW, Asked(), "conserving")
        assert made.report.total == Decimal(total)  # both commitments for the hour that is known
        unused = dict(made.report.lines)["__commitment_unused__"]
        assert Decimal("0.55") <= unused <= Decimal("0.61")  # one of the two; each node is seen for 5 minutes more
