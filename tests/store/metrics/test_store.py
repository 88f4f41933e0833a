from __future__ import annotations

import struct
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.clock import to_ms
from domain.errors import OverloadedError, StoreError
from domain.labels import Labels
from domain.series import STALE_NAN, Series
from store.metrics import Matcher, MetricsStore, StoreLimits
from tests.fakes.clock import ManualClock

HOUR_MS = 3_600_000
ALWAYS = (0, 10**15)


def target(name: str, count: int) -> tuple[Labels, ...]:
    return tuple(Labels.of(__name__="m", job=name, n=f"{n:03}") for n in range(count))


def job(name: str) -> list[Matcher]:
    return [Matcher(name="job", op="=", value=name)]


def points(series: Series) -> list[tuple[int, float]]:
    return list(zip(series.timestamps_ms.tolist(), series.values.tolist(), strict=True))


def everything(store: MetricsStore) -> dict[Labels, list[tuple[int, float]]]:
    return {series.labels: points(series) for series in store.select([], *ALWAYS)}


def bits(values: Sequence[float]) -> list[bytes]:
    return [struct.pack("<d", value) for value in values]


def test_a_scrape_is_readable_at_once(store: MetricsStore) -> None:
    labels = target("a", 3)
    store.append(labels, 1000, np.array([1.0, 2.0, 3.0]))
    store.append(labels, 2000, np.array([4.0, 5.0, 6.0]))
    found = store.select(job("a"), 1000, 2000)
    assert [series.labels for series in found] == sorted(labels)
    assert [points(series) for series in found] == [
        [(1000, 1.0), (2000, 4.0)],
        [(1000, 2.0), (2000, 5.0)],
        [(1000, 3.0), (2000, 6.0)],
    ]
    assert store.stats().samples_appended == 6


@pytest.mark.parametrize(
    ("start", "end", "times"), [(1000, 2000, 2), (1001, 2000, 1), (1000, 1999, 1), (1001, 1999, 0)]
)
def test_both_ends_of_the_time_are_included(store: MetricsStore, start: int, end: int, times: int) -> None:
    store.append(target("a", 1), 1000, np.array([1.0]))
    store.append(target("a", 1), 2000, np.array([2.0]))
    assert sum(series.values.size for series in store.select(job("a"), start, end)) == times


def test_an_unknown_name_finds_nothing(store: MetricsStore) -> None:
    store.append(target("a", 1), 1000, np.array([1.0]))
    assert store.select(job("b"), *ALWAYS) == []
    assert store.series([job("b")], *ALWAYS) == []
    assert store.last_values(job("b")) == []


SPECIAL = [
    STALE_NAN,
    float("nan"),
    struct.unpack("<d", struct.pack("<Q", 0x7FF8DEADBEEF0001))[0],
    struct.unpack("<d", struct.pack("<Q", 0xFFF0000000000003))[0],
    float("inf"),
    float("-inf"),
    -0.0,
    5e-324,
]


def test_special_numbers_keep_every_bit_in_head_journal_and_chunk(open_store) -> None:
    store = open_store()
    labels = target("a", len(SPECIAL))
    store.append(labels, 1000, np.array(SPECIAL))
    loaded = Series(labels=Labels.of(job="b"), timestamps_ms=np.arange(len(SPECIAL)), values=np.array(SPECIAL))
    store.load([loaded])

    def read() -> list[list[bytes]]:
        by_series = [one.values[0] for one in store.select(job("a"), *ALWAYS)]
        (history,) = store.select(job("b"), *ALWAYS)
        return [bits(by_series), bits(history.values), bits([one.value for one in store.last_values(job("a"))])]

    assert read() == [bits(SPECIAL)] * 3
    store.append(target("c", 1), 10 * HOUR_MS, np.array([0.0]))  # moves the others out of the head
    store.upkeep()
    assert read() == [bits(SPECIAL)] * 3
    store.close()
    store = open_store()
    assert read() == [bits(SPECIAL)] * 3


def test_older_samples_are_refused_and_equal_times_keep_the_first(store: MetricsStore) -> None:
    labels = target("a", 2)
    store.append(labels, 2000, np.array([1.0, 2.0]))
    store.append(labels, 2000, np.array([8.0, 9.0]))
    store.append(labels, 1000, np.array([8.0, 9.0]))
    store.append([labels[0], labels[0]], 3000, np.array([3.0, 9.0]))
    store.append(labels, 3000, np.array([9.0, 4.0]))
    assert list(everything(store).values()) == [[(2000, 1.0), (3000, 3.0)], [(2000, 2.0), (3000, 4.0)]]
    stats = store.stats()
    assert (stats.samples_appended, stats.duplicates, stats.out_of_order, stats.refused) == (4, 4, 2, 2)


