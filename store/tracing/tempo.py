"""Tempo's query API: ``/api/search`` in TraceQL, ``/api/traces`` in OTLP's JSON, TraceQL metrics where they are on."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from domain.errors import QueryExecutionError, QuerySourceError
from domain.spans import AttributeValue, Span, SpanKind, StatusCode
from store.traces import TraceSummary
from store.tracing.asking import QUANTILES, RED_WINDOW_MS, Red, Search, TraceServer, get_json, listed

_STEP: Final = "30s"
_KINDS: Final = tuple(SpanKind)
_STATUSES: Final = tuple(StatusCode)


class Tempo(TraceServer):
    """Implements ``TraceSource``."""

    def services(self) -> list[str]:
        """All that it knows, sorted."""
        answer = get_json(self._http, "/api/v2/search/tag/resource.service.name/values", {}) or {}
        values = listed(answer.get("tagValues"), self._name, "tagValues")
        return sorted(str(one["value"]) for one in values if isinstance(one, dict) and "value" in one)

    def search(self, wanted: Search) -> list[TraceSummary]:
        """Newest first; of spans and errors what Tempo counts (``serviceStats``), else 0."""
        params = {
            "q": _selected(wanted), "start": str(wanted.start_ms // 1000), "end": str(math.ceil(wanted.end_ms / 1000)),
            "limit": str(wanted.limit),
        }  # fmt: skip
        answer = get_json(self._http, "/api/search", params) or {}
        try:
            found = [_summary(one) for one in listed(answer.get("traces"), self._name, "traces")]
        except (KeyError, TypeError, ValueError) as error:
            raise self._strange(error) from error
        return sorted(found, key=lambda one: one.start_ns, reverse=True)[: wanted.limit]

    def trace(self, trace_id: str) -> list[Span]:
        """All spans by start; empty where it is not known."""
        answer = get_json(self._http, f"/api/traces/{quote(trace_id, safe='')}", {}) or {}
        try:
            return sorted(_spans(answer), key=lambda span: span.start_ns)
        except (KeyError, TypeError, ValueError) as error:
            raise self._strange(error) from error

    def red(self, services: Sequence[str], *, at_ms: int) -> list[Red]:
        """Present values by service and operation; empty where TraceQL metrics are off."""
        found = []
        for service in services:
            chosen = f"resource.service.name = {_quoted(service)} && kind = server"
            try:
                calls = self._metric(f"{{ {chosen} }} | rate() by (name)", at_ms)
            except QueryExecutionError:  # a Tempo without the metrics-generator's local blocks refuses them
                return []
            if calls is None:
                return []
            errors = self._metric(f"{{ {chosen} && status = error }} | rate() by (name)", at_ms) or {}
            levels = ", ".join(QUANTILES)
            spread = self._metric(f"{{ {chosen} }} | quantile_over_time(duration, {levels}) by (name)", at_ms) or {}
            for operation, _ in sorted(calls):
                found.append(
                    Red(
                        service=service, operation=operation, calls=calls[operation, ""],
                        errors=errors.get((operation, ""), 0.0),
                        latency_seconds={q: spread[operation, q] for q in QUANTILES if (operation, q) in spread},
                    )
                )  # fmt: skip
        return found

    def _metric(self, query: str, at_ms: int) -> dict[tuple[str, str], float] | None:
        """Newest value by operation and quantile (empty where there is none)."""
        params = {
            "q": query, "start": str((at_ms - RED_WINDOW_MS) // 1000), "end": str(at_ms // 1000), "step": _STEP,
        }  # fmt: skip
        answer = get_json(self._http, "/api/metrics/query_range", params, absent=(404, 501))
        if answer is None:
            return None
        found = {}
        for series in listed(answer.get("series"), self._name, "series"):
            labels = {label["key"]: label["value"] for label in series.get("labels", ())}
            samples = [(int(one["timestampMs"]), float(one.get("value", 0.0))) for one in series.get("samples", ())]
            if samples:
                key = str(_value(labels.get("name", {})) or ""), _level(labels.get("p"))
                found[key] = max(samples)[1]
        return found

    def _strange(self, error: Exception) -> QuerySourceError:
        return QuerySourceError(f"source {self._name}: a trace is not as Tempo writes it ({error!r})")


def _selected(wanted: Search) -> str:
    """In TraceQL."""
    parts = []
    if wanted.service is not None:
        parts.append(f"resource.service.name = {_quoted(wanted.service)}")
    if wanted.operation is not None:
        parts.append(f"name = {_quoted(wanted.operation)}")
    if wanted.min_duration_seconds:
        parts.append(f"traceDuration >= {round(wanted.min_duration_seconds * 1e6)}us")
    return f"{{ {' && '.join(parts)} }}"


def _quoted(text: str) -> str:
    """A TraceQL string, which is a Go string."""
    return json.dumps(text, ensure_ascii=False)


def _summary(one: Mapping[str, Any]) -> TraceSummary:
    stats: Mapping[str, Mapping[str, int]] = one.get("serviceStats") or {}
    start_ns = int(one["startTimeUnixNano"])
    root = str(one.get("rootServiceName", ""))
    return TraceSummary(
        trace_id=str(one["traceID"]).lower().zfill(32), root_service=root,
        root_operation=str(one.get("rootTraceName", "")), start_ns=start_ns,
        end_ns=start_ns + int(one.get("durationMs", 0)) * 1_000_000,
        span_count=sum(int(each.get("spanCount", 0)) for each in stats.values()),
        error_count=sum(int(each.get("errorCount", 0)) for each in stats.values()),
        services=tuple(sorted(stats)) or ((root,) if root else ()),
    )  # fmt: skip


def _spans(answer: Mapping[str, Any]) -> Iterator[Span]:
    """``batches`` of the first API, ``trace.resourceSpans`` of the second, ``resourceSpans`` of plain OTLP."""
    whole = answer.get("trace", answer)
    for batch in whole.get("batches") or whole.get("resourceSpans") or ():
        resource = _attributes(batch.get("resource", {}).get("attributes"))
        for scope in batch.get("scopeSpans") or batch.get("instrumentationLibrarySpans") or ():
            yield from (_span(one, resource) for one in scope.get("spans", ()))


def _span(one: Mapping[str, Any], resource: Mapping[str, AttributeValue]) -> Span:
    return Span(
        trace_id=_id(one["traceId"], 32), span_id=_id(one["spanId"], 16),
        parent_span_id=_id(one["parentSpanId"], 16) if one.get("parentSpanId") else "",
        name=str(one.get("name", "")), kind=_named(one.get("kind", 0), _KINDS),
        status=_named((one.get("status") or {}).get("code", 0), _STATUSES),
        service=str(resource.get("service.name", "unknown_service")),
        service_namespace=str(resource.get("service.namespace", "")),
        start_ns=int(one["startTimeUnixNano"]), end_ns=int(one["endTimeUnixNano"]),
        attributes=_attributes(one.get("attributes")), resource=resource,
    )  # fmt: skip


def _id(text: str, digits: int) -> str:
    """Hexadecimal, as OTLP's JSON has it, or base64, as protobuf's (and Tempo's) has it."""
    if len(text) == digits and all(digit in "0123456789abcdefABCDEF" for digit in text):
        return text.lower()
    return base64.b64decode(text, validate=True).hex().zfill(digits)


def _named(code: Any, members: tuple[Any, ...]) -> Any:
    """By its number or its name in OTLP."""
    return members[code] if isinstance(code, int) else type(members[0])(str(code))


def _attributes(pairs: Any) -> dict[str, AttributeValue]:
    return {str(pair["key"]): _value(pair.get("value") or {}) for pair in pairs or ()}


def _value(value: Mapping[str, Any]) -> AttributeValue:
    """OTLP's AnyValue in JSON: 64-bit integers are texts."""
    for kind, inner in value.items():
        if kind == "intValue":
            return int(inner)
        if kind == "arrayValue":
            return [_value(one) for one in inner.get("values", ())]
        if kind == "kvlistValue":
            return _attributes(inner.get("values"))
        plain: AttributeValue = inner
        return plain
    return None


def _level(label: Mapping[str, Any] | None) -> str:
    """The quantile's level as asked for."""
    return "" if label is None else f"{float(str(_value(label))):g}"
