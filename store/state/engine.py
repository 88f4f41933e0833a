"""Opens the state database: checks it, migrates it, hands out transactions."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, OperationalError, SQLAlchemyError, StatementError
from sqlalchemy.orm import Session

from domain.errors import RowRefusedError, StoreError

log = logging.getLogger(__name__)

HEAD: Final = "0014"
"""The newest migration; a test holds it against ``migrations/versions``."""
_BROKEN: Final = ("file is not a database", "malformed")


class State:
    """The state database. ``quarantined`` names the broken file that was moved aside at opening, if one was."""

    def __init__(self, engine: Engine, *, quarantined: str = "") -> None:
        """Use ``State.open``."""
        self._engine = engine
        self.quarantined = quarantined

    @classmethod
    def open(cls, url: str) -> State:
        """Open ``sqlite:///…`` or ``postgresql+psycopg://…``, migrated to the newest version.

        A SQLite file that is no database any more is moved aside (``….broken-1``) and an empty one started:
        at 3 a.m. a controller without its past is better than none.

        Raises:
            StoreError: It cannot be opened, written or migrated; the sentence says which and why.
        """
        quarantined = ""
        try:
            engine = _connect(url)
            try:
                migrate(engine)
            except DBAPIError as error:
                if not _is_broken(error):
                    raise
                engine.dispose()
                quarantined = _move_aside(url)
                engine = _connect(url)
                migrate(engine)
        except ModuleNotFoundError as error:
            raise StoreError(
                f"the state database's driver {error.name} is not installed: PostgreSQL needs foretide[postgres]"
            ) from error
        except SQLAlchemyError as error:
            shown = _shown(url)
            cause = getattr(error, "orig", None) or error
            raise StoreError(f"state database {shown}: {str(cause).strip()}") from error
        return cls(engine, quarantined=quarantined)

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self._engine.dialect.name

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """One unit of work: committed when the block ends well, rolled back otherwise.

        Raises:
            RowRefusedError: The database works, but does not take what it was given.
            StoreError: The database did not answer or did not take it.
        """
        try:
            with Session(self._engine, expire_on_commit=False) as session, session.begin():
                yield session
        except SQLAlchemyError as error:
            cause = getattr(error, "orig", None) or error
            kind = RowRefusedError if _is_about_a_row(error) else StoreError
            raise kind(f"state database: {str(cause).strip()}") from error

    def ping(self) -> None:
        """Raise ``StoreError`` when the database does not answer."""
        try:
            with self._engine.connect() as connection:
                connection.execute(text("SELECT 1"))
        except SQLAlchemyError as error:
            raise StoreError(f"state database does not answer: {error}") from error

    def close(self) -> None:
        """Close every connection; idempotent."""
        self._engine.dispose()


def migrate(engine: Engine) -> None:
    """Bring the database to ``HEAD``; Alembic is only imported when there is something to do (0.3 s)."""
    with engine.begin() as connection:
        known = inspect(connection).has_table("alembic_version")
        current = connection.execute(text("SELECT version_num FROM alembic_version")).scalar() if known else None
        if current == HEAD:
            return
        from alembic import command
        from alembic.config import Config
        from alembic.util.exc import CommandError

        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise StoreError(
                f"state database is at version {current}, which this Foretide (up to {HEAD}) does not know; "
                "it was written by a newer one"
            ) from error
        log.info("state database migrated", extra={"from": current, "to": HEAD})


def _connect(url: str) -> Engine:
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return create_engine(parsed, pool_pre_ping=True)
    engine = create_engine(parsed, connect_args={"timeout": 10})
    event.listen(engine, "connect", _set_pragmas)
    return engine


def _set_pragmas(connection: sqlite3.Connection, _record: Any) -> None:
    # FULL: a decision that was acted on survives a power cut too; at one commit per 15 s that costs nothing.
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=10000"):
        connection.execute(f"PRAGMA {pragma}").close()


def _is_about_a_row(error: SQLAlchemyError) -> bool:
    """A value that cannot be bound has no error of the driver behind it, only SQLAlchemy's own."""
    unbindable = isinstance(error, StatementError) and not isinstance(error, DBAPIError)
    return unbindable or isinstance(error, IntegrityError | DataError)


def _is_broken(error: DBAPIError) -> bool:
    return not isinstance(error, OperationalError) and any(words in str(error) for words in _BROKEN)


def _shown(url: str) -> str:
    """The URL without its password; a text that is no URL is not shown at all, there may be one in it."""
    try:
        return make_url(url).render_as_string(hide_password=True)
    except SQLAlchemyError:
        return "(unreadable URL)"


def _move_aside(url: str) -> str:
    path = Path(make_url(url).database or "")
    number = 1 + sum(1 for _ in path.parent.glob(f"{path.name}.broken-*"))
    target = path.with_name(f"{path.name}.broken-{number}")
    # With its log: it may hold what the file lacks, and what is left behind would be played into the new one.
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(f"{target}{suffix}")
    log.warning(
        "state database is broken; moved aside, starting empty", extra={"file": str(path), "moved_to": str(target)}
    )
    return str(target)
