from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from domain.errors import StoreError
from domain.forecasts import Forecast, ForecastMemory
from forecaster.memory import Memories
from forecaster.run import ForecastLoop
from tests.fakes.executors import HeldExecutor, InlineExecutor
from tests.forecaster.documents import rule, rule_set
from tests.forecaster.test_life import BEGIN, DEMO, MINUTE, SIGNAL, Recorded, recorded

__all__ = ["recorded"]  # a fixture


class Shelf:
    """Keeps bodies as a database does: as text."""

    def __init__(self) -> None:
        self.kept: dict[str, ForecastMemory] = {}
        self.times: list[Any] = []
        self.error: StoreError | None = None

    def save(self, memory: ForecastMemory) -> None:
        if self.error is not None:
            raise self.error
        self.times.append(memory.saved_at)
        self.kept[memory.signal] = replace(memory, body=json.loads(json.dumps(memory.body)))


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def loop_of(recorded: Recorded, shelf: Shelf) -> Callable[..., ForecastLoop]:
    def build(**demo: Any) -> ForecastLoop:
        saved: list[Forecast] = []
        return ForecastLoop(
            range_values=recorded, save=saved.append, pool=InlineExecutor(), reference_pool=HeldExecutor(),
            rules=lambda: rule_set(rule("checkout", **{**DEMO, **demo})), registry=CollectorRegistry(),
            memories=Memories(save=shelf.save, load=shelf.kept.get),
        )  # fmt: skip

    return build


def lived(loop: ForecastLoop, first: int, end: int) -> list[int]:
    """Errors known at each range of horizons after these minutes."""
    for minute in range(first, end):
        loop.tick(BEGIN + minute * MINUTE)
    return [errors.known for errors in loop.status()[SIGNAL].served_errors]


def test_what_was_served_is_known_again_after_a_restart(loop_of: Callable[..., ForecastLoop], shelf: Shelf) -> None:
    """Saved every five minutes; the truth that came while nothing ran is counted, too."""
    lived(loop_of(), 0, 31)
    assert shelf.times == [BEGIN + timedelta(minutes=at) for at in (5, 10, 15, 20, 25, 30)]
    # 31 forecasts were made until minute 30, one a minute, and the truth of the far ones had not come
    assert lived(loop_of(), 40, 41) == [31, 31, 31, 31, 31, 31, 31]
    assert lived(loop_of(), 90, 91)[0] == 31


def test_a_changed_plan_begins_anew(loop_of: Callable[..., ForecastLoop]) -> None:
    lived(loop_of(), 0, 31)
    assert lived(loop_of(quantile=0.8), 31, 32) == [0] * 7


@pytest.mark.parametrize(
    "body", [{}, {"version": 0}, {"version": 1, "served": {}}, {"version": 1, "served": {"levels": 3, "rings": None}}]
)
def test_a_body_that_cannot_be_read_is_dropped_with_one_line(
    body: dict[str, Any], loop_of: Callable[..., ForecastLoop], shelf: Shelf, caplog: pytest.LogCaptureFixture
) -> None:
    lived(loop_of(), 0, 6)
    shelf.kept[SIGNAL] = replace(shelf.kept[SIGNAL], body=body)
    with caplog.at_level(logging.WARNING):
        assert lived(loop_of(), 6, 8)[0] == 1
    said = [record.getMessage() for record in caplog.records]
    assert said == ["What was served before the restart cannot be read, begun anew"]


def test_a_memory_that_cannot_be_saved_stops_no_forecast(
    loop_of: Callable[..., ForecastLoop], shelf: Shelf, caplog: pytest.LogCaptureFixture
) -> None:
    shelf.error = StoreError("disk full")
    loop = loop_of()
    with caplog.at_level(logging.WARNING):
        lived(loop, 0, 6)
    assert loop.status()[SIGNAL].last_success == BEGIN + 5 * MINUTE
    assert [record.getMessage() for record in caplog.records] == ["What was served is not kept over a restart"]
