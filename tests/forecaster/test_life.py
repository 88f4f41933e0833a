from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from domain.errors import FitFailedError
from domain.forecasts import Forecast
from domain.series import FloatArray
from forecaster.fitted import READ_AGAIN
from forecaster.life import Glance, early_every, fit_every, next_fit
from forecaster.run import MOST_FITS, ForecastLoop
from tests.fakes.executors import HeldExecutor, InlineExecutor
from tests.forecaster.documents import rule, rule_set
from tests.forecaster.synthetic import START, STEP, noise

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
DEMO = {"season": "24m", "history": "8h24m", "horizon": "12m"}
SIGNAL = "shop/checkout/soon"
BEGIN = START + timedelta(hours=9)


class Recorded:
    """Values on a grid from ``START`` on; what lies beyond ``until`` has not happened."""

    def __init__(self, values: FloatArray) -> None:
        self.values = values
        self.asked: list[int] = []

    def __call__(
        self, expr: str, start: Any, end: Any, step: timedelta, *, source: str | None = None
    ) -> tuple[FloatArray, bool]:
        rows = (start - START) // STEP + np.arange((end - start) // step + 1) * (step // STEP)
        self.asked.append(len(rows))
        inside = (rows >= 0) & (rows < len(self.values))
        return np.where(inside, self.values[np.clip(rows, 0, len(self.values) - 1)], np.nan), False


@pytest.fixture
def recorded() -> Recorded:
    at = np.arange(4 * 60 * 24)
    return Recorded((200 - 100 * np.cos(2 * np.pi * at / 96)) * (1 + 0.05 * noise(len(at))))


@pytest.fixture
def saved() -> list[Forecast]:
    return []


@pytest.fixture
def loop_of(recorded: Recorded, saved: list[Forecast], registry: CollectorRegistry) -> Callable[..., ForecastLoop]:
    def build(**changes: Any) -> ForecastLoop:
        given: dict[str, Any] = {
            "range_values": recorded, "save": saved.append, "pool": InlineExecutor(), "reference_pool": HeldExecutor(),
            "rules": lambda: rule_set(rule("checkout", **DEMO)), "registry": registry,
        }  # fmt: skip
        return ForecastLoop(**{**given, **changes})

    return build


def reasons(registry: CollectorRegistry) -> dict[str, int]:
    names = ("start", "plan", "age", "grown", "moved", "level_shift", "coverage", "backfill", "gap")
    counts = {name: registry.get_sample_value("foretide_forecaster_refits_total", {"reason": name}) for name in names}
    return {name: int(count) for name, count in counts.items() if count}


def test_a_signal_is_fitted_once_a_day_or_once_a_season_but_four_times_an_hour_at_most() -> None:
    for season, every in ((DAY, DAY), (7 * DAY, DAY), (timedelta(hours=6),) * 2, (MINUTE, timedelta(minutes=15))):
        assert fit_every(season) == every
    assert early_every(DAY) == timedelta(hours=1)


@given(name=st.text(max_size=20), minutes=st.integers(0, 10_000), season=st.sampled_from([timedelta(hours=1), DAY]))
def test_the_next_fit_comes_at_the_same_moment_of_the_day_half_to_one_and_a_half_intervals_on(
    name: str, minutes: int, season: timedelta
) -> None:
    fitted_at = START + minutes * MINUTE
    due = next_fit(name, season, fitted_at)
    assert season / 2 <= due - fitted_at < 1.5 * season
    assert next_fit(name, season, due) == due + season


def test_ten_thousand_signals_are_spread_over_the_day() -> None:
    hours = [next_fit(f"shop/service-{n}/soon", DAY, START).hour for n in range(10_000)]
    assert np.bincount(hours, minlength=24).min() > 300  # 417 an hour, and chance
    assert next_fit("shop/checkout/soon", DAY, START).isoformat() == "2026-11-02T11:05:52.381784+00:00"


def test_only_new_steps_are_read_between_two_fits(
    loop_of: Callable[..., ForecastLoop], recorded: Recorded, saved: list[Forecast]
) -> None:
    loop = loop_of()
    loop.tick(BEGIN)
    del recorded.asked[:]
    loop.tick(BEGIN + MINUTE)
    reference, steps = max(recorded.asked), min(recorded.asked)
    assert (reference, steps) == (2016, READ_AGAIN + 4)
    del recorded.asked[:]
    loop.tick(BEGIN + 2 * MINUTE)
    assert recorded.asked[0] == READ_AGAIN + 4
    assert max(recorded.asked) <= 25  # and a glance at the old steps
    assert [forecast.fitted_at for forecast in saved] == [BEGIN] * 3
    assert [forecast.cutoff for forecast in saved] == [BEGIN, BEGIN + MINUTE, BEGIN + 2 * MINUTE]


def test_it_is_fitted_again_when_it_has_aged(
    loop_of: Callable[..., ForecastLoop], saved: list[Forecast], registry: CollectorRegistry
) -> None:
    loop = loop_of()
    for minute in range(100):
        loop.tick(BEGIN + minute * MINUTE)
    assert reasons(registry)["age"] == 4
    due = loop.status()[SIGNAL].next_refit
    assert due is not None
    assert due == next_fit(SIGNAL, timedelta(minutes=24), due - timedelta(minutes=20))
    assert loop.status()[SIGNAL].refit_reason == "age"


