"""Alerts that are handed to Alertmanagers: each hears all that is true, late rather than never."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from app.alerting.alertmanagers import BATCH, QUEUED, Alertmanager, HandoverMetrics
from app.alerting.notifier import Notifier
from app.settings import read_settings
from domain.alerts import Alert
from domain.errors import SettingsError
from domain.labels import Labels
from store.prometheus.config import SourceConfig
from tests.alerts.routing.alertmanager import alertmanager, ask, webhook
from tests.fakes.clock import ManualClock

NOW = ManualClock().now()


class Door:
    """Takes batches, or answers what it is told to."""

    def __init__(self) -> None:
        self.batches: list[list[dict[str, Any]]] = []
        self.answers: list[int] = []
        self.url = ""


@contextmanager
def door() -> Iterator[Door]:
    heard = Door()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status = heard.answers.pop(0) if heard.answers else 200
            if status == 200:
                heard.batches.append(body)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"no" if status != 200 else b"")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        heard.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield heard
        server.shutdown()
        thread.join()


class Counted:
    """An Alertmanager's client with its counters."""

    def __init__(self, url: str, clock: ManualClock | None = None) -> None:
        self.clock, self.registry = clock or ManualClock(), CollectorRegistry()
        self.one = Alertmanager(
            SourceConfig(name="alertmanager-1", url=url), clock=self.clock, metrics=HandoverMetrics(self.registry)
        )

    def count(self, name: str) -> float:
        return self.registry.get_sample_value(f"foretide_notifications_{name}", {"alertmanager": self.one.url}) or 0.0


def _alert(number: int, *, seconds: float = 300, **labels: str) -> Alert:
    return Alert(
        labels=Labels.of(alertname="Down", instance=f"{number:05}", **labels), starts_at=NOW,
        ends_at=NOW + timedelta(seconds=seconds), generator_url="http://foretide/graph",
    )  # fmt: skip


def test_alerts_go_in_batches_and_once() -> None:
    with door() as heard:
        client = Counted(heard.url)
        client.one.offer([_alert(number) for number in range(BATCH + 1)])
        client.one.tick(NOW)
        client.one.tick(NOW + timedelta(seconds=1))
        client.one.close()
    assert [len(batch) for batch in heard.batches] == [BATCH, 1]
    assert heard.batches[1] == [{
        "labels": {"alertname": "Down", "instance": f"{BATCH:05}"}, "annotations": {}, "startsAt": NOW.isoformat(),
        "endsAt": (NOW + timedelta(minutes=5)).isoformat(), "generatorURL": "http://foretide/graph",
    }]  # fmt: skip
    assert (client.count("sent_total"), client.count("queue_length")) == (BATCH + 1, 0)


def test_what_fails_is_sent_again_after_a_pause_that_grows_and_the_newest_word_counts() -> None:
    with door() as heard:
        heard.answers = [503, 429]
        client = Counted(heard.url)
        client.one.offer([_alert(1)])
        for second in (0, 0.5, 1, 2):
            client.one.tick(NOW + timedelta(seconds=second))
        assert (heard.answers, heard.batches, client.count("errors_total")) == ([], [], 2)
        assert client.one.last_error == "it answers 429: no"
        client.one.offer([_alert(1, seconds=600)])
        client.one.tick(NOW + timedelta(seconds=3))
        client.one.close()
    assert [one["endsAt"] for one in heard.batches[0]] == [(NOW + timedelta(minutes=10)).isoformat()]
    assert client.one.last_error == ""


def test_what_is_no_longer_true_is_dropped_and_what_is_over_is_told_for_a_while() -> None:
    with door() as heard:
        client = Counted(heard.url)
        client.one.offer([_alert(1, seconds=-901), _alert(2, seconds=-899)])
        client.one.tick(NOW)
        client.one.close()
    assert [one["labels"]["instance"] for one in heard.batches[0]] == ["00002"]
    assert client.count("dropped_total") == 1


def test_the_queue_is_bounded_and_the_oldest_give_way() -> None:
    client = Counted("http://127.0.0.1:9")
    client.one.offer([_alert(number) for number in range(QUEUED + 5)])
    client.one.tick(NOW)
    client.one.close()
    assert (client.count("queue_length"), client.count("dropped_total")) == (QUEUED, 5)


def test_a_batch_that_is_refused_for_good_does_not_block_the_next() -> None:
    with door() as heard:
        heard.answers = [400]
        client = Counted(heard.url)
        client.one.offer([_alert(number) for number in range(BATCH + 1)])
        client.one.tick(NOW)
        client.one.close()
    assert [len(batch) for batch in heard.batches] == [1]
    assert client.count("dropped_total") == BATCH


def test_one_that_is_away_does_not_hold_up_another() -> None:
    with door() as heard:
        away, here = Counted("http://127.0.0.1:9"), Counted(heard.url)
        Notifier(clock=away.clock, alertmanagers=[away.one, here.one]).offer([_alert(1)])
        for client in (away, here):
            client.one.tick(NOW)
            client.one.close()
    assert (away.count("queue_length"), here.count("sent_total")) == (1, 1)


def test_alertmanagers_are_read_as_sources_are(tmp_path: Path) -> None:
    config = tmp_path / "foretide.yaml"
    config.write_text("alertmanagers: [{url: https://am.example/base, tenant: a, timeout: 5s}]\n")
    (read,) = read_settings(config=config, environment={}, working_dir=tmp_path).alertmanagers
    assert (read.url, read.tenant, read.timeout) == ("https://am.example/base", "a", timedelta(seconds=5))
    config.write_text("alertmanagers: [{url: 'ftp://a'}, {url: 'http://b'}, {url: 'http://b/'}]\n")
    with pytest.raises(SettingsError) as told:
        read_settings(config=config, environment={}, working_dir=tmp_path)
    assert str(told.value).splitlines() == [
        "alertmanagers[0].url: expected a URL such as https://prometheus.example:9090",
        "alertmanagers: http://b is given twice",
    ]


@pytest.mark.program
def test_a_real_alertmanager_takes_them_and_tells_their_end(tmp_path: Path) -> None:
    section = "route: {receiver: team, group_by: [alertname], group_wait: 0s, group_interval: 1s}"
    now = datetime.now(UTC)
    fires = Alert(
        labels=Labels.of(alertname="Down", path='a"\\\nb'), annotations=Labels.of(summary="It is down."), starts_at=now,
        ends_at=now + timedelta(minutes=4), generator_url="http://foretide.example/graph?g0.expr=up",
    )  # fmt: skip
    over = Alert(labels=fires.labels, annotations=fires.annotations, starts_at=now, ends_at=now)
    with webhook() as (url, heard), alertmanager(section, ["team"], url, tmp_path) as base:
        client = Counted(base)
        client.one.offer([fires])
        client.one.tick(now)
        (known,) = ask(f"{base}/api/v2/alerts")
        heard.wait_for(1, 10)
        client.one.offer([over])
        client.one.tick(now)
        told = heard.wait_for(2, 10)
        client.one.close()
    assert (known["fingerprint"], known["generatorURL"]) == (fires.fingerprint, fires.generator_url)
    assert [body["status"] for _, body in told] == ["firing", "resolved"]
    assert datetime.fromisoformat(known["endsAt"]) == fires.ends_at.replace(
        microsecond=fires.ends_at.microsecond // 1000 * 1000
    )
