from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from collector.red import OTHER, POSITION, RedAggregator
from domain.clock import to_ms
from domain.errors import StoreError
from domain.labels import METRIC_NAME, Labels
from domain.names import SPAN_CALLS_TOTAL, SPAN_DURATION_SECONDS, SPAN_NAME
from domain.series import is_stale
from domain.spans import Span, SpanKind, StatusCode
from store.metrics import Matcher, MetricsStore
from store.traces import TraceStore
from tests.fakes.spans import a_span

TICK = timedelta(seconds=5)
RETENTION = timedelta(days=1)


@pytest.fixture
def metrics(tmp_path: Path) -> Iterator[MetricsStore]:
    store = MetricsStore.open(tmp_path / "metrics.db", retention=RETENTION)
    yield store
    store.close()


def named(name: str) -> list[Matcher]:
    return [Matcher(name=METRIC_NAME, op="=", value=name)]


def newest(store: MetricsStore, name: str) -> dict[Labels, float]:
    """The newest values of the live series of a metric, without the metric's name."""
    samples = [sample for sample in store.last_values(named(name)) if not stale(sample.value)]
    return {sample.labels.without([METRIC_NAME]): sample.value for sample in samples}


def stale(value: float) -> bool:
    return bool(is_stale(np.array([value]))[0])


def labels(**changes: str) -> Labels:
    return Labels.of(
        {
            "service_name": "shop",
            "span_name": "GET /cart",
            "span_kind": "SPAN_KIND_SERVER",
            "status_code": "STATUS_CODE_UNSET",
            **changes,
        }
    )


def test_calls_durations_and_buckets_by_hand(metrics: MetricsStore, registry: CollectorRegistry, now: datetime) -> None:
    red = RedAggregator(store=metrics, registry=registry)
    durations = [0.001, 0.002, 0.0021, 0.3, 1.0, 60.0]
    red.count(1, [a_span(n, seconds=seconds) for n, seconds in enumerate(durations, start=1)])
    red.tick(now)
    assert newest(metrics, SPAN_CALLS_TOTAL) == {labels(): 6}
    assert newest(metrics, f"{SPAN_DURATION_SECONDS}_count") == {labels(): 6}
    assert newest(metrics, f"{SPAN_DURATION_SECONDS}_sum")[labels()] == pytest.approx(61.3051)
    buckets = newest(metrics, f"{SPAN_DURATION_SECONDS}_bucket")
    assert [buckets[labels(le=le)] for le in ("0.002", "0.004", "0.2", "0.4", "0.8", "1", "1.4", "15", "+Inf")] == [
        2, 3, 3, 4, 4, 5, 5, 5, 6,
    ]  # fmt: skip
    assert len(buckets) == 17


def test_service_operation_kind_and_status_are_told_apart(
    metrics: MetricsStore, registry: CollectorRegistry, now: datetime
) -> None:
    red = RedAggregator(store=metrics, registry=registry)
    spans = [
        a_span(1),
        a_span(2, status=StatusCode.ERROR),
        a_span(3, kind=SpanKind.CLIENT),
        a_span(4, name="POST /order"),
        a_span(5, service="pay", service_namespace="eu"),
    ]
    red.count(1, spans)
    red.tick(now)
    assert newest(metrics, SPAN_CALLS_TOTAL) == {
        labels(): 1,
        labels(status_code="STATUS_CODE_ERROR"): 1,
        labels(span_kind="SPAN_KIND_CLIENT"): 1,
        labels(span_name="POST /order"): 1,
        labels(service_name="pay", service_namespace="eu"): 1,
    }


def test_counters_are_cumulative_and_new_series_begin_at_zero(
    metrics: MetricsStore, registry: CollectorRegistry, now: datetime
) -> None:
    red = RedAggregator(store=metrics, registry=registry)
    red.tick(now)
    red.count(1, [a_span(1), a_span(2)])
    red.tick(now + TICK)
    red.count(2, [a_span(3)])
    red.tick(now + 2 * TICK)
    (series,) = metrics.select(named(SPAN_CALLS_TOTAL), to_ms(now), to_ms(now + 3 * TICK))
    assert series.values.tolist() == [0, 2, 3]
    assert series.timestamps_ms.tolist() == [to_ms(now + n * TICK) for n in range(3)]


