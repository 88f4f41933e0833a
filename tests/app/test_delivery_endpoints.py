"""What the API tells of deliveries and receivers, and what it never tells."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from starlette.requests import Request
from starlette.responses import Response

from alerts.delivery.settings import DeliverySettings
from app.alerting.deliveries import DeliveryParts, loops_run
from app.alerting.delivery_endpoints import router
from app.telemetry import LoopTick
from rules import RuleSet
from rules.receiver import Receiver
from store.state import AuditTrail, State
from tests.alerts.delivery.things import LOOPBACK, NOW, SECRET, opened, receiver, telling
from tests.fakes.clock import ManualClock
from tests.fakes.executors import InlineExecutor
from tests.fakes.webhook_receiver import WebhookReceiver

CANARY = "T0/B0/canary"


class Client:
    """Asks the application, without a server."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    def get(self, path: str) -> httpx.Response:
        return asyncio.run(self._ask("GET", path))

    def post(self, path: str) -> httpx.Response:
        return asyncio.run(self._ask("POST", path))

    async def _ask(self, method: str, path: str) -> httpx.Response:
        transport = httpx.ASGITransport(app=self._app)
        async with httpx.AsyncClient(transport=transport, base_url="http://foretide") as client:
            return await client.request(method, path)


@pytest.fixture
def hook() -> Iterator[WebhookReceiver]:
    hook = WebhookReceiver()
    yield hook
    hook.close()


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    with opened(tmp_path) as state:
        yield state


@pytest.fixture
def receivers(hook: WebhookReceiver) -> tuple[Receiver, ...]:
    return (
        receiver(webhook={"url": f"{hook.url}/{CANARY}", "secrets": [{"env": "FORETIDE_RECEIVER_KEY"}]},
                 heartbeat="1m"),
        receiver("inside", webhook={"url": "http://10.0.0.1/"}),
        receiver("slack", slack={"url": {"env": "FORETIDE_RECEIVER_SLACK"}}),
    )  # fmt: skip


@pytest.fixture
def parts(state: State, clock: ManualClock, receivers: tuple[Receiver, ...]) -> DeliveryParts:
    variables = {"FORETIDE_RECEIVER_KEY": SECRET, "FORETIDE_RECEIVER_SLACK": f"https://127.0.0.1/{CANARY}"}
    return DeliveryParts(
        DeliverySettings(allow=LOOPBACK, variables=variables), state=state, clock=clock, pool=InlineExecutor(),
        rules=lambda: RuleSet(receivers=receivers), registry=CollectorRegistry(), base_url="http://127.0.0.1:8080",
    )  # fmt: skip


@pytest.fixture
def client(parts: DeliveryParts) -> Client:
    app = FastAPI()

    @app.middleware("http")
    async def actor(request: Request, call_next: object) -> Response:
        request.state.actor = "local"
        return await call_next(request)  # type: ignore[operator, no-any-return]

    app.include_router(router(parts))
    return Client(app)


def put(parts: DeliveryParts, state: State, *groups: str) -> None:
    with state.transaction() as session:
        for group in groups:
            parts.outbox.put(session, telling(group))


def test_the_log_tells_what_became_of_each_message(
    client: Client, parts: DeliveryParts, state: State, hook: WebhookReceiver
) -> None:
    hook.say(200)  # the heartbeat comes after the messages
    hook.answers.appendleft((400, {}))
    put(parts, state, "a", "b")
    parts.tick(NOW)

    newest, oldest = client.get("/deliveries").json()["data"]
    assert (newest["status"], newest["attempts"], newest["tells"]) == ("delivered", 1, "firing")
    assert (oldest["status"], oldest["last_error"]) == ("dead", "it answered 400")
    assert client.get("/deliveries?status=dead").json()["meta"]["total"] == 1
    assert client.get("/deliveries?receiver=default/other").json()["data"] == []


def test_a_dead_letter_is_replayed_by_the_api(
    client: Client, parts: DeliveryParts, state: State, hook: WebhookReceiver
) -> None:
    hook.say(400)
    put(parts, state, "a")
    parts.deliverer.tick(NOW)
    id_ = telling("a").dedup

    assert client.post(f"/deliveries/{id_}/replay").json()["data"]["status"] == "pending"
    assert client.post(f"/deliveries/{id_}/replay").status_code == 409
    assert client.post("/deliveries/none/replay").status_code == 404
    parts.deliverer.tick(NOW)
    assert [one.id for one in hook.got] == [id_, id_]


def test_a_receiver_at_a_private_address_is_told_and_the_others_go_on(client: Client) -> None:
    states = {one["name"]: one for one in client.get("/receivers").json()["data"]}

    assert states["inside"]["state"] == "failing"
    assert "10.0.0.1, which is not public" in states["inside"]["problem"]
    assert (states["oncall"]["state"], states["oncall"]["signed"]) == ("ok", True)


def test_a_disabled_receiver_is_enabled_by_the_api(
    client: Client, parts: DeliveryParts, state: State, clock: ManualClock, hook: WebhookReceiver
) -> None:
    hook.say(410)
    put(parts, state, "a")
    parts.deliverer.tick(NOW)
    assert client.get("/receivers").json()["data"][0]["state"] == "disabled"

    assert client.post("/receivers/default/oncall/enable").json()["data"]["state"] == "ok"
    assert client.post("/receivers/default/none/enable").status_code == 404
    parts.deliverer.tick(clock.advance(timedelta(seconds=10)))
    assert len(hook.taken) == 1
    with state.transaction() as session:
        newest = AuditTrail(session).newest(limit=1)[0]
    assert (newest.verb, newest.actor, newest.object) == ("receiver enabled", "local", "receiver/default/oncall")


def test_no_answer_holds_a_secret(client: Client, parts: DeliveryParts, state: State) -> None:
    put(parts, state, "a")
    parts.tick(NOW)
    told = client.get("/receivers").text + client.get("/deliveries").text

    assert CANARY not in told
    assert SECRET not in told


def test_the_heartbeat_comes_once_a_minute_and_stops_with_the_loops(
    parts: DeliveryParts, clock: ManualClock, hook: WebhookReceiver
) -> None:
    for _ in range(180):
        parts.tick(clock.now())
        clock.advance(timedelta(seconds=1))

    assert len(hook.got) == 3
    assert len({one.id for one in hook.got}) == 3
    assert all(one.headers["webhook-signature"] for one in hook.got)


def test_loops_run_while_the_newest_decision_is_fresh_and_did_not_fail() -> None:
    def alive(seconds: int, error: str = "") -> bool:
        tick = LoopTick(loop="decide", started_at=NOW, duration_seconds=0.1, steps={}, error=error)
        return loops_run(lambda: [tick])(NOW + timedelta(seconds=seconds))

    assert alive(60)
    assert not alive(121)
    assert not alive(1, error="down")
    assert not loops_run(lambda: [])(NOW)
