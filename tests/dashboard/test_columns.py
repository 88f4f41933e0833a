from __future__ import annotations

import base64
from datetime import timedelta

import numpy as np

from dashboard.columns import broken, is_stale, steps, thin, typed
from dashboard.contract import Columns
from domain.clock import to_ms
from tests.fakes.clock import ManualClock


def columns(v: list[float] | np.ndarray, step_ms: int | None = 1000) -> Columns:
    return Columns(t=np.arange(len(v), dtype=np.int64) * 1000, v=np.asarray(v, float), n_raw=len(v), step_ms=step_ms)


def test_typed_arrays_are_little_endian_doubles_also_from_strided_slices() -> None:
    array = typed(np.arange(10)[::3])
    assert np.frombuffer(base64.b64decode(array["bdata"]), "<f8").tolist() == [0, 3, 6, 9]


def test_thinning_keeps_the_peak() -> None:
    v = np.zeros(100_000)
    v[41_234] = 7.0
    t, kept = thin(columns(v), 500)
    assert len(t) <= 500
    assert kept.max() == 7.0
    assert t[kept.argmax()] == 41_234_000


def test_short_series_are_left_alone_with_their_gaps() -> None:
    t, v = thin(columns([1.0, np.nan, 3.0]), 500)
    assert t.tolist() == [0, 1000, 2000]
    assert np.isnan(v[1])


def test_the_line_breaks_where_nothing_was_seen() -> None:
    t = np.array([0.0, 1000, 2000, 60_000, 61_000])
    cut, v = broken(t, np.ones(5), 1000)
    assert np.isnan(v[cut == 2001]).all()
    assert len(cut) == 6


def test_steps_hold_until_the_end() -> None:
    t, v = steps(columns([2.0, 3.0], step_ms=None), 9000, 500)
    assert (t[-1], v[-1]) == (9000, 3.0)
    assert len(steps(Columns.empty(), 9000, 500)[0]) == 0


def test_the_newest_number_is_the_last_known_one() -> None:
    assert columns([1.0, 5.0, np.nan]).last == (1000, 5.0)
    assert Columns.empty().last is None


def test_a_series_is_stale_after_three_steps_and_a_minute(clock: ManualClock) -> None:
    now = clock.now()
    fresh = Columns(t=np.array([to_ms(now) - 50_000]), v=np.ones(1), step_ms=5000)
    assert not is_stale(fresh, now)
    assert is_stale(fresh, now + timedelta(seconds=11))
    assert not is_stale(Columns.empty(), now)
