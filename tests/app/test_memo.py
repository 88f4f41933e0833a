"""One answer for many askers."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from app.memo import MAX_KEYS, Memo
from tests.fakes.clock import ManualClock


def test_a_value_is_kept_for_its_time(clock: ManualClock) -> None:
    memo, computed = Memo(clock=clock, keep_seconds=2.0), iter(range(10))
    assert memo.get("a", lambda: next(computed)) == 0
    clock.advance(timedelta(seconds=1.9))
    assert memo.get("a", lambda: next(computed)) == 0
    assert memo.get("b", lambda: next(computed)) == 1
    clock.advance(timedelta(seconds=0.1))
    assert memo.get("a", lambda: next(computed)) == 2


def test_none_is_a_value(clock: ManualClock) -> None:
    memo, asked = Memo(clock=clock, keep_seconds=2.0), []
    for _ in range(2):
        assert memo.get("a", lambda: asked.append(1)) is None
    assert asked == [1]


def test_a_failure_is_not_kept(clock: ManualClock) -> None:
    memo = Memo(clock=clock, keep_seconds=2.0)
    with pytest.raises(ZeroDivisionError):
        memo.get("a", lambda: 1 // 0)
    assert memo.get("a", lambda: 7) == 7


def test_askers_at_the_same_time_wait_for_one_computation(clock: ManualClock) -> None:
    memo = Memo(clock=clock, keep_seconds=2.0)
    began, finish, computed = threading.Event(), threading.Event(), []

    def compute() -> int:
        computed.append(1)
        began.set()
        assert finish.wait(10)
        return 42

    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(memo.get, "a", compute)
        assert began.wait(10)
        others = [pool.submit(memo.get, "a", compute) for _ in range(7)]
        assert memo.get("b", lambda: 1) == 1  # another key does not wait
        finish.set()
        assert [one.result(10) for one in (first, *others)] == [42] * 8
    assert computed == [1]


def test_what_is_stale_is_forgotten_when_something_new_comes(clock: ManualClock) -> None:
    memo = Memo(clock=clock, keep_seconds=2.0)
    for tick in range(50):
        memo.get(("window", tick), lambda: b"x" * 1000)
        clock.advance(timedelta(seconds=5))
    assert len(memo) == 1


def test_keys_are_bounded_also_when_every_computation_fails(clock: ManualClock) -> None:
    memo = Memo(clock=clock, keep_seconds=1e9)
    for number in range(2 * MAX_KEYS):
        memo.get(number, lambda: 1)
        with pytest.raises(ZeroDivisionError):
            memo.get(-1 - number, lambda: 1 // 0)
    assert len(memo) <= MAX_KEYS
