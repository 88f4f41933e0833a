"""Operations: begun, told, ended, cancelled, and never more than a few at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from app.operations import MOST_WAITING, Operation, Operations, OperationState, Report
from domain.errors import NoDataError, OverloadedError
from tests.app.world import NOW
from tests.fakes.clock import ManualClock


@pytest.fixture
def operations() -> Iterator[Operations]:
    made = Operations(clock=ManualClock(NOW))
    yield made
    made.close()


def ended(operations: Operations, started: Operation) -> Operation:
    """The single worker takes one after the other: when a later one runs, this one has ended."""
    done = threading.Event()

    def last(report: Report) -> str:
        done.set()
        return ""

    operations.start("test", "after", last)
    assert done.wait(10)
    found = operations.get(started.id)
    assert found is not None
    return found


def test_work_that_succeeds_tells_where_its_result_is(operations: Operations) -> None:
    def work(report: Report) -> str:
        report("half", 0.5)
        return "/api/v1/backtests/1"

    found = ended(operations, operations.start("backtest", "demo/shop", work))
    assert (found.state, found.progress_ratio, found.result) == (
        OperationState.SUCCEEDED, 1.0, "/api/v1/backtests/1"
    )  # fmt: skip


def test_work_that_fails_says_why(operations: Operations) -> None:
    def work(report: Report) -> str:
        raise NoDataError("nothing is recorded")

    found = ended(operations, operations.start("backtest", "demo/shop", work))
    assert (found.state, found.message) == (OperationState.FAILED, "nothing is recorded")


def test_a_cancelled_operation_stops_at_its_next_step_and_its_process_is_ended(operations: Operations) -> None:
    begun, cancelled, stopped = threading.Event(), threading.Event(), threading.Event()
    reached: list[str] = []

    def work(report: Report) -> str:
        begun.set()
        assert cancelled.wait(10)
        report("goes on", 0.5)
        reached.append("goes on")
        return "never"

    started = operations.start("backtest", "demo/shop", work, stop=stopped.set)
    assert begun.wait(10)
    told = operations.cancel(started.id)
    assert told is not None
    assert told.state is OperationState.CANCELLED
    assert stopped.is_set()
    cancelled.set()
    assert ended(operations, started).state is OperationState.CANCELLED
    assert reached == []


def test_what_has_ended_cannot_be_cancelled(operations: Operations) -> None:
    started = operations.start("backtest", "demo/shop", lambda report: "done")
    ended(operations, started)
    found = operations.cancel(started.id)
    assert found is not None
    assert found.state is OperationState.SUCCEEDED
    assert operations.cancel("unknown") is None


def test_too_many_that_wait_are_refused(operations: Operations) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def work(report: Report) -> str:
        begun.set()
        go_on.wait(10)
        return ""

    operations.start("backtest", "first", work)
    assert begun.wait(10)
    for number in range(MOST_WAITING):
        operations.start("backtest", str(number), lambda report: "")
    with pytest.raises(OverloadedError, match="wait already"):
        operations.start("backtest", "one too many", work)
    go_on.set()
