"""Lead forecasts live: begun from history, carried by readings, held over gaps, begun anew when need be."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from domain.errors import NoDataError, QueryExecutionError
from domain.load_ahead import TICK, longest, windows
from domain.series import FloatArray
from forecaster import lead_outlook, leads
from forecaster.leads import LeadPlan, Leads
from tests.controller.stories import rule_of
from tests.fakes.executors import HeldExecutor, InlineExecutor

NOW = datetime.fromisoformat("2026-11-21T12:00:07+00:00")
SEASON = timedelta(minutes=48)
"""A short day keeps the test short: 192 ticks."""
LEAD = timedelta(minutes=1)
PLAN = LeadPlan(signal="demo/shop/soon", expr="rps", source=None, season=SEASON, unit=10.0)
CLOCK = PLAN.clock(LEAD)


def load_at(at: datetime) -> float:
    phase = 2 * math.pi * (at.timestamp() % SEASON.total_seconds()) / SEASON.total_seconds()
    return float(np.float32(100 + 50 * math.sin(phase) + 10 * math.sin(at.timestamp())))


class Bench:
    """The leads with a past that can fail, and an executor that may hold what it was given."""

    def __init__(self, pool: InlineExecutor | HeldExecutor, *, days: float = 14) -> None:
        self.known_since = NOW - days * SEASON - TICK
        self.asked: list[tuple[datetime, datetime]] = []
        self.trouble: Exception | None = None
        self.plans = [PLAN]
        self.lead = LEAD
        self.registry = CollectorRegistry()
        self.leads = Leads(history=self.history, pool=pool, registry=self.registry, plans=lambda: self.plans)

    def history(self, expr: str, start: datetime, end: datetime, *, source: str | None = None) -> FloatArray:
        self.asked.append((start, end))
        if self.trouble is not None:
            raise self.trouble
        times = [start + k * TICK for k in range((end - start) // TICK + 1)]
        return np.array([load_at(at) if at >= self.known_since else math.nan for at in times])

    def read(self, at: datetime, load: float | None = None) -> float:
        """The centre of what is added for, after a reading."""
        seen = load_at(grid(at)) if load is None else load
        return float(self.leads.outlook(PLAN.signal, seen, self.lead, at).add.centre[0])

    def begin(self, at: datetime) -> None:
        """A tick, a decision that tells how far ahead to look, and another tick."""
        self.leads.tick(at)
        with pytest.raises(NoDataError, match="is about to be read"):
            self.read(at)
        self.leads.tick(at)

    @property
    def start(self) -> datetime:
        """The first tick that is known."""
        return grid(self.known_since) + TICK

    def metric(self, state: str) -> float | None:
        return self.registry.get_sample_value("foretide_lead_signals", {"state": state})


def grid(at: datetime) -> datetime:
    return at - timedelta(seconds=at.timestamp() % 15)


def expected(start: datetime, end: datetime, *, missing: frozenset[datetime] = frozenset()) -> float:
    """The same from the walk over the whole time."""
    times = [start + k * TICK for k in range((end - start) // TICK + 1)]
    values = np.array([math.nan if at in missing else load_at(at) for at in times])
    whole = lead_outlook.over(
        lead_outlook.filled(values, CLOCK), windows=windows(LEAD), surge_last=longest(LEAD),
        clock=CLOCK, unit=PLAN.unit,
    )  # fmt: skip
    return float(whole.add.centre[-1])


def test_a_signal_is_begun_from_its_history_and_carried_by_the_readings_of_the_decisions() -> None:
    bench = Bench(InlineExecutor())
    with pytest.raises(NoDataError, match="is about to be read"):
        bench.read(NOW)
    bench.begin(NOW)
    start = bench.start

    for k in range(1, 30):
        at = NOW + k * TICK
        assert bench.read(at) == pytest.approx(expected(start, grid(at)), abs=1e-9)
    assert len(bench.asked) == 1
    bench.leads.tick(NOW + 30 * TICK)
    assert (bench.metric("ahead"), bench.metric("reactive")) == (1, 0)
    assert bench.registry.get_sample_value("foretide_lead_bytes", {}) < 300_000


def test_readings_that_came_while_a_worker_was_busy_are_not_lost() -> None:
    pool = HeldExecutor()
    bench = Bench(pool)
    bench.begin(NOW)
    start = bench.start
    for k in range(1, 4):
        with pytest.raises(NoDataError, match="is being read"):
            bench.read(NOW + k * TICK)
    pool.run_all()

    assert bench.read(NOW + 4 * TICK) == pytest.approx(expected(start, grid(NOW + 4 * TICK)), abs=1e-9)


def test_a_second_reading_within_a_tick_changes_nothing() -> None:
    bench = Bench(InlineExecutor())
    bench.begin(NOW)
    once = bench.read(NOW + TICK)

    assert bench.read(NOW + TICK + timedelta(seconds=3), load=9999.0) == once
    assert bench.read(NOW - TICK, load=9999.0) == once


def test_a_gap_is_bridged_as_in_a_history_with_that_gap() -> None:
    bench = Bench(InlineExecutor())
    bench.begin(NOW)
    start = bench.start
    bench.read(NOW + TICK)
    for k in (2, 3):
        with_nothing = bench.leads.outlook(PLAN.signal, None, LEAD, NOW + k * TICK)
        assert np.isfinite(with_nothing.add.centre[0])
    later = NOW + 40 * TICK
    missing = frozenset(grid(NOW + k * TICK) for k in range(2, 40))

    assert bench.read(later) == pytest.approx(expected(start, grid(later), missing=missing), abs=1e-9)
    assert len(bench.asked) == 1


def test_after_a_gap_of_more_than_an_hour_the_history_is_read_again() -> None:
    bench = Bench(InlineExecutor())
    bench.begin(NOW)
    later = NOW + timedelta(hours=1, minutes=1)
    with pytest.raises(NoDataError, match="read again after a gap"):
        bench.read(later)
    bench.leads.tick(later)

    assert bench.read(later + TICK) == pytest.approx(expected(bench.start, grid(later + TICK)), abs=1e-9)


def test_a_signal_that_is_younger_than_a_day_is_tried_again_when_it_has_grown() -> None:
    bench = Bench(InlineExecutor(), days=0.9)
    bench.begin(NOW)

    with pytest.raises(NoDataError, match=r"its load is known for 43m.*, 1h34m30s are needed: until then"):
        bench.read(NOW + TICK)
    bench.leads.tick(NOW + timedelta(minutes=4))
    assert len(bench.asked) == 1
    later = NOW + timedelta(hours=1)
    bench.leads.tick(later)
    assert math.isfinite(bench.read(later + TICK))


def test_what_began_from_a_part_of_its_history_is_begun_anew_and_serves_meanwhile() -> None:
    pool = HeldExecutor()
    bench = Bench(pool, days=3)
    bench.begin(NOW)
    pool.run_all()
    first = bench.read(NOW + TICK)
    bench.known_since = NOW - 20 * SEASON
    bench.leads.tick(NOW + timedelta(minutes=59))
    assert len(bench.asked) == 1
    hour = NOW + timedelta(minutes=60)
    for k in range(1, 240):
        bench.read(NOW + k * TICK)
    bench.leads.tick(hour)
    assert math.isfinite(bench.read(hour + TICK))
    pool.run_all()

    assert math.isfinite(first)
    assert bench.read(hour + 2 * TICK) == pytest.approx(expected(bench.start, grid(hour + 2 * TICK)), abs=1e-9)


def test_a_source_that_does_not_answer_leaves_its_sentence_and_is_asked_again() -> None:
    bench = Bench(InlineExecutor())
    bench.trouble = QueryExecutionError("the server is away")
    bench.begin(NOW)
    with pytest.raises(NoDataError, match="the server is away"):
        bench.read(NOW + TICK)
    assert (bench.metric("ahead"), bench.metric("reactive")) == (0, 1)
    bench.trouble = None
    later = NOW + timedelta(minutes=5)
    bench.leads.tick(later)

    assert math.isfinite(bench.read(later + TICK))


def test_a_rule_that_changed_begins_anew_and_one_that_is_gone_is_forgotten() -> None:
    bench = Bench(InlineExecutor())
    bench.begin(NOW)
    bench.plans = [replace(PLAN, expr="other")]
    bench.begin(NOW + TICK)
    assert len(bench.asked) == 2
    bench.plans = []
    bench.leads.tick(NOW + 2 * TICK)

    with pytest.raises(NoDataError):
        bench.read(NOW + 3 * TICK)


def test_every_price_trigger_of_a_rule_is_a_plan_and_a_season_shorter_than_a_day_is_its_day() -> None:
    rule = rule_of(
        {
            "replicas": {"min": 1, "max": 9},
            "triggers": [
                {"name": "rps", "query": {"expr": "rps", "source": "prod"}, "perReplica": 8},
                {"name": "soon", "forecast": {"of": "rps", "price": {}, "season": "24m", "lead": "60s"}},
                {"name": "daily", "forecast": {"of": "rps", "price": {"violatedMinute": 30}, "lead": "60s"}},
                {"name": "sure", "forecast": {"of": "rps", "quantile": 0.9}},
            ],
        }
    )
    short, daily = leads.plans([rule])

    assert (short.signal, short.expr, short.source, short.unit) == ("demo/shop/soon", "rps", "prod", 8.0)
    assert (short.clock(LEAD).day, daily.clock(LEAD).day) == (96, 5760)
    assert short.clock(timedelta(minutes=5)).day == 5760
    assert windows(LEAD) == ((3, 5), (1, 14))


def test_a_lead_that_moved_by_a_quarter_is_looked_ahead_by_from_a_new_state_on() -> None:
    bench = Bench(InlineExecutor())
    bench.begin(NOW)
    bench.read(NOW + TICK)
    bench.lead = timedelta(seconds=70)
    bench.read(NOW + 2 * TICK)
    bench.leads.tick(NOW + 2 * TICK)
    assert len(bench.asked) == 1
    bench.lead = timedelta(minutes=3)
    before = bench.read(NOW + 3 * TICK)
    bench.leads.tick(NOW + 3 * TICK)

    assert len(bench.asked) == 2
    assert bench.read(NOW + 3 * TICK) != before


def test_a_coarser_past_is_held_between_its_values() -> None:
    values = np.array([1.0, 2.0, math.nan])

    assert leads.spread(values, TICK) is values
    assert leads.spread(values[:2], timedelta(minutes=1)).tolist() == [1, 1, 1, 1, 2]
