from __future__ import annotations

import gzip
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from google.protobuf import json_format
from google.rpc.status_pb2 import Status
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.metrics.v1.metrics_pb2 import Gauge, Metric, NumberDataPoint, Sum
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import SpanKind as OtelKind
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette

from collector.endpoints import routes
from collector.receive import ReceiveLimits, Receiver
from domain.labels import METRIC_NAME
from domain.spans import SpanKind
from store.metrics import Matcher, MetricsStore
from store.traces import TraceStore
from tests.fakes.clock import ManualClock
from tests.fakes.otlp import metrics_request, proto_span, trace_request
from tests.fakes.spans import START_MS, START_NS, a_span, trace_id

PROTOBUF, JSON = "application/x-protobuf", "application/json"


@dataclass
class Door:
    url: str
    metrics: MetricsStore
    traces: TraceStore
    registry: CollectorRegistry
    hold: threading.Event
    """While it is cleared, the trace store's appender stands still between a commit and its acknowledgement."""
    committed: threading.Event

    def post(self, path: str, body: bytes, content_type: str = PROTOBUF, **headers: str) -> tuple[int, bytes, Any]:
        named = {"Content-Type": content_type, **{name.replace("_", "-"): value for name, value in headers.items()}}
        request = urllib.request.Request(self.url + path, data=body, headers=named)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.read(), answer.headers
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read(), error.headers

    def requests(self, signal: str, result: str) -> float | None:
        name = "foretide_collector_otlp_requests_total"
        return self.registry.get_sample_value(name, {"signal": signal, "result": result})


