"""Traces and RED of a Jaeger and a Tempo, over real sockets to fakes that speak the documented JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry

from domain.errors import QueryExecutionError, QuerySourceError
from domain.spans import SpanKind, StatusCode
from store.prometheus import BearerAuth, Secret, SourceConfig
from store.prometheus.breaker import BreakerState
from store.prometheus.http import SourceHttp
from store.prometheus.metrics import SourceMetrics
from store.tracing import Jaeger, Red, Search, Tempo, TraceSource
from tests.fakes.clock import ManualClock
from tests.fakes.prometheus import Asked, Reply, Server, as_json
from tests.fakes.trace_stores import FakeJaeger, FakeTempo, span

SPANS = (
    span(1, "GET /cart", service="edge", duration_ms=120),
    span(2, "GET /cart", service="shop", parent=1, status=StatusCode.ERROR, start_ms=1_000_010, duration_ms=90),
    span(3, "select", service="shop", parent=2, kind=SpanKind.CLIENT, start_ms=1_000_020, duration_ms=30),
    span(4, "GET /", service="edge", trace=2, start_ms=2_000_000, duration_ms=5),
)
RED = {("shop", "GET /cart"): (12.5, 0.5, 0.25)}
RED_MS = {("shop", "GET /cart"): (12.5, 0.5, 250.0)}
WANTED = Search(
    service="edge", operation=None, min_duration_seconds=None, start_ms=0, end_ms=3_000_000, limit=10
)  # fmt: skip
KINDS = pytest.mark.parametrize(("make", "fake"), [(Jaeger, FakeJaeger), (Tempo, FakeTempo)])
Make = Callable[[SourceHttp], TraceSource]


@contextmanager
def guest(make: Make, answer: Callable[[Asked], Reply], clock: ManualClock) -> Iterator[tuple[TraceSource, Server]]:
    with Server(answer) as server:
        config = SourceConfig(name="traces", url=server.url, tenant="team-a", auth=BearerAuth(token=Secret(text="t")))
        http = SourceHttp(config, clock=clock, metrics=SourceMetrics(CollectorRegistry()),
                          wait=lambda seconds: clock.advance(timedelta(seconds=seconds)))  # fmt: skip
        source = make(http)
        try:
            yield source, server
        finally:
            source.close()


@KINDS
def test_a_search_finds_the_newest_first(make: Make, fake: Callable[..., Reply], clock: ManualClock) -> None:
    with guest(make, fake(SPANS), clock) as (source, server):  # type: ignore[arg-type]
        newest, older = source.search(WANTED)
        (cart,) = source.search(replace(WANTED, operation="GET /cart"))
        assert source.search(replace(WANTED, service="nobody")) == []
    assert (newest.trace_id, newest.root_operation) == (f"{2:032x}", "GET /")
    assert (older.trace_id, older.root_service, older.span_count) == (f"{1:032x}", "edge", 3)
    assert (older.duration_seconds, older.services) == (0.12, ("edge", "shop"))
    assert cart == older
    headers = server.asked[0].headers
    assert (headers["x-scope-orgid"], headers["authorization"]) == ("team-a", "Bearer t")


@KINDS
def test_a_trace_comes_whole(make: Make, fake: Callable[..., Reply], clock: ManualClock) -> None:
    with guest(make, fake(SPANS), clock) as (source, _):  # type: ignore[arg-type]
        spans = source.trace(f"{1:032x}")
        assert source.trace(f"{9:032x}") == []
    assert [(one.span_id, one.parent_span_id, one.name, one.service, one.kind, one.status, one.start_ns, one.end_ns)
            for one in spans] == [
        (one.span_id, one.parent_span_id, one.name, one.service, one.kind, one.status, one.start_ns, one.end_ns)
        for one in SPANS[:3]
    ]  # fmt: skip
    assert spans[0].attributes == {"http.route": "GET /cart"}


@KINDS
def test_services_are_listed(make: Make, fake: Callable[..., Reply], clock: ManualClock) -> None:
    with guest(make, fake(SPANS), clock) as (source, _):  # type: ignore[arg-type]
        assert source.services() == ["edge", "shop"]


@pytest.mark.parametrize(("make", "answer"), [(Jaeger, FakeJaeger(SPANS, RED_MS)), (Tempo, FakeTempo(SPANS, RED))])
def test_red_is_the_newest_value_in_seconds(make: Make, answer: Callable[[Asked], Reply], clock: ManualClock) -> None:
    with guest(make, answer, clock) as (source, _):
        found = source.red(["shop", "edge"], at_ms=31_000)
    latency = {"0.5": 0.25, "0.9": 0.25, "0.95": 0.25, "0.99": 0.25}
    assert found == [Red(service="shop", operation="GET /cart", calls=12.5, errors=0.5, latency_seconds=latency)]


@pytest.mark.parametrize(("make", "answer"), [(Jaeger, FakeJaeger(SPANS, None)), (Tempo, FakeTempo(SPANS, None))])
def test_a_store_without_metrics_has_no_red_and_is_no_failure(
    make: Make, answer: Callable[[Asked], Reply], clock: ManualClock
) -> None:
    with guest(make, answer, clock) as (source, _):
        for _ in range(8):
            assert source.red(["shop"], at_ms=31_000) == []
        assert source.status().breaker is BreakerState.CLOSED
        assert source.services() == ["edge", "shop"]


def test_jaeger_searches_by_service_only(clock: ManualClock) -> None:
    with guest(Jaeger, FakeJaeger(SPANS), clock) as (source, server):
        with pytest.raises(QueryExecutionError, match="source traces: Jaeger searches by service; give service"):
            source.search(replace(WANTED, service=None))
        assert server.asked == []


def test_a_name_with_a_quote_stays_one_text_in_traceql(clock: ManualClock) -> None:
    with guest(Tempo, FakeTempo(SPANS), clock) as (source, server):
        source.search(replace(WANTED, service='a" || true || "', min_duration_seconds=0.1))
    assert "%5C%22+%7C%7C+true" in server.asked[0].path
    assert "traceDuration+%3E%3D+100000us" in server.asked[0].path


@pytest.mark.parametrize("make", [Jaeger, Tempo])
@pytest.mark.parametrize(
    ("reply", "error", "said"),
    [
        (Reply(200, b"<html>"), QuerySourceError, "source traces: the answer is no JSON"),
        (Reply(200, b"[]"), QuerySourceError, "source traces: the answer is no object"),
        (as_json({"data": 3, "traces": 3}), QuerySourceError, "is no list"),
        (as_json({"data": [{}], "traces": [{}]}), QuerySourceError, "a trace is not as"),
        (as_json({"errors": [{"msg": "bad service"}]}, status=400), QueryExecutionError, "source traces: bad service"),
        (Reply(400, b"invalid TraceQL query"), QueryExecutionError, "source traces: invalid TraceQL query"),
        (as_json({"errors": [{"msg": "no storage"}]}, status=500), QuerySourceError, "answers 500: no storage"),
        (Reply(401), QuerySourceError, "does not know us"),
    ],
)
def test_what_is_no_answer_is_told(
    make: Make, reply: Reply, error: type[Exception], said: str, clock: ManualClock
) -> None:
    with guest(make, lambda _: reply, clock) as (source, _), pytest.raises(error, match=said):
        source.search(WANTED)


@pytest.mark.parametrize("make", [Jaeger, Tempo])
def test_a_store_in_trouble_is_left_alone(make: Make, clock: ManualClock) -> None:
    with guest(make, lambda _: Reply(503, b"{}"), clock) as (source, server):
        for _ in range(8):
            with pytest.raises(QuerySourceError):
                source.search(WANTED)
        assert source.status().breaker is BreakerState.OPEN
    assert len(server.asked) == 5
