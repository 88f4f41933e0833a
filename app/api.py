"""The FastAPI application: every door of this process on one port, errors in one shape."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import takewhile
from typing import Final

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from app import endpoints
from app.endpoints import Sources
from app.envelope import ErrorCode, error_response, internal_error
from app.status import StatusBoard
from domain.errors import FitFailedError, ForetideError, OverloadedError, QueryError, StoreError

_CODES: Final[dict[int, ErrorCode]] = {
    400: "BAD_REQUEST", 404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED", 409: "CONFLICT", 413: "TOO_LARGE",
    422: "VALIDATION_ERROR",
}  # fmt: skip
_METHODS: Final = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")


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
    """The application; ``start`` and ``stop`` run with its own start and end, ``stop`` also after a failed start."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        try:
            await start()
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

    @application.head("/", include_in_schema=False)
    @application.get("/", include_in_schema=False)
    def root() -> Response:
        return RedirectResponse("/ui/", status_code=307)

    application.router.routes.append(_Nowhere(application))
    return application


class _Nowhere(BaseRoute):
    """Every address outside the dashboard that no route before it has: Dash would answer it with its page and 200."""

    def __init__(self, application: FastAPI) -> None:
        self._application = application

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        path = scope["path"]
        elsewhere = scope["type"] == "http" and path != "/ui" and not path.startswith("/ui/")
        return (Match.FULL if elsewhere else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        allowed = self._methods(scope)
        if allowed:
            refusal = error_response(
                405, "METHOD_NOT_ALLOWED", f"{scope['path']!r} takes {', '.join(allowed)}",
                headers={"Allow": ", ".join(allowed)},
            )  # fmt: skip
        else:
            refusal = error_response(
                404, "NOT_FOUND", f"there is nothing at {scope['path']!r}; /openapi.json lists what there is"
            )
        await refusal(scope, receive, send)

    def _methods(self, scope: Scope) -> list[str]:
        """What the address takes, where it is only the method that is wrong; a router in a router does not tell."""
        before = list(takewhile(lambda route: route is not self, self._application.router.routes))
        asked = {method: {**scope, "method": method} for method in _METHODS}
        return [method for method in _METHODS if any(route.matches(asked[method])[0] is Match.FULL for route in before)]


def _add_probes(application: FastAPI, probes: StatusBoard, registry: CollectorRegistry) -> None:
    @application.head("/healthz", include_in_schema=False)
    @application.get("/healthz", tags=["probes"], operation_id="getHealth")
    async def healthz() -> JSONResponse:
        """Alive: the event loop answers."""
        return JSONResponse({"status": "ok"})

    @application.head("/readyz", include_in_schema=False)
    @application.get("/readyz", tags=["probes"], operation_id="getReadiness")
    def readyz() -> JSONResponse:
        """Ready: the stores answer, no write failed, the loops run; 503 with the part that is not."""
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
        if isinstance(error, StoreError | OverloadedError | FitFailedError):
            return error_response(503, "UNAVAILABLE", str(error), headers={"Retry-After": "5"})
        if isinstance(error, QueryError):
            return error_response(422, "QUERY_ERROR", str(error))
        return error_response(500, "INTERNAL", str(error))

    @application.exception_handler(Exception)
    async def unknown(_: Request, error: Exception) -> Response:
        return internal_error()  # Starlette raises it again: RequestId logs it
