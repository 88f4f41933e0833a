"""Volumes, load balancers, traffic, labels and Services: from series in the store to rows of the allocation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.cost_allocation_command import _table
from app.cost_endpoints import conditions, view
from cost.allocation.report import Asked
from cost.pricing.attached import price_balancer, price_gib
from cost.pricing.chain import Sources
from domain.series import Series
from store.metrics import MetricsStore
from tests.app.test_cost_allocation import CLUSTER, GIB, OURS, allocations, pod, series, sheet
from tests.app.world import NOW
from tests.fakes.clock import ManualClock

HOUR = timedelta(hours=1)
SHEET = sheet(
    rules=[{"perUnit": {"cpuCoreHour": 1, "memGiBHour": 0}}, {"match": {"storageClass": "fast"}, "hourly": 1}],
    network={"interZoneGiB": 1, "internetGiB": 10}, loadBalancerHourly=3,
)  # fmt: skip


@pytest.fixture
def store(tmp_path: Path, clock: ManualClock) -> Iterator[MetricsStore]:
    opened = MetricsStore.open(tmp_path / "metrics.db", retention=timedelta(days=15), clock=clock)
    yield opened
    opened.close()


def volume(
    name: str, claim: str = "", *, gib: float | None = 10.0, kind: str = "fast", of: dict[str, str] = OURS
) -> list[Series]:
    found = [series("kube_persistentvolume_info", 1.0, of=of, persistentvolume=name, storageclass=kind)]
    if gib is not None:
        found.append(series("kube_persistentvolume_capacity_bytes", gib * GIB, of=of, persistentvolume=name))
    if claim:
        ref = {"claim_namespace": "shop", "name": claim}
        found.append(series("kube_persistentvolume_claim_ref", 1.0, of=of, persistentvolume=name, **ref))
    return found


def mount(pod: str, claim: str, *, first: int = 0, last: int = 60) -> Series:
    where = {"namespace": "shop", "pod": pod, "persistentvolumeclaim": claim, "volume": "data"}
    return series("kube_pod_spec_volumes_persistentvolumeclaims_info", 1.0, first=first, last=last, **where)


def service(
    name: str, *pods: str, kind: str = "ClusterIP", address: bool = True, named: bool = True, of: dict[str, str] = OURS
) -> list[Series]:
    where = {"namespace": "shop", "service": name, "uid": f"uid-{name}"}
    part = {"namespace": "shop", "endpointslice": f"{name}-x7k2p"}
    found = [
        series("kube_service_info", 1.0, of=of, **where),
        series("kube_service_spec_type", 1.0, of=of, type=kind, **where),
        series("kube_endpointslice_info", 1.0, of=of, addresstype="IPv4", **part),
    ]  # fmt: skip
    if kind == "LoadBalancer" and address:
        found.append(series("kube_service_status_load_balancer_ingress", 1.0, of=of, ip="203.0.113.7", **where))
    if named:
        found.append(series("kube_endpointslice_labels", 1.0, of=of, label_kubernetes_io_service_name=name, **part))
    for one in pods:
        ref = {"targetref_kind": "Pod", "targetref_name": one, "address": "10.0.0.1", "ready": "true"}
        found.append(series("kube_endpointslice_endpoints", 1.0, of=of, **part, **ref))
    return found


def counted(pod: str, gib: float, *, internet: str = "false", zone: str = "false", region: str = "true") -> Series:
    """A counter of OpenCost's network-costs that grows by so much in the hour."""
    of = {"job": "network-costs", "instance": "10.0.0.9:3001"}
    where = {"namespace": "shop", "pod_name": pod, "internet": internet, "same_zone": zone, "same_region": region}
    found = series("kubecost_pod_network_egress_bytes_total", 0.0, of=of, **where)
    found.values[:] = np.linspace(0.0, gib * GIB, len(found.values))
    return found


def told(store: MetricsStore, clock: ManualClock, *sheets: Any, asked: Asked | None = None) -> dict[str, Any]:
    question = asked or Asked(by=("pod",))
    made = allocations(store, clock, *(sheets or (SHEET,))).of(NOW - HOUR, NOW, question, "conserving")
    found: dict[str, Any] = json.loads(view(made, question.by, 100).model_dump_json())
    parts = [Decimal(row["cost"]) for row in found["rows"]]
    parts += [Decimal(amount) for name in ("idle", "lines") for amount in found[name].values()]
    assert sum(parts) + Decimal(found["filtered"]) == Decimal(found["total"])
    return found


