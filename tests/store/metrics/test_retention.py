from __future__ import annotations

import sqlite3
from datetime import timedelta
from pathlib import Path

import numpy as np

from domain.clock import to_ms
from domain.labels import Labels
from domain.series import Series
from store.metrics import Matcher, MetricsStore
from tests.fakes.clock import ManualClock

HOUR_MS = 3_600_000
ALWAYS = (0, 10**15)


def job(name: str) -> list[Matcher]:
    return [Matcher(name="job", op="=", value=name)]


def rows(tmp_path: Path, table: str) -> int:
    connection = sqlite3.connect(tmp_path / "data" / "metrics.db")
    try:
        return int(connection.execute(f"select count(*) from {table}").fetchone()[0])
    finally:
        connection.close()


def fill(store: MetricsStore, *, hours: range) -> None:
    labels = tuple(Labels.of(job="live", n=str(n)) for n in range(10))
    for hour in hours:
        store.append(labels, hour * HOUR_MS, np.full(10, float(hour)))
    store.flush()


def test_samples_series_and_layouts_out_of_retention_go(open_store, tmp_path: Path) -> None:
    store = open_store(retention=timedelta(hours=24))
    store.append([Labels.of(job="old")], 1 * HOUR_MS, np.array([1.0]))
    store.load([Series(labels=Labels.of(job="loaded"), timestamps_ms=np.arange(600), values=np.zeros(600))])
    fill(store, hours=range(10, 101))
    store.upkeep()
    (series, *_) = store.select(job("live"), *ALWAYS)
    assert series.timestamps_ms.tolist() == [hour * HOUR_MS for hour in range(76, 101)]
    assert store.select(job("old"), *ALWAYS) == []
    assert store.label_values("job", [], *ALWAYS) == ["live"]
    assert store.stats().series == 10
    store.flush()
    assert [rows(tmp_path, table) for table in ("journal", "chunk", "layout", "series")] == [25, 0, 1, 10]


def test_a_series_that_comes_back_after_it_was_forgotten_is_whole(open_store) -> None:
    store = open_store(retention=timedelta(hours=24))
    again = (Labels.of(job="again"), Labels.of(job="too"))
    store.append(again, 1 * HOUR_MS, np.array([1.0, 1.0]))
    fill(store, hours=range(90, 101))
    store.upkeep()
    assert store.series([job("again")], *ALWAYS) == []
    store.append(again, 101 * HOUR_MS, np.array([2.0, 2.0]))
    store.close()
    store = open_store(retention=timedelta(hours=24))
    (series,) = store.select(job("again"), *ALWAYS)
    assert (series.timestamps_ms.tolist(), series.values.tolist()) == ([101 * HOUR_MS], [2.0])


def test_the_oldest_samples_go_when_the_file_is_too_large(open_store) -> None:
    store = open_store(max_bytes=1_000_000)
    labels = tuple(Labels.of(job="live", n=str(n)) for n in range(200))
    for minute in range(1000):
        store.append(labels, minute * 60_000, np.full(200, float(minute)))
    store.load([Series(labels=Labels.of(job="h"), timestamps_ms=np.arange(5000), values=np.zeros(5000))])
    store.flush()
    before = store._database.used_bytes()
    store.upkeep()
    assert before > 1_500_000
    assert store._database.used_bytes() <= 1_000_000
    (series, *_) = store.select(job("live"), *ALWAYS)
    assert 300 < series.values.size < 700
    assert series.values[-1] == 999
    assert store.select(job("h"), *ALWAYS) == []
    store.close()
    assert store.stats().bytes_on_disk < 1_300_000


def test_neither_a_long_pause_nor_a_wrong_clock_empties_the_store(open_store) -> None:
    clock = ManualClock()
    store = open_store(clock=clock, retention=timedelta(days=1))
    store.append([Labels.of(job="a")], to_ms(clock.now()), np.array([1.0]))
    clock.advance(timedelta(days=400))
    store.upkeep()
    assert len(store.select(job("a"), *ALWAYS)) == 1


def test_a_layout_that_is_idle_leaves_memory(open_store) -> None:
    store = open_store()
    for n in range(50):
        store.append([Labels.of(job="churn", n=str(n))], n, np.array([1.0]))
    fill(store, hours=range(5, 7))
    store.upkeep()
    assert sum(1 for _ in store._head.blocks()) == 1
    assert len(store._intake._layouts) == 1
    assert len(store.select(job("churn"), *ALWAYS)) == 50


def test_the_last_minutes_need_no_disk(open_store, tmp_path: Path) -> None:
    store = open_store(head_window=timedelta(hours=1))
    store.load([Series(labels=Labels.of(job="h"), timestamps_ms=np.arange(13) * 300_000, values=np.zeros(13))])
    fill(store, hours=range(1, 3))
    store.upkeep()
    taken: list[object] = []
    store._database._idle.clear()
    store.select([], 1 * HOUR_MS, 2 * HOUR_MS)
    taken.append(len(store._database._idle))
    found = store.select([], 1 * HOUR_MS - 1, 2 * HOUR_MS)
    taken.append(len(store._database._idle))
    assert len(found) == 11
    assert taken == [0, 1]  # connections that have been used for reading
