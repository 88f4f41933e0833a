"""OTLP bytes to spans and metric messages: decompress, parse protobuf or JSON, read attributes.

OTLP's JSON is proto3 JSON with two exceptions, ids in hex and enumerations as numbers; it is brought into the official
message first and then takes the same way as protobuf.
"""

from __future__ import annotations

import base64
import math
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import orjson
from google.protobuf import json_format  # type: ignore[import-untyped]
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from collector.otlp_messages import MetricsRequest, TraceRequest
from domain.errors import IntakeError
from domain.spans import AttributeValue, Span, SpanKind, StatusCode

MAX_BODY_BYTES: Final = 64 * 2**20
UNKNOWN_SERVICE: Final = "unknown_service"

_HEX_IDS: Final = frozenset({"traceId", "spanId", "parentSpanId", "trace_id", "span_id", "parent_span_id"})
_KINDS: Final = (
    SpanKind.UNSPECIFIED, SpanKind.INTERNAL, SpanKind.SERVER, SpanKind.CLIENT, SpanKind.PRODUCER, SpanKind.CONSUMER,
)  # fmt: skip
_STATUSES: Final = (StatusCode.UNSET, StatusCode.OK, StatusCode.ERROR)
_LARGEST_NS: Final = 2**63 - 1
_NO_ID: Final = b"\0" * 16


class BodyTooLargeError(IntakeError):
    """The body, or what it unpacks to, is larger than is allowed."""


class Format(StrEnum):
    """The two encodings of OTLP/HTTP, by their media type."""

    PROTOBUF = "application/x-protobuf"
    JSON = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodedSpans:
    """The spans of one request; ``rejected`` of them could not be taken, ``reason`` says why the first could not."""

    spans: tuple[Span, ...]
    rejected: int
    reason: str


def decompress(body: bytes, content_encoding: str, *, max_bytes: int = MAX_BODY_BYTES) -> bytes:
    """Unpack a body; stops at ``max_bytes``, so that a small body cannot become a large one.

    Raises:
        BodyTooLargeError: It is larger, packed or not.
        IntakeError: It is not in the encoding that its header names.
    """
    if content_encoding in ("", "identity"):
        unpacked = body
    elif content_encoding == "gzip":
        unpacked = _inflate(body, 31, max_bytes, content_encoding)
    else:  # deflate: by RFC 9110 a zlib stream; some clients send it without its header
        raw = not (len(body) >= 2 and body[0] & 0x0F == 8 and int.from_bytes(body[:2], "big") % 31 == 0)
        unpacked = _inflate(body, -15 if raw else 15, max_bytes, content_encoding)
    if len(unpacked) > max_bytes:
        raise BodyTooLargeError(f"the body is larger than {max_bytes} bytes")
    return unpacked


def parse_metrics(body: bytes, body_format: Format) -> Any:
    """The metrics request in ``body``; ``IntakeError`` says where it is wrong."""
    return _parse(body, body_format, ExportMetricsServiceRequest, MetricsRequest)


def parse_traces(body: bytes, body_format: Format) -> Any:
    """The trace request in ``body``; ``IntakeError`` says where it is wrong."""
    return _parse(body, body_format, ExportTraceServiceRequest, TraceRequest)


class AttributeReader:
    """Reads attributes from their bytes; what repeats is read once.

    The cache is emptied when it is full: attributes of high cardinality pass through it, the frequent ones come back.
    """

    def __init__(self, *, max_cached: int = 20_000, max_cached_bytes: int = 256) -> None:
        """``max_cached_bytes``: longer attributes are never kept."""
        self._known: dict[bytes, tuple[str, AttributeValue]] = {}
        self._max_cached, self._max_cached_bytes = max_cached, max_cached_bytes

    def read(self, attributes: Iterable[bytes]) -> dict[str, AttributeValue]:
        """All attributes; of two with one key the later wins."""
        known = self._known
        try:
            return dict([known.get(data) or self._decode(data) for data in attributes])
        except (DecodeError, UnicodeDecodeError) as error:
            raise IntakeError(f"an attribute is no OTLP key and value: {error}") from error

    def _decode(self, data: bytes) -> tuple[str, AttributeValue]:
        pair = KeyValue.FromString(data)
        decoded = (str(pair.key), value_of(pair.value))
        if len(data) <= self._max_cached_bytes:
            if len(self._known) >= self._max_cached:
                self._known.clear()
            self._known[data] = decoded
        return decoded


