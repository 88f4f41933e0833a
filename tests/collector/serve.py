"""A real HTTP server on loopback whose one page a test may change."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

TEXT = "text/plain; version=0.0.4; charset=utf-8"


@dataclass
class Served:
    """The page, and the requests that came for it."""

    body: bytes = b"a 1\n"
    content_type: str = TEXT
    status: int = 200
    zipped: bool = False
    headers: dict[str, str] = field(default_factory=dict)
    hold: asyncio.Event | None = None
    address: str = ""
    requests: list[web.Request] = field(default_factory=list)


@asynccontextmanager
async def serving(served: Served) -> AsyncIterator[Served]:
    async def answer(request: web.Request) -> web.Response:
        served.requests.append(request)
        if served.hold:
            await served.hold.wait()
        body, headers = served.body, {**served.headers, "Content-Type": served.content_type}
        if served.zipped and "gzip" in request.headers.get("Accept-Encoding", ""):
            body, headers = gzip.compress(body), {**headers, "Content-Encoding": "gzip"}
        return web.Response(body=body, status=served.status, headers=headers)

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    served.address = f"{host}:{port}"
    try:
        yield served
    finally:
        if served.hold:
            served.hold.set()
        await runner.cleanup()
