"""At start: index and head are read back from the file, as they were at the last commit."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from store.metrics import journal
from store.metrics.database import BrokenFileError, Database, explained
from store.metrics.head import Head
from store.metrics.index import FOREVER, SeriesIndex
from store.metrics.journal import Chunk


def fill_index(database: Database, index: SeriesIndex) -> set[int]:
    """Make every series known, with the time that it spans; returns the ids of those with loaded history."""
    with _reading(database) as connection:
        for series_id, labels in journal.all_series(connection):
            index.restore(series_id, labels)
        for _, ids, first_ms, last_ms in journal.layout_spans(connection):
            index.widen(ids, first_ms=first_ms, last_ms=last_ms)
        loaded = journal.chunk_spans(connection)
        for series_id, first_ms, last_ms in loaded:
            index.widen(np.array([series_id]), first_ms=first_ms, last_ms=last_ms)
    return {series_id for series_id, _, _ in loaded}


def fill_head(database: Database, head: Head, loaded: set[int]) -> None:
    """Fetch what lies above the head's floor."""
    with _reading(database) as connection:
        for layout_id, ids in journal.layouts_between(connection, head.floor_ms, FOREVER):
            block = head.block_for(ids)
            block.layout_id = layout_id
            block.fill(*journal.journal_rows(connection, layout_id, (0, ids.size), head.floor_ms, FOREVER))
        head.hold_loaded(_joined(connection, series_id, head.floor_ms) for series_id in loaded)


def _joined(connection: sqlite3.Connection, series_id: int, start_ms: int) -> Chunk:
    """The newest chunks of one series as one, so that series loaded together share their times again."""
    found = journal.chunks(connection, series_id, start_ms, FOREVER)
    times = np.concatenate([np.empty(0, dtype=np.int64), *(chunk.times for chunk in found)])
    values = np.concatenate([np.empty(0), *(chunk.values for chunk in found)])
    return Chunk(series_id=series_id, times=times, values=values)


@contextmanager
def _reading(database: Database) -> Iterator[sqlite3.Connection]:
    with database.writing, explained(database.path):
        try:
            yield database.writer
        except (ValueError, IndexError, KeyError, TypeError) as error:
            raise BrokenFileError(f"the metrics store {database.path} contradicts itself: {error!r}") from error
