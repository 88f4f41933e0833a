"""The envelope of `/api/v1`: ``{success, data, meta}``, and ``{success, error, meta}`` when it did not work.

Protocol doors (OTLP, Prometheus, /metrics, the probes) answer in their own protocol instead.
"""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final, Generic, Literal, TypeVar

from fastapi.responses import Response
from pydantic import BaseModel
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger(__name__)

T = TypeVar("T")
ErrorCode = Literal[
    "BAD_REQUEST", "BAD_HOST", "UNAUTHORIZED", "FORBIDDEN", "NOT_FOUND", "METHOD_NOT_ALLOWED", "CONFLICT", "TOO_LARGE",
    "VALIDATION_ERROR", "QUERY_ERROR", "UNAVAILABLE", "INTERNAL", "ERROR",
]  # fmt: skip
_ACCEPTED_ID: Final = re.compile(r"[A-Za-z0-9-]{1,64}")
_request_id: ContextVar[str] = ContextVar("request_id", default="")


class Meta(BaseModel):
    """When it was answered, and the id to quote when something is wrong."""

    timestamp: datetime
    request_id: str


class PageMeta(Meta):
    """The same for a list."""

    page: int
    limit: int
    total: int
    total_pages: int


class Ok(BaseModel, Generic[T]):
    """One thing."""

    success: Literal[True] = True
    data: T
    meta: Meta


class Page(BaseModel, Generic[T]):
    """A page of a list."""

    success: Literal[True] = True
    data: list[T]
    meta: PageMeta


class ErrorDetail(BaseModel):
    """One field that was wrong."""

    field: str
    message: str


class ErrorBody(BaseModel):
    """What was wrong: a code from a closed list, a sentence, and the fields."""

    code: ErrorCode
    message: str
    details: list[ErrorDetail] = []


class Failure(BaseModel):
    """It did not work."""

    success: Literal[False] = False
    error: ErrorBody
    meta: Meta


def meta() -> Meta:
    """The meta of an answer made now."""
    return Meta(timestamp=datetime.now(tz=UTC), request_id=_request_id.get())


def ok(data: T) -> Ok[T]:
    """One thing in its envelope."""
    return Ok(data=data, meta=meta())


def page_of(data: Sequence[T], *, page: int, limit: int, total: int) -> Page[T]:
    """A page of ``total`` things in its envelope."""
    own = PageMeta(**meta().model_dump(), page=page, limit=limit, total=total, total_pages=(total + limit - 1) // limit)
    return Page(data=list(data), meta=own)


def error_response(
    status: int,
    code: ErrorCode,
    message: str,
    *,
    details: Sequence[tuple[str, str]] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """An error in its envelope; at most 50 details, never the input itself (it may be a secret)."""
    body = ErrorBody(
        code=code, message=message, details=[ErrorDetail(field=field, message=text) for field, text in details[:50]]
    )
    failure = Failure(error=body, meta=meta())
    return Response(failure.model_dump_json(), status, headers=dict(headers or {}), media_type="application/json")


class RequestId:
    """ASGI middleware, the outermost: a request keeps the caller's ``X-Request-ID`` or gets one, and the answer has it.

    Whatever was raised further in ends here: logged once, with the id, and answered in the envelope.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Wrap ``app``."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on with an id."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1")
        own = given if _ACCEPTED_ID.fullmatch(given) else str(uuid.uuid4())
        reset = _request_id.set(own)
        answered = False

        async def send_with_id(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = True
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", own.encode())]
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except ClientDisconnect:
            log.debug("the client has gone", extra={"url.path": scope["path"]})
        except Exception:
            fields = {"request_id": own, "http.request.method": scope["method"], "url.path": scope["path"]}
            log.exception("request failed", extra=fields)
            if not answered:
                await internal_error()(scope, receive, send_with_id)
        finally:
            _request_id.reset(reset)


def internal_error() -> Response:
    """What is said of a defect: nothing of it, the log has it under the request's id."""
    return error_response(500, "INTERNAL", "this is a defect of Foretide; its log has the details")


ERROR_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    status: {"model": Failure} for status in (400, 401, 404, 405, 422, 500, 503)
}
