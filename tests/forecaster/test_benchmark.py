"""The scorer of ``benchmarks.forecast`` by hand-made numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.forecast_peers import chosen, seasonal_naive
from benchmarks.forecast_traces import (
    AHEAD,
    HISTORY,
    SEASON,
    Batch,
    NoTracesError,
    Trace,
    batches,
    below,
    load,
    losses,
    pinball,
    relative,
)  # fmt: skip


def test_pinball_by_hand() -> None:
    """2·mean of (0.5·4, 0.9·2, 0.05·1) for an actual of 10 below 11 and above 6 and 8."""
    assert pinball(np.array([10.0]), np.array([[6.0, 8.0, 11.0]])) == pytest.approx([2 * (2 + 1.8 + 0.05) / 3])


def test_relative_is_a_clipped_geometric_mean_over_series() -> None:
    ours, theirs = np.array([[1.0, 1.0, 100.0], [1.0, np.nan, 100.0]]), np.array([[2.0, 4.0, 1.0], [2.0, 4.0, 1.0]])
    assert relative(ours, theirs) == pytest.approx((0.5 * 0.25 * 10) ** (1 / 3))


def test_a_batch_knows_nothing_after_its_origins() -> None:
    trace = Trace(name="count", values=np.arange(6000.0))
    for origin, batch in zip(trace.origins(), batches([trace]), strict=True):
        assert batch.histories[0, -1] == origin - 1
        assert batch.actuals[0].tolist() == np.arange(origin, origin + AHEAD).tolist()


def test_yesterday_is_exact_where_each_day_is_the_same() -> None:
    day = np.sin(np.arange(HISTORY + AHEAD) * 2 * np.pi / SEASON) + 2
    batch = Batch(histories=day[None, :HISTORY], actuals=day[None, HISTORY:])
    made = seasonal_naive(batch.histories)
    assert losses(batch, made)["24h"] == pytest.approx([0], abs=1e-9)
    assert below(batch, made + 1e-6)["24h"].tolist() == [1]


def test_peer_rows_are_distinct_and_spread() -> None:
    pairs = chosen(16, 12, 32)
    assert len(set(pairs)) == 32
    assert {series for _, series in pairs} == set(range(16))


def test_minutes_become_five_and_hours_are_left_out(tmp_path: Path) -> None:
    minutes = "\n".join(f"{60 * i},{i}" for i in range(5 * 1300))
    (tmp_path / "fine.csv").write_text("timestamp,value\n" + minutes)
    (tmp_path / "coarse.csv").write_text("timestamp,value\n" + "\n".join(f"{3600 * i},1" for i in range(5000)))
    (trace,) = load(tmp_path)
    assert trace.values[:3].tolist() == [2, 7, 12]
    with pytest.raises(NoTracesError):
        load(tmp_path / "nothing")
