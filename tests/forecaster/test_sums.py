"""Totals: the budget case of the facts, stretches of calendars, and when a limit is passed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from domain.forecasts import Dependence, Forecast
from forecaster import sums
from tests.forecaster.handmade import NOON, normal

DAY = timedelta(days=1)
INDEPENDENT = Dependence(lasting=0.0, echo=0.0)


def budget(echo: float) -> Forecast:
    """Twelve days left at 310 ± 45 a day."""
    return normal(np.full(12, 310.0), 45.0, dependence=Dependence(lasting=0.0, echo=echo))


@pytest.mark.parametrize(("echo", "probability"), [(0.0, 0.30), (0.5, 0.38)])
def test_a_budget_with_correlated_days_is_more_likely_to_break(echo: float, probability: float) -> None:
    """Spent 6200 of 10000: facts/cost.md §5.2."""
    found = sums.total(budget(echo), start=NOON, end=NOON + 12 * DAY, so_far=6200, count=8000)

    assert found.probability_above(10_000) == pytest.approx(probability, abs=0.012)
    assert found.mean == pytest.approx(6200 + 12 * 310, abs=1)
    assert found.complete


def test_a_total_is_no_sum_of_quantiles() -> None:
    found = sums.total(budget(0.0), start=NOON, end=NOON + 12 * DAY)

    assert found.quantiles[0.9] == pytest.approx(12 * 310 + 1.2816 * 45 * np.sqrt(12), rel=0.005)
    assert found.quantiles[0.9] < 12 * (310 + 1.2816 * 45) - 300


def test_a_rate_is_counted_by_the_time_it_holds() -> None:
    hourly = normal(np.full(48, 2.0), 0.0, dependence=None, step=timedelta(minutes=30))

    found = sums.total(hourly, start=NOON, end=NOON + timedelta(hours=10, minutes=15), per=timedelta(hours=1))

    assert found.mean == pytest.approx(20.5)


def test_a_stretch_beyond_the_forecast_is_told() -> None:
    found = sums.total(budget(0.0), start=NOON, end=NOON + 30 * DAY)

    assert not found.complete
    assert found.until == NOON + 12 * DAY
    assert found.mean == pytest.approx(12 * 310, rel=0.01)


def test_a_stretch_that_begins_later_leaves_out_the_steps_before() -> None:
    found = sums.total(budget(0.0), start=NOON + 4 * DAY, end=NOON + 6 * DAY)

    assert found.mean == pytest.approx(620, rel=0.01)


def test_a_budget_is_used_up_on_a_date() -> None:
    certain = normal(np.full(12, 310.0), 0.0, dependence=INDEPENDENT)

    found = sums.exhausted(certain, 7200, start=NOON, end=NOON + 12 * DAY, so_far=6200)

    assert (found.already, found.probability) == (False, 1.0)
    assert set(found.dates.values()) == {NOON + 4 * DAY}


def test_a_date_and_a_total_tell_the_same_probability() -> None:
    within = {"start": NOON, "end": NOON + 9 * DAY, "so_far": 6200.0}

    found = sums.exhausted(budget(0.5), 9000, **within)  # type: ignore[arg-type]

    assert found.probability == sums.total(budget(0.5), **within).probability_above(9000)  # type: ignore[arg-type]
    assert found.dates[0.9] is None
    assert found.until == NOON + 9 * DAY


def test_what_is_spent_is_spent() -> None:
    assert sums.exhausted(budget(0.5), 6000, start=NOON, end=NOON + DAY, so_far=6200).already
    over = sums.exhausted(budget(0.5), 6000, start=NOON - DAY, end=NOON, so_far=6200)
    assert (over.already, over.probability) == (True, 1.0)
    kept = sums.exhausted(budget(0.5), 7000, start=NOON - DAY, end=NOON, so_far=6200)
    assert (kept.already, kept.probability, kept.dates[0.5]) == (False, 0.0, None)


@pytest.mark.parametrize(
    ("instant", "zone", "start", "end"),
    [
        ("2026-11-19T12:00", "UTC", "2026-11-01T00:00", "2026-12-01T00:00"),
        ("2026-10-31T23:30", "Europe/Paris", "2026-10-31T23:00", "2026-11-30T23:00"),
        ("2026-03-15T00:00", "Europe/Paris", "2026-02-28T23:00", "2026-03-31T22:00"),
        ("2026-12-31T12:00", "Pacific/Auckland", "2026-12-31T11:00", "2027-01-31T11:00"),
    ],
)
def test_a_month_is_the_calendars_in_its_zone(instant: str, zone: str, start: str, end: str) -> None:
    at, first, last = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (instant, start, end))

    assert sums.window("month", at, zone) == (first, last)


def test_shorter_windows_are_the_calendars_too() -> None:
    at = datetime(2026, 10, 25, 10, 40, tzinfo=UTC)  # a Sunday of 25 hours in Paris

    assert sums.window("hour", at, "Europe/Paris") == (at.replace(minute=0), at.replace(hour=11, minute=0))
    start, end = sums.window("day", at, "Europe/Paris")
    assert (start, end - start) == (datetime(2026, 10, 24, 22, tzinfo=UTC), timedelta(hours=25))
    start, end = sums.window("week", at, "Europe/Paris")
    assert (start, end) == (datetime(2026, 10, 18, 22, tzinfo=UTC), datetime(2026, 10, 25, 23, tzinfo=UTC))
