"""What routing remembers: the last telling of each group to each receiver, and silences."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from store.state.tables import NotificationLogRow, SilenceRow


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptTelling:
    """Fingerprints of what fired and of what was over, when a group was told last."""

    receiver: str
    group_key: str
    at: datetime
    firing: frozenset[str]
    resolved: frozenset[str]
    expires_at: datetime


class NotificationLog:
    """One row for each receiver and group."""

    def __init__(self, session: Session) -> None:
        """Work inside ``session``; the caller commits."""
        self._session = session

    def put(self, told: KeptTelling) -> None:
        """Keep it in place of the last."""
        self._session.merge(NotificationLogRow(
            receiver=told.receiver, group_hash=_hash(told.group_key), group_key=told.group_key, at=told.at,
            expires_at=told.expires_at, firing=sorted(told.firing), resolved=sorted(told.resolved),
        ))  # fmt: skip
        self._session.flush()

    def all(self, now: datetime) -> list[KeptTelling]:
        """Those that still count."""
        rows = self._session.scalars(select(NotificationLogRow).where(NotificationLogRow.expires_at > now))
        return [
            KeptTelling(
                receiver=row.receiver, group_key=row.group_key, at=row.at, firing=frozenset(row.firing),
                resolved=frozenset(row.resolved), expires_at=row.expires_at,
            )
            for row in rows
        ]  # fmt: skip

    def forget(self, now: datetime) -> None:
        """Drop what counts no more."""
        self._session.execute(delete(NotificationLogRow).where(NotificationLogRow.expires_at <= now))


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptSilence:
    """A silence; ``matchers`` are as they are written."""

    id: str
    matchers: tuple[str, ...]
    starts_at: datetime
    ends_at: datetime
    created_by: str
    comment: str
    updated_at: datetime


class Silences:
    """All of them, until some days after their end."""

    def __init__(self, session: Session) -> None:
        """Work inside ``session``; the caller commits."""
        self._session = session

    def put(self, one: KeptSilence) -> None:
        """Keep it in place of the last of its id."""
        self._session.merge(SilenceRow(
            id=one.id, matchers=list(one.matchers), starts_at=one.starts_at, ends_at=one.ends_at,
            created_by=one.created_by, comment=one.comment, updated_at=one.updated_at,
        ))  # fmt: skip
        self._session.flush()

    def get(self, id_: str) -> KeptSilence | None:
        """One; None where there is none."""
        row = self._session.get(SilenceRow, id_)
        return None if row is None else _kept(row)

    def all(self, *, ending_after: datetime | None = None) -> list[KeptSilence]:
        """The latest end first."""
        asked = select(SilenceRow).order_by(SilenceRow.ends_at.desc(), SilenceRow.id)
        if ending_after is not None:
            asked = asked.where(SilenceRow.ends_at > ending_after)
        return [_kept(row) for row in self._session.scalars(asked)]

    def forget(self, before: datetime) -> None:
        """Drop what ended before then."""
        self._session.execute(delete(SilenceRow).where(SilenceRow.ends_at < before))


def _kept(row: SilenceRow) -> KeptSilence:
    return KeptSilence(
        id=row.id, matchers=tuple(row.matchers), starts_at=row.starts_at, ends_at=row.ends_at,
        created_by=row.created_by, comment=row.comment, updated_at=row.updated_at,
    )  # fmt: skip


def _hash(group_key: str) -> str:
    """A key may be longer than any index takes."""
    return hashlib.sha256(group_key.encode()).hexdigest()