def value_of(value: AnyValue) -> AttributeValue:
    """An attribute's value; bytes become base64 and infinities and NaN text, as in OTLP's JSON."""
    match value.WhichOneof("value"):
        case "string_value":
            return str(value.string_value)
        case "bool_value":
            return bool(value.bool_value)
        case "int_value":
            return int(value.int_value)
        case "double_value":
            return _finite(float(value.double_value))
        case "array_value":
            return [value_of(item) for item in value.array_value.values]
        case "kvlist_value":
            return {str(pair.key): value_of(pair.value) for pair in value.kvlist_value.values}
        case "bytes_value":
            return base64.b64encode(value.bytes_value).decode()
        case _:
            return None


def text_of(value: AttributeValue) -> str:
    """A value as a label or a service name shows it."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return str(int(value))
    return orjson.dumps(value).decode()


def spans_of(request: Any, attributes: AttributeReader) -> DecodedSpans:
    """All spans of a trace request, with those refused that have no valid ids or times."""
    spans: list[Span] = []
    rejected, reason = 0, ""
    for resource_spans in request.resource_spans:
        resource = attributes.read(resource_spans.resource.attributes)
        service = text_of(resource.get("service.name")) or UNKNOWN_SERVICE
        service_namespace = text_of(resource.get("service.namespace"))
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                if wrong := _fault(span):
                    rejected, reason = rejected + 1, reason or f"span {span.name!r} of {service} {wrong}"
                    continue
                spans.append(_span(span, service, service_namespace, resource, attributes))
    return DecodedSpans(spans=tuple(spans), rejected=rejected, reason=reason)


def _span(
    span: Any, service: str, service_namespace: str, resource: Mapping[str, AttributeValue], attributes: AttributeReader
) -> Span:
    kind, status = span.kind, span.status.code
    return Span(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_span_id=span.parent_span_id.hex(),
        name=span.name,
        kind=_KINDS[kind] if 0 <= kind < len(_KINDS) else SpanKind.UNSPECIFIED,
        status=_STATUSES[status] if 0 <= status < len(_STATUSES) else StatusCode.UNSET,
        service=service,
        service_namespace=service_namespace,
        start_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano,
        attributes=attributes.read(span.attributes),
        resource=resource,
    )


def _fault(span: Any) -> str:
    if len(span.trace_id) != 16 or span.trace_id == _NO_ID:
        return "has no trace id of 16 bytes"
    if len(span.span_id) != 8 or span.span_id == _NO_ID[:8]:
        return "has no span id of 8 bytes"
    if span.parent_span_id and len(span.parent_span_id) != 8:
        return "has a parent span id that is not 8 bytes long"
    if not 0 < span.start_time_unix_nano <= _LARGEST_NS:
        return "has no valid start time"
    if span.end_time_unix_nano > _LARGEST_NS:
        return "has no valid end time"
    return ""


def _parse(body: bytes, body_format: Format, official: Any, ours: Any) -> Any:
    try:
        if body_format is Format.JSON:
            body = _protobuf_of(body, official)
        return ours.FromString(body)
    except (DecodeError, json_format.ParseError, RecursionError) as error:
        raise IntakeError(f"the body is no {official.DESCRIPTOR.name} in {body_format}: {error}") from error


def _protobuf_of(body: bytes, official: Any) -> bytes:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise IntakeError(f"the body is no JSON: {error}") from error
    if not isinstance(document, dict):
        raise IntakeError(f"the body is a JSON {type(document).__name__}, not an {official.DESCRIPTOR.name} object")
    message = json_format.ParseDict(_with_base64_ids(document), official(), ignore_unknown_fields=True)
    return bytes(message.SerializeToString())


def _with_base64_ids(node: Any) -> Any:
    """The same document with its hex ids as proto3 JSON wants bytes; attribute names are never keys in OTLP's JSON."""
    if isinstance(node, dict):
        return {
            key: _base64_of_hex(key, value) if key in _HEX_IDS and isinstance(value, str) else _with_base64_ids(value)
            for key, value in node.items()
        }
    return [_with_base64_ids(item) for item in node] if isinstance(node, list) else node


def _base64_of_hex(key: str, value: str) -> str:
    try:
        return base64.b64encode(bytes.fromhex(value)).decode()
    except ValueError as error:
        raise IntakeError(f"{key} {value[:40]!r} is not hexadecimal") from error


def _inflate(body: bytes, window_bits: int, max_bytes: int, encoding: str) -> bytes:
    chunks: list[bytes] = []
    left = max_bytes + 1
    while body:  # gzip allows several members one after the other
        stream = zlib.decompressobj(window_bits)
        try:
            chunks.append(stream.decompress(body, left))
        except zlib.error as error:
            raise IntakeError(f"the body is not {encoding}: {error}") from error
        left -= len(chunks[-1])
        if left <= 0:
            raise BodyTooLargeError(f"the body unpacks to more than {max_bytes} bytes")
        if not stream.eof:
            raise IntakeError(f"the {encoding} body ends too early")
        body = stream.unused_data if encoding == "gzip" else b""
    return b"".join(chunks)


def _finite(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