def part(found: dict[str, Any], component: str) -> dict[str, float]:
    """What each row has of a component, but for nothing."""
    rows = {next(iter(row["key"].values())): float(row["components"][component]) for row in found["rows"]}
    return {name: amount for name, amount in rows.items() if amount}


def test_a_volume_is_paid_by_who_mounts_it_when_and_by_nobody_else(store: MetricsStore, clock: ManualClock) -> None:
    """OpenCost's own case: p1 all the hour, p2 its second half, p3 the last quarter, p4 the first."""
    spans = {"p1": (0, 60), "p2": (30, 60), "p3": (45, 60), "p4": (0, 15)}
    pods = [one for name, (first, last) in spans.items() for one in pod(name, "shop", 0.1, first=first, last=last)]
    ended = series("kube_pod_status_phase", 1.0, first=15, namespace="shop", pod="p4", phase="Succeeded")
    for one in pods:
        if one.labels.metric_name == "kube_pod_created":  # to the minute, so that OpenCost's numbers come out
            one.values[:] += 30.0
    store.load([*CLUSTER[:5], *pods, ended, *volume("pv-1", "data"), *(mount(name, "data") for name in spans)])
    found = told(store, clock)
    expected = {"p1": 0.58333, "p2": 0.20833, "p3": 0.08333, "p4": 0.125}
    assert part(found, "volume") == pytest.approx(expected, abs=1e-5)
    assert found["lines"] == {}


def test_what_no_pod_mounts_is_a_line(store: MetricsStore, clock: ManualClock) -> None:
    late = pod("web-2", "shop", 0.1, first=30)
    store.load([*CLUSTER, *late, *volume("pv-1", "data"), *volume("released"), mount("web-2", "data")])
    found = told(store, clock)
    assert part(found, "volume") == {"web-2": pytest.approx(30.5 / 60)}
    assert float(found["lines"]["__unmounted__"]) == pytest.approx(1 + 29.5 / 60)
    (price,) = found["prices"]
    assert (price["source"], price["nodes"], price["volumes"]) == ("PriceSheet default/eu", 1, 2)
    out = StringIO()
    _table(found, out)
    assert "1 node, 2 volumes by PriceSheet default/eu" in out.getvalue()
    heading = out.getvalue().splitlines()[1].split()
    assert heading == ["pod", "cost", "cpu", "memory", "volume", "idle", "shared", "unused", "efficiency"]


def test_a_volume_that_grows_costs_more_from_then_on(store: MetricsStore, clock: ManualClock) -> None:
    grown = volume("pv-1", "data", kind="by-size")
    grown[1].values[30:] *= 3
    store.load([*CLUSTER, *grown, mount("web-1", "data")])
    units = sheet(cpuCoreHour=1, memoryGiBHour=0,
                  rules=[{"match": {"storageClass": "by-size"}, "perUnit": {"gibMonth": 730}}])  # fmt: skip
    assert part(told(store, clock, units), "volume") == {"web-1": pytest.approx(10 * 0.5 + 30 * 0.5)}


def test_a_load_balancer_is_paid_by_the_pods_behind_it_by_their_hours(store: MetricsStore, clock: ManualClock) -> None:
    late = pod("web-2", "shop", 0.1, first=30)
    balancer = service("front", "web-1", "web-2", kind="LoadBalancer")
    store.load([*CLUSTER, *late, *balancer, *service("lost", kind="LoadBalancer")])
    found = told(store, clock)
    hours = {"web-1": 60, "web-2": 30.5}
    assert part(found, "loadBalancer") == pytest.approx({name: 3 * own / 90.5 for name, own in hours.items()})
    assert float(found["lines"]["__unmounted__"]) == 3
    assert found["prices"][0]["load_balancers"] == 2


def test_a_load_balancer_without_an_address_costs_nothing_and_is_told(store: MetricsStore, clock: ManualClock) -> None:
    store.load([*CLUSTER, *service("front", "web-1", kind="LoadBalancer", address=False)])
    found = told(store, clock)
    assert part(found, "loadBalancer") == found["lines"] == {}
    assert "load balancer shop/front: it has no address in this time, and costs nothing here" in found["notes"]


