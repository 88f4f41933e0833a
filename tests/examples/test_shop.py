"""The demo's programs as real processes on loopback: two replicas, an edge, a collector of spans."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from rules import load_paths

ROOT = Path(__file__).parent.parent.parent
DEADLINE_SECONDS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    process: subprocess.Popen[bytes]
    port: int

    def ask(self, path: str, *, method: str = "GET") -> tuple[int, str]:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method)
        try:
            with urllib.request.urlopen(request, timeout=5) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def is_ready(self) -> bool:
        return self.ask("/readyz")[0] == 200

    def total(self, metric: str) -> float:
        """Sum of the metric's samples whose line matches ``metric`` from its start."""
        lines = self.ask("/metrics")[1].splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if re.match(metric, line))


@contextmanager
def program(module: str, *arguments: str, endpoint: str = "") -> Iterator[Program]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        process = subprocess.Popen(
            [sys.executable, "-m", f"examples.shop.{module}", "--fd", str(listener.fileno()), *arguments],
            pass_fds=[listener.fileno()],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=ROOT,
            env={"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint} if endpoint else {},
        )
    with process:
        try:
            yield Program(process=process, port=port)
        finally:
            process.kill()


def until(what: Callable[[], object]) -> None:
    """Poll until ``what`` holds; the deadline is for a broken program, not for a slow machine."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    waited = threading.Event()
    while True:
        try:
            if what():
                return
        except OSError:
            pass
        assert time.monotonic() < deadline, "it did not happen in time"
        waited.wait(0.05)


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    replicas: list[Program]
    edge: Program
    targets: Path
    exports: list[ExportTraceServiceRequest]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    targets = tmp_path_factory.mktemp("shop") / "targets.json"
    exports: list[ExportTraceServiceRequest] = []
    with (
        collector(exports) as endpoint,
        program("service", endpoint=endpoint) as one,
        program("service", endpoint=endpoint) as two,
        program("edge", "--endpoints", str(targets)) as edge,
    ):
        addresses = [f"127.0.0.1:{replica.port}" for replica in (one, two)]
        targets.write_text(json.dumps([{"targets": addresses, "labels": {"job": "shop"}}]))
        for running in (one, two, edge):
            until(running.is_ready)
        offer(edge, 16)
        yield Demo(replicas=[one, two], edge=edge, targets=targets, exports=exports)


def offer(edge: Program, rate: float) -> None:
    """Make the edge offer about so much, whatever the hour of the demo's day is (5 to 75 requests/s by itself)."""
    edge.ask("/burst?factor=1&seconds=600", method="POST")
    factor = rate / edge.total("edge_offered_rate")
    assert edge.ask(f"/burst?factor={min(factor, 5):.4f}&seconds=600", method="POST")[0] == 200


@contextmanager
def collector(exports: list[ExportTraceServiceRequest]) -> Iterator[str]:
    class Take(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/v1/traces":
                exports.append(ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Take) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_the_edge_serves_the_load_from_both_replicas(demo: Demo) -> None:
    until(lambda: demo.edge.total(r'edge_requests_total{code="200"') >= 60)

    served = [replica.total(r'http_requests_total{code="200"') for replica in demo.replicas]

    assert min(served) > 0.25 * sum(served)
    assert demo.edge.total("edge_endpoints") == 2
    assert demo.edge.total("edge_request_duration_seconds_count") >= 60
    assert demo.edge.total("edge_outstanding_requests") < 20


def test_a_replica_measures_requests_by_route_and_its_own_cpu(demo: Demo) -> None:
    replica = demo.replicas[0]
    assert [replica.ask(path)[0] for path in ("/catalog", "/checkout", "/nothing/here")] == [200, 200, 404]

    assert replica.total(r'http_requests_total{code="404",method="GET",route="unmatched"}') == 1
    assert replica.total(r'http_request_duration_seconds_count{route="/checkout"}') >= 1
    assert replica.total(r"process_cpu_seconds_total") > 0
    assert replica.total(r'http_requests_total.*route="/(metrics|readyz)"') == 0


def test_each_request_is_a_server_span_with_a_child(demo: Demo) -> None:
    demo.replicas[0].ask("/checkout")

    def spans() -> dict[str, list[tuple[bytes, bytes]]]:
        found: dict[str, list[tuple[bytes, bytes]]] = {}
        for export in list(demo.exports):
            for scope in export.resource_spans[0].scope_spans:
                for span in scope.spans:
                    found.setdefault(span.name, []).append((span.span_id, span.parent_span_id))
        return found

    until(lambda: {"GET /checkout", "reserve stock"} <= spans().keys())

    until(lambda: {span for span, _ in spans()["GET /checkout"]} & {parent for _, parent in spans()["reserve stock"]})
    resource = {one.key: one.value.string_value for one in demo.exports[0].resource_spans[0].resource.attributes}
    assert (resource["service.name"], resource["service.namespace"]) == ("shop", "demo")


def test_a_burst_multiplies_the_offered_rate_for_a_while(demo: Demo) -> None:
    demo.edge.ask("/burst?factor=0.1&seconds=30", method="POST")
    before = demo.edge.total("edge_offered_rate")

    status, body = demo.edge.ask("/burst?factor=0.4&seconds=30", method="POST")

    assert (status, json.loads(body)) == (200, {"factor": 0.4, "seconds": 30})
    assert demo.edge.total("edge_offered_rate") == pytest.approx(4 * before, rel=0.2)
    offer(demo.edge, 16)


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("factor=6", "factor is a number above 0 and up to 5\n"),
        ("factor=nan", "factor is a number above 0 and up to 5\n"),
        ("factor=two", "factor is a number above 0 and up to 5\n"),
        ("factor=0", "factor is a number above 0 and up to 5\n"),
        ("seconds=601", "seconds is a number above 0 and up to 600\n"),
        ("seconds=-1", "seconds is a number above 0 and up to 600\n"),
    ],
)
def test_a_burst_is_bounded(demo: Demo, query: str, sentence: str) -> None:
    assert demo.edge.ask(f"/burst?{query}", method="POST") == (422, sentence)


