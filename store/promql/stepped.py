"""Many askers, one question per step: instants are aligned to the step, put together, and kept until the next one.

What is ``expected`` is asked for as soon as anybody asks for anything at a new step, all of it at once, put together
by ``coalesce``; what was asked for at the step before is expected at the next one as well. So a loop over thousands
of rules may go on asking for one query after the other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from datetime import timedelta
from typing import Any, Final, TypeVar

from domain.errors import QueryError, QueryTimeoutError
from store.promql import coalesce
from store.promql.coalesce import Question
from store.promql.querying import QuerySource
from store.promql.results import Matrix, Result

_MAX_VALUES: Final = 200_000
"""Of one range query (series × steps): some 4 MB of JSON."""
_MAX_WINDOWS: Final = 4
"""Charts of one moment: their windows end at the same minute."""
_KEPT_STEPS: Final = 5
_MAX_REMEMBERED: Final = 20_000

T = TypeVar("T")
_Answers = dict[str, Future[dict[str, Any]]]
_Window = tuple[int, int, int]


class Stepped:
    """A source that asks another one as seldom as it can; close it."""

    def __init__(self, source: QuerySource, *, step: timedelta, at_once: int, patience: timedelta) -> None:
        """Ask ``source`` with ``at_once`` threads; an asker waits no longer than ``patience``."""
        self._source, self._step_ms = source, max(round(step / timedelta(milliseconds=1)), 1)
        self._pool = ThreadPoolExecutor(at_once, thread_name_prefix="query")
        self._patience = patience
        self._lock = threading.Lock()
        self._expected: frozenset[str] = frozenset()
        self._perhaps: frozenset[str] = frozenset()
        self._asked: dict[str, None] = {}
        self._newest_ms = -1
        self._steps: dict[int, _Answers] = {}
        self._windows: dict[_Window, _Answers] = {}
        self._planned: tuple[frozenset[str], list[Question]] = (frozenset(), [])

    def expect(self, queries: Iterable[str], perhaps: Iterable[str] = ()) -> None:
        """What is asked for from now on, until this is called again.

        Args:
            queries: Asked at every step, as soon as anybody asks for anything.
            perhaps: Asked together with those of their shape, once somebody asks for one of them.
        """
        self._expected, self._perhaps = frozenset(queries), frozenset(perhaps)

    def close(self) -> None:
        """Ask nothing more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def instant(self, query: str, *, at_ms: int) -> Result:
        """The value at the newest step that is not after ``at_ms``; what is long past is asked alone."""
        at_ms -= at_ms % self._step_ms
        with self._lock:
            answers = self._at_step(at_ms)
            if at_ms == self._newest_ms and len(self._asked) < _MAX_REMEMBERED:
                self._asked[query] = None
            if query not in answers:
                along = self._along(query) if at_ms in self._steps else frozenset()
                self._submit(answers, along - answers.keys() | {query}, lambda one: self._instants(one, at_ms))
            future = answers[query]
        found: Result = self._taken(future, query)
        return found

    def range(self, query: str, *, start_ms: int, end_ms: int, step_ms: int) -> Matrix:
        """As the source answers it; those expected queries that differ in values only are asked for along with it."""
        if query not in self._expected:
            return self._source.range(query, start_ms=start_ms, end_ms=end_ms, step_ms=step_ms)
        window = (start_ms, end_ms, step_ms)
        with self._lock:
            answers = self._windows.pop(window, {})
            self._windows[window] = answers
            while len(self._windows) > _MAX_WINDOWS:
                self._windows.pop(next(iter(self._windows)))
            if query not in answers:
                most = max(_MAX_VALUES // ((end_ms - start_ms) // step_ms + 1), 1)
                alike = _alike(query, self._expected) - answers.keys()
                self._submit(answers, alike, lambda one: self._ranges(one, window), most=most)
            future = answers[query]
        found: Matrix = self._taken(future, query)
        return found

    def _at_step(self, at_ms: int) -> _Answers:
        """The answers of this step; with the first ask, everything that is known to be wanted is asked for.

        A pass over thousands of rules may ask for its own time still when others have come to the next step.
        """
        oldest_ms = self._newest_ms - _KEPT_STEPS * self._step_ms
        if at_ms <= self._newest_ms:
            return self._steps.setdefault(at_ms, {}) if at_ms > oldest_ms else {}
        wanted = self._expected.union(self._asked)
        self._newest_ms, self._asked = at_ms, {}
        self._steps = {at: known for at, known in self._steps.items() if at > at_ms - _KEPT_STEPS * self._step_ms}
        answers: _Answers = {}
        self._steps[at_ms] = answers
        self._submit(answers, wanted, lambda one: self._instants(one, at_ms))
        return answers

    def _along(self, query: str) -> frozenset[str]:
        """What to ask for beside a query that nobody has asked for at this step."""
        if query in self._expected:
            return self._expected
        return _alike(query, self._perhaps) if query in self._perhaps else frozenset()

    def _submit(
        self,
        answers: _Answers,
        queries: frozenset[str],
        ask: Callable[[Question], dict[str, Any]],
        *,
        most: int = coalesce.MAX_ALTERNATIVES,
    ) -> None:
        for question in self._plan(queries, min(most, coalesce.MAX_ALTERNATIVES)):
            future = self._pool.submit(ask, question)
            answers.update(dict.fromkeys(question.queries, future))

    def _plan(self, queries: frozenset[str], most: int) -> list[Question]:
        """Rules change seldom: the questions of thousands of them are put together once."""
        if most < coalesce.MAX_ALTERNATIVES or len(queries) < 2:
            return coalesce.questions(queries, max_alternatives=most)
        if self._planned[0] != queries:
            self._planned = (queries, coalesce.questions(queries))
        return self._planned[1]

    def _instants(self, question: Question, at_ms: int) -> dict[str, Result | QueryError]:
        return coalesce.ask(question, lambda text: self._source.instant(text, at_ms=at_ms), coalesce.split_instant)

    def _ranges(self, question: Question, window: _Window) -> dict[str, Matrix | QueryError]:
        start_ms, end_ms, step_ms = window

        def once(text: str) -> Matrix:
            return self._source.range(text, start_ms=start_ms, end_ms=end_ms, step_ms=step_ms)

        return coalesce.ask(question, once, coalesce.split_range)

    def _taken(self, future: Future[dict[str, Any]], query: str) -> Any:
        try:
            answer = future.result(timeout=self._patience.total_seconds())[query]
        except FutureTimeout as error:
            waited = self._patience.total_seconds()
            raise QueryTimeoutError(f"no answer within {waited:g} s; it may come for the next step") from error
        if isinstance(answer, QueryError):
            raise answer
        return answer


def _alike(query: str, others: frozenset[str]) -> frozenset[str]:
    """Those of ``others`` that have the shape of ``query``, and itself."""
    shape = coalesce.shape_of(query)
    if shape is None:
        return frozenset({query})
    shapes = ((other, coalesce.shape_of(other)) for other in others)
    return frozenset(other for other, own in shapes if own is not None and own.key == shape.key) | {query}
