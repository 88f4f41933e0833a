from __future__ import annotations

from datetime import timedelta

import psutil
import pytest

from collector.host import HostExporter
from collector.targets import Health
from domain.clock import to_ms
from domain.errors import OverloadedError
from tests.fakes.clock import ManualClock
from tests.fakes.metrics_store import MemoryMetricsStore


def test_the_host_speaks_as_node_exporter_does(clock: ManualClock) -> None:
    store = MemoryMetricsStore()
    HostExporter(store=store, clock=clock, instance="box").tick(clock.now())

    where = {"job": "node", "instance": "box"}
    at = to_ms(clock.now())
    assert store.history("up", **where) == [(at, 1)]
    assert store.history("node_memory_MemTotal_bytes", **where) == [(at, psutil.virtual_memory().total)]
    assert store.history("node_time_seconds", **where) == [(at, clock.now().timestamp())]
    assert store.last("node_cpu_seconds_total", cpu="0", mode="idle", **where) > 0  # type: ignore[operator]
    assert store.last("node_network_receive_bytes_total", device="lo", **where) >= 0  # type: ignore[operator]
    assert {"node_load1", "node_memory_MemAvailable_bytes", "node_boot_time_seconds"} <= store.names()
    assert store.last("scrape_samples_scraped") == len(store.samples) - 3


def test_instance_is_the_hosts_name_by_default(clock: ManualClock) -> None:
    store = MemoryMetricsStore()
    exporter = HostExporter(store=store, clock=clock)
    exporter.tick(clock.now())

    assert store.last("up", instance=exporter.status.instance) == 1
    assert exporter.status.instance


def test_an_unchanged_host_is_one_layout(clock: ManualClock) -> None:
    store = MemoryMetricsStore()
    exporter = HostExporter(store=store, clock=clock)
    for _ in range(3):
        exporter.tick(clock.advance(timedelta(seconds=15)))

    if len(store.samples) == len(store.layouts[0]):  # no device came or went meanwhile
        assert store.layouts[2] is store.layouts[0]
    assert len(store.history("up")) == 3


def test_a_store_that_refuses_is_told(clock: ManualClock, caplog: pytest.LogCaptureFixture) -> None:
    store = MemoryMetricsStore()
    exporter = HostExporter(store=store, clock=clock)
    store.refusal = OverloadedError("the intake queue is full")
    exporter.tick(clock.now())

    assert (exporter.status.health, exporter.status.last_error) == (Health.DOWN, "the intake queue is full")
    assert "host metrics not stored" in caplog.text
    store.refusal = None
    exporter.tick(clock.advance(timedelta(seconds=15)))
    assert exporter.status.health is Health.UP
    assert store.last("up") == 1
