from datetime import UTC, datetime

import numpy as np

from cost.recommendations.nights import nights

MONDAY = datetime(2026, 11, 2, tzinfo=UTC)


def week(busy: float, idle: float, *, first: int = 20, until: int = 6, days: int = 8) -> np.ndarray:
    """Idle from ``first`` to ``until``, over midnight."""
    hours = np.arange(24 * days) % 24
    return np.where((hours >= first) | (hours < until), idle, busy)


def test_nights_are_found_with_an_hour_left_at_either_end() -> None:
    found = nights(week(1.0, 0.01), MONDAY)
    assert found is not None
    assert (found.first, found.until, found.days) == (21, 5, 8)
    assert len(found.hours) == 7 * 8
    assert {0, 4, 21, 24 * 6 + 23} <= found.hours
    assert not {5, 12, 20} & found.hours


def test_the_hours_are_those_of_the_day_whenever_the_history_begins() -> None:
    found = nights(week(1.0, 0.01)[10:], MONDAY.replace(hour=10))
    assert found is not None
    assert (found.first, found.until) == (21, 5)


def test_one_busy_night_or_a_missing_one_leaves_it_on() -> None:
    used = week(1.0, 0.01)
    used[24 * 3 + 2] = 0.2
    assert nights(used, MONDAY) is None
    assert nights(week(1.0, 0.01, days=6), MONDAY) is None
    holes = week(1.0, 0.01)
    holes[[24 * day + 1 for day in range(2)]] = np.nan
    assert nights(holes, MONDAY) is None


def test_what_is_always_idle_or_never_is_not_judged_here() -> None:
    assert nights(np.full(200, 0.001), MONDAY) is None
    assert nights(np.full(200, 1.0), MONDAY) is None
    assert nights(np.full(200, np.nan), MONDAY) is None
    assert nights(week(1.0, 0.01, first=22, until=5), MONDAY) is None
