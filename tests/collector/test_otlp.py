from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from google.protobuf.descriptor import FieldDescriptor
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from collector.otlp import (
    AttributeReader,
    BodyTooLargeError,
    Format,
    decompress,
    parse_metrics,
    parse_traces,
    spans_of,
    text_of,
)
from collector.otlp_messages import AS_BYTES, MetricsRequest, TraceRequest
from domain.errors import IntakeError
from domain.spans import Span, SpanKind, StatusCode
from tests.fakes.otlp import key_values, proto_span, trace_request
from tests.fakes.spans import START_NS


def decoded(request: ExportTraceServiceRequest) -> tuple[Span, ...]:
    return spans_of(parse_traces(request.SerializeToString(), Format.PROTOBUF), AttributeReader()).spans


@pytest.mark.parametrize(
    ("ours", "official"), [(TraceRequest, ExportTraceServiceRequest), (MetricsRequest, ExportMetricsServiceRequest)]
)
def test_our_messages_differ_from_the_official_ones_only_in_the_fields_left_as_bytes(ours: Any, official: Any) -> None:
    compared: set[str] = set()

    def compare(mine: Any, theirs: Any) -> None:
        if mine.full_name in compared:
            return
        compared.add(mine.full_name)
        assert mine.full_name == theirs.full_name
        assert set(mine.fields_by_name) == set(theirs.fields_by_name)
        for name, field in mine.fields_by_name.items():
            other = theirs.fields_by_name[name]
            assert (field.number, field.is_repeated) == (other.number, other.is_repeated)
            if name in AS_BYTES:
                assert field.type == FieldDescriptor.TYPE_BYTES
                assert other.type in (FieldDescriptor.TYPE_MESSAGE, FieldDescriptor.TYPE_BYTES)
            else:
                assert field.type == other.type
                if field.message_type:
                    compare(field.message_type, other.message_type)

    compare(ours.DESCRIPTOR, official.DESCRIPTOR)
    assert len(compared) > 5


def test_a_span_is_read_field_by_field() -> None:
    span = proto_span(
        7,
        parent_span_id=(3).to_bytes(8, "big"),
        kind=3,
        status=Status(code=Status.STATUS_CODE_ERROR),
        seconds=0.25,
        attributes={
            "http.route": "/cart",
            "n": 3,
            "ok": True,
            "share": 0.5,
            "tags": ["a", 1],
            "more": {"deep": [None]},
        },
    )
    request = trace_request(span, resource={"service.name": "cart", "service.namespace": "shop", "host.name": "h"})
    assert decoded(request) == (
        Span(
            trace_id=f"{1:032x}",
            span_id=f"{7:016x}",
            parent_span_id=f"{3:016x}",
            name="GET /cart",
            kind=SpanKind.CLIENT,
            status=StatusCode.ERROR,
            service="cart",
            service_namespace="shop",
            start_ns=START_NS,
            end_ns=START_NS + 250_000_000,
            attributes={
                "http.route": "/cart", "n": 3, "ok": True, "share": 0.5, "tags": ["a", 1], "more": {"deep": [None]},
            },
            resource={"service.name": "cart", "service.namespace": "shop", "host.name": "h"},
        ),
    )  # fmt: skip


def test_what_is_missing_or_unknown_gets_the_names_of_the_conventions() -> None:
    (span,) = decoded(trace_request(proto_span(kind=77, status=Status(code=9)), resource={}))  # type: ignore[arg-type]
    assert span.service == "unknown_service"
    assert (span.kind, span.status) == (SpanKind.UNSPECIFIED, StatusCode.UNSET)


def test_numbers_without_a_json_form_and_bytes_become_text() -> None:
    attributes = {"nan": math.nan, "inf": -math.inf, "raw": b"\x00\xff"}
    (span,) = decoded(trace_request(proto_span(attributes=attributes)))
    assert span.attributes == {"nan": "NaN", "inf": "-Infinity", "raw": "AP8="}


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"trace_id": b""}, "no trace id of 16 bytes"),
        ({"trace_id": b"\0" * 16}, "no trace id of 16 bytes"),
        ({"span_id": b"123"}, "no span id of 8 bytes"),
        ({"parent_span_id": b"123"}, "parent span id that is not 8 bytes"),
        ({"start_time_unix_nano": 0}, "no valid start time"),
        ({"start_time_unix_nano": 2**64 - 1}, "no valid start time"),
        ({"end_time_unix_nano": 2**64 - 1}, "no valid end time"),
    ],
)
def test_a_span_without_ids_or_times_is_refused_and_the_others_are_taken(fields: dict[str, Any], why: str) -> None:
    request = parse_traces(trace_request(proto_span(1, **fields), proto_span(2)).SerializeToString(), Format.PROTOBUF)
    result = spans_of(request, AttributeReader())
    assert [span.span_id for span in result.spans] == [f"{2:016x}"]
    assert result.rejected == 1
    assert why in result.reason


OTLP_JSON = """{"resourceSpans": [{
  "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]},
  "scopeSpans": [{"scope": {"name": "x"}, "aFieldOfTomorrow": 1, "spans": [{
    "traceId": "5B8EFFF798038103D269B633813FC60C", "spanId": "EEE19B7EC3C1B174", "parentSpanId": "EEE19B7EC3C1B173",
    "name": "I'm a server span", "startTimeUnixNano": "1544712660000000000", "endTimeUnixNano": 1544712661000000000,
    "kind": 2, "status": {"code": 2},
    "attributes": [{"key": "my.span.attr", "value": {"intValue": "9007199254740993"}}]}]}]}]}"""


