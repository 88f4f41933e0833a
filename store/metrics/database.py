"""The SQLite file under the metrics store: opened by one process only, checked, moved aside when broken.

WAL with ``synchronous=FULL``: a commit survives the power going, and at a few commits a second it costs nothing.
"""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TextIO

from domain.errors import StoreError

_log = logging.getLogger(__name__)

SCHEMA_VERSION: Final = 1
_SCHEMA: Final = f"""
begin immediate;
create table series (id integer primary key, labels_json text not null, fp blob not null unique);
create table layout (id integer primary key, series_ids blob not null, fp blob not null unique);
create table journal (id integer primary key, layout_id integer not null, ts_ms integer not null, vals blob not null);
create index journal_time on journal (layout_id, ts_ms);
create table chunk (series_id integer not null, t0 integer not null, t1 integer not null, n integer not null,
                    ts blob not null, vals blob not null);
create unique index chunk_span on chunk (series_id, t0, t1);
pragma user_version = {SCHEMA_VERSION};
commit;
"""
_BROKEN_CODES: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT)
_CHECK_SECONDS: Final = 2.0
"""Longest integrity check at start, about 1 GB when cached: start-up has 5 s in all. A guess at a fair share."""
_SIDE_FILES: Final = ("", "-wal", "-shm")


class BrokenFileError(StoreError):
    """The file is no database, or its contents contradict themselves: it has to be moved aside."""


class FileLock:
    """Keeps a second process away from the database, for as long as it is held."""

    def __init__(self, path: Path) -> None:
        """Make the folder where it is missing, and lock; ``StoreError`` when that cannot be done."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = _writable(path.with_name(f"{path.name}.lock"))
        except OSError as error:
            raise StoreError(
                f"cannot write in the data folder {path.parent}: {error.strerror or error};"
                " make it a writable folder for this user, or choose another data folder"
            ) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = self._file.read().strip() or "unknown"
            self._file.close()
            raise StoreError(
                f"the metrics store {path} is in use by another process (pid {holder});"
                " stop that one, or choose another data folder"
            ) from error
        self._file.truncate(0)
        self._file.write(f"{os.getpid()}\n")
        self._file.flush()

    def release(self) -> None:
        """Let others in."""
        self._file.close()


class Database:
    """One connection that writes, and a pool of those that read."""

    def __init__(self, path: Path) -> None:
        """Open the file or make it, with its schema.

        Raises:
            BrokenFileError: It is no database, or fails its check after an unclean stop.
            StoreError: It cannot be opened, or a newer Foretide wrote it.
        """
        self.path = path
        self.writing = threading.RLock()
        """Held around every use of ``writer``."""
        self._idle: list[sqlite3.Connection] = []
        self._closed = False
        unclean = _bytes_of(path.with_name(f"{path.name}-wal")) > 0
        with explained(path):
            self.writer = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)
            try:
                self._prepare(check=unclean)
            except BaseException:
                self.writer.close()
                raise

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """The writing connection inside one transaction: all of it or nothing is in the file."""
        with self.writing:
            self.writer.execute("begin immediate")
            try:
                yield self.writer
                self.writer.execute("commit")
            except BaseException:
                if self.writer.in_transaction:
                    self.writer.execute("rollback")
                raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection for reading, seeing every commit up to now; errors become ``StoreError``."""
        with explained(self.path):
            try:
                connection = self._idle.pop()
            except IndexError:
                connection = self._reader()
            try:
                yield connection
            except BaseException:
                connection.close()
                raise
        if self._closed:
            connection.close()
        else:
            self._idle.append(connection)

    def used_bytes(self) -> int:
        """Bytes of the file that carry something."""
        with self.writing:
            return (self._pragma("page_count") - self._pragma("freelist_count")) * self._pragma("page_size")

    def shrink(self, pages: int = 4000) -> None:
        """Give some free pages back to the disk, when a tenth of the file is free."""
        with self.writing:
            if self._pragma("freelist_count") * 10 > self._pragma("page_count"):
                # a script, because execute() steps a statement without columns once: it would free one page
                self.writer.executescript(f"pragma incremental_vacuum({pages})")

    def bytes_on_disk(self) -> int:
        """Database and write-ahead log, as the file system counts them."""
        return sum(_bytes_of(self.path.with_name(self.path.name + side)) for side in ("", "-wal"))

    def close(self) -> None:
        """Bring the log into the file and close; a second time does nothing."""
        with self.writing:
            if self._closed:
                return
            self._closed = True
            while self._idle:
                self._idle.pop().close()
            try:
                self.writer.execute("pragma wal_checkpoint(truncate)")
            except sqlite3.Error as error:  # the log stays beside the file and is read at the next start
                _log.warning(
                    "metrics log not brought into its file", extra={"path": str(self.path), "error": str(error)}
                )
            self.writer.close()

    def _prepare(self, *, check: bool) -> None:
        for pragma in ("auto_vacuum = incremental", "journal_mode = wal", "synchronous = full",
                       f"journal_size_limit = {64 << 20}"):  # fmt: skip
            self.writer.execute(f"pragma {pragma}")
        version = self._pragma("user_version")
        if version > SCHEMA_VERSION:
            raise StoreError(
                f"the metrics store {self.path} has schema version {version}, written by a newer Foretide"
                f" (this one knows up to {SCHEMA_VERSION}): start the newer one, or move the file away"
            )
        if check:
            self._check()
        if version == 0:
            if self.writer.execute("select 1 from sqlite_master limit 1").fetchone():
                raise StoreError(f"{self.path} is a SQLite file, but no metrics store: move it away")
            self.writer.executescript(_SCHEMA)

    def _check(self) -> None:
        deadline = time.monotonic() + _CHECK_SECONDS
        self.writer.set_progress_handler(lambda: time.monotonic() > deadline, 100_000)
        try:
            (verdict,) = self.writer.execute("pragma quick_check(1)").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
                raise
            _log.info("metrics store is large, integrity check cut short", extra={"path": str(self.path)})
            return
        finally:
            self.writer.set_progress_handler(None, 0)
        if verdict != "ok":
            raise BrokenFileError(f"the metrics store {self.path} fails its integrity check: {verdict}")

    def _reader(self) -> sqlite3.Connection:
        if self._closed:
            raise StoreError(f"the metrics store {self.path} is closed")
        uri = f"{self.path.absolute().as_uri()}?mode=ro"
        return sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, timeout=5)

    def _pragma(self, name: str) -> int:
        (value,) = self.writer.execute(f"pragma {name}").fetchone()
        return int(value)


def move_aside(path: Path) -> Path:
    """Rename a broken database and its log to ``….broken-<n>``; the new name of the database."""
    n = 1
    while (target := path.with_name(f"{path.name}.broken-{n}")).exists():
        n += 1
    for side in _SIDE_FILES:
        source = path.with_name(path.name + side)
        if source.exists():
            source.rename(target.with_name(target.name + side))
    return target


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into ours, which say what and where."""
    try:
        yield
    except sqlite3.Error as error:
        if (getattr(error, "sqlite_errorcode", 0) & 0xFF) in _BROKEN_CODES:
            raise BrokenFileError(f"the metrics store {path} is broken: {error}") from error
        raise StoreError(f"the metrics store {path} cannot be used: {error}") from error


def _writable(path: Path) -> TextIO:
    """Open without emptying: until the lock is ours, the file names its holder."""
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644), "r+", encoding="ascii")


def _bytes_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
