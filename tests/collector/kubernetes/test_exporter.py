from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from collector.kubernetes import kinds
from collector.kubernetes.exporter import StateExporter
from collector.targets import Health
from domain.clock import to_ms
from domain.errors import StoreError
from kube import Reflector
from kube.kinds import DEPLOYMENT, Kind
from tests.collector.kubernetes.conftest import Server, eventually
from tests.collector.kubernetes.objects import meta, node, owner, pod
from tests.fakes.metrics_store import MemoryMetricsStore

WEB, API = "web-5d9c7f6b8-abcde", "api-7c6d5f4b9-vwxyz"


def deployment(name: str, replicas: int) -> dict[str, Any]:
    return {"metadata": meta(name), "spec": {"replicas": replicas}, "status": {"replicas": replicas}}


class Bench:
    def __init__(self, server: Server, *watched: Kind[Any]) -> None:
        self.server, self.store, self.other = server, MemoryMetricsStore(), ""
        self.reflectors = server.watch(*watched)
        self.exporter = StateExporter(
            self.reflectors, store=self.store, clock=server.clock, instance="prod", elsewhere=lambda now: self.other
        )

    def tick(self) -> datetime:
        now = self.server.clock.advance(timedelta(seconds=15))
        self.exporter.tick(now)
        return now


def test_the_cluster_is_told_at_each_tick_under_a_job_of_its_own(server: Server) -> None:
    server.create(kinds.POD, pod())
    server.create(kinds.NODE, node())
    server.create(DEPLOYMENT, deployment("web", 3))
    bench = Bench(server, kinds.POD, kinds.NODE, DEPLOYMENT)

    first, second = bench.tick(), bench.tick()

    where = {"job": "foretide-kubernetes", "instance": "prod"}
    history = bench.store.history("kube_deployment_spec_replicas", deployment="web", namespace="shop", **where)
    assert history[0] == (to_ms(first), 3)
    assert bench.store.last("kube_pod_info", node="node-a", created_by_name="web-5d9c7f6b8", **where) == 1
    assert bench.store.last("kube_node_status_allocatable", resource="cpu", **where) == 3.92
    assert bench.store.last("up", **where) == 1
    status = bench.exporter.status
    assert (status.health, status.last_error, status.last_scrape) == (Health.UP, "", second)
    assert status.samples_scraped == bench.store.last("scrape_samples_scraped") > 40


def test_what_does_not_change_is_written_once_a_minute_and_what_changes_at_once(server: Server) -> None:
    server.create(DEPLOYMENT, deployment("web", 3))
    server.create(kinds.NODE, node())
    bench = Bench(server, DEPLOYMENT, kinds.NODE)
    for _ in range(9):
        bench.tick()

    times = [at for at, _ in bench.store.history("kube_node_created")]
    assert len(times) in (3, 4)
    assert {after - before for before, after in zip(times[1:], times[2:], strict=False)} == {60_000}

    server.merge(DEPLOYMENT, "web", {"spec": {"replicas": 5}})
    seen = bench.reflectors["deployments"]
    eventually(lambda: seen.objects()["shop", "web"].spec.replicas == 5, "the new number")
    now = bench.tick()

    assert bench.store.history("kube_deployment_spec_replicas")[-1] == (to_ms(now), 5)


def test_what_is_the_same_is_the_same_row_and_a_pod_that_comes_changes_only_its_workloads(server: Server) -> None:
    rest = {"metadata": {"ownerReferences": [owner("ReplicaSet", "api-7c6d5f4b9")]}}
    server.create(kinds.POD, pod(WEB), pod(API, **rest))
    bench = Bench(server, kinds.POD)
    bench.tick()
    rows = list(bench.store.layouts)

    for _ in range(4):
        bench.tick()
    again = {id(row) for row in bench.store.layouts[len(rows) :]}
    server.create(kinds.POD, pod("web-5d9c7f6b8-fghij"))
    eventually(lambda: len(bench.reflectors["pods"].objects()) == 3, "the new pod")
    count = len(bench.store.layouts)
    for _ in range(4):
        bench.tick()

    assert again == {id(row) for row in rows}
    assert sorted(len(row) for row in rows) == [3, 18, 18]
    last = {id(row): len(row) for row in bench.store.layouts[count:]}
    assert sorted(last.values()) == [3, 18, 36]
    assert len(last.keys() & again) == 2


def test_a_pod_that_is_gone_is_marked_stale_once(server: Server) -> None:
    server.create(kinds.POD, pod(WEB), pod("web-5d9c7f6b8-fghij"))
    bench = Bench(server, kinds.POD)
    bench.tick()

    server.delete(kinds.POD, WEB)
    eventually(lambda: len(bench.reflectors["pods"].objects()) == 1, "the deletion")
    bench.tick()
    bench.tick()

    assert [value for _, value in bench.store.history("kube_pod_info", pod=WEB)] == [1, "stale"]
    assert "stale" not in [value for _, value in bench.store.history("kube_pod_info", pod="web-5d9c7f6b8-fghij")]