@pytest.mark.parametrize("named", [True, False])
def test_pods_have_rows_of_the_services_they_stand_behind(store: MetricsStore, clock: ManualClock, named: bool) -> None:
    """Without the slice's label its name has to do."""
    store.load([*CLUSTER, *service("front", "web-1", named=named)])
    found = told(store, clock, asked=Asked(by=("service",)))
    assert {row["key"]["service"] for row in found["rows"]} == {"front", "__unallocated__"}


def test_labels_are_a_pods_own_else_its_workloads_else_its_namespaces(store: MetricsStore, clock: ManualClock) -> None:
    store.load([
        *CLUSTER, *pod("bare", "batch", 0.5, owner="once"), *pod("own", "shop", 0.5),
        series("kube_pod_labels", 1.0, namespace="shop", pod="own", label_app_kubernetes_io_team="a"),
        series("kube_deployment_labels", 1.0, namespace="shop", deployment="web", label_app_kubernetes_io_team="b"),
        series("kube_namespace_labels", 1.0, namespace="batch", label_app_kubernetes_io_team="c"),
        series("kube_namespace_labels", 1.0, namespace="shop", label_app_kubernetes_io_team="d"),
    ])  # fmt: skip
    team = "label:app.kubernetes.io/team"
    found = told(store, clock, asked=Asked(by=(team, "pod")))
    rows = {row["key"]["pod"]: row["key"][team] for row in found["rows"]}
    assert rows == {"own": "a", "web-1": "b", "bare": "c", "job-1": "c"}
    only = told(store, clock, asked=Asked(by=("pod",), only=conditions(f"{team}:eq:a")))
    assert [row["key"]["pod"] for row in only["rows"]] == ["own"]


def test_a_label_that_nothing_has_is_told(store: MetricsStore, clock: ManualClock) -> None:
    store.load(CLUSTER)
    found = told(store, clock, asked=Asked(by=("label:team",)))
    assert [row["key"]["label:team"] for row in found["rows"]] == ["__unallocated__"]
    assert any(note.startswith("label team: no pod, workload or namespace") for note in found["notes"])


def test_traffic_costs_by_where_it_goes(store: MetricsStore, clock: ManualClock) -> None:
    sent = [counted("web-1", 6.0), counted("web-1", 2.0, internet="true"), counted("web-1", 50.0, zone="true"),
            counted("gone", 1.0)]  # fmt: skip
    store.load([*CLUSTER, *sent, counted("web-1", 4.0, region="false")])
    found = told(store, clock)
    assert part(found, "network") == {"web-1": pytest.approx(6 * 1 + 2 * 10)}
    assert "no price in EUR of traffic to other regions: 4.00 GiB: not in the sums" in found["notes"]
    assert "traffic of 1 pods that are not known, 1.00 GiB: not in the sums" in found["notes"]


def test_bytes_of_which_nobody_says_where_to_are_told_and_cost_nothing(store: MetricsStore, clock: ManualClock) -> None:
    of = {"job": "cadvisor", "instance": "n1", "interface": "eth0"}
    grown = series("container_network_transmit_bytes_total", 0.0, of=of, namespace="shop", pod="web-1")
    grown.values[:] = np.linspace(0.0, 3 * GIB, len(grown.values))
    store.load([*CLUSTER, grown])
    found = told(store, clock)
    assert part(found, "network") == {}
    assert any(note.startswith("pods sent some 3.00 GiB (container_network_") for note in found["notes"])


def test_what_is_bad_is_told_and_the_rest_is_shown(store: MetricsStore, clock: ManualClock) -> None:
    negative = counted("web-1", -3.0)
    negative.values[:] = -5.0
    negative.values[-1] = -9.0
    asked = "kube_persistentvolumeclaim_resource_requests_storage_bytes"
    store.load([
        *CLUSTER, *volume("good", "data"), mount("web-1", "data"), *volume("nameless", gib=None),
        *volume("hungry", "want", gib=None), *volume("empty", gib=0.0), *volume("cheap", kind="free"),
        *volume("odd", kind="unknown"), *volume("vast", gib=2.0**40), negative,
        series(asked, 5 * GIB, namespace="shop", persistentvolumeclaim="want"),
    ])  # fmt: skip
    spec = SHEET.spec.model_dump(by_alias=True, exclude_none=True)
    free = {"match": {"storageClass": "free"}, "hourly": 0}
    found = told(store, clock, sheet(**{**spec, "rules": [*spec["rules"], free]}))
    notes = "\n".join(found["notes"])
    assert part(found, "volume") == {"web-1": 1.0}
    assert float(found["lines"]["__unmounted__"]) == 1.0  # hungry
    assert "volume nameless: neither its capacity nor its claim's request is told: not in the sums" in notes
    assert "volume hungry: its capacity is not told; it counts as large as its claim asks for" in notes
    assert "volume empty: a capacity of 0 bytes is none: not in the sums" in notes
    assert "volume vast: a capacity of 1.18059e+21 bytes is none" in notes
    assert "1 volume of storage class free cost nothing: PriceSheet default/eu has a price of 0" in notes
    assert "no price in EUR of storage class unknown: 1 volume, 10.0 GiB: not in the sums" in notes
    assert "traffic of web-1: kubecost_pod_network_egress_bytes_total is below zero; it is left out" in notes