def test_the_edge_explains_itself(demo: Demo) -> None:
    status, text = demo.edge.ask("/")

    assert status == 200
    assert len(text.splitlines()) == 2
    assert "POST /burst" in text


def test_a_replica_that_is_gone_is_survived() -> None:
    with program("service") as alive, program("service") as gone, socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
        unused.close()
        until(alive.is_ready)
        until(gone.is_ready)
        gone.process.kill()
        gone.process.wait(DEADLINE_SECONDS)
        with endpoints_file([alive.port, gone.port, port]) as targets, program("edge", "--endpoints", targets) as edge:
            until(lambda: edge.total(r'edge_requests_total{code="200"') >= 5)


@contextmanager
def endpoints_file(ports: list[int]) -> Iterator[str]:
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump([{"targets": [f"127.0.0.1:{port}" for port in ports]}], file)
        file.flush()
        yield file.name


def test_an_overloaded_replica_answers_503_after_a_second() -> None:
    with program("service") as replica:
        until(replica.is_ready)
        codes: list[int] = []
        threads = [threading.Thread(target=lambda: codes.append(replica.ask("/catalog")[0])) for _ in range(60)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(DEADLINE_SECONDS)

        assert len(codes) == 60
        assert set(codes) == {200, 503}
        assert codes.count(200) > 8
        until(lambda: replica.ask("/catalog")[0] == 200)  # the slot was given back


@pytest.mark.parametrize("module", ["service", "edge"])
def test_the_parents_end_ends_it(module: str, tmp_path: Path) -> None:
    arguments = ["--endpoints", str(tmp_path / "none.json")] if module == "edge" else []
    with program(module, *arguments) as running:
        until(running.is_ready)
        assert running.process.stdin is not None

        running.process.stdin.close()

        assert running.process.wait(DEADLINE_SECONDS) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("module", ["service", "edge"])
def test_a_signal_ends_it_cleanly_and_silently(module: str, number: signal.Signals, tmp_path: Path) -> None:
    arguments = ["--endpoints", str(tmp_path / "none.json")] if module == "edge" else []
    with program(module, *arguments, endpoint="http://127.0.0.1:9") as running:
        until(running.is_ready)
        if module == "service":
            running.ask("/catalog")  # a span that nobody takes
        started = time.monotonic()

        running.process.send_signal(number)

        assert running.process.wait(DEADLINE_SECONDS) == 0
        assert time.monotonic() - started < 3
        assert running.process.stderr is not None
        assert running.process.stderr.read() == b""


def test_a_socket_that_cannot_be_had_is_a_sentence() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "examples.shop.service", "--fd", "99"],
        cwd=ROOT, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=DEADLINE_SECONDS, check=False,
    )  # fmt: skip

    assert ended.returncode == 1
    assert ended.stderr.startswith("cannot listen on fd 99: ")
    assert len(ended.stderr.splitlines()) == 1


def test_the_demos_rules_are_without_mistake() -> None:
    queries: list[str] = []

    loaded = load_paths([ROOT / "examples" / "shop" / "rules"], check_query=queries.append)

    assert 'sum(rate(edge_requests_total{service="shop"}[30s]))' in queries
    assert [document.key for document in loaded.forecasts] == ["demo/host-disk", "demo/host-memory", "demo/traffic"]
    assert [rule.key for rule in loaded.rules] == ["demo/shop"]
    assert loaded.price_sheet is not None
    assert len(loaded.budgets) == 1
