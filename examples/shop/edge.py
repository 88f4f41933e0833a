"""The edge: plays the customers and balances their requests over the shop's replicas, as an ingress would.

    python -m examples.shop.edge --endpoints targets.json --port 8001

Arrivals are an open loop (Poisson): customers do not wait for one another, so an overloaded shop stays overloaded.
Replicas come from a file in Prometheus' file_sd format, read again when it changes; each request goes to the one with
the fewest outstanding.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import random
import signal
import socket
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import aiohttp
import prometheus_client
from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from examples.shop.curve import EDGE_BUCKETS, rate
from examples.shop.process import end_with_parent, listen_arguments, listening_socket

SERVICE: Final = "shop"
REQUEST_TIMEOUT_SECONDS: Final = 2.0
READ_ENDPOINTS_SECONDS: Final = 1.0
MOST_OUTSTANDING: Final = 1000
"""At 2 s each that is 500 requests/s, three times what the largest burst offers."""
MAX_FACTOR: Final = 5.0
MAX_BURST_SECONDS: Final = 600.0


class Endpoints:
    """The replicas that take requests, from a file_sd file."""

    def __init__(self, path: Path) -> None:
        """Nothing is read before the first ``read``."""
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self.outstanding: dict[str, int] = {}
        """Requests under way, by address."""

    def read(self) -> None:
        """Read the file when it changed; a file that cannot be read leaves the replicas as they are."""
        try:
            status = self._path.stat()
            seen = (status.st_mtime_ns, status.st_size, status.st_ino)
            if seen == self._seen:
                return
            targets = [target for group in json.loads(self._path.read_bytes()) for target in group["targets"]]
        except (OSError, ValueError, TypeError, KeyError) as error:
            if self._seen is not None:
                print(f"{self._path}: {error}; the replicas stay as they are", file=sys.stderr)
            self._seen = None
            return
        self._seen = seen
        self.outstanding = {str(target): self.outstanding.get(str(target), 0) for target in targets}

    def choose(self, *, but: str | None = None) -> str | None:
        """The replica with the fewest outstanding requests, one of several at random; None without replicas."""
        choices = [target for target in self.outstanding if target != but]
        least = min((self.outstanding[target] for target in choices), default=0)
        ties = [target for target in choices if self.outstanding[target] == least]
        return random.choice(ties) if ties else None

    def add(self, target: str, change: int) -> None:
        """Count a request in (+1) or out (-1); a replica that is gone meanwhile is not counted."""
        if target in self.outstanding:
            self.outstanding[target] += change


@dataclass(slots=True)
class Burst:
    """More of everything for a while, asked for by hand."""

    factor: float = 1.0
    until: float = field(default=-math.inf)

    def factor_at(self, now: float) -> float:
        """The factor while it lasts, then 1."""
        return self.factor if now < self.until else 1.0


class Edge:
    """Sends what the curve asks for and counts what comes back."""

    def __init__(self, endpoints: Endpoints, session: aiohttp.ClientSession, registry: CollectorRegistry) -> None:
        """Register the metrics in ``registry``."""
        self._endpoints, self._session = endpoints, session
        self._tasks: set[asyncio.Task[None]] = set()
        self.burst = Burst()
        self._requests = Counter("edge_requests_total", "Requests sent.", ["service", "code"], registry=registry)
        self._requests.labels(SERVICE, "200")
        self._duration = Histogram(
            "edge_request_duration_seconds", "Time to the answer.", ["service"], buckets=EDGE_BUCKETS, registry=registry
        ).labels(SERVICE)
        outstanding = Gauge("edge_outstanding_requests", "Sent, not yet answered.", ["service"], registry=registry)
        outstanding.labels(SERVICE).set_function(lambda: len(self._tasks))
        offered = Gauge("edge_offered_rate", "Requests/s that customers send now.", ["service"], registry=registry)
        offered.labels(SERVICE).set_function(self.offered_rate)
        replicas = Gauge("edge_endpoints", "Replicas that take requests.", ["service"], registry=registry)
        replicas.labels(SERVICE).set_function(lambda: len(self._endpoints.outstanding))

    def offered_rate(self) -> float:
        """Requests per second now: the curve, times a burst asked for by hand."""
        return rate(time.time()) * self.burst.factor_at(time.monotonic())

    async def send_forever(self) -> None:
        """Send requests at random moments, the rate being the curve's."""
        due = read_at = time.monotonic()
        while True:
            now = time.monotonic()
            if now >= read_at:
                self._endpoints.read()
                read_at = now + READ_ENDPOINTS_SECONDS
            due = max(due, now - 0.5)  # after a pause of this machine: no flood of what was missed
            while due <= now:
                self._send()
                due += random.expovariate(self.offered_rate())
            await asyncio.sleep(min(due, read_at) - now)

    async def close(self) -> None:
        """Give up what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _send(self) -> None:
        if len(self._tasks) >= MOST_OUTSTANDING:
            self._requests.labels(SERVICE, "503").inc()
            return
        path = "/checkout" if random.random() < 0.3 else "/catalog"
        task = asyncio.create_task(self._request(path))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _request(self, path: str) -> None:
        started = time.perf_counter()
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_SECONDS):
                code = await self._answer(path)
        except TimeoutError:
            code = 504
        self._requests.labels(SERVICE, str(code)).inc()
        self._duration.observe(time.perf_counter() - started)

    async def _answer(self, path: str) -> int:
        """The status of one replica; of a second one where the first does not talk, as ingresses retry a GET."""
        first = self._endpoints.choose()
        if first is None:
            return 503
        try:
            return await self._ask(first, path)
        except (aiohttp.ClientError, OSError):
            second = self._endpoints.choose(but=first) or first
        try:
            return await self._ask(second, path)
        except (aiohttp.ClientError, OSError):
            return 502

    async def _ask(self, target: str, path: str) -> int:
        self._endpoints.add(target, +1)
        try:
            async with self._session.get(f"http://{target}{path}") as response:
                await response.read()
                return response.status
        finally:
            self._endpoints.add(target, -1)


def application(edge: Edge, registry: CollectorRegistry) -> web.Application:
    """What can be asked of the edge."""

    async def explain(_request: web.Request) -> web.Response:
        return web.Response(
            text=f"The demo's edge: sends the shop {edge.offered_rate():.0f} requests/s now, by a day of 24 minutes.\n"
            "More load for a while: POST /burst?factor=2&seconds=120 · numbers: GET /metrics\n"
        )

    async def readyz(_request: web.Request) -> web.Response:
        return web.json_response({"status": "ready"})

    async def metrics(_request: web.Request) -> web.Response:
        page = prometheus_client.generate_latest(registry)
        return web.Response(body=page, headers={"Content-Type": prometheus_client.CONTENT_TYPE_LATEST})

    async def burst(request: web.Request) -> web.Response:
        factor = _number(request, "factor", default=2.0, most=MAX_FACTOR)
        seconds = _number(request, "seconds", default=120.0, most=MAX_BURST_SECONDS)
        edge.burst = Burst(factor=factor, until=time.monotonic() + seconds)
        return web.json_response({"factor": factor, "seconds": seconds})

    app = web.Application()
    app.add_routes([web.get("/", explain), web.get("/readyz", readyz), web.get("/metrics", metrics)])
    app.add_routes([web.post("/burst", burst)])
    return app


def _number(request: web.Request, name: str, *, default: float, most: float) -> float:
    """A query parameter above 0 and up to ``most``; 422 with a sentence otherwise."""
    text = request.query.get(name)
    try:
        number = default if text is None else float(text)
    except ValueError:
        number = math.nan
    if not 0 < number <= most:
        raise web.HTTPUnprocessableEntity(text=f"{name} is a number above 0 and up to {most:g}\n")
    return number


async def serve(listener: socket.socket, endpoints: Endpoints) -> None:
    """Send and answer until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        edge = Edge(endpoints, session, registry)
        runner = web.AppRunner(application(edge, registry), access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        await web.SockSite(runner, listener).start()
        sending = asyncio.create_task(edge.send_forever())
        await asyncio.wait([sending, asyncio.create_task(stop.wait())], return_when=asyncio.FIRST_COMPLETED)
        sending.cancel()
        await edge.close()
        await runner.cleanup()
    if not stop.is_set():
        sending.result()  # it ended by itself: say why


def main() -> None:
    """Run the edge."""
    parser = argparse.ArgumentParser(prog="examples.shop.edge", description="Load and load balancer of the demo.")
    parser.add_argument("--endpoints", type=Path, required=True, help="replicas, in Prometheus' file_sd format (JSON)")
    listen_arguments(parser)
    arguments = parser.parse_args()
    listener = listening_socket(arguments)
    end_with_parent()
    asyncio.run(serve(listener, Endpoints(arguments.endpoints)))


if __name__ == "__main__":
    main()
