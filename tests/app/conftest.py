"""A whole Foretide that these tests share, served on loopback, with a little past in its stores."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator, Mapping
from datetime import timedelta
from email.message import Message
from pathlib import Path

import pytest
import uvicorn

from app.doors import guarded
from app.settings import read_settings
from app.system_clock import SystemClock
from app.wiring import House
from store.state import DecisionLedger, ForecastShelf
from tests.app.asgi import Answer
from tests.app.world import BUDGET, decision, forecast, hold, rising, rule_text

CONFIG = """
rules_dir: rules
scrape_configs:
- job_name: nobody
  static_configs: [{targets: ["127.0.0.1:9"]}]
"""


class Served:
    """The house behind its doors, on a port of its own."""

    def __init__(self, house: House, port: int) -> None:
        self.house, self.port = house, port

    def ask(
        self, path: str, *, method: str = "GET", headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body=body, headers=dict(headers or {}))
            response = connection.getresponse()
            return Answer(status=response.status, headers=_lower(response.headers), body=response.read())
        finally:
            connection.close()


def _lower(headers: Message) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def a_house(folder: Path, *, config: str = CONFIG) -> House:
    (folder / "rules").mkdir(exist_ok=True)
    (folder / "rules" / "shop.yaml").write_text(f"{rule_text()}---{BUDGET}")
    (folder / "foretide.yaml").write_text(config)
    settings = read_settings(config=None, environment={"FORETIDE_PORT": "0"}, working_dir=folder)
    settings.data_dir.mkdir(exist_ok=True)
    return House(settings, clock=SystemClock(), version="9.9.9", base_url="http://127.0.0.1:1", environment={})


def _fill(house: House) -> None:
    now = SystemClock().now()
    house.metrics.load([rising("http_requests_total", per_second=20.0, end=now, job="shop")])
    with house.state.transaction() as session:
        DecisionLedger(session).append(decision(1, at=now - timedelta(minutes=5)))
        for number in range(2, 10):
            DecisionLedger(session).append(hold(number, at=now - timedelta(seconds=15 * number)))
        ForecastShelf(session).put(forecast(made_at=now - timedelta(seconds=30)))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    house = a_house(tmp_path_factory.mktemp("house"))
    _fill(house)
    house.prepare()
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    application = guarded(house.application(), token=None, main_port=port)
    server = uvicorn.Server(uvicorn.Config(application, lifespan="on", log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="served")
    thread.start()
    yield Served(house, port)
    server.should_exit = True
    thread.join(20)
    assert not thread.is_alive()
    assert not house.schedule.running
