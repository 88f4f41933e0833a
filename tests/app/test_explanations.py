"""Who asks twice is answered from the first computation; who asks for nothing known is told."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.explanations import Explanations
from domain.errors import HistoryTooShortError, NoDataError, OverloadedError
from domain.forecasts import Forecast, signal_name
from forecaster.workers import OneShotPool
from rules import RuleSet
from tests.app.conftest import Served
from tests.app.world import forecast, rule_set
from tests.fakes.clock import ManualClock
from tests.fakes.executors import HeldExecutor, InlineExecutor
from tests.forecaster import documents

SIGNAL = "demo/shop/soon"


class World:
    """Rules with one forecast trigger, a history of days, and a shelf."""

    def __init__(self, folder: Path, clock: ManualClock, pool: Any, *, days: float = 4.0) -> None:
        self.clock, self.pool, self.days = clock, pool, days
        self.rules: RuleSet = rule_set(folder)
        self.shelf: dict[str, Forecast] = {}
        self.reads = 0
        self.explanations = Explanations(
            rules=lambda: self.rules, latest=self.shelf.get, range_values=self.history,
            range_series=self.histories, pool=pool, clock=clock,
            wait=timedelta(0) if isinstance(pool, HeldExecutor) else timedelta(seconds=60),
        )  # fmt: skip

    def histories(
        self, expr: str, start: Any, end: Any, step: timedelta, *, source: str | None = None
    ) -> tuple[Any, bool]:
        values, generated = self.history(expr, start, end, step)
        return {(("zone", "a"),): values}, generated

    def history(
        self, expr: str, start: Any, end: Any, step: timedelta, *, source: str | None = None
    ) -> tuple[Any, bool]:
        self.reads += 1
        count = (end - start) // step + 1
        values = 100 + 50 * np.sin(2 * np.pi * np.arange(count) / 288) + np.random.default_rng(0).normal(size=count)
        values[: max(0, count - int(self.days * 288))] = np.nan
        return values, False


def test_one_computation_for_each_cutoff(tmp_path: Path, clock: ManualClock) -> None:
    world = World(tmp_path, clock, HeldExecutor())
    for _ in range(3):
        with pytest.raises(OverloadedError, match="waits behind others"):
            world.explanations.of(SIGNAL)
    assert (world.reads, world.pool.run_all()) == (1, 1)
    first = world.explanations.of(SIGNAL)
    assert first is not None
    assert world.explanations.of(SIGNAL) is first
    clock.advance(timedelta(minutes=5))
    with pytest.raises(OverloadedError):
        world.explanations.of(SIGNAL)
    assert world.reads == 2


def test_the_served_model_and_its_cutoff_are_explained(tmp_path: Path, clock: ManualClock) -> None:
    world = World(tmp_path, clock, InlineExecutor())
    made = forecast(made_at=clock.now() - timedelta(minutes=7))
    world.shelf[SIGNAL] = made
    found = world.explanations.of(SIGNAL)
    assert found is not None
    assert (found.model, found.cutoff) == (made.model, made.cutoff)


def test_what_failed_is_tried_again(tmp_path: Path, clock: ManualClock) -> None:
    world = World(tmp_path, clock, InlineExecutor(), days=1)
    with pytest.raises(HistoryTooShortError):
        world.explanations.of(SIGNAL)
    world.days = 4
    assert world.explanations.of(SIGNAL) is not None


def test_a_signal_of_no_rule_is_nothing(tmp_path: Path, clock: ManualClock) -> None:
    assert World(tmp_path, clock, InlineExecutor()).explanations.of("demo/shop/rps") is None


def test_a_series_of_a_document_is_explained_by_its_own_history(tmp_path: Path, clock: ManualClock) -> None:
    world = World(tmp_path, clock, InlineExecutor())
    world.rules = documents.rule_set(documents=(documents.document("zones"),))
    for zone in "ab":
        signal = signal_name("shop/zones", {"zone": zone})
        world.shelf[signal] = replace(forecast(made_at=clock.now()), signal=signal, labels={"zone": zone})
    found = world.explanations.of('shop/zones{zone="a"}')
    assert found is not None
    assert found.signal == 'shop/zones{zone="a"}'
    with pytest.raises(NoDataError):
        world.explanations.of('shop/zones{zone="b"}')
    assert world.explanations.of('shop/zones{zone="c"}') is None


@pytest.mark.slow
def test_the_server_itself_never_loads_statsmodels(tmp_path: Path, clock: ManualClock) -> None:
    with OneShotPool() as pool:
        world = World(tmp_path, clock, pool)
        found = world.explanations.of(SIGNAL)
        assert found is not None
        assert [one.model for one in found.references] == ["holt_winters", "sarimax"]
        assert pool.busy is None


def test_the_api_says_why_there_is_no_decomposition(served: Served) -> None:
    missing = served.ask("/api/v1/forecasts/demo/shop/rps/decomposition")
    assert (missing.status, missing.error) == (404, "NOT_FOUND")
    short = served.ask("/api/v1/forecasts/demo/shop/soon/decomposition")
    assert (short.status, short.error) == (404, "NOT_FOUND")
    assert "needs 2 days, 0:00:00 of history, has" in short.json["error"]["message"]