@settings(max_examples=30, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.lists(st.integers(0, 4), max_size=6), st.integers(0, 40), st.booleans()), min_size=1, max_size=25
    )
)
def test_whatever_comes_is_kept_like_in_a_plain_dict_also_after_a_restart(
    rows: list[tuple[list[int], int, bool]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("store") / "metrics.db"
    limits = StoreLimits(head_window=timedelta(milliseconds=10))
    store = MetricsStore.open(path, retention=timedelta(days=1), limits=limits)
    expected: dict[Labels, dict[int, float]] = {}
    for number, (members, when, tidy) in enumerate(rows):
        labels = [Labels.of(n=str(member)) for member in members]
        store.append(labels, when, np.arange(len(labels)) + number * 10.0)
        for place, own in enumerate(labels):
            history = expected.setdefault(own, {})
            if when > max(history, default=-1):
                history[when] = place + number * 10.0
        if tidy:
            store.upkeep()
    wanted = {own: list(history.items()) for own, history in expected.items() if history}
    assert everything(store) == wanted
    assert {one.labels: (one.timestamp_ms, one.value) for one in store.last_values([])} == {
        own: history[-1] for own, history in wanted.items()
    }
    store.close()
    store = MetricsStore.open(path, retention=timedelta(days=1), limits=limits)
    assert everything(store) == wanted
    store.close()


def test_loaded_history_meets_live_samples_without_seam(open_store) -> None:
    store = open_store()
    end = 100 * HOUR_MS
    times = np.arange(end - 6000 * 5000, end, 5000)
    labels = [Labels.of(__name__=f"h{n}", generated="true") for n in range(6)]
    history = [
        Series(labels=own, timestamps_ms=times, values=np.arange(6000.0) + n * 1e6) for n, own in enumerate(labels)
    ]
    store.load(history)
    for step in range(10):
        store.append(labels, end + step * 5000, np.arange(6) * 1e6 + 6000 + step)
    store.upkeep()
    for _ in range(2):
        found = store.select([Matcher(name="generated", op="=", value="true")], int(times[100]), end + 20_000)
        assert [series.labels for series in found] == labels
        for n, series in enumerate(found):
            assert np.array_equal(series.timestamps_ms, np.arange(times[100], end + 20_001, 5000))
            assert np.array_equal(series.values, np.arange(100.0, 6005.0) + n * 1e6)
            assert series.timestamps_ms is found[0].timestamps_ms
        store.close()
        store = open_store()
    assert store.stats().series == 6


def test_loading_again_adds_only_what_is_before_and_after(store: MetricsStore) -> None:
    own = Labels.of(job="a")
    store.append([own], 5000, np.array([5.0]))
    store.load([Series(labels=own, timestamps_ms=np.arange(1, 8) * 1000, values=np.full(7, 9.0))])
    store.load([Series(labels=own, timestamps_ms=np.arange(0, 9) * 1000, values=np.full(9, 7.0))])
    (series,) = store.select(job("a"), *ALWAYS)
    assert points(series) == [(0, 7.0), *((n * 1000, 9.0) for n in range(1, 5)), (5000, 5.0), (6000, 9.0), (7000, 9.0),
                              (8000, 7.0)]  # fmt: skip
    assert store.stats().out_of_order == 1 + 7


def test_a_history_that_does_not_rise_is_a_mistake_of_the_caller(store: MetricsStore) -> None:
    with pytest.raises(ValueError, match="rise"):
        store.load([Series(labels=Labels.of(job="a"), timestamps_ms=np.array([2, 1]), values=np.zeros(2))])
    with pytest.raises(ValueError, match="as many values"):
        store.append(target("a", 2), 1000, np.zeros(3))


def test_series_and_label_names_and_values_follow_matchers_and_time(store: MetricsStore) -> None:
    store.append([Labels.of(__name__="up", job="a", zone="x")], 1000, np.array([1.0]))
    store.append([Labels.of(__name__="up", job="b")], 9000, np.array([1.0]))
    store.append([Labels.of(__name__="load", job="b")], 9000, np.array([1.0]))
    up, load = [Matcher(name="__name__", op="=", value="up")], [Matcher(name="__name__", op="=", value="load")]
    assert [str(labels) for labels in store.series([up], 0, 9999)] == ['up{job="a", zone="x"}', 'up{job="b"}']
    assert [str(labels) for labels in store.series([up, load], 5000, 9999)] == ['load{job="b"}', 'up{job="b"}']
    assert store.label_names([], 0, 9999) == ["__name__", "job", "zone"]
    assert store.label_names([], 2000, 9999) == ["__name__", "job"]
    assert store.label_values("job", [up], 0, 9999) == ["a", "b"]
    assert store.label_values("zone", [], 0, 9999) == ["x"]
    assert store.label_values("job", [], 2000, 3000) == []


def test_series_beyond_the_limit_are_refused_and_the_others_go_on(open_store) -> None:
    store = open_store(max_series=3)
    for when in (1000, 2000):
        store.append(target("a", 5), when, np.arange(5.0))
    assert [len(history) for history in everything(store).values()] == [2, 2, 2]
    assert store.stats().over_series_limit == 4
    store.load([Series(labels=Labels.of(job="z"), timestamps_ms=np.arange(7), values=np.zeros(7))])
    assert store.stats().over_series_limit == 11


def test_a_series_that_was_refused_comes_in_when_there_is_room(open_store) -> None:
    store = open_store(max_series=2)
    store.append(target("a", 2), 1000, np.zeros(2))
    store.append(target("b", 2), 2 * HOUR_MS, np.zeros(2))
    assert store.select(job("b"), *ALWAYS) == []
    store.append(target("a", 1), 5 * HOUR_MS, np.zeros(1))
    store.upkeep()
    store.append(target("b", 2), 5 * HOUR_MS, np.zeros(2))
    assert len(store.select(job("b"), *ALWAYS)) == 1


def test_a_sample_far_in_the_future_is_refused_when_there_is_a_clock(open_store) -> None:
    clock = ManualClock()
    store, now_ms = open_store(clock=clock), to_ms(clock.now())
    store.append(target("a", 1), now_ms + 601_000, np.array([1.0]))
    store.append(target("a", 1), now_ms + 599_000, np.array([2.0]))
    (series,) = store.select(job("a"), *ALWAYS)
    assert series.values.tolist() == [2.0]
    assert store.stats().too_far_ahead == 1


def test_a_full_queue_drops_scrapes_and_refuses_pushes(open_store, caplog: pytest.LogCaptureFixture) -> None:
    store = open_store(queue_bytes=800, commit_interval=timedelta(hours=1))
    for when in range(5):
        store.append(target("a", 50), when, np.zeros(50))
    assert (store.stats().samples_appended, store.stats().dropped) == (100, 150)
    assert [record.message for record in caplog.records] == ["metrics queue is full, scrapes are dropped"]
    with pytest.raises(OverloadedError, match="800 bytes"):
        store.append_durably([(target("b", 1), 1000, np.zeros(1))])
    assert store.select(job("b"), *ALWAYS) == []
    store.flush()
    store.append_durably([(target("b", 1), 1000, np.zeros(1))]).result(5)
    assert len(store.select(job("b"), *ALWAYS)) == 1


def test_the_last_value_is_found_however_old(store: MetricsStore) -> None:
    store.append(target("a", 2), 1000, np.array([1.0, 2.0]))
    store.append(target("b", 1), 20 * HOUR_MS, np.array([3.0]))
    store.upkeep()
    assert [(one.timestamp_ms, one.value) for one in store.last_values([])] == [
        (1000, 1.0), (1000, 2.0), (20 * HOUR_MS, 3.0),
    ]  # fmt: skip


def test_readers_see_whole_scrapes_while_others_write_and_tidy(open_store) -> None:
    store = open_store(head_window=timedelta(seconds=20))
    labels, scrapes = target("a", 40), 400

    def write() -> None:
        for n in range(scrapes):
            store.append(labels, n * 1000, np.full(40, float(n)))

    def tidy() -> None:
        for _ in range(20):
            store.flush()
            store.upkeep()

    def read() -> int:
        found = store.select(job("a"), *ALWAYS)
        lengths = {series.values.size for series in found}
        assert len(lengths) <= 1
        for series in found:
            assert np.array_equal(series.timestamps_ms, series.values * 1000)
            assert np.array_equal(series.values, np.arange(series.values.size))
        return lengths.pop() if lengths else 0

    with ThreadPoolExecutor(4) as pool:
        busy = [pool.submit(write), pool.submit(tidy)]
        seen = [pool.submit(read).result(10) for _ in range(60)]
        wait(busy)
        assert all(future.exception() is None for future in busy)
    assert seen == sorted(seen)
    assert read() == scrapes


def test_a_closed_store_refuses(open_store) -> None:
    store = open_store()
    store.close()
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.append(target("a", 1), 1000, np.zeros(1))