def test_while_a_fit_is_under_way_the_one_before_serves(
    loop_of: Callable[..., ForecastLoop], saved: list[Forecast]
) -> None:
    pool = HeldExecutor()
    loop = loop_of(pool=pool)
    loop.tick(BEGIN)
    pool.run_all()
    for minute in range(1, 45):
        loop.tick(BEGIN + minute * MINUTE)
    assert loop.status()[SIGNAL].in_flight
    assert [forecast.fitted_at for forecast in saved] == [BEGIN] * 45
    assert pool.run_all() == 1
    loop.tick(BEGIN + 45 * MINUTE)
    assert saved[-1].fitted_at is not None
    assert saved[-1].fitted_at > BEGIN
    assert saved[-1].cutoff == BEGIN + 45 * MINUTE


def test_a_fit_that_fails_leaves_the_one_before_and_is_tried_again_later(
    loop_of: Callable[..., ForecastLoop], recorded: Recorded, saved: list[Forecast], registry: CollectorRegistry
) -> None:
    loop = loop_of()
    loop.tick(BEGIN)
    recorded.values[1000] = np.inf  # in the history, not in what comes
    minute = 1
    while loop.status()[SIGNAL].last_error == "":
        loop.tick(BEGIN + minute * MINUTE)
        minute += 1
    assert "1 absurd values" in loop.status()[SIGNAL].last_error
    assert len(saved) == minute
    recorded.values[1000] = 200.0
    loop.tick(BEGIN + (minute + 2) * MINUTE)
    assert loop.status()[SIGNAL].last_error == ""
    assert registry.get_sample_value("foretide_forecaster_fits_total", {"result": FitFailedError.__name__}) == 1


def test_a_level_shift_has_it_fitted_at_its_begin_and_at_its_end(
    loop_of: Callable[..., ForecastLoop], recorded: Recorded, registry: CollectorRegistry, saved: list[Forecast]
) -> None:
    at = (BEGIN - START) // STEP
    recorded.values[at + 4 : at + 24] += 2000.0
    loop = loop_of()
    for minute in range(12):
        loop.tick(BEGIN + minute * MINUTE)
    shifted = [one for one in saved if one.quality is not None and one.quality.level_shift is not None]
    assert shifted
    assert all(one.model == "naive" for one in shifted)
    assert reasons(registry).get("level_shift", 0) >= 1


def test_a_coverage_alarm_has_it_fitted(
    loop_of: Callable[..., ForecastLoop], recorded: Recorded, registry: CollectorRegistry
) -> None:
    """The noise grows fourfold: what was a band of 0.9 covers half."""
    at = (BEGIN - START) // STEP
    recorded.values[at:] = np.maximum(recorded.values[at:] * (1 + 0.2 * noise(len(recorded.values) - at, 3)), 0)
    loop = loop_of()
    for minute in range(70):
        loop.tick(BEGIN + minute * MINUTE)
        if loop.status()[SIGNAL].recalibrated:
            break
    loop.tick(BEGIN + 75 * MINUTE)
    assert reasons(registry)["coverage"] == 1


def test_a_backfilled_history_has_it_fitted(
    loop_of: Callable[..., ForecastLoop], recorded: Recorded, registry: CollectorRegistry, saved: list[Forecast]
) -> None:
    whole = recorded.values.copy()
    recorded.values[:1500] = np.nan
    loop = loop_of()
    loop.tick(BEGIN)
    recorded.values[:] = whole
    loop.tick(BEGIN + 2 * MINUTE)
    loop.tick(BEGIN + 4 * MINUTE)
    assert reasons(registry) == {"start": 1, "backfill": 1}
    assert saved[-1].history_start < saved[0].history_start


def test_a_gap_of_more_than_a_season_has_it_fitted(
    loop_of: Callable[..., ForecastLoop], recorded: Recorded, registry: CollectorRegistry, saved: list[Forecast]
) -> None:
    loop = loop_of()
    loop.tick(BEGIN)
    silent = (BEGIN - START) // STEP + 1
    recorded.values[silent : silent + 120] = np.nan
    loop.tick(BEGIN + 40 * MINUTE)
    assert reasons(registry)["gap"] == 1
    loop.tick(BEGIN + 41 * MINUTE)
    assert saved[-1].cutoff == BEGIN + 41 * MINUTE


def test_a_short_history_is_fitted_at_each_doubling_and_at_two_seasons(
    loop_of: Callable[..., ForecastLoop], recorded: Recorded, registry: CollectorRegistry, saved: list[Forecast]
) -> None:
    at = (BEGIN - START) // STEP
    recorded.values[: at - 12] = np.nan
    loop = loop_of()
    for minute in range(15):
        loop.tick(BEGIN + minute * MINUTE)
    assert reasons(registry) == {"start": 1, "grown": 2} or reasons(registry).get("grown") == 2
    assert all(one.quality is not None and one.quality.cold_start for one in saved)


def test_after_a_restart_thousands_of_signals_come_some_hundreds_a_tick(loop_of: Callable[..., ForecastLoop]) -> None:
    pool = HeldExecutor()
    many = rule_set(*(rule(f"service-{n}", **{**DEMO, "history": "48m"}) for n in range(MOST_FITS + 100)))
    loop = loop_of(rules=lambda: many, pool=pool)
    loop.tick(BEGIN)
    assert len(pool.held) == MOST_FITS
    loop.tick(BEGIN + MINUTE)
    assert len(pool.held) == MOST_FITS
    pool.held = [pool.held[0]]
    assert pool.run_all() == 1
    loop.tick(BEGIN + 2 * MINUTE)
    assert len(pool.held) == 1


def test_a_glance_does_not_mind_what_retention_took_or_rounding() -> None:
    values = 100 + noise(480)
    glance = Glance.of(values, START, STEP)
    again = values[::20] * (1 + 1e-6)
    again[:5] = np.nan
    assert not glance.is_another(again)
    again[7] += 1.0
    assert glance.is_another(again)
    late = Glance.of(np.where(np.arange(480) < 100, np.nan, values), START, STEP)
    assert late.is_another(values[::20])
