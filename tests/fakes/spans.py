"""Spans of a small shop, with ids that count up."""

from __future__ import annotations

from typing import Any

from domain.spans import Span, SpanKind, StatusCode

START_NS = 1_795_262_400_000_000_000  # 2026-11-21T12:00:00Z, ManualClock's beginning
START_MS = START_NS // 1_000_000


def trace_id(number: int) -> str:
    return f"{number:032x}"


def a_span(number: int = 1, *, trace: int = 1, seconds: float = 0.1, start_ns: int = START_NS, **changes: Any) -> Span:
    values: dict[str, Any] = {
        "trace_id": trace_id(trace),
        "span_id": f"{number:016x}",
        "parent_span_id": "",
        "name": "GET /cart",
        "kind": SpanKind.SERVER,
        "status": StatusCode.UNSET,
        "service": "shop",
        "service_namespace": "",
        "start_ns": start_ns,
        "end_ns": start_ns + round(seconds * 1e9),
        "attributes": {"http.route": "/cart", "http.response.status_code": 200},
        "resource": {"service.name": "shop"},
    }
    return Span(**(values | changes))
