from __future__ import annotations

import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from domain.errors import StoreError
from domain.labels import Labels
from domain.series import Series
from store.metrics import Matcher, MetricsStore

ROOT = Path(__file__).parents[3]
WRITER = Path(__file__).with_name("durable_writer.py")
SERIES = 100
ALWAYS = (0, 10**15)


def push_until_killed(path: Path, *, acknowledged: int) -> int:
    """The last number that the writer saw acknowledged before SIGKILL hit it, somewhere in its work."""
    command = [sys.executable, str(WRITER), str(path), str(SERIES)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}
    ) as writer:
        assert writer.stdout is not None
        for _ in range(acknowledged):
            assert writer.stdout.readline().strip()
        writer.send_signal(signal.SIGKILL)
        rest = writer.stdout.read().split("\n")[:-1]
    return int(rest[-1]) if rest else 0


def test_nothing_acknowledged_is_lost_by_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "metrics.db"
    for kill in range(4):
        last = push_until_killed(path, acknowledged=1 + kill * 13)
        store = MetricsStore.open(path, retention=timedelta(days=15))
        pushed = store.select([Matcher(name="job", op="=", value="push")], *ALWAYS)
        assert store.stats().quarantined == ""
        assert len(pushed) == SERIES
        for series in pushed:
            assert series.values.size >= max(last, 1)
            assert np.array_equal(series.timestamps_ms, np.arange(1, series.values.size + 1))
            assert np.array_equal(series.values, series.timestamps_ms.astype(float))
        store.close()


def test_a_push_waits_for_its_commit_and_scrapes_follow_soon(open_store) -> None:
    store = open_store(commit_interval=timedelta(hours=1))
    store.append([Labels.of(job="a")], 1000, np.array([1.0]))
    assert store.stats().queued_bytes == 8
    store.append_durably([([Labels.of(job="b")], 1000, np.array([1.0]))]).result(5)
    assert (store.stats().queued_bytes, store.stats().commits) == (0, 1)


def test_a_push_of_known_samples_is_acknowledged_too(store: MetricsStore) -> None:
    row = ([Labels.of(job="b")], 1000, np.array([1.0]))
    store.append_durably([row, row]).result(5)
    store.append_durably([row]).result(5)
    assert store.stats().duplicates == 2


def test_a_waiting_push_cannot_be_cancelled_from_outside(store: MetricsStore) -> None:
    future = store.append_durably([([Labels.of(job="b")], 1000, np.array([1.0]))])
    assert not future.cancel()
    assert future.result(5) == 0  # refused


def test_what_waited_is_there_after_close(open_store) -> None:
    store = open_store(commit_interval=timedelta(hours=1))
    store.append([Labels.of(job="a")], 1000, np.array([1.0]))
    store.close()
    assert len(open_store().select([], *ALWAYS)) == 1


def test_head_and_index_are_the_same_after_a_restart(open_store) -> None:
    store = open_store(head_window=timedelta(seconds=50))
    labels = [tuple(Labels.of(job=f"j{n}", i=str(i)) for i in range(20)) for n in range(3)]
    for step in range(100):
        for n, own in enumerate(labels):
            part = own[: 20 - step % 3]  # some scrapes miss some series: other layouts
            store.append(part, step * 1000 + n, np.arange(len(part)) + step * 100.0)
    times = np.arange(-50, 80) * 1000
    store.load([Series(labels=Labels.of(job="h"), timestamps_ms=times, values=np.arange(130.0))])
    store.upkeep()

    def snapshot(store: MetricsStore) -> list[tuple[Labels, bytes, bytes]]:
        found = store.select([], -(10**9), 10**9)
        return [(one.labels, one.timestamps_ms.tobytes(), one.values.tobytes()) for one in found]

    before, last = snapshot(store), store.last_values([])
    assert len(before) == 61
    store.close()
    store = open_store(head_window=timedelta(seconds=50))
    assert snapshot(store) == before
    assert store.last_values([]) == last
    store.append(labels[0], 10**8, np.zeros(20))  # the old layout again, not a second one
    assert store.stats().series == 61


def test_a_commit_that_fails_is_told_and_tried_again(open_store) -> None:
    store = open_store(commit_interval=timedelta(hours=1))
    store.append([Labels.of(job="a")], 1000, np.array([1.0]))
    store._database.writer.execute("pragma query_only = on")  # as a disk that refuses writes
    row = ([Labels.of(job="b")], 1000, np.array([1.0]))
    with pytest.raises(StoreError, match=r"metrics\.db cannot be used"):
        store.append_durably([row]).result(5)
    assert "readonly" in store.stats().write_error
    assert len(store.select([], *ALWAYS)) == 2
    store._database.writer.execute("pragma query_only = off")
    store.append_durably([row]).result(5)  # the sender comes again: known, and now safe
    assert (store.stats().write_error, store.stats().queued_bytes) == ("", 0)
    store.close()
    assert len(open_store().select([], *ALWAYS)) == 2
