from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.kubernetes import kinds
from collector.kubernetes.usage import OLDEST, UsageExporter, fresh, node_usage, pod_usage
from collector.targets import Health
from domain import names
from domain.clock import to_ms
from tests.collector.kubernetes.conftest import Server
from tests.collector.kubernetes.objects import decoded, meta, shown
from tests.fakes.metrics_store import MemoryMetricsStore

POD = "web-5d9c7f6b8-abcde"


def usage(name: str = POD, *, at: datetime, cpu: str = "250m", **more: Any) -> dict[str, Any]:
    containers = [
        {"name": "web", "usage": {"cpu": cpu, "memory": "65536Ki"}},
        {"name": "log", "usage": {"cpu": "1500000n", "memory": "1Mi"}},
    ]
    time = at.isoformat().replace("+00:00", "Z")
    return {"metadata": meta(name), "timestamp": time, "window": "15.066s", "containers": containers} | more


def node_used(*, at: datetime) -> dict[str, Any]:
    time = at.isoformat().replace("+00:00", "Z")
    return {
        "metadata": meta("node-a", ""),
        "timestamp": time,
        "window": "20s",
        "usage": {"cpu": "1900m", "memory": "3Gi"},
    }


class Bench:
    def __init__(self, server: Server) -> None:
        self.server, self.store = server, MemoryMetricsStore()
        self.exporter = UsageExporter(server.connection, store=self.store, clock=server.clock, instance="prod")

    def tick(self) -> datetime:
        now = self.server.clock.advance(timedelta(seconds=15))
        self.exporter.tick(now)
        return now

    def says(self, *pods: dict[str, Any]) -> None:
        """The API answers with these from now on."""
        with self.server.api.changing() as kept:
            for key in list(kept.of(("metrics.k8s.io", "pods"))):
                kept.delete(("metrics.k8s.io", "pods"), key)
        self.server.create(kinds.POD_USAGE, *pods)


def test_a_pods_usage_by_container_in_cores_and_bytes() -> None:
    at = datetime.fromisoformat("2026-11-21T12:00:00+00:00")
    told = shown(list(pod_usage(decoded(kinds.POD_USAGE, **usage(at=at)))))

    assert told == {
        f'{names.USED_CPU}{{container="web"}}': 0.25,
        f'{names.USED_MEMORY}{{container="web"}}': 64 * 2**20,
        f'{names.USED_CPU}{{container="log"}}': 0.0015,
        f'{names.USED_MEMORY}{{container="log"}}': 2**20,
    }
    node = decoded(kinds.NODE_USAGE, **node_used(at=at))
    assert shown(list(node_usage(node))) == {names.NODE_USED_CPU: 1.9, names.NODE_USED_MEMORY: 3 * 2**30}


@pytest.mark.parametrize("cpu", ["", "much", "-1", "NaN", "1e999"])
def test_a_number_that_is_none_is_left_out(cpu: str) -> None:
    at = datetime.fromisoformat("2026-11-21T12:00:00+00:00")
    told = shown(list(pod_usage(decoded(kinds.POD_USAGE, **usage(at=at, cpu=cpu)))))

    assert f'{names.USED_CPU}{{container="web"}}' not in told
    assert f'{names.USED_MEMORY}{{container="web"}}' in told


@given(st.timedeltas(min_value=timedelta(days=-1), max_value=timedelta(days=1)))
def test_only_numbers_of_now_are_fresh(age: timedelta) -> None:
    now = datetime.fromisoformat("2026-11-21T12:00:00+00:00")

    assert fresh(decoded(kinds.POD_USAGE, **usage(at=now - age)), now) == (abs(age) <= OLDEST)


def test_usage_is_written_at_each_tick(server: Server) -> None:
    bench = Bench(server)
    server.create(kinds.NODE_USAGE, node_used(at=server.clock.now()))
    bench.says(usage(at=server.clock.now()))
    first = bench.tick()
    bench.says(usage(at=server.clock.now(), cpu="300m"))
    second = bench.tick()

    where = {"container": "web", "job": "foretide-metrics-api", "instance": "prod", "namespace": "shop", "pod": POD}
    assert bench.store.history(names.USED_CPU, **where) == [(to_ms(first), 0.25), (to_ms(second), 0.3)]
    assert bench.store.last(names.NODE_USED_CPU, node="node-a") == 1.9
    assert bench.exporter.status.health is Health.UP
    assert bench.exporter.status.samples_scraped == 6


def test_a_number_that_is_too_old_or_missing_ends_its_series(server: Server) -> None:
    bench = Bench(server)
    bench.says(usage(at=server.clock.now()), usage("api-0", at=server.clock.now()))
    bench.tick()

    server.clock.advance(OLDEST)
    bench.says(usage(at=server.clock.now() - OLDEST), usage("new-0", at=server.clock.now()))
    bench.tick()

    told = {pod: bench.store.last(names.USED_CPU, pod=pod, container="web") for pod in (POD, "api-0", "new-0")}
    assert told == {POD: "stale", "api-0": "stale", "new-0": 0.25}
    assert bench.exporter.status.health is Health.UP


@pytest.mark.parametrize("code", [403, 404, 500, 503])
def test_an_api_that_does_not_answer_ends_every_series_and_says_so(server: Server, code: int) -> None:
    bench = Bench(server)
    bench.says(usage(at=server.clock.now()))
    bench.tick()

    server.api.fail(1, code, part="metrics.k8s.io")
    bench.tick()

    assert bench.store.last(names.USED_CPU, container="web") == "stale"
    assert bench.exporter.status.health is Health.DOWN
    assert bench.exporter.status.last_error.startswith("pods of metrics.k8s.io: ")

    bench.tick()
    assert bench.store.last(names.USED_CPU, container="web") == 0.25


def test_an_api_whose_numbers_are_all_old_is_down(server: Server) -> None:
    bench = Bench(server)
    bench.says(usage(at=server.clock.now() - 2 * OLDEST))

    bench.tick()

    assert bench.store.samples == {}
    assert bench.exporter.status.last_error == "pods of metrics.k8s.io: every number is older than 2 minutes"
