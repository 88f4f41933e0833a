"""The second port: one server listens on both, and the OTLP port lets only OTLP in."""

from __future__ import annotations

from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from app.envelope import error_response

_OTLP_PATHS: Final = frozenset({"/v1/metrics", "/v1/traces"})


class OtlpDoor:
    """ASGI middleware: what does not come in by the main port may only be OTLP."""

    def __init__(self, app: ASGIApp, *, main_port: int) -> None:
        """``main_port`` has every door."""
        self._app, self._main_port = app, main_port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or answer 404."""
        server = scope.get("server")
        if scope["type"] != "lifespan" and server is not None and server[1] != self._main_port:
            if scope["path"] not in _OTLP_PATHS and scope["type"] == "http":
                refusal = error_response(
                    404, "NOT_FOUND", f"this port takes OTLP only: {', '.join(sorted(_OTLP_PATHS))}"
                )
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)
