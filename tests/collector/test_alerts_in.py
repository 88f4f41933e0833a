"""Alertmanager's webhook as series: idempotent, durable when acknowledged, bounded, and there again after a restart."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette

from collector.alerts_in.endpoints import MAX_BODY_BYTES, PATH, routes
from collector.alerts_in.intake import FORGOTTEN_AFTER, AlertIntake
from domain.clock import to_ms
from store.metrics import MetricsStore
from store.promql import Evaluator, Vector
from tests.app.asgi import Answer, call
from tests.fakes.clock import ManualClock

ZERO = "0001-01-01T00:00:00Z"
START = "2026-11-22T06:00:00Z"


class World:
    """The door over a real store."""

    def __init__(self, folder: Path, clock: ManualClock) -> None:
        self.folder, self.clock = folder, clock
        self.open()

    def open(self, most_open: int = 50_000) -> None:
        self.store = MetricsStore.open(self.folder / "metrics.db", retention=timedelta(days=1), clock=self.clock)
        self.registry = CollectorRegistry()
        self.intake = AlertIntake(self.store, clock=self.clock, registry=self.registry, most_open=most_open)
        self.app = Starlette(routes=routes(self.intake))

    def send(self, body: bytes) -> Answer:
        return call(self.app, PATH, method="POST", body=[body])

    def post(self, *alerts: dict[str, Any], group: str = "{}:{}", **more: Any) -> Answer:
        body = {
            "version": "4", "groupKey": group, "status": "firing", "receiver": "foretide", "groupLabels": {},
            "commonLabels": {}, "commonAnnotations": {}, "externalURL": "http://am", "alerts": alerts, **more,
        }  # fmt: skip
        return self.send(json.dumps(body).encode())

    def firing(self, query: str = "count(foretide_alert_received)") -> float:
        found = Evaluator(self.store.select).instant(query, at_ms=to_ms(self.clock.now()))
        assert isinstance(found, Vector)
        return float(found.values[0]) if len(found.labels) else 0.0


@pytest.fixture
def world(tmp_path: Path, now: datetime) -> Iterator[World]:
    made = World(tmp_path, ManualClock(now))
    yield made
    made.store.close()


def alert(name: str = "QueueStuck", *, status: str = "firing", start: str = START, **labels: str) -> dict[str, Any]:
    return {
        "status": status, "labels": {"alertname": name, **labels}, "annotations": {}, "startsAt": start,
        "endsAt": ZERO if status == "firing" else "2026-11-22T07:00:00Z", "generatorURL": "http://prom",
        "fingerprint": f"{name}{sorted(labels.items())}"[:64],
    }  # fmt: skip


def test_an_alert_is_a_series_from_firing_to_resolved(world: World) -> None:
    answer = world.post(alert(namespace="shop"), alert(namespace="web"))
    assert (answer.status, answer.json) == (202, {"firing": 2, "resolved": 0, "known": 0})
    assert world.firing('count(foretide_alert_received{alertname="QueueStuck"})') == 2
    world.clock.advance(timedelta(seconds=1))
    assert world.post(alert(namespace="shop", status="resolved")).json["resolved"] == 1
    assert world.firing() == 1


def test_a_repetition_changes_nothing_and_a_late_one_opens_nothing_again(world: World) -> None:
    for _ in range(3):
        assert world.post(alert()).status == 202
    assert world.firing() == 1
    world.post(alert(status="resolved"))
    late = world.post(alert(), alert(status="resolved"))
    world.clock.advance(timedelta(seconds=1))
    assert late.json == {"firing": 0, "resolved": 0, "known": 2}
    assert world.firing() == 0
    assert world.post(alert(start="2026-11-22T06:30:00Z")).json["firing"] == 1
    world.clock.advance(timedelta(seconds=1))
    assert world.firing() == 1


def test_what_is_resolved_before_it_was_seen_to_fire_is_fine(world: World) -> None:
    assert world.post(alert(status="resolved")).status == 202
    assert world.post(alert()).json["known"] == 1
    assert world.firing() == 0


def test_an_alert_of_two_groups_is_over_when_it_is_in_both(world: World) -> None:
    world.post(alert(), group="a")
    world.post(alert(), group="b")
    world.post(alert(status="resolved"), group="a")
    world.clock.advance(timedelta(seconds=1))
    assert world.firing() == 1
    world.post(alert(status="resolved"), group="b")
    world.clock.advance(timedelta(seconds=1))
    assert world.firing() == 0


def test_open_alerts_last_through_silence_and_a_restart_but_not_for_ever(world: World) -> None:
    world.post(alert())
    for _ in range(12):
        world.clock.advance(timedelta(minutes=1))
        world.intake.tick(world.clock.now())
    assert world.firing() == 1
    world.store.close()
    world.open()
    world.clock.advance(timedelta(minutes=4))
    world.intake.tick(world.clock.now())
    world.clock.advance(timedelta(minutes=4))
    assert world.firing() == 1
    world.clock.advance(FORGOTTEN_AFTER)
    world.intake.tick(world.clock.now())
    assert world.firing() == 0


def test_after_a_restart_the_resolution_still_ends_it(world: World) -> None:
    world.post(alert())
    world.store.close()
    world.open()
    world.clock.advance(timedelta(seconds=1))
    world.post(alert(status="resolved"))
    world.clock.advance(timedelta(seconds=1))
    world.intake.tick(world.clock.now())
    assert world.firing() == 0


def test_unknown_fields_are_ignored_and_what_was_left_out_is_counted(world: World) -> None:
    assert world.post({**alert(), "silenceURL": "x"}, truncatedAlerts=7, orgId=1).status == 202
    assert world.registry.get_sample_value("foretide_collector_alerts_truncated_total") == 7


def test_no_label_makes_a_series_that_cannot_be_kept(world: World) -> None:
    wide = alert(**{f"label-{number}": "x" * 5000 for number in range(100)}, __name__="up")
    assert world.post(wide).status == 202
    assert world.firing() == 1


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b"", "body"), (b"[]", "body"), (b'{"version": "3", "groupKey": "a", "alerts": []}', "version"),
        (b'{"version": "4", "groupKey": "a", "alerts": [{"status": "firing", "labels": {}}]}', "alerts.0.startsAt"),
    ],
)  # fmt: skip
def test_what_is_no_webhook_is_refused_with_its_place(world: World, body: bytes, place: str) -> None:
    answer = world.send(body)
    assert answer.status == 400
    assert place in answer.json["error"]


def test_too_much_is_refused_for_good_when_large_and_to_be_sent_again_when_many(world: World) -> None:
    assert world.send(b" " * (MAX_BODY_BYTES + 1)).status == 413
    world.store.close()
    world.open(most_open=2)
    answer = world.post(*(alert(number=str(number)) for number in range(3)))
    assert (answer.status, answer.headers["retry-after"]) == (503, "2")
    assert world.firing() == 0
