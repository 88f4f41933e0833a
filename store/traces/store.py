"""The door of the trace store, and its one appender thread.

Callers' threads encode; the appender takes whatever has queued up meanwhile, writes it in one transaction, tells
``on_commit`` in commit order, and only then resolves the callers' futures. The queue is bounded by bytes.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Self, TypeVar

from domain.clock import to_ms
from domain.errors import OverloadedError, StoreError
from domain.spans import Span
from store.traces import append, retain, search, tables
from store.traces.encode import Part, TraceSummary, decode, parts_of

logger = logging.getLogger(__name__)

POSITIONS_PER_MS: Final = 1000
_READ_PARTS: Final = 256
_ROW_BYTES: Final = 400  # of a queued part beside its blob: a guess at its Python objects

Answer = TypeVar("Answer")
OnCommit = Callable[[int, Sequence[Span]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceStoreStats:
    """How the store is doing.

    Attributes:
        used_bytes: Of the file, without free pages.
        queued_bytes: Waiting for the appender.
        spans_committed: Since the store was opened.
        position: Of the newest part; 0 while there is none.
        moved_aside: Where a broken file went at start; None where nothing was broken.
        last_error: Why the newest commit failed; empty where it did not.
    """

    used_bytes: int
    queued_bytes: int
    spans_committed: int
    position: int
    moved_aside: Path | None
    last_error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Arrival:
    parts: list[Part]
    spans: Sequence[Span]
    received_ms: int
    size_bytes: int
    done: Future[None]


class TraceStore:
    """Recent traces in one SQLite file; safe to use from any thread."""

    def __init__(
        self,
        path: Path,
        *,
        retention: timedelta,
        max_bytes: int,
        max_queued_bytes: int,
        on_commit: OnCommit | None,
    ) -> None:
        """Open through ``TraceStore.open``."""
        self._path = path
        self._retention, self._max_bytes, self._max_queued_bytes = retention, max_bytes, max_queued_bytes
        self._on_commit = on_commit
        self._writer, self._moved_aside = tables.open_or_move_aside(path)
        self._reader = tables.connect_reader(path)
        self._reading = threading.Lock()
        self._queue: deque[_Arrival] = deque()
        self._queued_bytes = 0
        self._wake = threading.Condition()
        self._closed = False
        self._position = int(self._writer.execute("SELECT ifnull(max(position), 0) FROM part").fetchone()[0])
        self._spans_committed, self._last_error = 0, ""
        self._appender = threading.Thread(target=self._append_until_closed, name="trace-appender", daemon=True)
        self._appender.start()

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        retention: timedelta = timedelta(hours=24),
        max_bytes: int = 2**30,
        max_queued_bytes: int = 64 * 2**20,
        on_commit: OnCommit | None = None,
    ) -> Self:
        """Open or create the file and start the appender.

        A broken file is moved aside (``traces.db.broken-<n>``, see ``stats().moved_aside``) and an empty one begun.

        Args:
            path: The SQLite file, made with its folder where it is missing.
            retention: Parts that arrived longer ago are dropped.
            max_bytes: The oldest parts are dropped while the file holds more.
            max_queued_bytes: Encoded bytes that may wait for the appender.
            on_commit: Called in the appender thread after each commit and before it is acknowledged, in commit order,
                with the position of an arrival's last part and its spans.

        Raises:
            StoreError: The file cannot be opened for writing.
        """
        return cls(
            path, retention=retention, max_bytes=max_bytes, max_queued_bytes=max_queued_bytes, on_commit=on_commit
        )

    def append_durably(self, spans: Sequence[Span], *, received_ms: int) -> Future[None]:
        """Queue spans; the future resolves once they are on disk, or fails with ``StoreError``.

        Encoding runs here, in the caller's thread: about 10 µs per span.

        Raises:
            OverloadedError: The queue is full; nothing was taken.
            StoreError: The store is closed.
        """
        parts = parts_of(spans)
        size = sum(len(part.spans) + _ROW_BYTES for part in parts)
        done: Future[None] = Future()
        done.set_running_or_notify_cancel()  # a client that hangs up must not cancel what is being written
        arrival = _Arrival(parts=parts, spans=spans, received_ms=received_ms, size_bytes=size, done=done)
        with self._wake:
            if self._closed:
                raise StoreError(f"{self._path}: the trace store is closed")
            # A single arrival larger than the whole queue is taken when nothing else waits: it could never pass else.
            if self._queued_bytes and self._queued_bytes + size > self._max_queued_bytes:
                waiting = f"{self._queued_bytes} bytes of spans wait to be written"
                raise OverloadedError(f"{self._path}: {waiting}; try again later")
            self._queue.append(arrival)
            self._queued_bytes += size
            self._wake.notify()
        return done

    def prune(self, now: datetime) -> Future[None]:
        """Apply the retention as of ``now``; needed only where no spans arrive, for arrivals do it too."""
        return self.append_durably((), received_ms=to_ms(now))

    def batches_after(self, position: int) -> Iterator[tuple[int, list[Span]]]:
        """Parts committed after ``position`` in commit order, each with its own position."""
        while rows := self._parts_after(position):
            for position, data in rows:
                yield position, decode(data)

    def spans_since(self, received_ms: int) -> Iterator[Span]:
        """All spans that arrived at or after ``received_ms``, and perhaps a few from just before, in commit order."""
        for _, spans in self.batches_after(received_ms * POSITIONS_PER_MS - 1):
            yield from spans

    def services(self) -> list[str]:
        """All services with a trace in the store, sorted."""
        return self._read(search.services)

    def operations(self, service: str) -> list[str]:
        """All operations (span names) of a service, sorted."""
        return self._read(lambda connection: search.operations(connection, service))

    def search(
        self,
        *,
        service: str | None = None,
        operation: str | None = None,
        min_duration_seconds: float | None = None,
        start_ms: int,
        end_ms: int,
        limit: int,
    ) -> list[TraceSummary]:
        """Traces, newest first, at most ``limit``.

        Args:
            service: Only traces with a span of it.
            operation: Only traces with a span of this name (of ``service``, where that is given).
            min_duration_seconds: Only traces that took at least this long as a whole.
            start_ms: The span asked for, or else the trace, started at or after this.
            end_ms: The same, at or before this.
            limit: At least 1.
        """
        return self._read(
            lambda connection: search.search(
                connection,
                service=service,
                operation=operation,
                min_duration_seconds=min_duration_seconds,
                start_ms=start_ms,
                end_ms=end_ms,
                limit=limit,
            )
        )

    def trace(self, trace_id: str) -> list[Span]:
        """All spans of a trace by start; empty where it is not known."""
        return self._read(lambda connection: search.trace(connection, trace_id))

    def stats(self) -> TraceStoreStats:
        """How the store is doing; also after ``close``, then without its size."""
        with self._wake:
            closed, queued = self._closed, self._queued_bytes
        return TraceStoreStats(
            used_bytes=0 if closed else self._read(retain.used_bytes),
            queued_bytes=queued,
            spans_committed=self._spans_committed,
            position=self._position,
            moved_aside=self._moved_aside,
            last_error=self._last_error,
        )

    def close(self) -> None:
        """Write what is queued, then close the file. Again is allowed and does nothing."""
        with self._wake:
            already, self._closed = self._closed, True
            self._wake.notify()
        self._appender.join()
        if not already:
            with self._reading:
                self._reader.close()
            self._writer.close()

    def _parts_after(self, position: int) -> list[tuple[int, bytes]]:
        query = f"SELECT position, spans FROM part WHERE position > ? ORDER BY position LIMIT {_READ_PARTS}"
        return self._read(lambda connection: connection.execute(query, (position,)).fetchall())

    def _read(self, question: Callable[[sqlite3.Connection], Answer]) -> Answer:
        with self._reading:
            try:
                return question(self._reader)
            except sqlite3.Error as error:
                raise StoreError(f"{self._path}: cannot read traces: {error}") from error

    def _append_until_closed(self) -> None:
        while arrivals := self._take():
            self._commit(arrivals)
            self._retain(max(arrival.received_ms for arrival in arrivals))

    def _take(self) -> list[_Arrival]:
        """All that has queued up; waits for the first; empty when closed and drained."""
        with self._wake:
            self._wake.wait_for(lambda: self._queue or self._closed)
            arrivals = list(self._queue)
            self._queue.clear()
        return arrivals

    def _commit(self, arrivals: Sequence[_Arrival]) -> None:
        parts = [part for arrival in arrivals for part in arrival.parts]
        newest_ms = max(arrival.received_ms for arrival in arrivals)
        first = max(self._position + 1, newest_ms * POSITIONS_PER_MS)
        try:
            append.write(self._writer, parts, first_position=first)
        except (sqlite3.Error, OverflowError) as error:
            self._release(arrivals)
            self._fail(arrivals, error)
            return
        self._release(arrivals)
        self._last_error = ""
        position = first - 1
        for arrival in arrivals:
            position += len(arrival.parts)
            if arrival.parts:
                self._position = position
                self._spans_committed += len(arrival.spans)
                self._tell(position, arrival.spans)
            arrival.done.set_result(None)

    def _release(self, arrivals: Sequence[_Arrival]) -> None:
        with self._wake:
            self._queued_bytes -= sum(arrival.size_bytes for arrival in arrivals)

    def _fail(self, arrivals: Sequence[_Arrival], error: Exception) -> None:
        self._last_error = str(error)
        logger.error("traces could not be written", extra={"path": str(self._path)}, exc_info=error)
        for arrival in arrivals:
            failure = StoreError(f"{self._path}: cannot write traces: {error}")
            failure.__cause__ = error
            arrival.done.set_exception(failure)

    def _tell(self, position: int, spans: Sequence[Span]) -> None:
        if self._on_commit is None:
            return
        try:
            self._on_commit(position, spans)
        except Exception:  # the spans are on disk; a listener's fault must not end the appender
            logger.exception("listener of committed spans failed")

    def _retain(self, newest_ms: int) -> None:
        oldest = newest_ms - int(self._retention / timedelta(milliseconds=1))
        try:
            retain.retain(self._writer, oldest_position=oldest * POSITIONS_PER_MS, max_bytes=self._max_bytes)
        except sqlite3.Error as error:
            self._last_error = str(error)
            logger.exception("old traces could not be dropped", extra={"path": str(self._path)})
