"""Spans to rows and back: one part per trace and arrival, its spans as compressed JSON.

Resources stand once per part and the spans point at them; zlib level 1 brings a span to about 200 bytes.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import orjson

from domain.errors import StoreError
from domain.spans import Span, SpanKind, StatusCode

ANY_OPERATION: Final = ""
"""Name of the row that stands for all operations of a service in a trace."""
_LEVEL: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceSummary:
    """What a list shows of a trace, as far as its spans have arrived.

    ``root_service`` and ``root_operation`` are empty until the span without parent has arrived. A span that a
    client sent twice is counted twice in ``span_count``.
    """

    trace_id: str
    root_service: str
    root_operation: str
    start_ns: int
    end_ns: int
    span_count: int
    error_count: int
    services: tuple[str, ...]

    @property
    def duration_seconds(self) -> float:
        """From the first start to the last end."""
        return (self.end_ns - self.start_ns) / 1e9

    def merged(self, other: TraceSummary) -> TraceSummary:
        """This part of a trace and another one of the same trace."""
        root = self if self.root_service else other
        return replace(
            self,
            root_service=root.root_service,
            root_operation=root.root_operation,
            start_ns=min(self.start_ns, other.start_ns),
            end_ns=max(self.end_ns, other.end_ns),
            span_count=self.span_count + other.span_count,
            error_count=self.error_count + other.error_count,
            services=tuple(sorted({*self.services, *other.services})),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The spans of one trace that arrived together, ready to be written.

    ``operations`` holds the earliest start of each (service, operation), and of each (service, any operation).
    """

    summary: TraceSummary
    operations: dict[tuple[str, str], int]
    spans: bytes


def parts_of(spans: Sequence[Span]) -> list[Part]:
    """One part per trace, in the order in which the traces first occur."""
    by_trace: dict[str, list[Span]] = {}
    for span in spans:
        by_trace.setdefault(span.trace_id, []).append(span)
    return [
        Part(summary=summary(trace_id, group), operations=_operations(group), spans=encode(trace_id, group))
        for trace_id, group in by_trace.items()
    ]


def encode(trace_id: str, spans: Sequence[Span]) -> bytes:
    """The spans of one trace as bytes."""
    resources: dict[int, int] = {}
    resource_rows: list[list[object]] = []
    rows: list[list[object]] = []
    for span in spans:
        # Spans of one body share their resource object; equal copies would only cost bytes.
        resource = resources.setdefault(id(span.resource), len(resource_rows))
        if resource == len(resource_rows):
            resource_rows.append([span.service, span.service_namespace, span.resource])
        rows.append([
            span.span_id, span.parent_span_id, span.name, span.kind.value, span.status.value,
            resource, span.start_ns, span.end_ns, span.attributes,
        ])  # fmt: skip
    return zlib.compress(orjson.dumps([trace_id, resource_rows, rows]), _LEVEL)


def decode(data: bytes) -> list[Span]:
    """The spans that ``encode`` was given; ``StoreError`` where the bytes are damaged."""
    try:
        trace_id, resources, rows = orjson.loads(zlib.decompress(data))
    except (zlib.error, ValueError) as error:
        raise StoreError(f"a part of a trace cannot be decoded: {error}") from error
    spans = []
    for span_id, parent, name, kind, status, resource, start_ns, end_ns, attributes in rows:
        service, service_namespace, resource_attributes = resources[resource]
        spans.append(
            Span(
                trace_id=trace_id,
                span_id=span_id,
                parent_span_id=parent,
                name=name,
                kind=SpanKind(kind),
                status=StatusCode(status),
                service=service,
                service_namespace=service_namespace,
                start_ns=start_ns,
                end_ns=end_ns,
                attributes=attributes,
                resource=resource_attributes,
            )
        )
    return spans


def summary(trace_id: str, spans: Sequence[Span]) -> TraceSummary:
    """Of at least one span."""
    root = next((span for span in spans if not span.parent_span_id), None)
    return TraceSummary(
        trace_id=trace_id,
        root_service=root.service if root else "",
        root_operation=root.name if root else "",
        start_ns=min(span.start_ns for span in spans),
        end_ns=max(max(span.end_ns, span.start_ns) for span in spans),
        span_count=len(spans),
        error_count=sum(span.status is StatusCode.ERROR for span in spans),
        services=tuple(sorted({span.service for span in spans})),
    )


def _operations(spans: Sequence[Span]) -> dict[tuple[str, str], int]:
    earliest: dict[tuple[str, str], int] = {}
    for span in spans:
        for key in ((span.service, ANY_OPERATION), (span.service, span.name)):
            known = earliest.get(key)
            if known is None or span.start_ns < known:
                earliest[key] = span.start_ns
    return earliest
