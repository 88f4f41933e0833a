"""``kill -9`` in the middle of the work: nothing stays behind, and nothing that was acknowledged is lost."""

from __future__ import annotations

import signal
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Gauge, Metric, NumberDataPoint

from tests.e2e.program import Program, ask, running, said
from tests.fakes.otlp import metrics_request, proto_span, trace_request

pytestmark = [pytest.mark.slow, pytest.mark.program]
PROTOBUF = {"Content-Type": "application/x-protobuf"}
TRACE_ID = f"{1:032x}"
HISTORY = 'edge_requests_total{instance="history"}'
MEASURED = 'edge_requests_total{instance!="history"}'
RED = "traces_span_metrics_calls_total"
COMMIT_SECONDS = 1.5
"""Scraped samples are committed each second: those of the last one may be lost, nobody was told that they are safe."""

Samples = dict[tuple[tuple[str, str], ...], dict[float, str]]


def samples(program: Program, selector: str, *, until_seconds: float, minutes: int = 6) -> Samples:
    """Every raw sample of the minutes before ``until_seconds``, by labels and time."""
    return {
        tuple(sorted(one["metric"].items())): dict(one["values"])
        for one in program.query(f"{selector}[{minutes}m]", time=until_seconds)
    }


def lost(before: Samples, after: Samples) -> list[object]:
    """What was there before and is not, or not the same, after."""
    return [
        (labels, at, value)
        for labels, values in before.items()
        for at, value in values.items()
        if after.get(labels, {}).get(at) != value
    ]


def decisions(program: Program) -> dict[str, Any]:
    return {one["id"]: one for one in program.api("decisions", limit=200)}


def push(program: Program, *, at_seconds: float) -> None:
    """A gauge and a trace over OTLP; both are acknowledged."""
    at_ns = int(at_seconds * 1e9)
    points = [NumberDataPoint(as_double=float(number), time_unix_nano=at_ns + number * 10**6) for number in range(3)]
    metrics = metrics_request(Metric(name="pushed", gauge=Gauge(data_points=points)))
    spans = trace_request(proto_span(start_time_unix_nano=at_ns, end_time_unix_nano=at_ns + 10**8))
    for path, request in (("/v1/traces", spans), ("/v1/metrics", metrics)):
        answer = ask(f"{program.url}{path}", method="POST", headers=PROTOBUF, body=request.SerializeToString())
        assert answer.status == 200, answer.body


def at_work(program: Program) -> None:
    """It has decided, forecast and measured."""
    program.until("a decision", lambda: program.api("decisions"), seconds=20)
    program.until("a forecast", lambda: of_the_rule(program), seconds=20)

    def measured() -> bool:
        return all(program.query(each, time=time.time() - COMMIT_SECONDS) for each in (MEASURED, RED))

    program.until("measured samples and RED series", measured, seconds=20)


def test_a_killed_foretide_leaves_no_child_and_loses_nothing_acknowledged(tmp_path: Path) -> None:
    with running(tmp_path) as first:
        at_work(first)
        now = time.time()
        safe = now - COMMIT_SECONDS
        expected = {each: samples(first, each, until_seconds=safe, minutes=5) for each in (HISTORY, MEASURED, RED)}
        assert all(expected.values())
        decided, (forecast,) = decisions(first), of_the_rule(first)
        push(first, at_seconds=now)
        started = first.left()
        first.process.send_signal(signal.SIGKILL)
        assert first.process.wait(5) == -signal.SIGKILL
        first.wait_gone(seconds=5)
    # Itself, the fork server with its tracker and a worker, the edge and two or more replicas.
    assert len(started) >= 7, started
    assert sum("examples.shop.service" in line for line in started) >= 2

    with running(tmp_path) as second:
        for selector, before in expected.items():
            assert lost(before, samples(second, selector, until_seconds=now)) == [], selector
        again = decisions(second)
        assert {key: again.get(key) for key in decided} == decided
        assert forecast["made_at"][:19] in forecasts_made(second)
        (pushed,) = samples(second, "pushed", until_seconds=now + 1).values()
        assert sorted(pushed.values()) == ["0", "1", "2"]
        assert [span["name"] for span in second.api(f"traces/{TRACE_ID}")] == ["GET /cart"]
        nothing_moved_aside(second)

        fresh = second.until("it decides again", lambda: decisions(second).keys() - decided.keys(), seconds=25)
        assert fresh
        second.until("it measures again", lambda: second.number('count(up{job=~"shop|edge"} == 1)') >= 2, seconds=10)
        newest = second.until(
            "it forecasts again",
            lambda: [one for one in of_the_rule(second) if one["made_at"] > forecast["made_at"]],
            seconds=20,
        )
        assert newest[0]["backtest"] is not None
        assert second.end(signal.SIGTERM) == 0, said(second.log)
        second.wait_gone()


def of_the_rule(program: Program) -> list[Any]:
    """The forecast of the demo's rule; its Forecast documents have others beside it."""
    return [one for one in program.api("forecasts") if one["signal"] == "demo/shop/soon"]


def forecasts_made(program: Program) -> list[str]:
    """When each stored forecast was made, to the second; the API lists the newest of each signal only."""
    with closing(sqlite3.connect(f"file:{program.data}/state.db?mode=ro", uri=True)) as state:
        return [made_at.replace(" ", "T")[:19] for (made_at,) in state.execute("SELECT made_at FROM forecast")]


def nothing_moved_aside(program: Program) -> None:
    stores = program.api("status")["stores"]
    assert {name: said for name, said in stores.items() if name.endswith(("moved_aside", "write_error"))} == {
        "state_moved_aside": "", "metrics_moved_aside": "", "traces_moved_aside": "",
        "metrics_write_error": "", "traces_write_error": "",
    }  # fmt: skip
    assert stores["metric_samples_dropped"] == 0


def test_the_whole_demo_ends_with_its_killed_parent(tmp_path: Path) -> None:
    """The parent is a `make` that somebody kills: it cannot pass a signal on."""
    parent = (sys.executable, "-c", "import subprocess, sys; subprocess.run(sys.argv[1:])")
    with running(tmp_path, before=parent) as program:
        program.until("the shop runs", lambda: sum("shop" in line for line in program.left()) >= 3, seconds=10)
        psutil.Process(program.process.pid).kill()
        program.wait_gone(seconds=10)
        assert '"message":"foretide has stopped"' in program.log.read_text()
