"""Opens ``traces.db``: tables, pragmas, and what happens to a file that is broken or cannot be written.

A trace is one row of ``trace`` (what a list shows), a row of ``operation`` for each of its services and operations
(what a search walks), and one ``part`` per arrival (its spans, compressed). ``part.position`` rises with every commit
and never restarts: it is at least the time of arrival in microseconds, so a reader may keep it across a lost file.
"""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path
from typing import Final

from domain.errors import StoreError

logger = logging.getLogger(__name__)

VERSION: Final = 1
CHECKED_BYTES: Final = 64 * 2**20
"""Files up to this size are read whole at start (about 0.2 s); larger ones are trusted."""

_TABLES: Final = """
CREATE TABLE part (position INTEGER PRIMARY KEY, trace_id BLOB NOT NULL, spans BLOB NOT NULL);
CREATE INDEX part_of_trace ON part (trace_id);
CREATE TABLE trace (
    trace_id BLOB PRIMARY KEY, root_service TEXT NOT NULL, root_operation TEXT NOT NULL,
    start_ns INTEGER NOT NULL, end_ns INTEGER NOT NULL, span_count INTEGER NOT NULL, error_count INTEGER NOT NULL,
    services TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX trace_by_start ON trace (start_ns);
CREATE TABLE operation (
    service TEXT NOT NULL, name TEXT NOT NULL, start_ns INTEGER NOT NULL, trace_id BLOB NOT NULL,
    PRIMARY KEY (service, name, start_ns, trace_id)
) WITHOUT ROWID;
CREATE INDEX operation_of_trace ON operation (trace_id);
"""


def open_or_move_aside(path: Path) -> tuple[sqlite3.Connection, Path | None]:
    """The writer's connection, and where a broken file went (None where nothing was broken).

    Raises:
        StoreError: The file cannot be opened for writing; the program does not start on it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return connect(path), None
    except OSError as error:
        raise StoreError(f"{path.parent}: cannot make the folder of the trace store: {error.strerror}") from error
    except sqlite3.OperationalError as error:
        raise StoreError(f"{path}: cannot open the trace store: {error}") from error
    except sqlite3.DatabaseError as error:
        aside = _move_aside(path)
        logger.warning(
            "trace store is broken, moved aside and started empty", extra={"path": str(aside)}, exc_info=error
        )
    try:
        return connect(path), aside
    except sqlite3.Error as error:
        raise StoreError(f"{path}: cannot open the trace store: {error}") from error


def connect(path: Path) -> sqlite3.Connection:
    """A connection for writing, tables present; autocommit, transactions begin explicitly."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)
    try:
        if not _size(path):
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        # FULL costs nothing at one commit per group and also covers a power loss.
        connection.execute("PRAGMA synchronous = FULL")
        if _size(path) <= CHECKED_BYTES:
            _check(connection)
        _create_tables(path, connection)
    except BaseException:
        connection.close()
        raise
    return connection


def connect_reader(path: Path) -> sqlite3.Connection:
    """A connection that cannot write; it sees what is committed."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)
    connection.execute("PRAGMA query_only = ON")
    return connection


def _create_tables(path: Path, connection: sqlite3.Connection) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > VERSION:
        raise StoreError(
            f"{path}: the trace store has version {version}, this Foretide knows {VERSION}: use a newer one"
        )
    if version == VERSION:
        connection.execute("SELECT max(position) FROM part").fetchone()
        return
    connection.executescript(f"BEGIN; {_TABLES} PRAGMA user_version = {VERSION}; COMMIT;")


def _check(connection: sqlite3.Connection) -> None:
    answer = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if answer != "ok":
        raise sqlite3.DatabaseError(answer)


def _move_aside(path: Path) -> Path:
    number = 1
    while (aside := path.with_name(f"{path.name}.broken-{number}")).exists():
        number += 1
    try:
        for suffix in ("", "-wal", "-shm"):
            part = path.with_name(path.name + suffix)
            if part.exists():
                part.rename(aside.with_name(aside.name + suffix))
    except OSError as error:
        raise StoreError(f"{path}: the trace store is broken and cannot be moved aside: {error}") from error
    return aside


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
