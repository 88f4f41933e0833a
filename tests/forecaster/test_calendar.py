"""Forecasts with a calendar: clock changes, events, holidays."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from domain.forecasts import Forecast
from domain.series import FloatArray
from forecaster import fit as undated
from forecaster.calendar import NEGATIVE, Calendar, View
from forecaster.dated import fit, reference
from forecaster.events import Occasion
from forecaster.fit import FitRequest

PARIS = ZoneInfo("Europe/Paris")
STEP = timedelta(minutes=15)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
START = datetime(2026, 6, 1, tzinfo=UTC)


def demand(start: datetime, count: int, *, zone: Any = UTC, seed: int = 0) -> FloatArray:
    """People's day: quiet nights, a sharp morning at eight and an evening by the clock of ``zone``; quiet Sundays."""
    local = [(start + i * STEP).astimezone(zone) for i in range(count)]
    hour = np.array([one.hour + one.minute / 60 for one in local])
    day = 40 + 200 / (1 + np.exp(-6 * (hour - 8))) - 180 / (1 + np.exp(-6 * (hour - 21)))
    sunday = np.array([one.weekday() == 6 for one in local])
    noise = np.random.default_rng(seed).standard_normal(count)
    return np.where(sunday, 0.5, 1.0) * day * np.exp(0.02 * noise)


def asked(values: FloatArray, start: datetime = START, **changes: Any) -> FitRequest:
    given: dict[str, Any] = {
        "signal": "shop/traffic", "values": values, "start": start, "step": STEP, "season": DAY, "horizon": 96,
        "quantiles": (0.05, 0.5, 0.95), "made_at": start + len(values) * STEP,
    }  # fmt: skip
    return FitRequest(**{**given, **changes})


def error(forecast: Forecast, truth: FloatArray) -> float:
    return float(np.abs(forecast.mean - truth).sum() / truth.sum())


# ---- clock changes


@pytest.mark.parametrize(
    ("change", "days_before"),
    [
        (datetime(2026, 3, 29, 1, tzinfo=UTC), 0.5), (datetime(2026, 3, 29, 1, tzinfo=UTC), -2),
        (datetime(2026, 10, 25, 1, tzinfo=UTC), 0.5), (datetime(2026, 10, 25, 1, tzinfo=UTC), -2),
    ],
    ids=["spring ahead", "spring behind", "autumn ahead", "autumn behind"],
)  # fmt: skip
def test_local_demand_is_forecast_across_a_clock_change(change: datetime, days_before: float) -> None:
    start = change - (15 + days_before) * DAY
    truth = demand(start, 15 * 96 + 96, zone=PARIS)
    # One model, which knows weeks: what competes is chosen on five days, in two of the cases without a Sunday.
    request = asked(truth[: 15 * 96], start, calendar=Calendar(timezone="Europe/Paris"), model="fourier_ar")

    local, utc = fit(request), undated.fit(replace(request, calendar=None))

    assert len(local.mean) == 96
    assert local.cutoff == utc.cutoff
    assert error(local, truth[15 * 96 :]) < 0.8 * error(utc, truth[15 * 96 :])


def test_where_no_clock_changes_the_bits_are_the_same() -> None:
    request = asked(demand(START, 15 * 96))

    with_zone, without = fit(replace(request, calendar=Calendar(timezone="Europe/Paris"))), undated.fit(request)

    assert with_zone.mean.tobytes() == without.mean.tobytes()
    assert with_zone.values.tobytes() == without.values.tobytes()
    assert (with_zone.cutoff, with_zone.history_start) == (without.cutoff, without.history_start)
    assert with_zone.events == ()


def test_the_history_begins_when_it_began_though_the_clock_has_changed_since() -> None:
    change = datetime(2026, 3, 29, 1, tzinfo=UTC)
    start = change - 10 * DAY
    values = np.concatenate([np.full(5, np.nan), demand(start, 15 * 96)])

    told = fit(asked(values, start, calendar=Calendar(timezone="Europe/Paris")))

    assert told.history_start == start + 5 * STEP


# ---- events


def event(name: str, day: int, *, days: float = 1, **how: Any) -> Occasion:
    """From the midnight that begins the ``day``-th day of the history on."""
    return Occasion(name=name, start=START + day * DAY, end=START + (day + days) * DAY, **how)


