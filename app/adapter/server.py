"""The adapter's door: for each request who asks, whether they may, and only then the answer.

Who asks is the API server in front, by its client certificate and the headers that name the user, or anybody with a
token that the API server knows. Nobody is anonymous, but a probe.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

from aiohttp import web

from app.adapter.front_proxy import FrontProxy, User
from app.adapter.metrics_api import MetricsApi, Reply, attributes_of, status
from app.adapter.review import Reviews
from app.adapter.tls import Renewed
from app.forecast_doors.feed import Feed
from domain.errors import ForetideError, KubeError

log = logging.getLogger(__name__)

LOOK_EVERY_SECONDS: Final = 30.0
"""At the ConfigMap, the certificate's files, and the names of forecasts."""
_PROBES: Final = ("/healthz", "/livez", "/readyz")


class Adapter:
    """What one process serves.

    Args:
        front_proxy: Reads the ConfigMap; raises ``ForetideError``.
        trusted: What it said at the start.
        tls: The server's context.
    """

    def __init__(
        self, *, front_proxy: Callable[[], FrontProxy], trusted: FrontProxy, tls: Renewed, reviews: Reviews,
        feed: Feed, api: MetricsApi,
    ) -> None:  # fmt: skip
        self._read_front_proxy, self._trusted, self._tls = front_proxy, trusted, tls
        self._reviews, self._feed, self._api = reviews, feed, api

    def application(self) -> web.Application:
        """All addresses are one handler's: whatever is not known is refused behind the same two questions."""
        application = web.Application(client_max_size=64 * 1024)
        application.router.add_route("*", "/{path:.*}", self._handle)
        application.cleanup_ctx.append(self._looking)
        return application

    def look(self) -> None:
        """What may have changed: whom to trust, the certificate, the names of forecasts; an error changes nothing."""
        self._feed.look()
        try:
            self._trusted = self._read_front_proxy()
            if self._tls.renew(self._trusted.ca):
                log.info("the adapter's certificate or the front proxy's authority is renewed")
        except (ForetideError, OSError) as error:
            log.warning("whom to trust cannot be read again", extra={"error": str(error)})

    async def _looking(self, _: web.Application) -> AsyncIterator[None]:
        await asyncio.to_thread(self._feed.look)
        task = asyncio.create_task(self._look_again())
        yield
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async def _look_again(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_SECONDS)
            await asyncio.to_thread(self.look)

    async def _handle(self, request: web.Request) -> web.Response:
        if request.path in _PROBES and request.method in ("GET", "HEAD"):
            return web.Response(text="ok\n")
        certificate = request.get_extra_info("peercert") or {}
        if certificate and not self._still_trusted(request):
            answer = _json(status(401, "Unauthorized", "the authority of clients was renewed: connect again"))
            answer.force_close()
            return answer
        headers = list(request.headers.items())
        return _json(await asyncio.to_thread(self._reply, request, _common_name(certificate), headers))

    def _still_trusted(self, request: web.Request) -> bool:
        """Whether this connection was verified by the authority that counts now."""
        connection = request.get_extra_info("ssl_object")
        return isinstance(connection, ssl.SSLObject) and (
            getattr(connection.context, "authority", None) == self._tls.current.authority
        )

    def _reply(self, request: web.Request, common_name: str | None, headers: list[tuple[str, str]]) -> Reply:
        try:
            user = self._user(request, common_name, headers)
            if user is None:
                return status(401, "Unauthorized", "neither a trusted front proxy nor a token that is known")
            asked = attributes_of(request.path, request.method, watch=request.query.get("watch") in ("1", "true"))
            if not self._reviews.allows(user, asked):
                what = f"{asked.resource} in {asked.namespace}" if asked.resource else asked.path[:200]
                return status(403, "Forbidden", f"{user.name} may not {asked.verb} {what}")
        except KubeError as error:
            log.warning("nobody is let in: the API server does not say who may", extra={"error": str(error)})
            return status(503, "ServiceUnavailable", "the API server does not say who may ask")
        if request.method != "GET":
            return status(405, "MethodNotAllowed", "forecasts are read only")
        return self._api.answer(request.path, request.query)

    def _user(self, request: web.Request, common_name: str | None, headers: list[tuple[str, str]]) -> User | None:
        """By the proxy's certificate, else by a token; never by headers alone."""
        if common_name is not None:
            return self._trusted.user(common_name, headers)
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        return self._reviews.user_of(token.strip()) if kind.lower() == "bearer" and token.strip() else None


def _common_name(certificate: dict[str, Any]) -> str | None:
    """Of a verified certificate; None where none was shown."""
    if not certificate:
        return None
    return next((value for part in certificate["subject"] for name, value in part if name == "commonName"), "")


def _json(reply: Reply) -> web.Response:
    code, body = reply
    return web.Response(status=code, body=json.dumps(body).encode(), content_type="application/json")