def test_without_a_sheet_defaults_are_estimates_of_all_of_it(store: MetricsStore, clock: ManualClock) -> None:
    balancer = service("front", "web-1", kind="LoadBalancer")
    store.load([*CLUSTER, *volume("pv-1", "data"), mount("web-1", "data"), *balancer, counted("web-1", 1.0)])
    made = allocations(store, clock).of(NOW - HOUR, NOW, Asked(by=("pod",)), "conserving")
    found = json.loads(view(made, ("pod",), 10).model_dump_json())
    assert part(found, "volume") == {"web-1": pytest.approx(10 * 0.04 / 730, rel=1e-4)}
    assert part(found, "loadBalancer") == {"web-1": 0.025}
    assert part(found, "network") == {"web-1": pytest.approx(0.01)}
    assert "100% of the hourly cost is an estimate, by default prices" in found["notes"]
    assert "what traffic costs is an estimate, by default prices" in found["notes"]


def test_opencosts_prices_of_a_volume_and_a_load_balancer_go_before_defaults(
    store: MetricsStore, clock: ManualClock
) -> None:
    of = {"job": "opencost", "instance": "x"}
    prices = [
        series("pv_hourly_cost", 0.5, of=of, persistentvolume="pv-1"),
        series("kubecost_load_balancer_cost", 0.0, of=of, namespace="shop", service_name="free", ingress_ip="1"),
        series("kubecost_load_balancer_cost", 2.0, of=of, namespace="shop", service_name="front", ingress_ip="2"),
    ]
    both = [one for name in ("front", "free") for one in service(name, "web-1", kind="LoadBalancer")]
    store.load([*CLUSTER, *volume("pv-1", "data"), mount("web-1", "data"), *both, *prices])
    made = allocations(store, clock).of(NOW - HOUR, NOW, Asked(by=("pod",)), "conserving")
    assert [(one.source, one.amount) for one in made.volumes] == [("OpenCost's metrics", Decimal(5))]
    assert sorted(one.amount for one in made.balancers) == [0, 2]
    assert "1 load balancer cost nothing: OpenCost's metrics has a price of 0" in made.report.notes


def test_what_names_no_cluster_is_of_the_only_one_that_is_known(store: MetricsStore, clock: ManualClock) -> None:
    """cAdvisor's usage beside our own pods: its series know no cluster."""
    used = series("container_memory_working_set_bytes", GIB, of={"job": "cadvisor", "instance": "n1"},
                  namespace="shop", pod="web-1", container="app")  # fmt: skip
    store.load([*CLUSTER[:-1], used])
    found = told(store, clock)
    assert "no usage is known of 1 pods: they are charged for what they request" in found["notes"]  # the other one


def test_a_label_with_capitals_prices_a_node_as_kube_state_metrics_writes_it(
    store: MetricsStore, clock: ManualClock
) -> None:
    spot = series("kube_node_labels", 1.0, node="n1", label_eks_amazonaws_com_capacity_type="SPOT")
    store.load([one for one in CLUSTER if one.labels.metric_name != "kube_node_labels"] + [spot])
    half = sheet(rules=[{"perUnit": {"cpuCoreHour": 1, "memGiBHour": 0}}, {"match": {"capacityType": "spot"},
                        "discountFromOnDemand": 0.5}])  # fmt: skip
    assert float(told(store, clock, half)["total"]) == 2.0


def test_sources_that_have_nothing_price_nothing() -> None:
    assert price_balancer(Sources(currency="EUR"), "shop/front") is None
    assert price_gib(Sources(currency="EUR"), "zone") is None
