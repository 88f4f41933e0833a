"""The FastAPI application: every door of this process on one port, errors in one shape."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import BaseRoute

from app import endpoints
from app.endpoints import Sources
from app.envelope import error_response
from app.status import StatusBoard
from domain.errors import ForetideError, QueryError, StoreError

log = logging.getLogger(__name__)

_CODES = {400: "BAD_REQUEST", 404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED", 413: "TOO_LARGE", 422: "VALIDATION_ERROR"}
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def build(
    *,
    sources: Sources,
    probes: StatusBoard,
    registry: CollectorRegistry,
    version: str,
    start: Callable[[], Awaitable[None]],
    stop: Callable[[], Awaitable[None]],
    prometheus: APIRouter,
    otlp: Sequence[BaseRoute],
) -> FastAPI:
    """The application; ``start`` and ``stop`` run with its own start and end."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await start()
        try:
            yield
        finally:
            await stop()

    application = FastAPI(
        title="Foretide",
        version=version,
        summary="Observability and autoscaling control plane for Kubernetes.",
        lifespan=lifespan,
        docs_url=None,  # both load scripts from elsewhere; /openapi.json is what tools read
        redoc_url=None,
    )
    application.add_middleware(GZipMiddleware, minimum_size=1024, compresslevel=5)
    _handle_errors(application)
    application.include_router(endpoints.router(sources))
    application.include_router(prometheus)
    application.router.routes.extend(otlp)
    _add_probes(application, probes, registry)

    # Dash answers every other GET with its page; an unknown API address must not look like one.
    @application.api_route("/api/{rest:path}", methods=_METHODS, include_in_schema=False)
    @application.api_route("/prometheus/{rest:path}", methods=_METHODS, include_in_schema=False)
    def unknown(rest: str) -> Response:
        return error_response(404, "NOT_FOUND", f"there is nothing at {rest!r} here; /openapi.json lists what there is")

    @application.get("/", include_in_schema=False)
    def root() -> Response:
        return RedirectResponse("/ui/", status_code=307)

    return application


def _add_probes(application: FastAPI, probes: StatusBoard, registry: CollectorRegistry) -> None:
    @application.get("/healthz", tags=["probes"], operation_id="getHealth")
    async def healthz() -> JSONResponse:
        """Alive: the event loop answers."""
        return JSONResponse({"status": "ok"})

    @application.get("/readyz", tags=["probes"], operation_id="getReadiness")
    def readyz() -> JSONResponse:
        """Ready: stores can be written and the loops run; 503 with the part that is not."""
        checks = probes.readiness()
        ready = all(said == "ok" for said in checks.values())
        return JSONResponse({"status": "ready" if ready else "not ready", "checks": checks}, 200 if ready else 503)

    @application.get("/metrics", tags=["probes"], operation_id="getMetrics")
    def metrics(request: Request) -> Response:
        """Foretide's own metrics, in OpenMetrics or Prometheus' text format as asked for."""
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), media_type=content_type)


def _handle_errors(application: FastAPI) -> None:
    @application.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        details = [
            (".".join(str(part) for part in fault["loc"] if part not in ("body", "query", "path")), fault["msg"])
            for fault in error.errors()
        ]
        return error_response(422, "VALIDATION_ERROR", "the request has fields that cannot be taken", details=details)

    @application.exception_handler(HTTPException)
    async def refused(_: Request, error: HTTPException) -> Response:
        code = _CODES.get(error.status_code, "ERROR")
        return error_response(error.status_code, code, str(error.detail), headers=error.headers)

    @application.exception_handler(ForetideError)
    async def known(_: Request, error: ForetideError) -> Response:
        if isinstance(error, StoreError):
            return error_response(503, "UNAVAILABLE", str(error), headers={"Retry-After": "5"})
        return error_response(422 if isinstance(error, QueryError) else 500, "QUERY_ERROR", str(error))

    @application.exception_handler(Exception)
    async def unknown(request: Request, error: Exception) -> Response:
        log.error("request failed", exc_info=error, extra={"http.request.method": request.method})
        return error_response(500, "INTERNAL", "this is a defect of Foretide; its log has the details")