def test_too_many_operations_of_one_service_overflow_into_one(
    metrics: MetricsStore, registry: CollectorRegistry, now: datetime
) -> None:
    red = RedAggregator(store=metrics, registry=registry, max_operations=3)
    red.count(1, [a_span(n, name=f"op {n % 10}") for n in range(40)])
    red.count(2, [a_span(99, service="pay", name="own room"), a_span(100, service="pay", name="x" * 2000)])
    red.tick(now)
    calls = {
        (own.value_of("service_name"), own.value_of(SPAN_NAME)): value
        for own, value in newest(metrics, SPAN_CALLS_TOTAL).items()
    }
    assert calls == {
        ("shop", "op 0"): 4, ("shop", "op 1"): 4, ("shop", "op 2"): 4, ("shop", OTHER): 28,
        ("pay", "own room"): 1, ("pay", OTHER): 1,
    }  # fmt: skip
    assert registry.get_sample_value("foretide_collector_red_overflow_total") == 29


def test_an_idle_operation_ends_with_a_stale_marker_and_makes_room(
    metrics: MetricsStore, registry: CollectorRegistry, now: datetime
) -> None:
    red = RedAggregator(store=metrics, registry=registry, max_operations=1, expiry=timedelta(minutes=5))
    red.count(1, [a_span(1, name="idle")])
    red.tick(now)
    red.tick(now + timedelta(minutes=5))
    assert newest(metrics, SPAN_CALLS_TOTAL) == {labels(span_name="idle"): 1}
    red.tick(now + timedelta(minutes=5, seconds=5))
    assert [stale(sample.value) for sample in metrics.last_values(named(SPAN_CALLS_TOTAL))] == [True]
    assert registry.get_sample_value("foretide_collector_red_operations") == 0
    red.count(2, [a_span(2, name="new")])
    red.tick(now + timedelta(minutes=5, seconds=10))
    assert newest(metrics, SPAN_CALLS_TOTAL) == {labels(span_name="new"): 1}


def test_nothing_is_written_where_nothing_was_counted_or_the_clock_stepped_back(
    metrics: MetricsStore, registry: CollectorRegistry, now: datetime
) -> None:
    red = RedAggregator(store=metrics, registry=registry)
    red.tick(now)
    assert metrics.stats().samples_appended == 0
    red.count(1, [a_span(1)])
    red.tick(now - TICK)
    assert metrics.stats().samples_appended == 0
    red.tick(now + TICK)
    assert newest(metrics, SPAN_CALLS_TOTAL) == {labels(): 1}
    assert metrics.stats().out_of_order == 0


def test_a_store_that_refuses_is_counted(tmp_path: Path, registry: CollectorRegistry, now: datetime) -> None:
    closed = MetricsStore.open(tmp_path / "metrics.db", retention=RETENTION)
    red = RedAggregator(store=closed, registry=registry)
    closed.close()
    red.count(1, [a_span(1)])
    with pytest.raises(StoreError):
        closed.append([labels()], 1, np.zeros(1))
    red.tick(now)
    assert registry.get_sample_value("foretide_collector_red_flush_failures_total") == 1


class Program:
    """Both stores and the aggregator, wired as the program wires them."""

    def __init__(self, folder: Path, now: datetime) -> None:
        self.metrics = MetricsStore.open(folder / "metrics.db", retention=RETENTION)
        self.red = RedAggregator(store=self.metrics, registry=CollectorRegistry())
        self.traces = TraceStore.open(folder / "traces.db", on_commit=self.red.count)
        self.red.resume(self.traces, now=now)

    def take(self, spans: list[Span], now: datetime) -> None:
        self.traces.append_durably(spans, received_ms=to_ms(now)).result(10)

    def close(self) -> None:
        self.traces.close()
        self.metrics.close()


