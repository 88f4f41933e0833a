"""What a trigger asks: the PromQL behind each kind of it, for those who read it and those who forecast it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from domain.labels import Labels
from domain.names import (
    SERVICE_NAME,
    SPAN_DURATION_SECONDS,
    SPAN_KIND,
    SPAN_NAME,
    TRACE_GUEST_CALLS,
    TRACE_GUEST_LATENCY_SECONDS,
)
from domain.spans import SpanKind
from rules.document import Query
from rules.schema import AlertEvent, ScalingRule, TraceSignal, Trigger

_WINDOW: Final = "1m"
"""Of rates over spans: RED series are written every 5 s, and scraped ones every 15 or 30 s."""


def main_query(trigger: Trigger) -> Query | None:
    """The one number that the trigger stands on; None where it asks the cluster, or nobody."""
    if trigger.query is not None:
        return trigger.query
    if trigger.queue is not None:
        return trigger.queue.length
    if trigger.trace is not None:
        signal = trigger.trace
        return _of_spans(signal) if signal.source is None else _of_guest(signal, signal.source)
    return None if trigger.event is None else _of_alert(trigger.event)


def demand_query(trigger: Trigger) -> Query | None:
    """What of it can be forecast as demand: of a queue, what arrives."""
    return trigger.queue.arrivals if trigger.queue is not None else main_query(trigger)


def further_queries(trigger: Trigger) -> dict[str, Query]:
    """What else it needs, by the name of the part."""
    queue = trigger.queue
    if queue is None:
        return {}
    parts = {"arrivals": queue.arrivals, "partitions": queue.partitions}
    return {name: query for name, query in parts.items() if isinstance(query, Query)}


def of_rule(rule: ScalingRule) -> Iterator[Query]:
    """Every query that a decision of the rule reads, but for its guard's and the cluster's own."""
    for trigger in rule.spec.triggers:
        found = main_query(trigger)
        if found is not None:
            yield found
        if trigger.pods is not None:
            yield trigger.pods
        yield from further_queries(trigger).values()
    yield from (one.query for one in rule.spec.ceiling if one.query is not None)


def _of_spans(signal: TraceSignal) -> Query:
    """Over the spans of its server side, as the spanmetrics connector and Foretide itself count them.

    In flight is rate times mean duration (Little): the seconds that are spent in a second.
    """
    pairs = {SERVICE_NAME: signal.service, SPAN_KIND: SpanKind.SERVER.value}
    if signal.operation is not None:
        pairs[SPAN_NAME] = signal.operation
    calls = f"sum({_rate('count', pairs)})"
    if signal.is_latency:  # of no requests at all the quantile is NaN, and their latency no reason to scale: 0
        quantile = f"histogram_quantile(0.{signal.measure[1:]}, sum by (le) ({_rate('bucket', pairs)}))"
        return Query(expr=f"({quantile} >= 0) or 0 * {calls}", source="local")
    return Query(expr=calls if signal.measure == "rate" else f"sum({_rate('sum', pairs)})", source="local")


def _of_guest(signal: TraceSignal, source: str) -> Query:
    """What the loop of ``app.trace_guests`` left in the embedded store; of several operations the slowest counts."""
    pairs = {"source": source, SERVICE_NAME: signal.service}
    if signal.operation is not None:
        pairs[SPAN_NAME] = signal.operation
    if signal.is_latency:
        quantile = {"p50": "0.5", "p90": "0.9", "p95": "0.95", "p99": "0.99"}[signal.measure]
        chosen = Labels.of({"__name__": TRACE_GUEST_LATENCY_SECONDS, **pairs, "quantile": quantile})
        return Query(expr=f"max({chosen})", source="local")
    return Query(expr=f"sum({Labels.of({'__name__': TRACE_GUEST_CALLS, **pairs})})", source="local")


def _rate(suffix: str, pairs: dict[str, str]) -> str:
    return f"rate({Labels.of({'__name__': f'{SPAN_DURATION_SECONDS}_{suffix}', **pairs})}[{_WINDOW}])"


def _of_alert(event: AlertEvent) -> Query:
    """How many of its alerts fire: none is 0, not nothing."""
    firing = Labels.of({"__name__": "ALERTS", "alertname": event.alert, "alertstate": "firing", **event.matchers})
    return Query(expr=f"count({firing}) or vector(0)", source=event.source)