def of(occasion: Occasion) -> slice:
    """Steps of an occasion in a history that begins at START."""
    return slice((occasion.start - START) // STEP + 1, (occasion.end - START) // STEP + 1)


def forecast(values: FloatArray, *occasions: Occasion, **changes: Any) -> Forecast:
    return fit(asked(values, calendar=Calendar(occasions=occasions), **changes))


@pytest.fixture
def quiet() -> FloatArray:
    """Three weeks and the day after."""
    return demand(START, 22 * 96)


def test_an_announced_event_is_a_factor_on_every_quantile(quiet: FloatArray) -> None:
    sale = event("sale", 21, days=0.5, change=0.4)
    usual, moved = undated.fit(asked(quiet[:-96])), forecast(quiet[:-96], sale)

    # The cutoff is the last step of day 20; a step at the event's start tells of the time before.
    assert moved.mean[:1] == pytest.approx(usual.mean[:1])
    assert moved.mean[1:49] == pytest.approx(1.4 * usual.mean[1:49])
    assert moved.values[1:49] == pytest.approx(1.4 * usual.values[1:49])
    assert moved.mean[49:] == pytest.approx(usual.mean[49:])
    assert moved.events == ("sale",)


def test_an_event_beyond_the_horizon_is_not_told(quiet: FloatArray) -> None:
    assert forecast(quiet[:-96], event("sale", 25, change=0.4)).events == ()


def test_a_past_event_does_not_become_a_season(quiet: FloatArray) -> None:
    sale = event("sale", 19, change=1.0)
    disturbed = quiet[:-96].copy()
    disturbed[of(sale)] *= np.linspace(1.5, 2.5, 96)
    truth = quiet[-96:]

    known = error(forecast(disturbed, sale), truth)

    assert known < 0.7 * error(undated.fit(asked(disturbed)), truth)
    assert known < 1.5 * error(undated.fit(asked(quiet[:-96])), truth) + 0.01


def test_an_event_under_way_goes_on_at_its_height(quiet: FloatArray) -> None:
    sale = event("sale", 20, days=2, change=0.5)
    truth = quiet.copy()
    truth[of(sale)] *= 1.5

    told = forecast(truth[:-96], sale)

    assert error(told, truth[-96:]) < 0.1
    assert told.events == ("sale",)


def test_a_past_day_is_replayed_step_by_step(quiet: FloatArray) -> None:
    """On day 10 the morning doubled and the evening stayed: so it will on day 21."""
    factor = np.where(np.arange(96) < 48, 2.0, 1.0)
    truth = quiet.copy()
    truth[10 * 96 + 1 : 11 * 96 + 1] *= factor
    truth[21 * 96 + 1 :] *= factor[:-1]
    launch = event("launch", 21, replays=START + 10 * DAY)

    told = forecast(truth[:-96], launch)

    assert error(told, truth[-96:]) < 0.5 * error(forecast(truth[:-96]), truth[-96:])
    assert told.events == ("launch",)
    assert told.mean[24:44] / undated.fit(asked(quiet[:-96])).mean[24:44] == pytest.approx(2.0, rel=0.1)


def test_a_day_to_replay_that_is_not_in_the_history_is_told(quiet: FloatArray) -> None:
    told = forecast(quiet[:-96], event("launch", 21, replays=START - 30 * DAY))

    assert told.events == ()
    assert told.fallback_reason == "event launch: the day to replay is not in the history"


@pytest.mark.parametrize(("times", "factor"), [(1, 2**0.5), (2, 2**0.8), (3, 2**0.9)])
def test_what_an_event_did_before_is_learned_and_shrunk_while_it_is_seldom(
    quiet: FloatArray, times: int, factor: float
) -> None:
    before = [event("sale", 19 - 3 * i) for i in reversed(range(times))]
    disturbed = quiet[:-96].copy()
    for one in before:
        disturbed[of(one)] *= 2.0

    # One model: the two histories differ, and what competes on them may be combined in another way.
    told = forecast(disturbed, *before, event("sale", 21), model="fourier_ar")
    usual = undated.fit(asked(quiet[:-96], model="fourier_ar"))

    assert told.mean[1:] / usual.mean[1:] == pytest.approx(factor, rel=0.12)
    assert told.events == ("sale",)


def test_the_less_is_known_of_an_event_the_wider_is_its_band(quiet: FloatArray) -> None:
    def width(times: int) -> float:
        before = [event("sale", 19 - 3 * i) for i in reversed(range(times))]
        disturbed = quiet[:-96].copy()
        for one in before:
            disturbed[of(one)] *= 2.0
        told = forecast(disturbed, *before, event("sale", 21))
        assert (np.diff(told.values, axis=1) >= 0).all()
        return float(np.mean((told.values[1:, 2] - told.values[1:, 0]) / told.mean[1:]))

    assert width(1) > 1.3 * width(2) > 1.3 * width(3)


def test_an_event_that_never_was_moves_nothing_and_says_so(quiet: FloatArray) -> None:
    told = forecast(quiet[:-96], event("sale", 21))

    assert told.mean.tolist() == undated.fit(asked(quiet[:-96])).mean.tolist()
    assert told.fallback_reason == "event sale: none of that name has passed yet"


def test_a_holiday_has_the_demand_of_a_sunday(quiet: FloatArray) -> None:
    """Day 21 is a Monday."""
    holiday = event("Whit Monday", 21, weekday=6, of=0, kind="holiday")
    truth = quiet[-96:] * 0.5

    told = forecast(quiet[:-96], holiday)

    assert error(told, truth) < 0.1
    assert error(forecast(quiet[:-96]), truth) > 0.5
    assert told.events == ("Whit Monday",)


def test_a_holiday_learns_from_other_holidays(quiet: FloatArray) -> None:
    before = [event(f"holiday {day}", day, kind="holiday") for day in (11, 16)]
    disturbed = quiet[:-96].copy()
    for one in before:
        disturbed[of(one)] *= 0.4

    told = forecast(disturbed, *before, event("Christmas", 21, kind="holiday"))

    assert told.events == ("Christmas",)
    assert told.mean[1:].mean() / undated.fit(asked(quiet[:-96])).mean[1:].mean() == pytest.approx(0.4**0.8, rel=0.1)


def test_an_outage_of_the_past_is_a_gap(quiet: FloatArray) -> None:
    outage = event("outage", 20, days=0.5, change=-1.0)
    dark = quiet[:-96].copy()
    dark[of(outage)] = 0.0

    assert error(forecast(dark, outage), quiet[-96:]) < 0.1


def test_a_planned_outage_is_forecast_as_nothing(quiet: FloatArray) -> None:
    told = forecast(quiet[:-96], event("maintenance", 21, days=0.25, change=-1.0))

    assert told.mean[1:25].tolist() == [0.0] * 24
    assert told.mean[25:].min() > 10


def test_during_an_outage_the_forecast_goes_on_from_before_it(quiet: FloatArray) -> None:
    outage = event("outage", 20, days=2, change=-1.0)
    dark = quiet[:-96].copy()
    dark[of(outage)] = 0.0

    told = forecast(dark, outage)

    assert told.cutoff == outage.start
    assert told.mean.tolist() == [0.0] * 96


def test_with_negative_values_events_are_left_out_and_told(quiet: FloatArray) -> None:
    values = quiet[:-96] - 100

    told = forecast(values, event("sale", 21, change=0.4))

    assert told.fallback_reason == NEGATIVE
    assert told.mean.tolist() == undated.fit(asked(values)).mean.tolist()


def test_a_signal_that_is_always_zero_stays_zero() -> None:
    told = forecast(np.zeros(10 * 96), event("sale", 5, change=0.4), event("sale", 10))

    assert told.mean.tolist() == [0.0] * 96


def test_an_event_of_the_whole_history_is_no_gap(quiet: FloatArray) -> None:
    told = forecast(quiet[: 4 * 96], event("campaign", -3, days=25, change=0.2))

    assert told.mean.min() > 10


def test_events_that_overlap_multiply(quiet: FloatArray) -> None:
    told = forecast(quiet[:-96], event("a", 21, change=0.5), event("b", 21, days=0.5, change=1.0))
    usual = undated.fit(asked(quiet[:-96]))

    assert told.mean[1:49] == pytest.approx(3.0 * usual.mean[1:49])
    assert told.events == ("a", "b")


def test_the_reference_is_moved_like_the_forecast(quiet: FloatArray) -> None:
    sale = event("sale", 21, change=0.4)
    request = asked(quiet[:-96], calendar=Calendar(occasions=(sale,)))

    cutoff, path = reference(request)

    assert cutoff == START + (21 * 96 - 1) * STEP
    assert path[1:] == pytest.approx(1.4 * reference(replace(request, calendar=None))[1][1:])


# ---- steps that come after the fit


def test_steps_that_came_since_are_seen_as_the_fit_saw_its_own(quiet: FloatArray) -> None:
    sale = event("sale", 21, change=0.5)
    calendar = Calendar(timezone="Europe/Paris", occasions=(sale,))
    view = View.of(quiet[:-96], start=START, step=STEP, season=DAY, horizon=8, calendar=calendar, beyond=96)

    taken = view.taken(np.full(4, 30.0), START + 21 * DAY)

    assert taken is not None
    assert taken.tolist() == [30.0, 20.0, 20.0, 20.0]


def test_a_clock_change_asks_for_a_new_fit() -> None:
    change = datetime(2026, 10, 25, 1, tzinfo=UTC)
    values = demand(change - 15 * DAY, 15 * 96)
    calendar = Calendar(timezone="Europe/Paris")
    view = View.of(values, start=change - 15 * DAY, step=STEP, season=DAY, horizon=8, calendar=calendar, beyond=96)

    assert view.taken(np.ones(4), change) is None
    assert view.taken(np.ones(1), change - STEP) is not None


def test_beyond_what_it_knows_a_view_says_nothing(quiet: FloatArray) -> None:
    view = View.of(quiet[:-96], start=START, step=STEP, season=DAY, horizon=8, calendar=Calendar(), beyond=4)

    assert view.taken(np.ones(20), START + 21 * DAY) is None


def test_a_document_names_the_holidays_of_its_country() -> None:
    from forecaster.occasions import occasions
    from tests.forecaster.documents import document

    spec = document("traffic", timezone="Europe/Paris", holidays={"country": "FR", "dates": ["2026-07-20"]}).spec

    found = occasions(spec, datetime(2026, 7, 1, tzinfo=UTC), datetime(2026, 7, 31, tzinfo=UTC))

    assert [(one.name, one.weekday, one.of) for one in found] == [("National Day", 6, 1), ("2026-07-20", 6, 0)]
    assert found[0].start == datetime(2026, 7, 13, 22, tzinfo=UTC)
    assert found[0].end - found[0].start == DAY
    assert found[0].start.astimezone(PARIS).date() == date(2026, 7, 14)
