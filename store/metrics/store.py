"""The metrics store: every sample goes to a head in memory at once and to a journal on disk within half a second.

Reads of the last two hours never touch the disk; older samples come from the journal and from loaded chunks.
One thread commits, trims the head and deletes what is out of retention. Locks: ``Database.writing`` before ``_lock``.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from datetime import timedelta
from pathlib import Path
from typing import Final, Self

import numpy as np

from domain.clock import Clock, to_ms
from domain.errors import OverloadedError, StoreError
from domain.labels import Labels
from domain.series import FloatArray, IntArray, Sample, Series
from store.metrics import history, journal, replay
from store.metrics.database import BrokenFileError, Database, FileLock, explained, move_aside
from store.metrics.head import Head
from store.metrics.index import FOREVER, SeriesIndex
from store.metrics.intake import Intake
from store.metrics.journal import Chunk
from store.metrics.limits import DEFAULT_LIMITS, StoreLimits, StoreStats
from store.metrics.matchers import Matcher
from store.metrics.pending import Pending
from store.metrics.retention import Retention

_log = logging.getLogger(__name__)

_UPKEEP_SECONDS: Final = 10.0

DurableRow = tuple[Sequence[Labels], int, FloatArray]


class MetricsStore:
    """Series by their labels: appended, loaded, selected.

    All methods may be called from any thread. Timestamps of a series rise strictly: a sample that is not newer than
    the newest of its series is refused and counted, of two at the same time the first stays.
    """

    def __init__(
        self,
        path: Path,
        *,
        retention: timedelta,
        clock: Clock | None = None,
        limits: StoreLimits = DEFAULT_LIMITS,
        quarantined: str = "",
    ) -> None:
        """Open an existing or new file; use ``open``, which also locks it and deals with a broken one."""
        self._limits = limits
        self._clock = clock
        self._quarantined = quarantined
        self._write_error = ""
        self._dropping = False
        self._closed = False
        self._file_lock: FileLock | None = None
        self._lock = threading.Lock()
        self._wake = threading.Condition(self._lock)
        self._index = SeriesIndex(max_series=limits.max_series)
        self._head = Head()
        self._intake = Intake(index=self._index, head=self._head)
        self._committing_bytes = 0
        self._database = Database(path)
        self._retention = Retention(self._database, retention_ms=_ms(retention), max_bytes=limits.max_bytes)
        try:
            self._loaded = self._replay()
        except BaseException:
            self._database.close()
            raise
        self._appender = threading.Thread(target=self._run, name="metrics-appender", daemon=True)

    @classmethod
    def open(
        cls, path: Path, *, retention: timedelta, clock: Clock | None = None, limits: StoreLimits = DEFAULT_LIMITS
    ) -> Self:
        """Open the store in the SQLite file ``path``, made with its folder where it is missing.

        A broken file is moved aside to ``<path>.broken-<n>`` and an empty store takes its place;
        ``stats().quarantined`` says so.

        Args:
            path: The file; ``<path>.lock`` beside it keeps a second process out.
            retention: Samples older than this are deleted. It counts from the newest sample, or from ``clock``
                where that is earlier: neither a pause nor a sample from the future empties the store.
            clock: Where given, samples more than ``limits.max_ahead`` in its future are refused.
            limits: Of memory, disk and time.

        Raises:
            StoreError: The folder cannot be written, another process has the file, or a newer Foretide wrote it.
        """
        lock = FileLock(path)
        try:
            store = cls._open_whole(path, retention=retention, clock=clock, limits=limits)
        except BaseException:
            lock.release()
            raise
        store._file_lock = lock
        store._appender.start()
        return store

    @classmethod
    def _open_whole(cls, path: Path, *, retention: timedelta, clock: Clock | None, limits: StoreLimits) -> Self:
        try:
            return cls(path, retention=retention, clock=clock, limits=limits)
        except BrokenFileError as error:
            aside = move_aside(path)
            _log.warning(
                "metrics store was broken, moved aside and started empty",
                extra={"path": str(path), "moved_to": str(aside), "error": str(error)},
            )
            return cls(path, retention=retention, clock=clock, limits=limits, quarantined=str(aside))

    # ---- writing

    def append(self, labels: Sequence[Labels], timestamp_ms: int, values: FloatArray) -> None:
        """Take one scrape or one flush: readable at once, durable within ``limits.commit_interval``.

        Passing the same tuple of labels again and again spares hashing them. With a full queue (the disk does not
        keep up) the whole row is dropped and counted.
        """
        row = _checked(labels, timestamp_ms, values)
        with self._lock:
            self._refuse_when_closed()
            has_room = self._has_room(row[2].nbytes)
            if has_room:
                self._take([row])
            else:
                self._intake.counts.dropped += row[2].size
            self._tell_dropping(dropping=not has_room)

    def append_durably(self, rows: Sequence[DurableRow]) -> Future[int]:
        """Take rows that someone waits for: labels, time and values of each.

        Returns:
            Resolved when everything taken up to now is on the disk, with the number of samples that were refused (out
            of order, over the series limit, too far ahead; a sample that is there already is none of them). Failed
            with ``StoreError`` when it could not be written: the rows stay queued, sending them again is harmless, and
            is acknowledged once they are safe.

        Raises:
            OverloadedError: The queue is full; nothing was taken, come again later.
        """
        checked = [_checked(*row) for row in rows]
        future: Future[int] = Future()
        future.set_running_or_notify_cancel()  # a caller that gives up must not keep others from their answer
        with self._lock:
            self._refuse_when_closed()
            if not self._has_room(sum(values.nbytes for _, _, values in checked)):
                raise OverloadedError(f"the metrics queue holds {self._queued_bytes()} bytes that wait for the disk")
            before = self._intake.counts.refused
            self._take(checked)
            self._intake.pending.waiting.append((future, self._intake.counts.refused - before))
            self._wake.notify()
        return future

    def load(self, series: Iterable[Series]) -> None:
        """Take history in bulk, in one transaction, durable on return.

        Of a series that has samples already, only points before its first and after its last are taken; the
        others are refused and counted as out of order.

        Raises:
            StoreError: It could not be written, and nothing of it was taken.
        """
        everything = list(series)
        with self._database.writing:
            with self._lock:
                self._refuse_when_closed()
                latest_ms = self._latest_allowed_ms()
                chunks = [chunk for one in everything if (chunk := self._intake.admit(one, latest_ms)) is not None]
            self._commit()
            with explained(self._database.path), self._database.transaction() as connection:
                journal.insert_chunks(connection, chunks)
            with self._lock:
                self._intake.counts.commits += 1
                self._show(chunks)

    # ---- reading

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[Series]:
        """Histories of the series that pass all matchers, from start to end, both included, sorted by labels.

        Stale markers are part of a history; a series without samples in the time is left out.

        Raises:
            StoreError: Older samples cannot be read from the disk.
        """
        with self._lock:
            ids = self._index.find(matchers)
            if not ids.size:
                return []
            wanted = self._wanted(ids, start_ms, end_ms)
        return history.read(wanted, self._database)

    def series(self, matcher_sets: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int) -> list[Labels]:
        """Labels of the series that pass one of the sets and have samples around the time, sorted; no set: all."""
        with self._lock:
            found = [self._index.find(matchers) for matchers in matcher_sets or [()]]
            ids = self._index.between(
                np.unique(np.concatenate(found)), max(start_ms, self._retention.cutoff_ms), end_ms
            )
            return sorted(self._index.labels_of(ids))

    def label_names(self, matcher_sets: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int) -> list[str]:
        """Names of all labels of ``series``, sorted."""
        return sorted({name for labels in self.series(matcher_sets, start_ms, end_ms) for name, _ in labels})

    def label_values(
        self, name: str, matcher_sets: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int
    ) -> list[str]:
        """Values of label ``name`` among ``series``, sorted."""
        return sorted({labels.value_of(name) for labels in self.series(matcher_sets, start_ms, end_ms)} - {""})

    def last_values(self, matchers: Sequence[Matcher]) -> list[Sample]:
        """The newest sample of each series that passes, however old, stale markers included; sorted by labels."""
        with self._lock:
            ids = self._index.find(matchers)
            last = self._index.last[ids]
        found: list[Sample] = []
        for when in np.unique(last).tolist():
            with self._lock:
                wanted = self._wanted(ids[last == when], when, when)
            histories = history.read(wanted, self._database)
            found += [Sample(labels=one.labels, timestamp_ms=when, value=float(one.values[0])) for one in histories]
        return sorted(found, key=lambda sample: sample.labels)

    def stats(self) -> StoreStats:
        """Counts since the store was opened, and its size now."""
        bytes_on_disk = self._database.bytes_on_disk()
        with self._lock:
            counts = self._intake.counts
            return StoreStats(
                series=len(self._index),
                samples_appended=counts.appended,
                commits=counts.commits,
                out_of_order=counts.out_of_order,
                duplicates=counts.duplicates,
                over_series_limit=counts.over_series_limit,
                too_far_ahead=counts.too_far_ahead,
                dropped=counts.dropped,
                queued_bytes=self._queued_bytes(),
                bytes_on_disk=bytes_on_disk,
                quarantined=self._quarantined,
                write_error=self._write_error,
            )

    # ---- lifecycle

    def flush(self) -> None:
        """Commit what waits, now; ``StoreError`` when that fails."""
        self._commit()

    def upkeep(self) -> None:
        """Trim the head and delete all that is out of retention, now; the appender does it bit by bit by itself."""
        while self._upkeep_step():
            pass

    def close(self) -> None:
        """Commit what waits, bring the log into the file, let others in. A second time does nothing."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._wake.notify()
        self._appender.join()
        try:
            self._commit()
        finally:
            self._database.close()
            if self._file_lock is not None:
                self._file_lock.release()

    def _replay(self) -> set[int]:
        """Index and head as they were at the last commit; which series have loaded history."""
        loaded = replay.fill_index(self._database, self._index)
        self._intake.newest_ms = self._index.newest_ms()
        self._advance_floor()
        replay.fill_head(self._database, self._head, loaded)
        self._index.count_active(self._head.floor_ms)
        return loaded

    def _take(self, rows: Iterable[DurableRow]) -> None:
        latest_ms = self._latest_allowed_ms()
        for labels, timestamp_ms, values in rows:
            if timestamp_ms > latest_ms:
                self._intake.counts.too_far_ahead += values.size
            else:
                self._intake.take(labels, timestamp_ms, values)

    def _wanted(self, ids: IntArray, start_ms: int, end_ms: int) -> history.Wanted:
        start_ms, end_ms = max(start_ms, self._retention.cutoff_ms), min(end_ms, FOREVER)
        ids = self._index.between(ids, start_ms, end_ms)
        return history.Wanted(
            ids=ids,
            labels=self._index.labels_of(ids),
            start_ms=start_ms,
            old_end_ms=min(end_ms, self._head.floor_ms - 1),
            rows=self._head.views(start_ms, end_ms) if ids.size else [],
            loaded=[series_id for series_id in ids.tolist() if series_id in self._loaded] if self._loaded else [],
        )

    def _show(self, chunks: Sequence[Chunk]) -> None:
        """Let loaded history be seen, now that it is on the disk."""
        for chunk in chunks:
            first_ms, last_ms = int(chunk.times[0]), int(chunk.times[-1])
            self._index.widen(np.array([chunk.series_id]), first_ms=first_ms, last_ms=last_ms)
            self._intake.newest_ms = max(self._intake.newest_ms, last_ms)
            self._intake.counts.appended += chunk.times.size
            self._loaded.add(chunk.series_id)
        self._advance_floor()
        self._head.hold_loaded(chunks)

    def _has_room(self, more_bytes: int) -> bool:
        return self._queued_bytes() + more_bytes <= self._limits.queue_bytes

    def _queued_bytes(self) -> int:
        return self._intake.pending.queued_bytes + self._committing_bytes

    def _tell_dropping(self, *, dropping: bool) -> None:
        if dropping != self._dropping:
            self._dropping = dropping
            if dropping:
                _log.warning("metrics queue is full, scrapes are dropped", extra={"path": str(self._database.path)})
            else:
                _log.info("metrics queue has room again", extra={"path": str(self._database.path)})

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise StoreError(f"the metrics store {self._database.path} is closed")

    def _latest_allowed_ms(self) -> int:
        if self._clock is None:
            return FOREVER
        return to_ms(self._clock.now()) + _ms(self._limits.max_ahead)

    def _present_ms(self) -> int:
        """The newest sample's time, or the clock's where that is earlier; neither alone can empty the store."""
        newest_ms = self._intake.newest_ms
        return newest_ms if self._clock is None else min(newest_ms, to_ms(self._clock.now()))

    def _advance_floor(self) -> None:
        self._head.floor_ms = max(self._head.floor_ms, self._present_ms() - _ms(self._limits.head_window))

    # ---- the appender's thread

    def _run(self) -> None:
        interval = self._limits.commit_interval.total_seconds()
        next_upkeep = time.monotonic() + _UPKEEP_SECONDS
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._closed or self._intake.pending.waiting, timeout=interval)
                if self._closed:
                    return
            with contextlib.suppress(StoreError):  # told to those who wait, to the log and to stats; tried again
                self._commit()
            if time.monotonic() >= next_upkeep:
                next_upkeep = time.monotonic() + (0 if self._try_upkeep() else _UPKEEP_SECONDS)

    def _commit(self) -> None:
        with self._database.writing:
            with self._lock:
                batch, self._intake.pending = self._intake.pending, Pending()
                self._committing_bytes = batch.queued_bytes
            if not batch:
                return
            try:
                with explained(self._database.path), self._database.transaction() as connection:
                    layouts = batch.write(connection)
            except Exception as error:
                raise self._put_back(batch, error) from error
            with self._lock:
                batch.settle(layouts)
                self._committing_bytes = 0
                self._intake.counts.commits += 1
                recovered, self._write_error = bool(self._write_error), ""
            if recovered:
                _log.info("metrics are committed again", extra={"path": str(self._database.path)})
            for future, refused in batch.waiting:
                future.set_result(refused)

    def _put_back(self, batch: Pending, error: Exception) -> StoreError:
        """After a failed commit: queue its rows again, tell those who wait for them."""
        told = error if isinstance(error, StoreError) else StoreError(f"metrics could not be written: {error!r}")
        waiting = batch.waiting
        with self._lock:
            batch.precede(self._intake.pending)
            self._intake.pending = batch
            self._committing_bytes = 0
            again, self._write_error = bool(self._write_error), str(told)
        if not again:
            _log.error("metrics cannot be committed, will be tried again", extra={"error": str(told)})
        for future, _ in waiting:
            future.set_exception(told)
        return told

    def _try_upkeep(self) -> bool:
        try:
            return self._upkeep_step()
        except StoreError as error:
            _log.warning("metrics upkeep failed, will be tried again", extra={"error": str(error)})
            return False

    def _upkeep_step(self) -> bool:
        """Trim, then delete one batch; True when there is more to delete."""
        with self._lock:
            self._advance_floor()
            self._retention.advance(self._present_ms())
            self._index.count_active(self._head.floor_ms)
            blocks = list(self._head.blocks())
        for block in blocks:  # one lock each, because trimming copies what is left
            with self._lock:
                self._head.trim(block)
        with self._database.writing, explained(self._database.path):
            if self._retention.delete_some(self._intake.newest_ms):
                return True
            with self._lock:
                self._intake.forget_detached()
                in_use = [block.layout_id for block in self._head.blocks() if block.layout_id is not None]
                self._discard_idle_series()
            self._retention.tidy(in_use)
        return False

    def _discard_idle_series(self) -> None:
        idle = self._index.idle_since(min(self._retention.cutoff_ms, self._head.floor_ms)).tolist()
        gone = set(idle) - self._head.holds() if idle else set()
        self._index.discard(gone)
        self._loaded -= gone
        self._intake.pending.dead += gone


def _checked(labels: Sequence[Labels], timestamp_ms: int, values: FloatArray) -> DurableRow:
    values = np.ascontiguousarray(values, dtype=np.float64)
    if values.shape != (len(labels),):
        raise ValueError(f"{len(labels)} series need as many values, not an array of shape {values.shape}")
    return labels, int(timestamp_ms), values


def _ms(duration: timedelta) -> int:
    return round(duration.total_seconds() * 1000)
