from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from rules import schedule_times
from rules.schema import CronWindow, ScheduledBounds

NIGHT = CronWindow(start="0 22 * * *", end="0 6 * * *", timezone="Europe/Paris")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "in_force", "until"),
    [
        ("2026-11-21T20:59:59", False, "2026-11-21T21:00"),
        ("2026-11-21T21:00", True, "2026-11-22T05:00"),
        ("2026-11-22T03:00", True, "2026-11-22T05:00"),
        ("2026-11-22T05:00", False, "2026-11-22T21:00"),
        ("2026-03-29T00:30", True, "2026-03-29T04:00"),  # the night of the gap is an hour shorter
        ("2026-10-25T04:30", True, "2026-10-25T05:00"),  # and that of the fold an hour longer
    ],
)
def test_a_window_over_midnight(now: str, in_force: bool, until: str) -> None:
    standing = schedule_times.of_window(NIGHT, utc(now))

    assert (standing.in_force, standing.until) == (in_force, utc(until))


def test_a_window_that_begins_in_the_skipped_hour_begins_right_after_it() -> None:
    window = CronWindow(start="30 2 * * *", end="0 4 * * *", timezone="Europe/Paris")

    assert not schedule_times.of_window(window, utc("2026-03-29T00:59")).in_force
    assert schedule_times.of_window(window, utc("2026-03-29T01:00")).in_force
    assert not schedule_times.of_window(window, utc("2026-03-29T02:00")).in_force


def test_a_window_in_the_hour_that_comes_twice_comes_once() -> None:
    window = CronWindow(start="10 2 * * *", end="40 2 * * *", timezone="Europe/Paris")

    in_force = [
        minute
        for minute in range(120)
        if schedule_times.of_window(window, utc("2026-10-25T00:00") + timedelta(minutes=minute)).in_force
    ]
    assert in_force == list(range(10, 40))


def test_where_a_start_and_an_end_come_at_once_the_window_goes_on() -> None:
    window = CronWindow(start="0 8 * * *", end="0 8 * * MON")

    assert schedule_times.of_window(window, utc("2026-11-23T08:00")).in_force


def sale(**more: object) -> ScheduledBounds:
    given = {"name": "sale", "at": "2026-11-27T08:00:00Z", "for": "14h", "min": 20, "ramp": "20m", **more}
    return ScheduledBounds.model_validate(given)


@pytest.mark.parametrize(
    ("now", "minimum"),
    [
        ("2026-11-27T07:39:59", None),
        ("2026-11-27T07:40", 3),
        ("2026-11-27T07:41", 4),
        ("2026-11-27T07:50", 12),
        ("2026-11-27T07:59:59", 20),
        ("2026-11-27T08:00", 20),
        ("2026-11-27T21:59:59", 20),
        ("2026-11-27T22:00", None),
    ],
)
def test_a_ramp_ends_where_the_window_begins(now: str, minimum: int | None) -> None:
    assert schedule_times.bounds([sale()], utc(now), lowest=3).min == minimum


def test_the_maximum_does_not_ramp() -> None:
    entries = [sale(max=30)]

    assert schedule_times.bounds(entries, utc("2026-11-27T07:50"), lowest=3).max is None
    assert schedule_times.bounds(entries, utc("2026-11-27T08:00"), lowest=3).max == 30


def test_a_time_without_offset_goes_by_the_clock_of_its_zone() -> None:
    entry = sale(at="2026-11-27T08:00", timezone="Europe/Paris", ramp="1s")

    assert entry.begins == utc("2026-11-27T07:00")


def test_of_several_windows_the_highest_minimum_and_the_lowest_maximum_count() -> None:
    night = ScheduledBounds(name="night", start="0 22 * * *", end="0 6 * * *", min=2, max=8)
    sunday = ScheduledBounds(name="sunday", start="0 0 * * SUN", end="0 0 * * MON", min=4, max=30)

    found = schedule_times.bounds([night, sunday, sale()], utc("2026-11-22T03:00"), lowest=1)

    assert (found.names, found.min, found.max) == (("night", "sunday"), 4, 8)
    assert found.until == utc("2026-11-22T06:00")
