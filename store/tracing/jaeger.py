"""Jaeger's query API: ``/api/services``, ``/api/traces`` and, where SPM is on, ``/api/metrics``.

The JSON that Jaeger's own page reads; VictoriaTraces and others speak it, too. Latencies are milliseconds there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from domain.errors import QueryExecutionError, QuerySourceError
from domain.spans import AttributeValue, Span, SpanKind, StatusCode
from store.traces import TraceSummary
from store.traces.encode import summary
from store.tracing.asking import QUANTILES, RED_WINDOW_MS, Red, Search, TraceServer, get_json, listed

_STEP_MS: Final = 15_000
_RATE_PER_MS: Final = 60_000
_KINDS: Final = {
    "server": SpanKind.SERVER, "client": SpanKind.CLIENT, "producer": SpanKind.PRODUCER,
    "consumer": SpanKind.CONSUMER, "internal": SpanKind.INTERNAL,
}  # fmt: skip
_OK: Final = {"OK": StatusCode.OK}
_TOLD_APART: Final = frozenset({"span.kind", "error", "otel.status_code"})
"""Tags that are fields of a span here."""


class Jaeger(TraceServer):
    """Implements ``TraceSource``."""

    def services(self) -> list[str]:
        """All that it knows, sorted."""
        answer = get_json(self._http, "/api/services", {}) or {}
        return sorted(str(one) for one in listed(answer.get("data"), self._name, "data"))

    def search(self, wanted: Search) -> list[TraceSummary]:
        """Newest first.

        Raises:
            QueryExecutionError: Without a service, as Jaeger searches by service only.
        """
        if wanted.service is None:
            raise QueryExecutionError(f"source {self._name}: Jaeger searches by service; give service")
        params: dict[str, str | list[str]] = {
            "service": wanted.service, "start": str(wanted.start_ms * 1000), "end": str(wanted.end_ms * 1000),
            "limit": str(wanted.limit),
        }  # fmt: skip
        if wanted.operation is not None:
            params["operation"] = wanted.operation
        if wanted.min_duration_seconds:
            params["minDuration"] = f"{round(wanted.min_duration_seconds * 1e6)}us"
        answer = get_json(self._http, "/api/traces", params) or {}
        traces = [self._spans(one) for one in listed(answer.get("data"), self._name, "data")]
        found = [summary(spans[0].trace_id, spans) for spans in traces if spans]
        return sorted(found, key=lambda one: one.start_ns, reverse=True)[: wanted.limit]

    def trace(self, trace_id: str) -> list[Span]:
        """All spans by start; empty where it is not known."""
        answer = get_json(self._http, f"/api/traces/{quote(trace_id, safe='')}", {}) or {}
        found = listed(answer.get("data"), self._name, "data")
        return sorted((span for one in found for span in self._spans(one)), key=lambda span: span.start_ns)

    def red(self, services: Sequence[str], *, at_ms: int) -> list[Red]:
        """Present values by operation; empty where Jaeger has no metrics storage (SPM is off)."""
        if not services:
            return []
        calls = self._metric("calls", services, at_ms)
        if calls is None:
            return []
        errors = self._metric("errors", services, at_ms) or {}
        latencies = {q: self._metric("latencies", services, at_ms, quantile=q) or {} for q in QUANTILES}
        return [
            Red(
                service=service, operation=operation, calls=rate, errors=errors.get((service, operation)),
                latency_seconds={
                    q: values[service, operation] / 1000 for q, values in latencies.items()
                    if (service, operation) in values
                },
            )
            for (service, operation), rate in sorted(calls.items())
        ]  # fmt: skip

    def _metric(
        self, kind: str, services: Sequence[str], at_ms: int, *, quantile: str | None = None
    ) -> dict[tuple[str, str], float] | None:
        """Newest value by service and operation; None where metrics are switched off."""
        params: dict[str, str | list[str]] = {
            "service": list(services), "groupByOperation": "true", "endTs": str(at_ms),
            "lookback": str(RED_WINDOW_MS), "step": str(_STEP_MS), "ratePer": str(_RATE_PER_MS), "spanKind": "server",
        }  # fmt: skip
        if quantile is not None:
            params["quantile"] = quantile
        # 404, 405, 501: what Jaeger's versions say where no metrics storage is configured.
        answer = get_json(self._http, f"/api/metrics/{kind}", params, absent=(404, 405, 501))
        if answer is None:
            return None
        found = {}
        for metric in listed(answer.get("metrics"), self._name, "metrics"):
            labels = {label["name"]: label["value"] for label in metric.get("labels", ())}
            value = _newest(metric.get("metricPoints", ()))
            if value is not None:
                found[labels.get("service_name", ""), labels.get("operation", "")] = value
        return found

    def _spans(self, trace: Any) -> list[Span]:
        try:
            processes = trace["processes"]
            return [_span(one, processes[one["processID"]]) for one in trace["spans"]]
        except (KeyError, TypeError, ValueError) as error:
            raise QuerySourceError(f"source {self._name}: a trace is not as Jaeger writes it ({error!r})") from error


def _span(one: Mapping[str, Any], process: Mapping[str, Any]) -> Span:
    tags, resource = _tags(one.get("tags")), _tags(process.get("tags"))
    start_ns = int(one["startTime"]) * 1000
    failed = tags.get("otel.status_code") == "ERROR" or tags.get("error") in (True, "true")
    return Span(
        trace_id=str(one["traceID"]).lower().zfill(32), span_id=str(one["spanID"]).lower().zfill(16),
        parent_span_id=_parent(one), name=str(one["operationName"]),
        kind=_KINDS.get(str(tags.get("span.kind", "")), SpanKind.UNSPECIFIED),
        status=StatusCode.ERROR if failed else _OK.get(str(tags.get("otel.status_code")), StatusCode.UNSET),
        service=str(process["serviceName"]), service_namespace=str(resource.get("service.namespace", "")),
        start_ns=start_ns, end_ns=start_ns + int(one["duration"]) * 1000,
        attributes={name: value for name, value in tags.items() if name not in _TOLD_APART}, resource=resource,
    )  # fmt: skip


def _tags(tags: Any) -> dict[str, AttributeValue]:
    return {str(tag["key"]): tag["value"] for tag in tags or ()}


def _parent(one: Mapping[str, Any]) -> str:
    """Of the same trace; a reference into another one is no parent."""
    for reference in one.get("references") or ():
        if reference["refType"] == "CHILD_OF" and reference["traceID"] == one["traceID"]:
            return str(reference["spanID"]).lower().zfill(16)
    return ""


def _newest(points: Any) -> float | None:
    known = [(point["timestamp"], point["gaugeValue"]["doubleValue"]) for point in points if "gaugeValue" in point]
    numbers = [(str(at), float(value)) for at, value in known if value not in ("NaN", None)]
    return max(numbers)[1] if numbers else None