class TellingServer(uvicorn.Server):
    """Tells when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = threading.Event()

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self.listening.set()


@pytest.fixture
def door(tmp_path: Path, clock: ManualClock, registry: CollectorRegistry) -> Iterator[Door]:
    hold, committed = threading.Event(), threading.Event()
    hold.set()

    def on_commit(position: int, spans: object) -> None:
        committed.set()
        hold.wait(10)

    metrics = MetricsStore.open(tmp_path / "metrics.db", retention=timedelta(days=1))
    traces = TraceStore.open(tmp_path / "traces.db", max_queued_bytes=3000, on_commit=on_commit)
    limits = ReceiveLimits(body_bytes=200_000)
    receiver = Receiver(metrics=metrics, traces=traces, clock=clock, registry=registry, limits=limits)
    app = Starlette(routes=routes(receiver))
    server = TellingServer(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    assert server.listening.wait(10)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield Door(f"http://127.0.0.1:{port}", metrics, traces, registry, hold, committed)
    hold.set()
    server.should_exit = True
    thread.join(10)
    traces.close()
    metrics.close()


def values(store: MetricsStore, name: str) -> dict[str, float]:
    matchers = [Matcher(name=METRIC_NAME, op="=", value=name)]
    return {str(sample.labels): sample.value for sample in store.last_values(matchers)}


def test_what_the_opentelemetry_sdk_sends_arrives(door: Door) -> None:
    resource = Resource.create({"service.name": "shop", "service.namespace": "eu"})
    tracers = TracerProvider(resource=resource)
    tracers.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(endpoint=f"{door.url}/v1/traces")))
    tracer = tracers.get_tracer("test")
    with tracer.start_as_current_span("GET /cart", kind=OtelKind.SERVER, attributes={"n": 1}) as parent:
        with tracer.start_as_current_span("charge", kind=OtelKind.CLIENT):
            pass
    tracers.shutdown()
    spans = door.traces.trace(f"{parent.get_span_context().trace_id:032x}")
    assert [(span.name, span.kind, span.service, span.service_namespace) for span in spans] == [
        ("GET /cart", SpanKind.SERVER, "shop", "eu"),
        ("charge", SpanKind.CLIENT, "shop", "eu"),
    ]
    assert spans[1].parent_span_id == spans[0].span_id
    assert spans[0].attributes == {"n": 1}
    assert spans[0].resource["telemetry.sdk.language"] == "python"


def test_metrics_of_the_opentelemetry_sdk_become_prometheus_series(door: Door, clock: ManualClock) -> None:
    exporter = OTLPMetricExporter(endpoint=f"{door.url}/v1/metrics")
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=3_600_000)
    meters = MeterProvider(
        resource=Resource.create({"service.name": "shop", "service.instance.id": "i-1"}), metric_readers=[reader]
    )
    clock.advance(datetime.now(UTC) - clock.now())  # the SDK stamps its points with the real time
    meter = meters.get_meter("test")
    meter.create_counter("http.requests").add(3, {"http.route": "/cart"})
    meter.create_histogram("latency", unit="s").record(0.3)
    meters.force_flush()
    meters.shutdown()
    assert values(door.metrics, "http_requests_total") == {
        'http_requests_total{http_route="/cart", instance="i-1", job="shop"}': 3
    }
    assert values(door.metrics, "latency_seconds_sum") == {'latency_seconds_sum{instance="i-1", job="shop"}': 0.3}
    assert len(values(door.metrics, "latency_seconds_bucket")) == 16
    assert len(values(door.metrics, "target_info")) == 1


@pytest.mark.parametrize("content_encoding", ["", "gzip"])
def test_protobuf_is_answered_in_protobuf(door: Door, content_encoding: str) -> None:
    body = trace_request(proto_span()).SerializeToString()
    headers = {"Content_Encoding": content_encoding} if content_encoding else {}
    status, answer, got = door.post("/v1/traces", gzip.compress(body) if content_encoding else body, **headers)
    assert (status, got["Content-Type"]) == (200, PROTOBUF)
    assert ExportTraceServiceResponse.FromString(answer) == ExportTraceServiceResponse()
    assert len(door.traces.trace(trace_id(1))) == 1
    assert door.requests("traces", "ok") == 1
    assert door.registry.get_sample_value("foretide_collector_spans_total") == 1


def test_json_is_answered_in_json(door: Door) -> None:
    gauge = Metric(name="queue", gauge=Gauge(data_points=[NumberDataPoint(as_int=4, time_unix_nano=START_NS)]))
    body = json_format.MessageToJson(metrics_request(gauge)).encode()
    status, answer, got = door.post("/v1/metrics", body, "application/json; charset=utf-8")
    assert (status, json.loads(answer), got["Content-Type"]) == (200, {}, JSON)
    assert values(door.metrics, "queue") == {'queue{job="shop"}': 4}


def test_an_empty_request_is_fine(door: Door) -> None:
    assert door.post("/v1/traces", b"")[:2] == (200, b"")
    assert door.post("/v1/metrics", b"{}", JSON)[:2] == (200, b"{}")


def test_what_was_refused_of_a_request_is_told(door: Door) -> None:
    points = [NumberDataPoint(as_int=1, time_unix_nano=START_NS)]
    delta = Metric(name="delta", sum=Sum(aggregation_temporality=1, is_monotonic=True, data_points=points))  # type: ignore[arg-type]
    status, answer, _ = door.post("/v1/metrics", metrics_request(delta).SerializeToString())
    assert status == 200
    partial = ExportMetricsServiceResponse.FromString(answer).partial_success
    assert partial.rejected_data_points == 1
    assert "only cumulative temporality" in partial.error_message
    body = trace_request(proto_span(1, trace_id=b""), proto_span(2)).SerializeToString()
    traces = ExportTraceServiceResponse.FromString(door.post("/v1/traces", body)[1]).partial_success
    assert traces.rejected_spans == 1
    assert door.requests("traces", "partial") == 1


def test_what_the_store_refused_is_told_and_a_retry_is_no_refusal(door: Door) -> None:
    def push(at_ns: int) -> Any:
        gauge = Metric(name="queue", gauge=Gauge(data_points=[NumberDataPoint(as_int=4, time_unix_nano=at_ns)]))
        answer = door.post("/v1/metrics", metrics_request(gauge).SerializeToString())[1]
        return ExportMetricsServiceResponse.FromString(answer).partial_success

    assert push(START_NS).rejected_data_points == 0
    assert push(START_NS).rejected_data_points == 0
    older = push(START_NS - 1_000_000_000)
    assert older.rejected_data_points == 1
    assert "not newer than what their series has" in older.error_message


@pytest.mark.parametrize("path", ["/v1/traces", "/v1/metrics"])
@pytest.mark.parametrize("body", [b"\xff\xff\xff", b"\x0a\x05"])
def test_bytes_that_are_no_protobuf_are_a_400_with_a_sentence(door: Door, path: str, body: bytes) -> None:
    status, answer, got = door.post(path, body)
    assert (status, got["Content-Type"]) == (400, PROTOBUF)
    told = Status.FromString(answer)
    assert told.code == 3
    assert "the body is no Export" in told.message
    assert door.requests(path.rpartition("/")[2], "bad_request") == 1


def test_bad_json_and_bad_gzip_are_a_400(door: Door) -> None:
    status, answer, _ = door.post("/v1/traces", b"{", JSON)
    assert (status, json.loads(answer)["code"]) == (400, 3)
    assert "no JSON" in json.loads(answer)["message"]
    status, answer, _ = door.post("/v1/traces", b"no gzip", Content_Encoding="gzip")
    assert status == 400
    assert "gzip" in Status.FromString(answer).message


@pytest.mark.parametrize(
    ("content_type", "headers"), [("text/plain", {}), ("", {}), (PROTOBUF, {"Content_Encoding": "zstd"})]
)
def test_other_media_types_and_encodings_are_a_415(door: Door, content_type: str, headers: dict[str, str]) -> None:
    status, answer, _ = door.post("/v1/traces", b"x", content_type, **headers)
    assert status == 415
    assert b"is not supported" in answer
    assert door.requests("traces", "unsupported") == 1


def test_a_body_too_large_is_a_413_packed_or_not(door: Door) -> None:
    status, answer, _ = door.post("/v1/traces", gzip.compress(b"\0" * 10_000_000), Content_Encoding="gzip")
    assert status == 413
    assert "unpacks to more than 200000 bytes" in Status.FromString(answer).message
    status, answer, _ = door.post("/v1/traces", b"\0" * 200_001)
    assert status == 413
    assert door.requests("traces", "too_large") == 2


def test_spans_are_acknowledged_after_their_commit(door: Door) -> None:
    door.hold.clear()
    answers: list[int] = []
    body = trace_request(proto_span(1)).SerializeToString()
    sender = threading.Thread(target=lambda: answers.append(door.post("/v1/traces", body)[0]))
    sender.start()
    assert door.committed.wait(10)
    assert answers == []
    assert len(door.traces.trace(trace_id(1))) == 1
    door.hold.set()
    sender.join(10)
    assert answers == [200]


def test_a_full_queue_is_a_503_with_retry_after(door: Door) -> None:
    door.hold.clear()
    first = door.traces.append_durably([a_span(1)], received_ms=START_MS)
    assert door.committed.wait(10)
    waiting = door.traces.append_durably([a_span(n, trace=n) for n in range(2, 9)], received_ms=START_MS)
    body = trace_request(proto_span(9)).SerializeToString()
    status, answer, got = door.post("/v1/traces", body)
    assert (status, got["Retry-After"]) == (503, "2")
    assert Status.FromString(answer).code == 14
    assert door.requests("traces", "overloaded") == 1
    door.hold.set()
    first.result(10)
    waiting.result(10)
    assert door.post("/v1/traces", body)[0] == 200
    assert [span.span_id for span in door.traces.trace(trace_id(1))] == [f"{n:016x}" for n in (1, 9)]


def test_a_store_that_cannot_write_is_a_503(door: Door) -> None:
    door.traces.close()
    status, answer, got = door.post("/v1/traces", trace_request(proto_span()).SerializeToString())
    assert (status, got["Retry-After"]) == (503, "2")
    assert "closed" in Status.FromString(answer).message
    assert door.requests("traces", "failed") == 1


def test_a_large_body_is_taken_in_a_thread(door: Door) -> None:
    body = trace_request(*(proto_span(n, attributes={"noise": "x" * 50}) for n in range(1, 600))).SerializeToString()
    assert len(body) > 32 * 1024
    assert door.post("/v1/traces", body)[0] == 200
    assert len(door.traces.trace(trace_id(1))) == 599
    assert door.traces.search(start_ms=START_MS, end_ms=START_MS, limit=1)[0].span_count == 599


def test_other_methods_are_not_allowed(door: Door) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{door.url}/v1/traces", timeout=10)
    refused.value.close()
    assert refused.value.code == 405
