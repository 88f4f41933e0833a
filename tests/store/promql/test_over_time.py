"""``…_over_time`` against hand-computed values and a naive window-by-window oracle."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.labels import Labels
from domain.series import Series
from store.promql import Evaluator, Vector
from tests.fakes.series import SeriesInMemory, series


def _only(store: SeriesInMemory, query: str, at_s: int) -> float:
    result = Evaluator(store.select).instant(query, at_ms=at_s * 1000)
    assert isinstance(result, Vector)
    assert len(result.values) == 1
    return float(result.values[0])


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("sum_over_time(m[1m])", 16.0),
        ("avg_over_time(m[1m])", 4.0),
        ("min_over_time(m[1m])", 1.0),
        ("max_over_time(m[1m])", 8.0),
        ("count_over_time(m[1m])", 4.0),
        ("first_over_time(m[1m])", 1.0),
        ("last_over_time(m[1m])", 8.0),
        ("present_over_time(m[1m])", 1.0),
        ("stdvar_over_time(m[1m])", 7.5),
        ("stddev_over_time(m[1m])", math.sqrt(7.5)),
        ("quantile_over_time(0.5, m[1m])", 3.5),
        ("quantile_over_time(0, m[1m])", 1.0),
        ("quantile_over_time(1.5, m[1m])", math.inf),
        ("quantile_over_time(-1, m[1m])", -math.inf),
        ("mad_over_time(m[1m])", 2.0),
        ("ts_of_max_over_time(m[1m])", 60.0),
        ("ts_of_min_over_time(m[1m])", 15.0),
        ("ts_of_first_over_time(m[1m])", 15.0),
        ("ts_of_last_over_time(m[1m])", 60.0),
    ],
)
def test_one_window(query: str, expected: float) -> None:
    store = SeriesInMemory([series("m", 0, 15_000, [99, 1, 2, 5, 8])])
    assert _only(store, query, 60) == pytest.approx(expected)


def test_sum_keeps_what_cancels() -> None:
    store = SeriesInMemory([series("m", 1000, 1000, [2, 1e100, 8, -1e100])])
    assert _only(store, "sum_over_time(m[10s])", 10) == 10
    assert _only(store, "avg_over_time(m[10s])", 10) == 2.5


def test_mean_of_huge_values_does_not_overflow() -> None:
    store = SeriesInMemory([series("m", 1000, 1000, [1.7e308, 1.7e308, 1.7e308])])
    assert _only(store, "avg_over_time(m[10s])", 10) == pytest.approx(1.7e308)
    assert _only(store, "sum_over_time(m[10s])", 10) == math.inf


def test_equal_samples_do_not_vary_at_all() -> None:
    store = SeriesInMemory([series("m", 1000, 1000, [13.3, 13.3, 13.3])])
    assert _only(store, "stdvar_over_time(m[10s])", 10) == 0


def test_nan_is_ignored_by_extremes_and_kept_by_sums() -> None:
    store = SeriesInMemory([series("m", 1000, 1000, [math.nan, 3, 1])])
    assert _only(store, "max_over_time(m[10s])", 10) == 3
    assert _only(store, "min_over_time(m[10s])", 10) == 1
    assert math.isnan(_only(store, "sum_over_time(m[10s])", 10))


def test_absent_over_time_takes_the_labels_asked_for() -> None:
    result = Evaluator(SeriesInMemory().select).instant('absent_over_time(m{a="b",c=~"d"}[1m])', at_ms=0)
    assert isinstance(result, Vector)
    assert result.labels == [Labels.of(a="b")]


def _naive_quantile(values: list[float]) -> float:
    ranked = sorted(values)
    rank = 0.3 * (len(ranked) - 1)
    low = math.floor(rank)
    high = min(len(ranked) - 1, low + 1)
    return ranked[low] * (1 - (rank - low)) + ranked[high] * (rank - low)


_NAIVE: dict[str, Callable[[list[float]], float]] = {
    "sum_over_time(m[50s])": math.fsum,
    "avg_over_time(m[50s])": lambda values: math.fsum(values) / len(values),
    "min_over_time(m[50s])": min,
    "max_over_time(m[50s])": max,
    "count_over_time(m[50s])": len,
    "last_over_time(m[50s])": lambda values: values[-1],
    "stdvar_over_time(m[50s])": statistics.pvariance,
    "quantile_over_time(0.3, m[50s])": _naive_quantile,
    "changes(m[50s])": lambda values: sum(a != b for a, b in zip(values, values[1:], strict=False)),
    "resets(m[50s])": lambda values: sum(b < a for a, b in zip(values, values[1:], strict=False)),
}


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.lists(st.tuples(st.integers(1, 300), st.integers(-1000, 1000)), max_size=40, unique_by=lambda pair: pair[0]),
        min_size=1,
        max_size=3,
    ),
    st.sampled_from(sorted(_NAIVE)),
)
def test_agrees_with_a_naive_oracle(tracks: list[list[tuple[int, int]]], query: str) -> None:
    found = [
        Series(
            labels=Labels.of(__name__="m", row=str(row)),
            timestamps_ms=np.array([t * 1000 for t, _ in sorted(track)], dtype=np.int64),
            values=np.array([v / 8 for _, v in sorted(track)], dtype=np.float64),
        )
        for row, track in enumerate(tracks)
    ]
    result = Evaluator(SeriesInMemory(found).select).range(query, start_ms=0, end_ms=360_000, step_ms=17_000)
    got = {
        (labels.value_of("row"), step): float(values[step])
        for labels, values, there in zip(result.labels, result.values, result.present, strict=True)
        for step in np.flatnonzero(there).tolist()
    }
    wanted = {}
    for row, track in enumerate(tracks):
        for step, end in enumerate(range(0, 361, 17)):
            window = [v / 8 for t, v in sorted(track) if end - 50 < t <= end]
            if window:
                wanted[str(row), step] = float(_NAIVE[query](window))
    assert got == pytest.approx(wanted, rel=1e-9, abs=1e-9)
