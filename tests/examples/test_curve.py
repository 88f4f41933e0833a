from __future__ import annotations

import itertools
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.shop import curve

QUIET_DAY = next(day for day in range(2, 700, 7) if curve.burst_of(day) is None)  # factor 1 in the week
END = datetime(2026, 11, 21, 12, 0, 3, 500_000, tzinfo=UTC)


def at(hour: float, day: int = QUIET_DAY) -> float:
    return curve.rate((day + hour / 24) * curve.DAY_SECONDS)


def test_a_day_has_a_night_a_lunch_dip_and_an_evening_peak() -> None:
    rates = {hour: at(hour) for hour in (3, 10.5, 13, 15, 19.5)}

    assert rates[3] == pytest.approx(6, abs=0.5)
    assert rates[19.5] == pytest.approx(42, abs=2)
    assert rates[13] < rates[15] < rates[10.5] < rates[19.5]


def test_the_weekend_is_quieter() -> None:
    quiet = [day for day in range(7, 700) if curve.burst_of(day) is None]
    by_weekday = [at(19.5, next(day for day in quiet if day % 7 == weekday)) for weekday in range(7)]

    assert max(by_weekday[5:]) < 0.9 * min(by_weekday[:5])


def test_about_every_second_day_has_a_burst_of_40_to_80_percent() -> None:
    bursts = [burst for day in range(1000) if (burst := curve.burst_of(day)) is not None]

    assert 400 < len(bursts) < 600
    assert all(60 <= length <= 90 and 1.4 <= factor <= 1.8 for _, length, factor in bursts)
    assert all(0 < start and start + length < curve.DAY_SECONDS for start, length, _ in bursts)


def test_a_burst_is_in_the_curve() -> None:
    day, burst = next((day, burst) for day in range(100) if (burst := curve.burst_of(day)) is not None)
    start, length, factor = burst
    middle = day * curve.DAY_SECONDS + start + length / 2
    hour = (start + length / 2) / curve.DAY_SECONDS * 24

    assert curve.rate(middle) == pytest.approx(at(hour) * curve.WEEK[day % 7] * factor)


@given(st.floats(min_value=0, max_value=4e9))
def test_the_curve_is_bounded_and_depends_on_the_time_alone(t: float) -> None:
    assert 4.5 < curve.rate(t) < 76
    assert curve.rate(t) == curve.rate(t)


def test_the_curve_does_not_jump() -> None:
    rates = [curve.rate(t / 2) for t in range(2 * 3 * curve.DAY_SECONDS)]

    assert max(abs(b - a) for a, b in itertools.pairwise(rates[: 2 * curve.DAY_SECONDS - 1])) < 2.5


def test_history_ends_at_the_last_step_and_reaches_back_the_days() -> None:
    series = list(curve.history(END))

    for one in series:
        assert one.timestamps_ms[-1] == int(datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC).timestamp() * 1000)
        assert np.all(np.diff(one.timestamps_ms) == 5000)
        assert len(one.timestamps_ms) == len(one.values) == 21 * 288 + 1


def test_history_is_marked_as_generated() -> None:
    labels = [one.labels for one in curve.history(END, days=1)]

    assert len(set(labels)) == len(labels) == 13
    assert all(label.value_of("generated") == "true" for label in labels)
    assert str(labels[0]) == (
        'edge_requests_total{code="200", generated="true", instance="history", job="edge", service="shop"}'
    )


def test_history_counts_rise_in_whole_numbers_by_the_curve() -> None:
    requests = next(iter(curve.history(END))).values
    mean = np.diff(requests).mean() / 5

    assert np.all(np.diff(requests) >= 0)
    assert np.all(requests == np.round(requests))
    assert mean == pytest.approx(np.mean([curve.rate(t) for t in range(7 * curve.DAY_SECONDS)]), rel=0.05)


def test_history_durations_are_those_of_the_requests() -> None:
    series = {str(one.labels.only(["__name__", "le"])): one.values for one in curve.history(END, days=2)}
    buckets = [series[f'edge_request_duration_seconds_bucket{{le="{bound}"}}'] for bound in curve.EDGE_BUCKETS]

    assert np.array_equal(series["edge_requests_total"], series["edge_request_duration_seconds_count"])
    assert np.array_equal(series["edge_requests_total"], series['edge_request_duration_seconds_bucket{le="+Inf"}'])
    assert all(np.all(a <= b) for a, b in itertools.pairwise(buckets))
    seconds = series["edge_request_duration_seconds_sum"][-1] / series["edge_request_duration_seconds_count"][-1]
    assert 0.05 < seconds < 0.12


def test_history_is_the_same_each_time() -> None:
    first, second = (list(curve.history(END, days=1)) for _ in range(2))

    assert all(np.array_equal(a.values, b.values) for a, b in zip(first, second, strict=True))
