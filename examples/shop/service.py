"""The shop: one replica of a small service that can be overloaded.

    python -m examples.shop.service --port 8000

One worker slot of about 60 ms (mostly waiting, as for a database) and 1.3 ms of CPU per request: a replica carries
about 12 requests/s comfortably and 16 at most. Beyond that requests queue, which shows in the latency, and who waited
1 s is answered 503. Metrics by prometheus-client at ``/metrics``, spans by opentelemetry-sdk to
``OTEL_EXPORTER_OTLP_ENDPOINT``; without that variable no span leaves the process.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import logging
import os
import random
import signal
import threading
import time
from contextlib import asynccontextmanager
from types import FrameType
from typing import TYPE_CHECKING, Final

import prometheus_client
import uvicorn
from fastapi import FastAPI, HTTPException, Response
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from examples.shop.process import end_with_parent, listen_arguments, listening_socket

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

CATALOG_SECONDS: Final = 0.050
CHECKOUT_SECONDS: Final = 0.085
"""With 7 catalog views to 3 checkouts: 60 ms on average."""
LONGEST_WAIT_SECONDS: Final = 1.0
LONGEST_QUEUE: Final = 64
BUCKETS: Final = (0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.0)
_HASH_ROUNDS: Final = 6000
"""About 1.3 ms of CPU: so many requests/s are so many millicores, and the cpu trigger has something to see."""
_SILENT: Final = frozenset(["/metrics", "/readyz"])
"""Asked every few seconds by machines; neither spans nor counts."""


class Worker:
    """The one slot that requests queue for."""

    def __init__(self, tracer: trace.Tracer) -> None:
        """Start idle."""
        self._tracer = tracer
        self._slot = asyncio.Semaphore(1)
        self._waiting = 0

    async def do(self, what: str, seconds: float) -> None:
        """Wait for the slot, then work; 503 where that would take too long."""
        async with self._turn():
            with self._tracer.start_as_current_span(what, kind=trace.SpanKind.CLIENT):
                await asyncio.sleep(seconds * random.uniform(0.7, 1.3))
            hashlib.pbkdf2_hmac("sha256", what.encode(), b"shop", _HASH_ROUNDS)

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        if self._waiting >= LONGEST_QUEUE:
            raise HTTPException(503, "the queue is full")
        self._waiting += 1
        started = time.perf_counter()
        try:
            await asyncio.wait_for(self._slot.acquire(), LONGEST_WAIT_SECONDS)
        except TimeoutError:
            raise HTTPException(503, f"no turn within {LONGEST_WAIT_SECONDS:g} s") from None
        finally:
            self._waiting -= 1
            trace.get_current_span().set_attribute("shop.queue_seconds", time.perf_counter() - started)
        try:
            yield
        finally:
            self._slot.release()


class Telemetry:
    """ASGI middleware: one SERVER span, one count and one duration for each request."""

    def __init__(self, app: ASGIApp, *, registry: CollectorRegistry, tracer: trace.Tracer) -> None:
        """Register the metrics in ``registry``."""
        self._app, self._tracer = app, tracer
        labels = ["method", "route", "code"]
        self._requests = Counter("http_requests_total", "Requests answered.", labels, registry=registry)
        self._duration = Histogram(
            "http_request_duration_seconds", "Time to the answer.", ["route"], buckets=BUCKETS, registry=registry
        )
        self._in_flight = Gauge("http_requests_in_flight", "Requests not yet answered.", registry=registry)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and note what became of it."""
        if scope["type"] != "http" or scope["path"] in _SILENT:
            return await self._app(scope, receive, send)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        context = TraceContextTextMapPropagator().extract(headers)
        code = 500

        async def note(message: Message) -> None:
            nonlocal code
            if message["type"] == "http.response.start":
                code = message["status"]
            await send(message)

        started = time.perf_counter()
        with (
            self._in_flight.track_inprogress(),
            self._tracer.start_as_current_span(scope["method"], context, trace.SpanKind.SERVER) as span,
        ):
            try:
                await self._app(scope, receive, note)
            finally:
                self._note(span, scope, code, time.perf_counter() - started)

    def _note(self, span: trace.Span, scope: Scope, code: int, seconds: float) -> None:
        method = scope["method"] if scope["method"] in ("GET", "HEAD", "POST") else "_OTHER"
        route = getattr(scope.get("route"), "path", "unmatched")  # never the raw path: anybody can make up paths
        self._requests.labels(method, route, str(code)).inc()
        self._duration.labels(route).observe(seconds)
        span.update_name(f"{method} {route}")
        span.set_attributes({"http.request.method": method, "http.route": route, "http.response.status_code": code})
        if code >= 500:
            span.set_status(trace.StatusCode.ERROR)


def build(*, registry: CollectorRegistry, tracer: trace.Tracer) -> FastAPI:
    """The application, with its own worker."""
    app = FastAPI(title="shop", openapi_url=None)
    worker = Worker(tracer)

    @app.get("/catalog")
    async def catalog() -> dict[str, list[str]]:
        await worker.do("read catalog", CATALOG_SECONDS)
        return {"items": ["oilskin", "rope", "lantern"]}

    @app.get("/checkout")
    async def checkout() -> dict[str, str]:
        await worker.do("reserve stock", CHECKOUT_SECONDS)
        return {"order": "accepted"}

    @app.get("/readyz")
    async def readyz() -> dict[str, str]:
        return {"status": "ready"}

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(prometheus_client.generate_latest(registry), media_type=prometheus_client.CONTENT_TYPE_LATEST)

    app.add_middleware(Telemetry, registry=registry, tracer=tracer)
    return app


def tracing(endpoint: str | None) -> TracerProvider:
    """Spans of service ``shop``; sent where ``endpoint`` is given."""
    resource = Resource.create({"service.name": "shop", "service.namespace": "demo", "process.pid": os.getpid()})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    if endpoint:
        # A collector that is away is no matter of the shop: the exporter's retries stay silent.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        exporter = OTLPSpanExporter(endpoint=endpoint.rstrip("/") + "/v1/traces", timeout=1)
        provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=2000))
    return provider


def main() -> None:
    """Serve until SIGTERM, SIGINT or the parent's end."""
    parser = argparse.ArgumentParser(prog="examples.shop.service", description="One replica of the demo's shop.")
    listen_arguments(parser)
    listener = listening_socket(parser.parse_args())
    end_with_parent()
    prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    provider = tracing(os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"))
    app = build(registry=registry, tracer=provider.get_tracer("shop"))
    config = uvicorn.Config(app, access_log=False, log_level="warning", timeout_graceful_shutdown=1, lifespan="off")
    server = uvicorn.Server(config)

    def stop(_signal: int, _frame: FrameType | None) -> None:
        server.should_exit = True

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)  # uvicorn raises the signal again when it is done; this keeps the exit clean
    server.run(sockets=[listener])
    flush = threading.Thread(target=provider.shutdown, daemon=True)
    flush.start()
    flush.join(1.0)


if __name__ == "__main__":
    main()
