"""The rate family against hand-computed values and a naive reading of Prometheus' description."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.labels import Labels
from domain.series import STALE_NAN, Series
from store.promql import Evaluator, Matrix, Vector
from tests.fakes.series import SeriesInMemory, series

_STEP_MS, _RANGE_MS = 20_000, 60_000


def _instant(store: SeriesInMemory, query: str, at_s: float) -> dict[str, float]:
    result = Evaluator(store.select).instant(query, at_ms=round(at_s * 1000))
    assert isinstance(result, Vector)
    return {str(labels): float(value) for labels, value in zip(result.labels, result.values, strict=True)}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        # (0, 60]: samples 15 s…60 s hold 10, 20, 30, 40; extended by 15 s at the left, where a sample was due
        ("increase(c_total[1m])", 40.0),
        ("rate(c_total[1m])", 40 / 60),
        ("delta(c_total[1m])", 40.0),
        ("irate(c_total[1m])", 10 / 15),
        ("idelta(c_total[1m])", 10.0),
        ("changes(c_total[1m])", 3.0),
        ("resets(c_total[1m])", 0.0),
        ("deriv(c_total[1m])", 10 / 15),
        ("predict_linear(c_total[1m], 30)", 60.0),
    ],
)
def test_steady_counter(query: str, expected: float) -> None:
    store = SeriesInMemory([series("c_total", 0, 15_000, [0, 10, 20, 30, 40])])
    assert _instant(store, query, 60) == pytest.approx({"{}": expected})


def test_left_edge_of_a_range_is_open() -> None:
    store = SeriesInMemory([series("c_total", 0, 15_000, [0, 10, 20, 30, 40])])
    assert _instant(store, "count_over_time(c_total[1m])", 60) == {"{}": 4}
    assert _instant(store, "count_over_time(c_total[15s])", 60) == {"{}": 1}


def test_counter_reset_is_added_back() -> None:
    store = SeriesInMemory([series("c_total", 0, 15_000, [0, 10, 20, 5, 15])])
    # 15 − 10 + 20 lost at the reset = 25 over 45 s, extended by 15 s
    assert _instant(store, "increase(c_total[1m])", 60) == pytest.approx({"{}": 25 * 60 / 45})
    assert _instant(store, "resets(c_total[1m])", 60) == {"{}": 1}
    assert _instant(store, "irate(c_total[25s])", 45) == pytest.approx({"{}": 5 / 15})


def test_counter_is_not_extrapolated_below_zero() -> None:
    store = SeriesInMemory([series("c_total", 10_000, 10_000, [1, 11, 21, 31, 41])])
    # 40 in 40 s from 1: it was 0 one second before the first sample, not ten
    assert _instant(store, "increase(c_total[50s])", 50) == pytest.approx({"{}": 41})


def test_one_sample_is_no_rate() -> None:
    store = SeriesInMemory([series("c_total", 0, 15_000, [0, 10])])
    assert _instant(store, "rate(c_total[10s])", 15) == {}


def test_stale_markers_are_no_samples() -> None:
    store = SeriesInMemory([series("c_total", 0, 15_000, [0, 10, STALE_NAN, 30, 40])])
    assert _instant(store, "count_over_time(c_total[1m])", 60) == {"{}": 3}
    assert _instant(store, "delta(c_total[46s])", 60) == pytest.approx({"{}": 30 * 46 / 45})


_times = st.lists(st.integers(1, 400), min_size=0, max_size=40, unique=True).map(sorted)
_values = st.one_of(st.integers(0, 50).map(float), st.floats(0, 1e6, allow_subnormal=False), st.just(math.nan))


@st.composite
def _stores(draw: st.DrawFn) -> list[Series]:
    """A few series; some share their timestamps, some do not."""
    shared = draw(_times)
    found = []
    for row in range(draw(st.integers(1, 4))):
        times = shared if draw(st.booleans()) else draw(_times)
        values = draw(st.lists(_values, min_size=len(times), max_size=len(times)))
        found.append(
            Series(
                labels=Labels.of(__name__="c_total", row=str(row)),
                timestamps_ms=np.array(times, dtype=np.int64) * 1000,
                values=np.array(values, dtype=np.float64),
            )
        )
    return found


def _naive_rate(times: list[int], values: list[float], end_ms: int, *, is_counter: bool) -> float | None:
    """``extrapolatedRate`` word by word, for one window."""
    window = [(t, v) for t, v in zip(times, values, strict=True) if end_ms - _RANGE_MS < t <= end_ms]
    if len(window) < 2:
        return None
    (first_t, first_v), (last_t, last_v) = window[0], window[-1]
    change = last_v - first_v
    if is_counter:
        for (_, before), (_, after) in zip(window, window[1:], strict=False):
            if after < before:
                change += before
    to_start, to_end = (first_t - (end_ms - _RANGE_MS)) / 1000, (end_ms - last_t) / 1000
    sampled = (last_t - first_t) / 1000
    average = sampled / (len(window) - 1)
    if to_start >= average * 1.1:
        to_start = average / 2
    if is_counter and change > 0 and first_v >= 0:
        to_start = min(to_start, sampled * (first_v / change))
    if to_end >= average * 1.1:
        to_end = average / 2
    return change * (sampled + to_start + to_end) / sampled


@settings(max_examples=150, deadline=None)
@given(_stores(), st.booleans())
def test_agrees_with_a_naive_reading(found: list[Series], is_counter: bool) -> None:
    function = "increase" if is_counter else "delta"
    result = Evaluator(SeriesInMemory(found).select).range(
        f"{function}(c_total[1m])", start_ms=0, end_ms=460_000, step_ms=_STEP_MS
    )
    for one in found:
        row = _row(result, one.labels)
        for step, end_ms in enumerate(range(0, 460_001, _STEP_MS)):
            wanted = _naive_rate(one.timestamps_ms.tolist(), one.values.tolist(), end_ms, is_counter=is_counter)
            _assert_same(result, row, step, wanted)


def _row(result: Matrix, labels: Labels) -> int | None:
    bare = labels.without(("__name__",))
    return result.labels.index(bare) if bare in result.labels else None


def _assert_same(result: Matrix, row: int | None, step: int, wanted: float | None) -> None:
    if wanted is None:
        assert row is None or not result.present[row, step]
        return
    assert row is not None
    assert result.present[row, step]
    assert result.values[row, step] == pytest.approx(wanted, rel=1e-12, abs=1e-9, nan_ok=True)
