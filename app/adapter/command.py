"""``foretide adapter``: what it needs, and its life from the first look to SIGTERM."""

from __future__ import annotations

import asyncio
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from app.adapter import front_proxy
from app.adapter.front_proxy import FrontProxy
from app.adapter.metrics_api import MetricsApi
from app.adapter.review import Reviews
from app.adapter.server import Adapter
from app.adapter.tls import Renewed
from app.forecast_doors.feed import Feed
from app.forecast_doors.foretide import Foretide
from app.system_clock import SystemClock
from app.telemetry import set_up_logging
from domain.errors import SettingsError
from kube import Access, connect


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The command's options."""

    access: Access
    server: str
    token_file: Path | None
    host: str
    port: int
    certificate: Path
    key: Path


def serve(wanted: Wanted) -> None:
    """Run until SIGINT or SIGTERM.

    Raises:
        ForetideError: The certificate, the port or the token cannot be used, or the API server does not say whom to
            trust.
    """
    set_up_logging(level="info", form="auto", stream=sys.stderr, color=False)
    clock = SystemClock()
    connection = connect(wanted.access, clock=clock)
    feed = Feed(Foretide(wanted.server, wanted.token_file).ask, clock=clock)

    def trusted() -> FrontProxy:
        return front_proxy.read(connection.request("GET", front_proxy.PATH))

    first = trusted()
    tls = Renewed.of(wanted.certificate, wanted.key, first.ca)
    reviews = Reviews(lambda path, body: connection.request("POST", path, body=body), clock=clock)
    adapter = Adapter(
        front_proxy=trusted, trusted=first, tls=tls, reviews=reviews, feed=feed, api=MetricsApi(feed, clock.now)
    )
    asyncio.run(_serve(adapter.application(), tls, wanted))


async def _serve(application: web.Application, tls: Renewed, wanted: Wanted) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=3.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, wanted.host, wanted.port, ssl_context=tls).start()
        print(f"foretide: https://{wanted.host}:{runner.addresses[0][1]}", file=sys.stderr, flush=True)
        await ended.wait()
    except OSError as error:
        raise SettingsError(f"{wanted.host}:{wanted.port} cannot be used: {error.strerror}") from error
    finally:
        await runner.cleanup()
