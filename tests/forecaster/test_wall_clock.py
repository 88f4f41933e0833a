from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.wall_clock import WallClock, transitions

PARIS, SYDNEY, LORD_HOWE, KOLKATA = map(
    ZoneInfo, ("Europe/Paris", "Australia/Sydney", "Australia/Lord_Howe", "Asia/Kolkata")
)
SPRING = datetime(2026, 3, 29, 1, tzinfo=UTC)
AUTUMN = datetime(2026, 10, 25, 1, tzinfo=UTC)
STEP = timedelta(minutes=30)
ZONES = st.sampled_from([PARIS, SYDNEY, LORD_HOWE, KOLKATA, ZoneInfo("America/St_Johns"), ZoneInfo("UTC")])
STARTS = st.integers(0, 4 * 365 * 24 * 12).map(
    lambda steps: datetime(2024, 1, 1, tzinfo=UTC) + steps * timedelta(minutes=5)
)


def clock(start: datetime, *, zone: ZoneInfo = PARIS, steps: int = 96, horizon: int = 48) -> WallClock:
    return WallClock.of(zone, start=start, steps=steps, step=STEP, horizon=horizon)


def test_changes_are_found_to_the_second() -> None:
    year = (datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))

    assert transitions(PARIS, *year) == [(SPRING, timedelta(hours=2)), (AUTUMN, timedelta(hours=1))]
    assert [after for _, after in transitions(LORD_HOWE, *year)] == [timedelta(hours=10.5), timedelta(hours=11)]
    assert transitions(KOLKATA, *year) == []


def test_where_no_clock_changes_nothing_is_moved() -> None:
    even = clock(datetime(2026, 7, 1, tzinfo=UTC))
    values = np.random.default_rng(0).random(96)

    assert even.is_even
    assert even.lay(values) is values
    assert even.horizon == 48


def test_in_spring_an_hour_of_the_wall_is_missing() -> None:
    laid = clock(SPRING - timedelta(hours=24)).lay(np.arange(96.0))

    assert len(laid) == 98
    assert np.flatnonzero(np.isnan(laid)).tolist() == [48, 49]
    assert laid[50:].tolist() == list(range(48, 96))


def test_in_autumn_two_hours_fall_into_one() -> None:
    laid = clock(AUTUMN - timedelta(hours=24)).lay(np.arange(96.0))

    assert len(laid) == 94
    assert not np.isnan(laid).any()
    assert laid[44:50].tolist() == [44, 45, (46 + 48) / 2, (47 + 49) / 2, 50, 51]


def test_ahead_the_hour_of_spring_is_left_out_and_that_of_autumn_shown_twice() -> None:
    spring = clock(SPRING - timedelta(hours=48), steps=96, horizon=6)  # the cutoff is half an hour before the change
    autumn = clock(AUTUMN - timedelta(hours=50), steps=96, horizon=8)

    assert spring.ahead.tolist() == [2, 3, 4, 5, 6, 7]
    assert autumn.ahead.tolist() == [0, 1, 2, 3, 2, 3, 4, 5]
    assert (spring.ahead_of_utc, autumn.ahead_of_utc) == (2, 0)


def test_while_the_doubled_hour_passes_again_its_end_is_yet_to_come() -> None:
    inside = clock(AUTUMN - timedelta(hours=47.5), steps=96, horizon=4)  # the cutoff is 2:00 for the second time

    assert inside.past[-4:].tolist() == [92, 93, -1, 93]
    assert inside.ahead.tolist() == [0, 1, 2, 3]


def test_steps_that_are_longer_than_the_change_stay() -> None:
    daily = WallClock.of(PARIS, start=SPRING - timedelta(days=30), steps=60, step=timedelta(days=1), horizon=9)
    hourly = WallClock.of(
        LORD_HOWE, start=datetime(2026, 4, 1, tzinfo=UTC), steps=200, step=timedelta(hours=1), horizon=9
    )

    assert daily.is_even
    assert hourly.is_even


@settings(deadline=None)
@given(ZONES, STARTS, st.integers(2, 600), st.integers(1, 400), st.sampled_from([5, 15, 30, 60]))
def test_every_step_has_its_place_and_is_told_back(
    zone: ZoneInfo, start: datetime, steps: int, horizon: int, minutes: int
) -> None:
    step = timedelta(minutes=minutes)
    laid = WallClock.of(zone, start=start, steps=steps, step=step, horizon=horizon)
    values = np.arange(steps) + 1.0

    wall = laid.lay(values)

    assert laid.past[-1] == laid.length - 1
    assert len(laid.ahead) == horizon
    assert laid.ahead.min() >= 0
    assert horizon - 60 / minutes <= laid.horizon <= horizon + 60 / minutes
    assert np.nanmin(wall) >= 1
    alone = [i for i in range(steps) if laid.past[i] >= 0 and (laid.past == laid.past[i]).sum() == 1]
    assert all(wall[laid.past[i]] == values[i] for i in alone)
    assert len(alone) >= steps - 2 * (60 / minutes) * max(1, steps * minutes / 60 / 24 / 90)
    for i in alone:
        assert laid.time_of(laid.start + int(laid.past[i]) * step) == start + i * step


@settings(deadline=None)
@given(ZONES, STARTS, st.integers(50, 600))
def test_the_wall_clock_goes_on_as_a_clock_does(zone: ZoneInfo, start: datetime, steps: int) -> None:
    """Two steps of one local time of day lie whole days of the wall apart (offsets are whole half hours here)."""
    start = start.replace(minute=0, second=0, microsecond=0)
    laid = clock(start, zone=zone, steps=steps)
    local = [(start + i * STEP).astimezone(zone) for i in range(steps)]
    minutes = np.array([one.hour * 60 + one.minute for one in local])

    known = laid.past >= 0
    phase = (laid.past[known] - minutes[known] // 30) % 48

    assert len(set(phase.tolist())) == 1


@pytest.mark.parametrize("change", [SPRING, AUTUMN])
def test_the_cutoff_keeps_its_time(change: datetime) -> None:
    laid = clock(change - timedelta(hours=10))

    assert laid.start + (laid.length - 1) * STEP == change - timedelta(hours=10) + 95 * STEP
