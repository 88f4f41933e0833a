"""``foretide webhook``: the validation webhook, a small server of its own with TLS and without state.

Without a cluster it reads nothing and needs no rights; with one it reads our documents. Any number of them may run.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import signal
import socket
import ssl
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Final

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from app.admission import NoReviewError, reviewed
from app.admission_others import InCluster, Others
from app.cluster_documents import ClusterObjects
from app.system_clock import SystemClock
from app.telemetry import set_up_logging
from domain.errors import SettingsError
from kube import Access, connect

log = logging.getLogger(__name__)

MAX_BODY_BYTES: Final = 4 * 2**20
"""An object and its old self, of 1.5 MiB each at most (etcd's limit)."""
_RENEWAL_SECONDS: Final = 60.0
"""A kubelet writes a renewed Secret within about that long, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Where it listens, and what it shows."""

    host: str
    port: int
    certificate: Path
    key: Path
    access: Access | None = None
    """To the cluster whose other documents are looked at; None: one document is checked alone."""


def serve(door: Door) -> None:
    """Run until SIGINT or SIGTERM.

    Raises:
        SettingsError: The certificate or the port cannot be used.
    """
    set_up_logging(level="info", form="auto", stream=sys.stderr, color=False)
    renewing = Renewing(door)
    config = uvicorn.Config(
        application(renewing, _others(door)), log_config=None, access_log=False, server_header=False,
        timeout_graceful_shutdown=3, ssl_certfile=door.certificate, ssl_keyfile=door.key,
    )  # fmt: skip
    try:
        config.load()
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"certificate {door.certificate} with key {door.key} cannot be used: {error}") from error
    renewing.context = config.ssl
    with _listening(door) as listening:
        print(f"foretide: https://{door.host}:{listening.getsockname()[1]}/validate", file=sys.stderr, flush=True)
        # The server raises the signal again when it has ended: by then nothing is left to do, the exit is a clean one.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: None)
        uvicorn.Server(config).run(sockets=[listening])


def _listening(door: Door) -> socket.socket:
    family = socket.AF_INET6 if ":" in door.host else socket.AF_INET
    try:
        return socket.create_server((door.host, door.port), family=family)
    except OSError as error:
        raise SettingsError(f"{door.host}:{door.port} cannot be used: {error.strerror}") from error


def _others(door: Door) -> Others | None:
    if door.access is None:
        return None
    others = InCluster(ClusterObjects(connect(door.access, clock=SystemClock())))
    others.start()
    return others.read


def application(renewing: Renewing, others: Others | None = None) -> Starlette:
    """``/validate``, and ``/healthz`` for probes."""
    routes = [Route("/validate", _validate, methods=["POST"]), Route("/healthz", _healthy)]
    made = Starlette(routes=routes, lifespan=renewing.lifespan)
    made.state.others = others
    return made


async def _validate(request: Request) -> Response:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY_BYTES:
            return PlainTextResponse(f"larger than {MAX_BODY_BYTES // 2**20} MiB\n", status_code=413)
    try:
        answer = await asyncio.to_thread(_answered, bytes(body), request.app.state.others)
    except NoReviewError as error:
        return PlainTextResponse(f"{error}\n", status_code=400)
    return JSONResponse(answer)


def _answered(body: bytes, others: Others | None) -> dict[str, object]:
    """Numbers stay as exact as in a file."""
    try:
        asked = json.loads(body, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise NoReviewError("expected JSON") from error
    return reviewed(asked, others)


async def _healthy(_: Request) -> Response:
    return PlainTextResponse("ok\n")


@dataclass(slots=True)
class Renewing:
    """Takes a renewed certificate into use without a restart: for connections that are made from then on."""

    door: Door
    context: ssl.SSLContext | None = None
    _seen: tuple[int, ...] = field(default=())

    @contextlib.asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        """Watch the files while the server runs."""
        self._seen = self._versions()
        task = asyncio.create_task(self._watch())
        yield
        task.cancel()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_RENEWAL_SECONDS)
            self.look()

    def look(self) -> None:
        """Read the files again where they have changed; one half of a pair is tried again later."""
        versions = self._versions()
        if self.context is None or versions in (self._seen, ()):
            return
        try:
            self.context.load_cert_chain(self.door.certificate, self.door.key)
            self._seen = versions
            log.info("the webhook's certificate is renewed")
        except (OSError, ssl.SSLError) as error:
            log.warning("a renewed certificate cannot be used", extra={"reason": str(error)})

    def _versions(self) -> tuple[int, ...]:
        with contextlib.suppress(OSError):
            return tuple(file.stat().st_mtime_ns for file in (self.door.certificate, self.door.key))
        return ()
