"""Cron: what it refuses, and that every moment's neighbours are right where the clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import given, settings
from hypothesis import strategies as st

from rules import cron

PARIS = ZoneInfo("Europe/Paris")
SPRING, AUTUMN = datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)

parts = st.tuples(
    st.sampled_from(["0", "30", "15,45", "*/20", "*"]),
    st.sampled_from(["2", "3", "1,2", "*", "*/2", "22"]),
    st.sampled_from(["*", "29", "25", "L"]),
    st.sampled_from(["*", "3,10"]),
    st.sampled_from(["*", "SUN", "1-5"]),
)
texts = parts.map(" ".join)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0 22 * *", "found 4 fields"),
        ("0 0 22 * * *", "found 6 fields"),
        ("@daily", "write 0 0 * * *"),
        ("60 22 * * *", '"60" is no minute of cron (0 to 59)'),
        ("0 24 * * *", '"24" is no hour'),
        ("0 0 0 * *", '"0" is no day of the month'),
        ("0 0 * 13 *", '"13" is no month'),
        ("0 0 * * 8", '"8" is no day of the week'),
        ("0 0 * * MON#1/2", '"MON#1/2" is no day of the week'),
        ("0 22-6 * * *", '"22-6" is no hour'),
        ("0 0 30 2 *", "never comes"),
        ("", "found 0 fields"),
        ("0 0 * * " + "1," * 60 + "1", "characters"),
    ],
)
def test_what_is_no_cron_is_said(text: str, said: str) -> None:
    assert said in cron.fault(text)


@pytest.mark.parametrize("text", ["0 22 * * *", "*/5 8-18 * * MON-FRI", "0 0 L * *", "0 6 29 2 *", "0 0 1 JAN *"])
def test_what_is_cron_is_taken(text: str) -> None:
    assert cron.fault(text) == ""


@given(st.text(max_size=30))
def test_any_text_is_either_told_or_taken(text: str) -> None:
    assert isinstance(cron.fault(text), str)


def test_a_time_in_the_skipped_hour_comes_right_after_it() -> None:
    assert cron.after("30 2 * * *", SPRING - timedelta(hours=12), PARIS) == SPRING
    assert cron.until("30 2 * * *", SPRING + timedelta(hours=1), PARIS) == SPRING


def test_a_time_in_the_hour_that_comes_twice_comes_the_first_time() -> None:
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)

    assert cron.after("30 2 * * *", AUTUMN - timedelta(hours=12), PARIS) == first
    assert cron.after("30 2 * * *", first, PARIS) == datetime(2026, 10, 26, 1, 30, tzinfo=UTC)
    assert cron.until("30 2 * * *", AUTUMN + timedelta(minutes=15), PARIS) == first  # 02:15 of the second round


@settings(max_examples=200, deadline=None)
@given(
    text=texts, minutes=st.integers(-400, 400), change=st.sampled_from([SPRING, AUTUMN]),
    zone=st.sampled_from([PARIS, ZoneInfo("Australia/Lord_Howe"), ZoneInfo("America/New_York"), UTC]),
)  # fmt: skip
def test_neighbours_are_those_of_the_whole_list(text: str, minutes: int, change: datetime, zone: ZoneInfo) -> None:
    moment = change + timedelta(minutes=minutes)
    every: list[datetime] = []
    for time in CronSim(text, (moment - timedelta(days=40)).astimezone(zone)):
        every.append(time.astimezone(UTC))
        if every[-1] > moment + timedelta(days=2):
            break

    assert cron.after(text, moment, zone) == min(time for time in every if time > moment)
    earlier = [time for time in every if time <= moment]
    if earlier:
        assert cron.until(text, moment, zone) == max(earlier)