def test_after_a_restart_unflushed_spans_are_counted_once(tmp_path: Path, now: datetime) -> None:
    program = Program(tmp_path, now)
    program.take([a_span(1, seconds=0.5), a_span(2, status=StatusCode.ERROR)], now)
    program.red.tick(now + TICK)
    program.take([a_span(3, seconds=3.0), a_span(4, trace=2), a_span(5, trace=3, name="new")], now + TICK)
    program.close()  # without another flush, as after kill -9

    program = Program(tmp_path, now + 3 * TICK)
    program.take([a_span(6)], now + 3 * TICK)
    program.red.tick(now + 4 * TICK)
    assert newest(program.metrics, SPAN_CALLS_TOTAL) == {
        labels(): 4,
        labels(status_code="STATUS_CODE_ERROR"): 1,
        labels(span_name="new"): 1,
    }
    sums = newest(program.metrics, f"{SPAN_DURATION_SECONDS}_sum")
    assert sums[labels()] == pytest.approx(0.5 + 3.0 + 0.1 + 0.1)
    buckets = newest(program.metrics, f"{SPAN_DURATION_SECONDS}_bucket")
    assert [buckets[labels(le=le)] for le in ("0.1", "0.8", "2", "5", "+Inf")] == [2, 3, 3, 4, 4]
    program.close()

    program = Program(tmp_path, now + 5 * TICK)  # and once more, with nothing new
    program.red.tick(now + 6 * TICK)
    assert newest(program.metrics, SPAN_CALLS_TOTAL)[labels()] == 4
    program.close()


def test_a_restart_before_the_first_flush_loses_nothing(tmp_path: Path, now: datetime) -> None:
    program = Program(tmp_path, now)
    program.take([a_span(1), a_span(2)], now)
    program.close()
    program = Program(tmp_path, now + TICK)
    program.red.tick(now + 2 * TICK)
    assert newest(program.metrics, SPAN_CALLS_TOTAL) == {labels(): 2}
    program.close()


def test_expired_series_do_not_come_back_after_a_restart(tmp_path: Path, now: datetime) -> None:
    program = Program(tmp_path, now)
    program.take([a_span(1)], now)
    program.red.tick(now)
    program.red.tick(now + timedelta(minutes=6))
    program.close()
    program = Program(tmp_path, now + timedelta(minutes=7))
    program.take([a_span(2)], now + timedelta(minutes=7))
    program.red.tick(now + timedelta(minutes=8))
    assert newest(program.metrics, SPAN_CALLS_TOTAL) == {labels(): 1}
    program.close()


def test_a_lost_trace_store_keeps_the_counters(tmp_path: Path, now: datetime) -> None:
    program = Program(tmp_path, now)
    program.take([a_span(1)], now)
    program.red.tick(now)
    program.close()
    (tmp_path / "traces.db").write_bytes(b"garbage" * 5000)
    program = Program(tmp_path, now + TICK)
    program.take([a_span(2)], now + TICK)
    program.close()
    program = Program(tmp_path, now + 2 * TICK)
    program.red.tick(now + 2 * TICK)
    assert newest(program.metrics, SPAN_CALLS_TOTAL) == {labels(): 2}
    program.close()


CHILD = """
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tests.collector.test_red import Program
from tests.fakes.spans import a_span
now = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
program = Program(Path(sys.argv[1]), now)
number = 0
while True:
    number += 1
    program.take([a_span(number, trace=number)], now + timedelta(milliseconds=number))
    if number % 7 == 0:
        program.red.tick(now + timedelta(milliseconds=number))
    print(number, flush=True)
"""


def test_after_kill_9_every_acknowledged_span_is_counted_once(tmp_path: Path, now: datetime) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path)], stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": os.getcwd()}
    )
    assert child.stdout is not None
    lines = [child.stdout.readline() for _ in range(200)]
    child.send_signal(signal.SIGKILL)
    lines += child.stdout.readlines()
    child.wait(10)
    child.stdout.close()
    acknowledged = max(int(line) for line in lines if line.endswith("\n"))
    program = Program(tmp_path, now + timedelta(minutes=1))
    program.red.tick(now + timedelta(minutes=1))
    in_store = sum(len(spans) for _, spans in program.traces.batches_after(0))
    assert newest(program.metrics, SPAN_CALLS_TOTAL) == {labels(): in_store}
    assert in_store in (acknowledged, acknowledged + 1)
    assert newest(program.metrics, POSITION) == {Labels.of(): program.traces.stats().position}
    program.close()
