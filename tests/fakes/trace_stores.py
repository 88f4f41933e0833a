"""Small Jaeger and Tempo: they hold a few spans and answer in the JSON that the real ones document.

Jaeger: https://www.jaegertracing.io/docs (internal query API, SPM); Tempo: the HTTP API page of its documentation.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from domain.spans import Span, SpanKind, StatusCode
from tests.fakes.prometheus import Asked, Reply, as_json


def span(number: int, name: str = "GET /", *, service: str = "shop", trace: int = 1, parent: int = 0,
         kind: SpanKind = SpanKind.SERVER, status: StatusCode = StatusCode.UNSET, start_ms: int = 1_000_000,
         duration_ms: int = 50) -> Span:  # fmt: skip
    return Span(
        trace_id=f"{trace:032x}", span_id=f"{number:016x}", parent_span_id=f"{parent:016x}" if parent else "",
        name=name, kind=kind, status=status, service=service, service_namespace="", start_ns=start_ms * 1_000_000,
        end_ns=(start_ms + duration_ms) * 1_000_000, attributes={"http.route": name}, resource={},
    )  # fmt: skip


@dataclass
class FakeJaeger:
    """``red`` has calls, errors and latency (ms) of (service, operation); None: SPM is off."""

    spans: Sequence[Span] = ()
    red: dict[tuple[str, str], tuple[float, float, float]] | None = field(default_factory=dict)

    def __call__(self, asked: Asked) -> Reply:
        url = urlsplit(asked.path)
        query = parse_qs(url.query)
        if url.path == "/api/services":
            names = sorted({one.service for one in self.spans})
            return as_json({"data": names, "total": len(names), "limit": 0, "offset": 0, "errors": None})
        if url.path == "/api/traces":
            return self._search(query)
        if url.path.startswith("/api/metrics/"):
            return self._metric(url.path.rpartition("/")[2], query)
        return self._trace(url.path.rpartition("/")[2])

    def _search(self, query: dict[str, list[str]]) -> Reply:
        if "service" not in query:
            return _refused(400, "parameter 'service' is required")
        start, end = int(query["start"][0]) * 1000, int(query["end"][0]) * 1000
        least = int(query.get("minDuration", ["0us"])[0].removesuffix("us")) * 1000
        hits = {
            one.trace_id for one in self.spans
            if one.service == query["service"][0] and start <= one.start_ns <= end
            and one.name == query.get("operation", [one.name])[0] and one.end_ns - one.start_ns >= least
        }  # fmt: skip
        traces = [self._document(trace_id) for trace_id in sorted(hits)]
        return as_json({"data": traces[: int(query["limit"][0])], "total": 0, "limit": 0, "offset": 0, "errors": None})

    def _trace(self, trace_id: str) -> Reply:
        if not any(one.trace_id == trace_id for one in self.spans):
            return _refused(404, "trace not found")
        return as_json({"data": [self._document(trace_id)], "total": 0, "limit": 0, "offset": 0, "errors": None})

    def _document(self, trace_id: str) -> dict[str, Any]:
        own = [one for one in self.spans if one.trace_id == trace_id]
        processes = {service: f"p{n}" for n, service in enumerate(sorted({one.service for one in own}), start=1)}
        return {
            "traceID": trace_id.lstrip("0"), "spans": [_jaeger_span(one, processes[one.service]) for one in own],
            "processes": {key: {"serviceName": service, "tags": []} for service, key in processes.items()},
            "warnings": None,
        }  # fmt: skip

    def _metric(self, kind: str, query: dict[str, list[str]]) -> Reply:
        if self.red is None:
            return _refused(501, "metrics querying is currently disabled")
        column = {"calls": 0, "errors": 1, "latencies": 2}[kind]
        metrics = [
            {
                "labels": [{"name": "operation", "value": operation}, {"name": "service_name", "value": service}],
                "metricPoints": [
                    {"gaugeValue": {"doubleValue": 0.25}, "timestamp": "2026-11-21T11:59:30Z"},
                    {"gaugeValue": {"doubleValue": values[column]}, "timestamp": "2026-11-21T11:59:45Z"},
                ],
            }
            for (service, operation), values in self.red.items() if service in query["service"]
        ]  # fmt: skip
        return as_json({"name": f"service_operation_{kind}", "type": "GAUGE", "help": "", "metrics": metrics})


def _jaeger_span(one: Span, process: str) -> dict[str, Any]:
    tags = [{"key": "span.kind", "type": "string", "value": one.kind.value.removeprefix("SPAN_KIND_").lower()}]
    tags += [{"key": key, "type": "string", "value": value} for key, value in one.attributes.items()]  # type: ignore[misc]
    if one.status is StatusCode.ERROR:
        tags.append({"key": "error", "type": "bool", "value": True})  # type: ignore[dict-item]
    trace_id = one.trace_id.lstrip("0")
    references = [{"refType": "CHILD_OF", "traceID": trace_id, "spanID": one.parent_span_id}]
    return {
        "traceID": trace_id, "spanID": one.span_id, "operationName": one.name,
        "references": references if one.parent_span_id else [], "startTime": one.start_ns // 1000,
        "duration": (one.end_ns - one.start_ns) // 1000, "tags": tags, "logs": [], "processID": process,
    }  # fmt: skip


def _refused(code: int, message: str) -> Reply:
    body = {"data": None, "total": 0, "limit": 0, "offset": 0, "errors": [{"code": code, "msg": message}]}
    return as_json(body, status=code)


@dataclass
class FakeTempo:
    """``red`` has calls, errors and latency (s) of (service, operation); None: TraceQL metrics are off."""

    spans: Sequence[Span] = ()
    red: dict[tuple[str, str], tuple[float, float, float]] | None = field(default_factory=dict)

    def __call__(self, asked: Asked) -> Reply:
        url = urlsplit(asked.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        if url.path == "/api/search":
            return self._search(query)
        if url.path == "/api/metrics/query_range":
            return self._metric(query["q"])
        if url.path.startswith("/api/v2/search/tag/"):
            names = sorted({one.service for one in self.spans})
            return as_json({"tagValues": [{"type": "string", "value": name} for name in names], "metrics": {}})
        return self._trace(unquote(url.path).rpartition("/")[2])

    def _search(self, query: dict[str, str]) -> Reply:
        wanted = dict(re.findall(r'(resource\.service\.name|name) = "([^"]*)"', query["q"]))
        hits = {
            one.trace_id for one in self.spans
            if one.service == wanted.get("resource.service.name", one.service)
            and one.name == wanted.get("name", one.name)
            and int(query["start"]) <= one.start_ns / 1e9 <= int(query["end"])
        }  # fmt: skip
        return as_json({"traces": [self._found(trace_id) for trace_id in sorted(hits)], "metrics": {"totalBlocks": 1}})

    def _found(self, trace_id: str) -> dict[str, Any]:
        own = [one for one in self.spans if one.trace_id == trace_id]
        root = next(one for one in own if not one.parent_span_id)
        stats = {
            service: {"spanCount": sum(one.service == service for one in own)}
            for service in sorted({one.service for one in own})
        }  # fmt: skip
        return {
            "traceID": trace_id.lstrip("0"), "rootServiceName": root.service, "rootTraceName": root.name,
            "startTimeUnixNano": str(root.start_ns), "durationMs": (root.end_ns - root.start_ns) // 1_000_000,
            "spanSets": [], "serviceStats": stats,
        }  # fmt: skip

    def _trace(self, trace_id: str) -> Reply:
        own = [one for one in self.spans if one.trace_id == trace_id]
        if not own:
            return Reply(404, b"trace not found")
        return as_json({"batches": [_batch(service, own) for service in sorted({one.service for one in own})]})

    def _metric(self, query: str) -> Reply:
        if self.red is None:
            return Reply(404, b"404 page not found")
        service = re.findall(r'resource\.service\.name = "([^"]*)"', query)[0]
        column = 2 if "quantile_over_time" in query else 1 if "status = error" in query else 0
        levels = re.findall(r"0\.\d+", query) if column == 2 else [""]
        series = []
        for (own, operation), values in self.red.items():
            for level in levels if own == service else ():
                labels = [{"key": "name", "value": {"stringValue": operation}}]
                labels += [{"key": "p", "value": {"doubleValue": float(level)}}] if level else []  # type: ignore[dict-item]
                samples = [{"timestampMs": "1000", "value": 0.5}, {"timestampMs": "31000", "value": values[column]}]
                series.append({"labels": labels, "promLabels": "", "samples": samples})
        return as_json({"series": series, "metrics": {}})


def _batch(service: str, spans: Sequence[Span]) -> dict[str, Any]:
    return {
        "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]},
        "scopeSpans": [{"scope": {}, "spans": [_otlp(one) for one in spans if one.service == service]}],
    }  # fmt: skip


def _otlp(one: Span) -> dict[str, Any]:
    """Ids in base64 and 64-bit integers as text, as protobuf's JSON has them."""
    parent = {"parentSpanId": _base64(one.parent_span_id)} if one.parent_span_id else {}
    return {
        "traceId": _base64(one.trace_id), "spanId": _base64(one.span_id), **parent, "name": one.name,
        "kind": one.kind.value, "startTimeUnixNano": str(one.start_ns), "endTimeUnixNano": str(one.end_ns),
        "attributes": [{"key": key, "value": {"stringValue": value}} for key, value in one.attributes.items()],
        "status": {"code": one.status.value} if one.status is not StatusCode.UNSET else {},
    }  # fmt: skip


def _base64(digits: str) -> str:
    return base64.b64encode(bytes.fromhex(digits)).decode()
