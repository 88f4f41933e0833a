"""Reads histories: first what the head held at one moment, then what only the disk still has."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from domain.labels import Labels
from domain.series import IntArray, Series
from store.metrics import journal
from store.metrics.database import Database
from store.metrics.head import Rows
from store.metrics.merge import Pieces


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A question and the head's part of the answer, taken under the store's lock.

    Rows leave the head only after their commit, therefore reading the disk later than the head misses nothing.

    Attributes:
        ids: The series, sorted by labels.
        start_ms: Start of the time, included.
        old_end_ms: End of what has to be read from the disk, included; before ``start_ms`` when the head has it all.
        rows: The head's rows of the whole time.
        loaded: Those of the series that have loaded history.
    """

    ids: IntArray
    labels: list[Labels]
    start_ms: int
    old_end_ms: int
    rows: list[Rows]
    loaded: list[int]


def read(wanted: Wanted, database: Database) -> list[Series]:
    """The histories, without series that have no sample in the time; ``StoreError`` when the disk cannot be read."""
    pieces = Pieces(wanted.ids)
    if wanted.old_end_ms >= wanted.start_ms:
        with database.reading() as connection:
            _add_journal(pieces, connection, wanted)
            _add_chunks(pieces, connection, wanted)
    for rows in wanted.rows:
        pieces.add(rows)
    return [
        Series(labels=labels, timestamps_ms=piece[0], values=piece[1])
        for labels, piece in zip(wanted.labels, pieces.merged(), strict=True)
        if piece is not None
    ]


def _add_journal(pieces: Pieces, connection: sqlite3.Connection, wanted: Wanted) -> None:
    start, end = wanted.start_ms, wanted.old_end_ms
    for layout, ids in journal.layouts_between(connection, start, end):
        columns = pieces.columns_of(ids)
        if not columns.size:
            continue
        first, last = int(columns[0]), int(columns[-1]) + 1
        times, values = journal.journal_rows(connection, layout, (first, last), start, end)
        if times.size:
            pieces.add(Rows(ids=ids[first:last], times=times, values=values))


def _add_chunks(pieces: Pieces, connection: sqlite3.Connection, wanted: Wanted) -> None:
    start, end = wanted.start_ms, wanted.old_end_ms
    shared: dict[bytes, IntArray] = {}  # series loaded together share the array of their times, as a layout does
    for series_id in wanted.loaded:
        for chunk in journal.chunks(connection, series_id, start, end):
            low, high = chunk.times.searchsorted(start), chunk.times.searchsorted(end, side="right")
            if low < high:
                times = chunk.times[low:high]
                pieces.add_piece(series_id, shared.setdefault(times.tobytes(), times), chunk.values[low:high])