def test_a_label_that_changes_ends_the_old_series_and_begins_a_new_one(server: Server) -> None:
    server.create(kinds.NODE, node())
    bench = Bench(server, kinds.NODE)
    bench.tick()

    server.merge(kinds.NODE, "node-a", {"metadata": {"labels": {"karpenter.sh/nodepool": "demand"}}}, namespace="")
    seen = bench.reflectors["nodes"]
    eventually(lambda: "demand" in seen.objects()["", "node-a"].metadata.labels.values(), "the label")
    bench.tick()

    assert bench.store.last("kube_node_labels", label_karpenter_sh_nodepool="spot") == "stale"
    assert bench.store.last("kube_node_labels", label_karpenter_sh_nodepool="demand") == 1


def test_while_kube_state_metrics_is_there_ours_are_off_never_both(server: Server) -> None:
    server.create(DEPLOYMENT, deployment("web", 3))
    bench = Bench(server, DEPLOYMENT)
    bench.tick()

    bench.other = "kube-state-metrics"
    bench.tick()
    bench.tick()

    told = bench.store.history("kube_deployment_spec_replicas")
    assert [value for _, value in told] == [3, "stale"]
    assert bench.store.last("up") == "stale"
    status = bench.exporter.status
    assert (status.health, status.last_error) == (Health.UNKNOWN, "off: job kube-state-metrics brings these series")

    bench.other = ""
    bench.tick()
    assert bench.store.last("kube_deployment_spec_replicas") == 3
    assert bench.exporter.status.health is Health.UP


def test_what_the_server_has_not_confirmed_for_two_minutes_is_not_told(server: Server) -> None:
    server.create(DEPLOYMENT, deployment("web", 3))
    bench = Bench(server, DEPLOYMENT)
    bench.tick()

    server.api.mute_watches()
    server.clock.advance(timedelta(seconds=121))
    eventually(lambda: bench.reflectors["deployments"].age_seconds() > 120, "the silence")
    bench.tick()

    assert bench.store.last("kube_deployment_spec_replicas") == "stale"
    assert bench.store.last("up") == 0
    assert bench.exporter.status.last_error.startswith("deployments: nothing heard for 1")


def test_a_kind_that_may_not_be_read_does_not_hide_the_others(server: Server) -> None:
    server.create(DEPLOYMENT, deployment("web", 3))
    bench = Bench(server, DEPLOYMENT)
    server.api.forbidden.add(("GET", "resourcequotas"))
    quotas: Reflector[Any] = Reflector(server.connection, kinds.QUOTA)
    server.reflectors.append(quotas)
    quotas.start()
    eventually(lambda: quotas.problem, "the refusal")
    exporter = StateExporter(
        {**bench.reflectors, "resourcequotas": quotas}, store=bench.store, clock=server.clock, instance="prod"
    )

    exporter.tick(server.clock.advance(timedelta(seconds=15)))

    assert bench.store.last("kube_deployment_spec_replicas") == 3
    assert exporter.status.health is Health.DOWN
    assert exporter.status.last_error.startswith("resourcequotas: ")
    assert "403 Forbidden: it is forbidden" in exporter.status.last_error


def test_a_store_that_refuses_is_said_and_the_next_tick_goes_on(server: Server) -> None:
    server.create(DEPLOYMENT, deployment("web", 3))
    bench = Bench(server, DEPLOYMENT)
    bench.store.refusal = StoreError("the disk is full")

    bench.tick()
    assert (bench.exporter.status.health, bench.exporter.status.last_error) == (Health.DOWN, "the disk is full")

    bench.store.refusal = None
    bench.tick()
    assert bench.store.last("kube_deployment_spec_replicas") == 3


@pytest.mark.parametrize("gone", [True, False])
def test_a_pod_that_moves_to_another_owner_is_told_once(server: Server, gone: bool) -> None:
    server.create(kinds.POD, pod(WEB))
    bench = Bench(server, kinds.POD)
    bench.tick()

    other = [owner("ReplicaSet", "adopted")]
    server.merge(kinds.POD, WEB, {"metadata": {"ownerReferences": [] if gone else other}})
    seen = bench.reflectors["pods"]

    def owner_now() -> list[str]:
        return [one.name for one in seen.objects()["shop", WEB].metadata.owner_references or ()]

    eventually(lambda: owner_now() != ["web-5d9c7f6b8"], "the new owner")
    bench.tick()

    assert bench.store.last("kube_pod_owner", owner_name="web-5d9c7f6b8") == "stale"
    assert bench.store.last("kube_pod_owner", owner_name="<none>" if gone else "adopted") == 1
    assert [value for _, value in bench.store.history("kube_pod_created", pod=WEB)].count("stale") == 0
