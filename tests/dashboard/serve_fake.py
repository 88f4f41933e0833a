"""The dashboard over made-up data: ``python -m tests.dashboard.serve_fake --port 8099`` from the repository's root."""

from __future__ import annotations

import argparse
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import uvicorn
from fastapi import FastAPI

from dashboard.build import mount
from dashboard.contract import DataClient
from domain.errors import Mistake
from tests.fakes.dashboard_data import FakeDashboardData

MISTAKE = Mistake(
    file="rules/shop.yaml", line=14, column=5, field="spec.replicas.max", message="must be at least min (2), is 1"
)


class WallClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


def application(data: DataClient) -> FastAPI:
    api = FastAPI()

    @api.get("/api/{rest:path}", status_code=404)
    def unknown(rest: str) -> dict[str, str]:
        return {"detail": f"no such resource: {rest}"}

    mount(api, data, version="0.1.0")
    return api


@contextmanager
def served(data: DataClient) -> Iterator[str]:
    """The address of a server on a free loopback port; the socket listens before the server accepts, so no waiting."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        server = uvicorn.Server(uvicorn.Config(application(data), log_level="warning", ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(timeout=20)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8099)
    parser.add_argument("--state", choices=("normal", "broken", "bare", "silent"), default="normal")
    parser.add_argument("--mistakes", action="store_true")
    arguments = parser.parse_args()
    data = FakeDashboardData(
        WallClock(),
        broken=arguments.state == "broken",
        bare=arguments.state == "bare",
        silent=arguments.state == "silent",
        mistakes=(MISTAKE,) if arguments.mistakes else (),
    )
    uvicorn.run(application(data), host="127.0.0.1", port=arguments.port, log_level="warning")


if __name__ == "__main__":
    main()