def test_the_json_encoding_with_hex_ids_and_integers_as_text_is_read() -> None:
    (span,) = spans_of(parse_traces(OTLP_JSON.encode(), Format.JSON), AttributeReader()).spans
    assert span.trace_id == "5b8efff798038103d269b633813fc60c"
    assert (span.span_id, span.parent_span_id) == ("eee19b7ec3c1b174", "eee19b7ec3c1b173")
    assert (span.start_ns, span.end_ns) == (1544712660000000000, 1544712661000000000)
    assert (span.kind, span.status, span.service) == (SpanKind.SERVER, StatusCode.ERROR, "shop")
    assert span.attributes == {"my.span.attr": 9007199254740993}


@pytest.mark.parametrize(
    ("body", "body_format", "sentence"),
    [
        (b"\xff\xff\xff", Format.PROTOBUF, "no ExportTraceServiceRequest in application/x-protobuf"),
        (b"{", Format.JSON, "the body is no JSON"),
        (b"[]", Format.JSON, "JSON list"),
        (b'{"resourceSpans": "x"}', Format.JSON, "no ExportTraceServiceRequest in application/json"),
        (
            b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "xyz"}]}]}]}',
            Format.JSON,
            "traceId 'xyz' is not",
        ),
        (b"[" * 5000, Format.JSON, "the body is no JSON"),
    ],
)
def test_a_body_that_cannot_be_read_is_told_with_a_sentence(body: bytes, body_format: Format, sentence: str) -> None:
    with pytest.raises(IntakeError, match=sentence):
        parse_traces(body, body_format)


json_documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "resourceMetrics",
                    "resourceSpans",
                    "scopeSpans",
                    "spans",
                    "traceId",
                    "attributes",
                    "key",
                    "value",
                    "stringValue",
                    "intValue",
                    "kind",
                    "status",
                    "startTimeUnixNano",
                    "resource",
                ]  # fmt: skip
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(json_documents)
def test_any_json_is_read_or_refused(document: Any) -> None:
    body = orjson.dumps(document, option=orjson.OPT_NON_STR_KEYS) if _fits(document) else b"{}"
    assert outcome(lambda: spans_of(parse_traces(body, Format.JSON), AttributeReader())) in ("read", "refused")


def outcome(work: Callable[[], object]) -> str:
    try:
        work()
    except IntakeError:
        return "refused"
    return "read"


def _fits(document: Any) -> bool:
    try:
        orjson.dumps(document)
    except TypeError:
        return False
    return True


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    for parse in (parse_traces, parse_metrics):
        assert outcome(lambda parse=parse: parse(body, Format.PROTOBUF)) in ("read", "refused")


def test_damaged_attributes_are_an_intake_error() -> None:
    with pytest.raises(IntakeError, match="no OTLP key and value"):
        AttributeReader().read([b"\x0a\xff"])


def test_the_cache_of_attributes_never_changes_what_is_read() -> None:
    data = [pair.SerializeToString() for pair in key_values({f"k{n}": n for n in range(50)})]
    reader = AttributeReader(max_cached=7)
    for _ in range(3):
        assert reader.read(data) == {f"k{n}": n for n in range(50)}
    assert reader.read([]) == {}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("x", "x"),
        (True, "true"),
        (3, "3"),
        (1.0, "1"),
        (0.25, "0.25"),
        (None, ""),
        (["a", 1], '["a",1]'),
        ({"a": 1}, '{"a":1}'),
    ],
)
def test_values_as_text(value: Any, text: str) -> None:
    assert text_of(value) == text


def _raw_deflate(body: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(body) + compressor.flush()


@given(st.binary(max_size=2000))
def test_what_is_compressed_is_unpacked(body: bytes) -> None:
    assert decompress(body, "") == decompress(body, "identity") == body
    assert decompress(gzip.compress(body), "gzip") == body
    assert decompress(gzip.compress(body) + gzip.compress(b"more"), "gzip") == body + b"more"
    assert decompress(zlib.compress(body), "deflate") == body
    assert decompress(_raw_deflate(body), "deflate") == body


@pytest.mark.parametrize(("pack", "encoding"), [(gzip.compress, "gzip"), (zlib.compress, "deflate")])
def test_a_zip_bomb_stops_at_the_limit(pack: Any, encoding: str) -> None:
    with pytest.raises(BodyTooLargeError, match="more than 1000 bytes"):
        decompress(pack(b"\0" * 50_000_000), encoding, max_bytes=1000)
    assert decompress(pack(b"\0" * 1000), encoding, max_bytes=1000) == b"\0" * 1000


def test_many_small_gzip_members_stop_at_the_limit() -> None:
    with pytest.raises(BodyTooLargeError):
        decompress(gzip.compress(b"\0" * 600) * 2, "gzip", max_bytes=1000)


@pytest.mark.parametrize("body", [b"no gzip at all", gzip.compress(b"x" * 100, mtime=0)[:-3], b"\x1f\x8b"])
def test_a_damaged_gzip_body_is_refused(body: bytes) -> None:
    with pytest.raises(IntakeError, match="gzip"):
        decompress(body, "gzip")
