"""What stands in the file: series, layouts, one journal row for each scrape, chunks of loaded history.

Functions over a connection; every statement of the metrics store is here. Blobs are little-endian.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from domain.labels import Labels
from domain.series import FloatArray, IntArray

POINTS_PER_CHUNK: Final = 512
"""8 kB of raw numbers: a reader of some minutes decodes little more than it needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Loaded history of one series."""

    series_id: int
    times: IntArray
    values: FloatArray


def insert_series(connection: sqlite3.Connection, series: Iterable[tuple[int, Labels]]) -> None:
    """Write new series under the ids that they have in memory."""
    written = ((series_id, json.dumps(labels, separators=(",", ":"))) for series_id, labels in series)
    rows = ((series_id, text, _fingerprint(text.encode())) for series_id, text in written)
    connection.executemany("insert or replace into series (id, labels_json, fp) values (?, ?, ?)", rows)


def delete_series(connection: sqlite3.Connection, ids: Iterable[int]) -> None:
    """Forget series."""
    connection.executemany("delete from series where id = ?", ((series_id,) for series_id in ids))


def all_series(connection: sqlite3.Connection) -> Iterator[tuple[int, Labels]]:
    """Every series with its id."""
    for series_id, text in connection.execute("select id, labels_json from series"):
        yield series_id, Labels((name, value) for name, value in json.loads(text))


def layout_id(connection: sqlite3.Connection, ids: IntArray) -> int:
    """The id of this ordered tuple of series, written when it is new."""
    blob = ids.astype("<u4").tobytes()
    fingerprint = _fingerprint(blob)
    found = connection.execute("select id from layout where fp = ?", (fingerprint,)).fetchone()
    if found is None:
        sql = "insert into layout (series_ids, fp) values (?, ?) returning id"
        found = connection.execute(sql, (blob, fingerprint)).fetchone()
    return int(found[0])


def insert_rows(connection: sqlite3.Connection, rows: Iterable[tuple[int, int, bytes]]) -> None:
    """Write journal rows: layout id, time, values as raw f64."""
    connection.executemany("insert into journal (layout_id, ts_ms, vals) values (?, ?, ?)", rows)


def insert_chunks(connection: sqlite3.Connection, points: Iterable[Chunk]) -> None:
    """Write loaded history, cut into chunks; one that is there already stays."""
    sql = "insert or ignore into chunk (series_id, t0, t1, n, ts, vals) values (?, ?, ?, ?, ?, ?)"
    connection.executemany(sql, (row for chunk in points for row in _cut(chunk)))


def layout_spans(connection: sqlite3.Connection) -> list[tuple[int, IntArray, int, int]]:
    """Every layout that has rows: id, series, first and last time. Two index seeks each, no scan."""
    sql = """select id, series_ids, (select min(ts_ms) from journal where layout_id = layout.id) as first_ms,
                    (select max(ts_ms) from journal where layout_id = layout.id)
             from layout where first_ms is not null"""
    return [(row, _ids(blob), first, last) for row, blob, first, last in connection.execute(sql)]


def layouts_between(connection: sqlite3.Connection, start_ms: int, end_ms: int) -> list[tuple[int, IntArray]]:
    """The layouts with rows in a time, both ends included: id and series."""
    sql = """select id, series_ids from layout where exists
             (select 1 from journal where layout_id = layout.id and ts_ms between ? and ?)"""
    return [(row, _ids(blob)) for row, blob in connection.execute(sql, (start_ms, end_ms))]


def journal_rows(
    connection: sqlite3.Connection, layout: int, columns: tuple[int, int], start_ms: int, end_ms: int
) -> tuple[IntArray, FloatArray]:
    """Rows of one layout in a time, in order: times, and values of the columns from first up to before last."""
    first, width = columns[0], columns[1] - columns[0]
    sql = """select ts_ms, substr(vals, ?, ?) from journal
             where layout_id = ? and ts_ms between ? and ? order by ts_ms"""
    rows = connection.execute(sql, (first * 8 + 1, width * 8, layout, start_ms, end_ms)).fetchall()
    times = np.array([row[0] for row in rows], dtype=np.int64)
    return times, np.frombuffer(b"".join(row[1] for row in rows), dtype="<f8").reshape(len(rows), width)


def chunk_spans(connection: sqlite3.Connection) -> list[tuple[int, int, int]]:
    """Every series with loaded history: id, first and last time."""
    return connection.execute("select series_id, min(t0), max(t1) from chunk group by series_id").fetchall()


def chunks(connection: sqlite3.Connection, series_id: int, start_ms: int, end_ms: int) -> list[Chunk]:
    """The chunks of one series that touch a time, in order, uncut."""
    sql = "select ts, vals from chunk where series_id = ? and t0 <= ? and t1 >= ? order by t0"
    return [
        Chunk(series_id=series_id, times=np.frombuffer(times, dtype="<i8"), values=np.frombuffer(values, dtype="<f8"))
        for times, values in connection.execute(sql, (series_id, end_ms, start_ms))
    ]


def oldest_ms(connection: sqlite3.Connection) -> int | None:
    """A time before which nothing can be deleted; None when there are no samples."""
    sql = """select min(t) from (select (select min(ts_ms) from journal where layout_id = layout.id) as t from layout
             union all select min(t1) from chunk)"""
    (oldest,) = connection.execute(sql).fetchone()
    return None if oldest is None else int(oldest)


def delete_before(connection: sqlite3.Connection, cutoff_ms: int, *, batch: int) -> int:
    """Delete some rows and chunks whose samples are all older; how many."""
    journal = """delete from journal where id in
                 (select journal.id from layout cross join journal on layout_id = layout.id and ts_ms < ? limit ?)"""
    chunk = "delete from chunk where rowid in (select rowid from chunk where t1 < ? limit ?)"
    return sum(connection.execute(sql, (cutoff_ms, batch)).rowcount for sql in (journal, chunk))


def delete_empty_layouts(connection: sqlite3.Connection, *, except_ids: Sequence[int]) -> None:
    """Delete the layouts without rows, apart from those in use."""
    sql = "select id from layout where not exists (select 1 from journal where layout_id = layout.id)"
    empty = {row for (row,) in connection.execute(sql)}.difference(except_ids)
    connection.executemany("delete from layout where id = ?", ((row,) for row in empty))


def _cut(chunk: Chunk) -> Iterator[tuple[int, int, int, int, bytes, bytes]]:
    for start in range(0, chunk.times.size, POINTS_PER_CHUNK):
        times = chunk.times[start : start + POINTS_PER_CHUNK].astype("<i8")
        values = chunk.values[start : start + POINTS_PER_CHUNK].astype("<f8")
        yield chunk.series_id, int(times[0]), int(times[-1]), times.size, times.tobytes(), values.tobytes()


def _ids(blob: bytes) -> IntArray:
    return np.frombuffer(blob, dtype="<u4").astype(np.int64)


def _fingerprint(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).digest()
