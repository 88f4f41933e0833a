"""Periods by the clocks of a time zone: no instant is in two, none in none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cost.periods import around, following, passed, planned
from rules.schema import Period

ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Beirut", "Australia/Lord_Howe", "Pacific/Apia"]


def period(**fields: object) -> Period:
    return Period.model_validate(fields)


@st.composite
def any_period(draw: st.DrawFn) -> Period:
    every = draw(st.sampled_from(["hour", "day", "week", "month", "quarter", "year"]))
    most = {"hour": 1, "day": 1, "week": 7}.get(every, 31)
    day = draw(st.integers(1, most))
    month = draw(st.integers(1, 12)) if every in ("quarter", "year") else 1
    return period(every=every, anchorDay=day, anchorMonth=month, timezone=draw(st.sampled_from(ZONES)))


@given(any_period(), st.integers(0, 1_893_456_000))
def test_periods_tile_the_time(one: Period, seconds: int) -> None:
    instant = datetime(2000, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    span = around(one, instant)
    after = following(one, span)
    assert span.start <= instant < span.end
    assert (after.start, after.id > span.id) == (span.end, True)
    assert around(one, span.end - timedelta(microseconds=1)) == span


@pytest.mark.parametrize(
    ("fields", "instant", "start", "end"),
    [
        # In Berlin the clocks go forward on 29 March and back on 25 October 2026.
        ({"every": "day"}, "2026-03-29T12:00Z", "2026-03-28T23:00Z", "2026-03-29T22:00Z"),
        ({"every": "day"}, "2026-10-25T12:00Z", "2026-10-24T22:00Z", "2026-10-25T23:00Z"),
        ({"every": "month"}, "2026-10-31T22:59Z", "2026-09-30T22:00Z", "2026-10-31T23:00Z"),
        ({"every": "month"}, "2026-10-31T23:00Z", "2026-10-31T23:00Z", "2026-11-30T23:00Z"),
        ({"every": "month", "anchorDay": 31}, "2027-02-28T10:00Z", "2027-02-27T23:00Z", "2027-03-30T22:00Z"),
        ({"every": "month", "anchorDay": 25}, "2026-10-24T10:00Z", "2026-09-24T22:00Z", "2026-10-24T22:00Z"),
        ({"every": "week", "anchorDay": 7}, "2026-10-25T10:00Z", "2026-10-24T22:00Z", "2026-10-31T23:00Z"),
        ({"every": "quarter"}, "2026-11-15T00:00Z", "2026-09-30T22:00Z", "2026-12-31T23:00Z"),
        ({"every": "year", "anchorMonth": 7}, "2026-06-30T21:00Z", "2025-06-30T22:00Z", "2026-06-30T22:00Z"),
    ],
)
def test_a_period_begins_and_ends_with_the_clocks(
    fields: dict[str, object], instant: str, start: str, end: str
) -> None:
    span = around(period(timezone="Europe/Berlin", **fields), datetime.fromisoformat(instant))
    assert (span.start, span.end) == (datetime.fromisoformat(start), datetime.fromisoformat(end))


def test_a_weekday_profile_plans_less_for_the_weekend() -> None:
    week = period(every="week", profile="weekday")
    span = around(week, datetime(2026, 11, 18, tzinfo=UTC))
    assert planned(week, span.start, span.end) == pytest.approx(120 + 48 * 0.3)
    assert passed(week, span, span.start + timedelta(days=5)) == pytest.approx(120 / 134.4)
    assert (passed(week, span, span.start), passed(week, span, span.end)) == (0, 1)
