"""What stands between the sockets and the application: a request passes these layers from the outside in.

``RequestId`` (an id, and no error without its envelope) → ``Headers`` → ``TokenGate`` → ``OtlpDoor`` → ``BodyLimit``.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.auth import TokenGate
from app.envelope import RequestId, error_response

_OTLP_PATHS: Final = frozenset({"/v1/metrics", "/v1/traces"})
_OWN_LIMITS: Final = ("/v1/", "/prometheus/", "/api/v1/webhooks/")
"""Doors that bound their bodies themselves, and answer in their own protocol."""
MAX_BODY_BYTES: Final = 2**20
_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    # Not no-referrer: with it browsers send `Origin: null` with our own login form.
    (b"referrer-policy", b"same-origin"),
    (b"content-security-policy", b"frame-ancestors 'none'; base-uri 'none'; form-action 'self'; object-src 'none'"),
)


def guarded(application: ASGIApp, *, token: str | None, main_port: int) -> ASGIApp:
    """``application`` behind every layer; ``token`` None lets in this machine only."""
    inner = OtlpDoor(BodyLimit(application, max_bytes=MAX_BODY_BYTES), main_port=main_port)
    return RequestId(Headers(TokenGate(inner, token=token)))


class OtlpDoor:
    """The second port: one server listens on both, and what does not come in by the main port may only be OTLP."""

    def __init__(self, app: ASGIApp, *, main_port: int) -> None:
        """``main_port`` has every door."""
        self._app, self._main_port = app, main_port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or answer 404."""
        server = scope.get("server")
        if scope["type"] == "http" and server is not None and server[1] != self._main_port:
            if scope["path"] not in _OTLP_PATHS:
                message = f"this port takes OTLP only: {', '.join(sorted(_OTLP_PATHS))}"
                await error_response(404, "NOT_FOUND", message)(scope, receive, send)
                return
        await self._app(scope, receive, send)


class Headers:
    """Answers are not framed, not sniffed and, where nothing else is said, not kept."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap ``app``."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and add the headers to the answer."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = list(message.get("headers", ()))
                own = [*_HEADERS, (b"cache-control", b"no-store")]
                names = {name.lower() for name, _ in given}
                message["headers"] = given + [pair for pair in own if pair[0] not in names]
            await send(message)

        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)


class BodyLimit:
    """Reads a body whole before the application sees it, and refuses one that is too large."""

    def __init__(self, app: ASGIApp, *, max_bytes: int) -> None:
        """At most ``max_bytes``."""
        self._app, self._max = app, max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or answer 413."""
        if scope["type"] != "http" or scope["path"].startswith(_OWN_LIMITS):
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        declared = headers.get(b"content-length", b"")
        if not declared and b"transfer-encoding" not in headers:
            await self._app(scope, receive, send)
            return
        too_large = declared.isdigit() and int(declared[:20]) > self._max
        body = None if too_large else await self._read(receive)
        if body is None:
            refusal = error_response(
                413, "TOO_LARGE", f"the body is larger than {self._max} bytes", headers={"Connection": "close"}
            )
            await refusal(scope, receive, send)
            return
        read = deque(body)

        async def receive_again() -> Message:
            return read.popleft() if read else await receive()

        await self._app(scope, receive_again, send)

    async def _read(self, receive: Receive) -> list[Message] | None:
        """The body's messages; None when it is too large."""
        messages: list[Message] = []
        size = 0
        while not messages or messages[-1].get("more_body"):
            messages.append(await receive())
            size += len(messages[-1].get("body", b""))
            if size > self._max:
                return None
        return messages
