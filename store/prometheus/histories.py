"""The past of signals, one value per step, read from a server once and kept beside it.

A history is cut into chunks of 500 steps. Those that lie in the past are asked for a few per tick, the newest first,
and kept in a file, so that a restart goes on where it was; a forecaster works with what is there already. The last,
unfinished chunk is held in memory and grows by the newest steps. Signals of one shape are asked for together.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import zlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np

from domain.clock import to_ms
from domain.errors import NoDataError, QueryError, QuerySourceError, StoreError
from domain.series import FloatArray
from store.promql import coalesce
from store.promql.coalesce import Question
from store.promql.querying import QuerySource
from store.promql.results import Matrix

logger = logging.getLogger(__name__)

CHUNK_STEPS: Final = 500
"""4 KB; a day and a half of 5-minute steps. Far below the 11,000 points that servers answer at most."""
_MAX_VALUES: Final = 200_000
"""Of one question (signals × steps): 400 signals' chunks, some 4 MB of JSON."""
_SETTLED: Final = timedelta(minutes=5)
"""Samples that come later than this are not in a history."""
_AGAIN_AFTER: Final = timedelta(minutes=10)
_KEPT_AT_LEAST: Final = timedelta(days=60)
_PLAN_EVERY: Final = timedelta(minutes=1)
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS chunk (
  query TEXT NOT NULL, step_ms INTEGER NOT NULL, start_ms INTEGER NOT NULL, points BLOB NOT NULL,
  PRIMARY KEY (query, step_ms, start_ms)
) WITHOUT ROWID
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A signal whose past is needed, so far back, at this step."""

    query: str
    step: timedelta
    span: timedelta

    @property
    def step_ms(self) -> int:
        """The step in milliseconds."""
        return _ms(self.step)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Chunks that are there, of those that are wanted."""

    done: int
    wanted: int


@dataclass(slots=True)
class _Tail:
    """The unfinished chunk: values from ``start_ms`` on."""

    start_ms: int
    values: FloatArray

    def next_ms(self, step_ms: int) -> int:
        return self.start_ms + len(self.values) * step_ms


