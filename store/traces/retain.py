"""Drops the oldest parts, by age and by bytes, in small transactions so that the appender is never held up for long."""

from __future__ import annotations

import sqlite3
from typing import Final

BATCH: Final = 500
"""Parts of one transaction; deleting them took about 15 ms."""
MAX_BATCHES: Final = 8
"""Transactions of one call; what is left over goes after the next commit."""


def retain(connection: sqlite3.Connection, *, oldest_position: int, max_bytes: int) -> int:
    """Delete parts before ``oldest_position``, then the oldest while more than ``max_bytes`` are in use.

    Returns:
        How many parts went.
    """
    deleted = 0
    for _ in range(MAX_BATCHES):
        limit = None if used_bytes(connection) > max_bytes else oldest_position
        gone = _delete_oldest(connection, before=limit)
        deleted += gone
        if not gone:
            break
    if deleted:
        connection.execute("PRAGMA incremental_vacuum").fetchall()
    return deleted


def used_bytes(connection: sqlite3.Connection) -> int:
    """Bytes of the file that hold data; free pages, which the next rows take first, do not count."""
    pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def _delete_oldest(connection: sqlite3.Connection, *, before: int | None) -> int:
    where = "" if before is None else "WHERE position < :before"
    rows = connection.execute(
        f"SELECT position, trace_id FROM part {where} ORDER BY position LIMIT {BATCH}", {"before": before}
    ).fetchall()
    if not rows:
        return 0
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.executemany("DELETE FROM part WHERE position = ?", [(position,) for position, _ in rows])
        _delete_without_parts(connection, {trace_id for _, trace_id in rows})
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return len(rows)


def _delete_without_parts(connection: sqlite3.Connection, trace_ids: set[bytes]) -> None:
    has_part = "SELECT 1 FROM part WHERE trace_id = ? LIMIT 1"
    gone = [(trace_id,) for trace_id in trace_ids if not connection.execute(has_part, (trace_id,)).fetchone()]
    connection.executemany("DELETE FROM operation WHERE trace_id = ?", gone)
    connection.executemany("DELETE FROM trace WHERE trace_id = ?", gone)
