"""Drops the oldest parts, by age and by bytes, in small transactions so that the appender is never held up for long."""

from __future__ import annotations

import sqlite3
from typing import Final

BATCH: Final = 500
"""Parts of one transaction; deleting them took 20 to 50 ms."""
MAX_BATCHES: Final = 4
"""Transactions of one call; what is left over goes after the next commit."""
VACUUM_PAGES: Final = 1000
"""Pages given back to the disk by one call, 4 MB."""

_Row = tuple[int, bytes, int]


def retain(connection: sqlite3.Connection, *, oldest_position: int, max_bytes: int) -> int:
    """Delete parts before ``oldest_position``, then the oldest while more than ``max_bytes`` are in use.

    Returns:
        How many parts went.
    """
    deleted = 0
    for _ in range(MAX_BATCHES):
        excess = used_bytes(connection) - max_bytes
        rows = _oldest_of(connection, excess) if excess > 0 else _before(connection, oldest_position)
        if not rows:
            break
        _delete(connection, rows)
        deleted += len(rows)
    if deleted:
        # execute() would step once, and each step frees one page; executescript() steps to the end.
        connection.executescript(f"PRAGMA incremental_vacuum({VACUUM_PAGES})")
    return deleted


def used_bytes(connection: sqlite3.Connection) -> int:
    """Bytes of the file that hold data; free pages, which the next rows take first, do not count."""
    pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def _before(connection: sqlite3.Connection, position: int) -> list[_Row]:
    query = f"SELECT position, trace_id, length(spans) FROM part WHERE position < ? ORDER BY position LIMIT {BATCH}"
    return connection.execute(query, (position,)).fetchall()


def _oldest_of(connection: sqlite3.Connection, size_bytes: int) -> list[_Row]:
    """The oldest parts that hold ``size_bytes`` together, or as many as one transaction takes."""
    query = f"SELECT position, trace_id, length(spans) FROM part ORDER BY position LIMIT {BATCH}"
    rows: list[_Row] = []
    for row in connection.execute(query):
        rows.append(row)
        size_bytes -= row[2]
        if size_bytes <= 0:
            break
    return rows


def _delete(connection: sqlite3.Connection, rows: list[_Row]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.executemany("DELETE FROM part WHERE position = ?", [(position,) for position, _, _ in rows])
        _delete_without_parts(connection, {trace_id for _, trace_id, _ in rows})
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _delete_without_parts(connection: sqlite3.Connection, trace_ids: set[bytes]) -> None:
    has_part = "SELECT 1 FROM part WHERE trace_id = ? LIMIT 1"
    gone = [(trace_id,) for trace_id in trace_ids if not connection.execute(has_part, (trace_id,)).fetchone()]
    connection.executemany("DELETE FROM operation WHERE trace_id = ?", gone)
    connection.executemany("DELETE FROM trace WHERE trace_id = ?", gone)