class Histories:
    """Of one source; close it."""

    def __init__(
        self, source: QuerySource, *, path: Path, wanted: Callable[[], Iterable[Wanted]], per_tick: int
    ) -> None:
        """Keep chunks in ``path`` and ask at most ``per_tick`` questions for older ones in a tick.

        Raises:
            StoreError: The file cannot be opened. One that is broken is begun anew: the server still has it all.
        """
        self._source, self._wanted, self._per_tick = source, wanted, per_tick
        self._lock = threading.RLock()
        self._path = path
        self._file = _opened(path)
        self._tails: dict[tuple[str, int], _Tail] = {}
        self._backlog: list[tuple[int, int, str]] = []
        self._planned_at: datetime | None = None
        self._keys: frozenset[tuple[str, int]] = frozenset()
        self._failed: dict[tuple[str, int], datetime] = {}
        self.progress = Progress(done=0, wanted=0)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._file.close()

    def history(self, query: str, *, start_ms: int, end_ms: int, step_ms: int) -> FloatArray:
        """One value for each step from ``start_ms`` to ``end_ms``, multiples of the step; NaN where none is known.

        Raises:
            NoDataError: The query yields several series.
            QueryError: The newest steps cannot be read.
        """
        with self._lock:
            if not self._is_wanted(query, step_ms):  # a look at another step than the forecast's: nothing to keep
                return self._alone(query, start_ms, end_ms, step_ms)
            tail = self._grown(query, step_ms, end_ms)
            values = np.full((end_ms - start_ms) // step_ms + 1, np.nan)
            for chunk_ms, points in self._kept(query, step_ms, start_ms, end_ms):
                _place(values, start_ms, chunk_ms, points, step_ms)
            _place(values, start_ms, tail.start_ms, tail.values, step_ms)
            return values

    def tick(self, now: datetime) -> None:
        """Ask for some of the chunks that are missing. Never raises."""
        try:
            with self._lock:
                self._plan(now)
                self._fill(now)
        except QueryError as error:
            logger.debug("history not read", extra={"error": str(error)})
        except sqlite3.Error as error:
            logger.warning("history not kept", extra={"file": str(self._path), "error": str(error)})

    def _is_wanted(self, query: str, step_ms: int) -> bool:
        if (query, step_ms) not in self._keys:
            self._keys = frozenset((one.query, one.step_ms) for one in self._wanted())
        return (query, step_ms) in self._keys

    def _alone(self, query: str, start_ms: int, end_ms: int, step_ms: int) -> FloatArray:
        answer = self._read([query], start_ms, end_ms, step_ms)[query]
        if isinstance(answer, QueryError | NoDataError):
            raise answer
        return answer

    def _grown(self, query: str, step_ms: int, end_ms: int) -> _Tail:
        """The tail up to ``end_ms``; what others of the same step lack is read along."""
        tail = self._tails.get((query, step_ms))
        if tail is not None and tail.next_ms(step_ms) > end_ms:
            return tail
        if tail is not None and end_ms - tail.next_ms(step_ms) > CHUNK_STEPS * step_ms:
            del self._tails[query, step_ms]  # after a long silence the chunks between are asked for as any other
        known = {one.query for one in self._wanted() if one.step_ms == step_ms} | {query}
        starts = defaultdict(list)
        for other in known:
            own = self._tails.get((other, step_ms))
            starts[_floor(end_ms, CHUNK_STEPS * step_ms) if own is None else own.next_ms(step_ms)].append(other)
        begin = next(start for start, others in starts.items() if query in others)
        for one, answer in self._read(starts[begin], begin, end_ms, step_ms).items():
            if isinstance(answer, QueryError | NoDataError):
                if one == query:
                    raise answer
                continue
            self._grow(one, step_ms, begin, answer)
        return self._tails[query, step_ms]

    def _grow(self, query: str, step_ms: int, begin: int, values: FloatArray) -> None:
        tail = self._tails.get((query, step_ms))
        if tail is None:
            self._tails[query, step_ms] = _Tail(begin, values)
            return
        tail.values = np.concatenate([tail.values, values])
        while len(tail.values) >= 2 * CHUNK_STEPS:  # a whole chunk beyond: the first one is settled
            self._keep(query, step_ms, tail.start_ms, tail.values[:CHUNK_STEPS])
            tail.values = tail.values[CHUNK_STEPS:]
            tail.start_ms += CHUNK_STEPS * step_ms

    def _plan(self, now: datetime) -> None:
        """The chunks that are missing, oldest first: they are taken from the end."""
        if self._planned_at is not None and now - self._planned_at < _PLAN_EVERY:
            return
        self._planned_at = now
        self._failed = {key: at for key, at in self._failed.items() if now - at < _AGAIN_AFTER}
        there = set(self._file.execute("SELECT start_ms, step_ms, query FROM chunk"))
        every: set[tuple[int, int, str]] = set()
        longest = _KEPT_AT_LEAST
        for one in self._wanted():
            longest = max(longest, one.span)
            chunk_ms = CHUNK_STEPS * one.step_ms
            tail = self._tails.get((one.query, one.step_ms))
            end = _floor(to_ms(now - _SETTLED), chunk_ms) if tail is None else tail.start_ms
            first = _floor(to_ms(now - one.span), chunk_ms)
            every.update((start, one.step_ms, one.query) for start in range(first, end, chunk_ms))
        self.progress = Progress(done=len(every & there), wanted=len(every))
        self._backlog = sorted(one for one in every - there if one[1:][::-1] not in self._failed)
        self._file.execute("DELETE FROM chunk WHERE start_ms < ?", (to_ms(now - longest - timedelta(days=2)),))
        self._file.commit()

    def _fill(self, now: datetime) -> None:
        left = self._per_tick
        while self._backlog and left > 0:
            start, step_ms, _ = self._backlog[-1]
            group = []
            while self._backlog and self._backlog[-1][:2] == (start, step_ms):
                group.append(self._backlog.pop()[2])
            for question in _questions(group, CHUNK_STEPS):
                if left <= 0:
                    self._backlog += [(start, step_ms, query) for query in question.queries]
                    continue
                left -= 1
                self._filled(question, start, step_ms, now)

    def _filled(self, question: Question, start: int, step_ms: int, now: datetime) -> None:
        answers = self._asked(question, start, start + (CHUNK_STEPS - 1) * step_ms, step_ms)
        for query, answer in answers.items():
            if isinstance(answer, QuerySourceError):
                self._planned_at = None  # put back by the next plan
                raise answer
            if isinstance(answer, QueryError | NoDataError):
                self._failed[query, step_ms] = now
                logger.info("history not read", extra={"query": query, "error": str(answer)})
                continue
            self._keep(query, step_ms, start, answer)
            self.progress = Progress(done=self.progress.done + 1, wanted=self.progress.wanted)
        self._file.commit()

    def _read(
        self, queries: Collection[str], start_ms: int, end_ms: int, step_ms: int
    ) -> dict[str, FloatArray | QueryError | NoDataError]:
        found: dict[str, FloatArray | QueryError | NoDataError] = {}
        for question in _questions(queries, (end_ms - start_ms) // step_ms + 1):
            found.update(self._asked(question, start_ms, end_ms, step_ms))
        return found

    def _asked(
        self, question: Question, start_ms: int, end_ms: int, step_ms: int
    ) -> dict[str, FloatArray | QueryError | NoDataError]:
        def once(text: str) -> Matrix:
            return self._source.range(text, start_ms=start_ms, end_ms=end_ms, step_ms=step_ms)

        answers = coalesce.ask(question, once, coalesce.split_range)
        return {query: _line(answer) for query, answer in answers.items()}

    def _kept(self, query: str, step_ms: int, start_ms: int, end_ms: int) -> list[tuple[int, FloatArray]]:
        first = _floor(start_ms, CHUNK_STEPS * step_ms)
        rows = self._file.execute(
            "SELECT start_ms, points FROM chunk WHERE query = ? AND step_ms = ? AND start_ms BETWEEN ? AND ?",
            (query, step_ms, first, end_ms),
        )
        return [(start, np.frombuffer(zlib.decompress(points))) for start, points in rows]

    def _keep(self, query: str, step_ms: int, start_ms: int, values: FloatArray) -> None:
        points = zlib.compress(np.ascontiguousarray(values).tobytes(), 1)
        self._file.execute("INSERT OR REPLACE INTO chunk VALUES (?, ?, ?, ?)", (query, step_ms, start_ms, points))


def _questions(queries: Iterable[str], steps: int) -> list[Question]:
    most = min(max(_MAX_VALUES // steps, 1), coalesce.MAX_ALTERNATIVES)
    return coalesce.questions(queries, max_alternatives=most)


def _line(answer: Matrix | QueryError) -> FloatArray | QueryError | NoDataError:
    if isinstance(answer, QueryError):
        return answer
    if len(answer.labels) > 1:
        return NoDataError(f"query yields {len(answer.labels)} series; aggregate it to one")
    if not answer.labels:
        return np.full(len(answer.timestamps_ms), np.nan)
    return np.where(answer.present[0], answer.values[0], np.nan)


def _place(into: FloatArray, into_ms: int, start_ms: int, values: FloatArray, step_ms: int) -> None:
    """The part of ``values`` that lies inside ``into``."""
    shift = (start_ms - into_ms) // step_ms
    low, high = max(shift, 0), min(shift + len(values), len(into))
    if low < high:
        into[low:high] = values[low - shift : high - shift]


def _floor(at_ms: int, unit_ms: int) -> int:
    return at_ms - at_ms % unit_ms


def _ms(duration: timedelta) -> int:
    return round(duration / timedelta(milliseconds=1))


def _opened(path: Path) -> sqlite3.Connection:
    for attempt in (1, 2):
        opened = sqlite3.connect(path, check_same_thread=False)
        try:
            opened.execute("PRAGMA journal_mode=WAL")
            opened.execute("PRAGMA synchronous=NORMAL")
            opened.execute(_SCHEMA)
            return opened
        except sqlite3.DatabaseError as error:
            opened.close()
            if attempt == 2 or isinstance(error, sqlite3.OperationalError):
                raise StoreError(f"histories in {path}: {error}") from error
            logger.warning("histories begun anew, the file was broken", extra={"file": str(path)})
            path.unlink()
    raise AssertionError("unreachable")
