"""Forecasts written back: what the server gets, and what happens when it takes nothing."""

from __future__ import annotations

import struct
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cramjam
import httpx
import pytest
from prometheus_client import CollectorRegistry

from domain.clock import to_ms
from store.prometheus import PrometheusClient, SourceConfig
from store.prometheus.metrics import SourceMetrics
from store.prometheus.remote_write import BATCH_SAMPLES, QUEUE_SAMPLES, RemoteWriter, encoded, samples_of
from store.promql import Vector
from tests.app.world import forecast
from tests.fakes.clock import ManualClock
from tests.fakes.prometheus import Reply, Server, prometheus_with


class World:
    def __init__(self, url: str, clock: ManualClock) -> None:
        self.registry, self.clock = CollectorRegistry(), clock
        self.http = httpx.Client(trust_env=False)
        self.writer = RemoteWriter(
            source="mimir", url=url, http=self.http, metrics=SourceMetrics(self.registry), clock=clock
        )

    def counted(self, result: str) -> float:
        labels = {"source": "mimir", "result": result}
        return self.registry.get_sample_value("foretide_source_forecast_samples_total", labels) or 0.0


def test_a_forecast_becomes_series_by_quantile_and_horizon(now: datetime) -> None:
    samples = samples_of(forecast(made_at=now))
    by_labels = {str(sample.labels): sample.value for sample in samples}
    assert len(samples) == 16
    assert by_labels['foretide_forecast_mean{horizon="5m", signal="demo/shop/soon"}'] == pytest.approx(20.0)
    assert by_labels['foretide_forecast{horizon="1h", quantile="0.9", signal="demo/shop/soon"}'] == pytest.approx(56.0)
    assert {sample.timestamp_ms for sample in samples} == {to_ms(now)}
    short = replace(forecast(made_at=now), mean=forecast().mean[:2], values=forecast().values[:2])
    assert {dict(sample.labels)["horizon"] for sample in samples_of(short)} == {"5m"}


def test_a_real_prometheus_takes_it(tmp_path: Path, clock: ManualClock) -> None:
    at = datetime.now(UTC).replace(microsecond=0)
    with prometheus_with([], tmp_path, "--web.enable-remote-write-receiver") as url:
        world = World(f"{url}/api/v1/write", clock)
        world.writer.offer(forecast(made_at=at))
        world.writer.tick(at)
        assert (world.counted("ok"), world.writer.queued, world.writer.last_error) == (16.0, 0, "")
        client = PrometheusClient(
            SourceConfig(name="p", url=url), clock=clock, metrics=SourceMetrics(CollectorRegistry())
        )
        vector = client.instant('foretide_forecast{quantile="0.9", horizon="1h"}', at_ms=to_ms(at))
        client.close()
        world.http.close()
    assert isinstance(vector, Vector)
    assert vector.values.tolist() == pytest.approx([56.0])


def test_the_bytes_are_those_of_the_protocol(now: datetime) -> None:
    samples = samples_of(forecast(made_at=now))[:1]
    plain = bytes(cramjam.snappy.decompress_raw(encoded(samples)))
    assert plain[:1] == b"\x0a"
    assert b"\x0a\x08__name__\x12\x16foretide_forecast_mean" in plain
    assert struct.pack("<d", samples[0].value) in plain


def test_a_server_in_trouble_gets_it_later(clock: ManualClock) -> None:
    replies = [Reply(503)]
    with Server(lambda _: replies[0]) as server:
        world = World(server.url, clock)
        world.writer.offer(forecast(made_at=clock.now()))
        world.writer.tick(clock.now())
        world.writer.tick(clock.now())
        assert len(server.asked) == 1
        assert "503" in world.writer.last_error
        clock.advance(timedelta(seconds=1))
        world.writer.tick(clock.now())
        clock.advance(timedelta(seconds=1))
        world.writer.tick(clock.now())
        assert len(server.asked) == 2
        replies[0] = Reply(204)
        clock.advance(timedelta(seconds=1))
        world.writer.tick(clock.now())
        world.http.close()
    assert (world.counted("ok"), world.counted("dropped"), world.writer.queued) == (16.0, 0.0, 0)


def test_a_server_that_says_when_gets_it_then(clock: ManualClock) -> None:
    with Server(lambda _: Reply(429, b"", {"retry-after": "60"})) as server:
        world = World(server.url, clock)
        world.writer.offer(forecast(made_at=clock.now()))
        world.writer.tick(clock.now())
        clock.advance(timedelta(seconds=59))
        world.writer.tick(clock.now())
        world.http.close()
    assert len(server.asked) == 1


def test_what_is_refused_for_good_is_dropped_and_counted(clock: ManualClock) -> None:
    with Server(lambda _: Reply(400, b"out of order sample")) as server:
        world = World(server.url, clock)
        world.writer.offer(forecast(made_at=clock.now()))
        world.writer.tick(clock.now())
        world.http.close()
    assert (world.counted("dropped"), world.writer.queued) == (16.0, 0)
    assert "out of order sample" in world.writer.last_error


def test_old_and_too_many_forecasts_are_dropped(clock: ManualClock) -> None:
    world = World("http://127.0.0.1:9", clock)
    world.writer.offer(forecast(made_at=clock.now()))
    clock.advance(timedelta(minutes=31))
    world.writer.tick(clock.now())
    assert (world.counted("dropped"), world.writer.queued) == (16.0, 0)
    for number in range(QUEUE_SAMPLES // 16 + 1):
        world.writer.offer(forecast(made_at=clock.now(), signal=f"demo/{number}/soon"))
    assert world.writer.queued == QUEUE_SAMPLES
    world.writer.tick(clock.now())
    assert world.writer.queued == QUEUE_SAMPLES
    assert world.counted("ok") == 0.0
    assert BATCH_SAMPLES < QUEUE_SAMPLES
    world.http.close()
