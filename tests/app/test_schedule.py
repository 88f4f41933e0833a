"""Loops go on."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client import CollectorRegistry

from app.schedule import Schedule
from app.system_clock import SystemClock
from app.telemetry import LastTicks

SOON = timedelta(milliseconds=20)


@pytest.fixture
def ticks() -> LastTicks:
    return LastTicks()


@pytest.fixture
def schedule(registry: CollectorRegistry, ticks: LastTicks) -> Iterator[Schedule]:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(ticks)
    made = Schedule(clock=SystemClock(), registry=registry, tracer=provider.get_tracer("test"))
    yield made
    made.stop()


def test_a_loop_that_fails_goes_on_and_says_so_once(
    schedule: Schedule, registry: CollectorRegistry, ticks: LastTicks, caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[datetime] = []
    done = threading.Event()

    def tick(now: datetime) -> None:
        calls.append(now)
        if len(calls) == 5:
            done.set()
        if len(calls) < 4:
            raise RuntimeError("no disk")

    schedule.every(SOON, "flaky", tick)
    assert not schedule.running
    with caplog.at_level(logging.INFO, logger="app.schedule"):
        schedule.start()
        assert schedule.running
        assert done.wait(10)
        schedule.stop()
    assert not schedule.running
    assert registry.get_sample_value("foretide_loop_failures_total", {"loop": "flaky"}) == 3
    assert [record.message for record in caplog.records] == [
        "a tick failed; the loop goes on",
        "the loop works again",
    ]
    assert all(now.tzinfo is not None for now in calls)
    assert [(tick.loop, tick.error) for tick in ticks.newest()] == [("flaky", "")]


def test_a_slow_tick_is_never_run_twice_at_once(schedule: Schedule) -> None:
    running, most, release, others = [], [], threading.Event(), threading.Event()
    count = []

    def slow(_: datetime) -> None:
        running.append(1)
        most.append(len(running))
        release.wait(10)
        running.pop()

    def other(_: datetime) -> None:
        count.append(1)
        if len(count) == 5:
            others.set()

    schedule.every(SOON, "slow", slow)
    schedule.every(SOON, "other", other)
    schedule.start()
    assert others.wait(10)  # the slow one does not hold up the others
    release.set()
    schedule.stop()
    assert max(most) == 1


def test_a_failed_tick_is_told_with_its_reason(schedule: Schedule, ticks: LastTicks) -> None:
    failed = threading.Event()

    def tick(_: datetime) -> None:
        failed.set()
        raise RuntimeError("no disk")

    schedule.every(timedelta(hours=1), "broken", tick)
    schedule.start()
    assert failed.wait(10)
    schedule.stop()
    (told,) = ticks.newest()
    assert told.error == "RuntimeError: no disk"
