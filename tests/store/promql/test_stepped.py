"""Many askers, one question per step."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest

from domain.errors import QueryError, QuerySourceError, QueryTimeoutError
from store.promql import Evaluator, Vector
from store.promql.results import Matrix, Result
from store.promql.stepped import Stepped
from tests.fakes.series import SeriesInMemory
from tests.store.promql import coalescing
from tests.store.promql.coalescing import APPS, AT_MS, STEP_MS, Counting, queries_of, values_of

SOURCE = Evaluator(SeriesInMemory(coalescing.data()).select)
QUERIES = queries_of("sum(rate(c{@@}[2m]))")[: len(APPS)]


@pytest.fixture
def counting() -> Counting:
    return Counting(SOURCE)


@pytest.fixture
def stepped(counting: Counting) -> Iterator[Stepped]:
    made = Stepped(counting, step=timedelta(seconds=15), at_once=2, patience=timedelta(seconds=20))
    yield made
    made.close()


def test_expected_queries_are_asked_once_per_step(stepped: Stepped, counting: Counting) -> None:
    stepped.expect(QUERIES)
    for at_ms in (AT_MS, AT_MS + 14_999):
        for query in QUERIES:
            assert values_of(stepped.instant(query, at_ms=at_ms)) == values_of(SOURCE.instant(query, at_ms=AT_MS))
    assert len(counting.asked) == 1
    stepped.instant(QUERIES[0], at_ms=AT_MS + STEP_MS)
    assert len(counting.asked) == 2


def test_what_was_asked_at_one_step_is_asked_together_at_the_next(stepped: Stepped, counting: Counting) -> None:
    for query in QUERIES:
        stepped.instant(query, at_ms=AT_MS - STEP_MS)
    assert len(counting.asked) == len(QUERIES)
    for query in QUERIES:
        stepped.instant(query, at_ms=AT_MS)
    assert len(counting.asked) == len(QUERIES) + 1


def test_a_pass_whose_own_step_was_overtaken_is_still_one_question(stepped: Stepped, counting: Counting) -> None:
    stepped.expect(QUERIES)
    stepped.instant("sum(n)", at_ms=AT_MS + STEP_MS)
    asked = len(counting.asked)
    for query in QUERIES:
        stepped.instant(query, at_ms=AT_MS)
    assert len(counting.asked) == asked + 1


def test_what_is_perhaps_needed_is_asked_with_its_like_once_it_is(stepped: Stepped, counting: Counting) -> None:
    stepped.expect(QUERIES, perhaps=queries_of("max(m{@@})")[: len(APPS)] + queries_of("min(m{@@})")[: len(APPS)])
    stepped.instant(QUERIES[0], at_ms=AT_MS)
    assert len(counting.asked) == 1
    for query in queries_of("max(m{@@})")[: len(APPS)]:
        stepped.instant(query, at_ms=AT_MS)
    assert len(counting.asked) == 2
    assert "max by (app)" in counting.asked[1]


def test_rules_that_change_within_a_step_are_asked_together_too(stepped: Stepped, counting: Counting) -> None:
    stepped.instant("sum(m)", at_ms=AT_MS)
    stepped.expect(QUERIES)
    for query in QUERIES:
        stepped.instant(query, at_ms=AT_MS)
    assert len(counting.asked) == 2


def test_an_earlier_time_is_asked_anew_and_disturbs_nothing(stepped: Stepped, counting: Counting) -> None:
    stepped.expect(QUERIES)
    stepped.instant(QUERIES[0], at_ms=AT_MS)
    before = stepped.instant(QUERIES[0], at_ms=AT_MS - 90_000)
    assert isinstance(before, Vector)
    assert before.timestamp_ms == AT_MS - 90_000
    stepped.instant(QUERIES[1], at_ms=AT_MS)
    assert len(counting.asked) == 2


def test_a_slow_pass_still_finds_the_answers_of_its_own_step(stepped: Stepped, counting: Counting) -> None:
    stepped.expect(QUERIES)
    stepped.instant(QUERIES[0], at_ms=AT_MS)
    stepped.instant(QUERIES[0], at_ms=AT_MS + STEP_MS)
    assert len(counting.asked) == 2
    for query in QUERIES:
        stepped.instant(query, at_ms=AT_MS)
    assert len(counting.asked) == 2


def test_the_charts_of_a_page_are_one_question(stepped: Stepped, counting: Counting) -> None:
    stepped.expect(QUERIES)
    window = {"start_ms": AT_MS - 300_000, "end_ms": AT_MS, "step_ms": 15_000}
    for query in QUERIES:
        found, expected = stepped.range(query, **window), SOURCE.range(query, **window)
        assert found.labels == expected.labels
        assert (found.present == expected.present).all()
    assert len(counting.asked) == 1
    stepped.range("sum(m)", **window)
    assert len(counting.asked) == 2


def test_an_error_is_told_to_every_asker(counting: Counting) -> None:
    class Down(Counting):
        def instant(self, query: str, *, at_ms: int) -> Result:
            self.asked.append(query)
            raise QuerySourceError("nobody there")

    down = Down(SOURCE)
    stepped = Stepped(down, step=timedelta(seconds=15), at_once=2, patience=timedelta(seconds=20))
    stepped.expect(QUERIES)
    for query in QUERIES:
        with pytest.raises(QueryError, match="nobody there"):
            stepped.instant(query, at_ms=AT_MS)
    assert len(down.asked) == 1
    stepped.close()


def test_an_asker_does_not_wait_for_ever() -> None:
    going = threading.Event()

    class Slow:
        def instant(self, query: str, *, at_ms: int) -> Result:
            going.wait(20)
            return SOURCE.instant(query, at_ms=at_ms)

        def range(self, query: str, *, start_ms: int, end_ms: int, step_ms: int) -> Matrix:
            raise NotImplementedError

    stepped = Stepped(Slow(), step=timedelta(seconds=15), at_once=1, patience=timedelta(milliseconds=50))
    with pytest.raises(QueryTimeoutError, match=r"no answer within 0.05 s"):
        stepped.instant("sum(m)", at_ms=AT_MS)
    going.set()
    stepped.close()
