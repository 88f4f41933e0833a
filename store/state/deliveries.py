"""Messages to receivers: the outbox of those that wait, the log of the others, and who is disabled.

A message is ``pending`` until it is ``delivered``, ``dead`` (replayable), ``dropped`` (the outbox was full) or
``skipped`` (its receiver does not want it). Within a group only the oldest that is pending may be sent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from store.state.tables import DeliveryRow, DisabledReceiverRow


class DeliveryStatus(StrEnum):
    """Where a message stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"
    DROPPED = "dropped"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptMessage:
    """One message.

    Attributes:
        number: In the order in which they were put.
        id: The same for each attempt; receivers know duplicates by it.
        resolved: Whether it tells only that something is over.
        next_at: Not to be tried before.
        attempts: How often it was tried.
        failing_since: When the first of the attempts failed.
        ended_at: When it stopped being pending.
        error: What the last attempt failed at; empty where none did.
        body: The notification, as JSON.
    """

    number: int
    id: str
    receiver: str
    group_key: str
    status: DeliveryStatus
    resolved: bool
    created_at: datetime
    next_at: datetime
    attempts: int
    failing_since: datetime | None
    ended_at: datetime | None
    error: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Disabled:
    """Since when a receiver is not told any more, and why."""

    receiver: str
    digest: str
    at: datetime
    reason: str


class Deliveries:
    """All messages."""

    def __init__(self, session: Session) -> None:
        """Work inside ``session``; the caller commits."""
        self._session = session

    def add(
        self, *, id_: str, receiver: str, group_key: str, resolved: bool, at: datetime, body: Mapping[str, Any]
    ) -> bool:
        """Keep a message to send; False where it is known already."""
        if self._session.scalar(select(DeliveryRow.number).where(DeliveryRow.id == id_)) is not None:
            return False
        self._session.add(DeliveryRow(
            id=id_, receiver=receiver, group_key=group_key, group_hash=_hash(group_key), resolved=resolved,
            status=DeliveryStatus.PENDING.value, created_at=at, next_at=at, attempts=0, error="", body=dict(body),
        ))  # fmt: skip
        self._session.flush()
        return True

    def waiting(self) -> int:
        """How many are pending."""
        asked = select(func.count()).select_from(DeliveryRow).where(DeliveryRow.status == DeliveryStatus.PENDING.value)
        return self._session.scalar(asked) or 0

    def drop_one(self, at: datetime) -> bool:
        """Drop the oldest that tells of an end only, else the oldest; False where nothing waits."""
        asked = select(DeliveryRow).where(DeliveryRow.status == DeliveryStatus.PENDING.value)
        row = self._session.scalar(asked.order_by(DeliveryRow.resolved.desc(), DeliveryRow.number).limit(1))
        if row is None:
            return False
        row.status, row.ended_at, row.error = DeliveryStatus.DROPPED.value, at, "the outbox was full"
        self._session.flush()
        return True

    def receivers(self) -> list[str]:
        """Those for whom something waits."""
        asked = select(DeliveryRow.receiver).where(DeliveryRow.status == DeliveryStatus.PENDING.value).distinct()
        return sorted(self._session.scalars(asked))

    def next_for(self, receiver: str, now: datetime) -> KeptMessage | None:
        """The message that has waited longest for its turn, among the oldest of each group."""
        pending = (DeliveryRow.status == DeliveryStatus.PENDING.value, DeliveryRow.receiver == receiver)
        heads = select(func.min(DeliveryRow.number)).where(*pending).group_by(DeliveryRow.group_hash)
        asked = select(DeliveryRow).where(DeliveryRow.number.in_(heads), DeliveryRow.next_at <= now)
        row = self._session.scalar(asked.order_by(DeliveryRow.next_at, DeliveryRow.number).limit(1))
        return None if row is None else _kept(row)

    def get(self, id_: str) -> KeptMessage | None:
        """One; None where there is none."""
        row = self._session.scalar(select(DeliveryRow).where(DeliveryRow.id == id_))
        return None if row is None else _kept(row)

    def end(self, id_: str, status: DeliveryStatus, at: datetime, *, error: str = "", tried: bool = True) -> None:
        """It is not pending any more; one that was dropped while it was sent counts as what came of it."""
        self._session.execute(
            update(DeliveryRow).where(DeliveryRow.id == id_).values(
                status=status.value, ended_at=at, error=error, attempts=DeliveryRow.attempts + int(tried),
            )
        )  # fmt: skip

    def put_off(self, id_: str, *, until: datetime, failing_since: datetime, error: str) -> None:
        """An attempt failed; the next one is not before ``until``."""
        self._session.execute(
            update(DeliveryRow).where(DeliveryRow.id == id_).values(
                next_at=until, failing_since=failing_since, error=error, attempts=DeliveryRow.attempts + 1,
            )
        )  # fmt: skip

    def give_up(self, receiver: str, *, before: datetime, at: datetime, error: str) -> int:
        """End what has waited for a receiver since ``before``; how many."""
        done = self._session.execute(
            update(DeliveryRow)
            .where(DeliveryRow.status == DeliveryStatus.PENDING.value, DeliveryRow.receiver == receiver)
            .where(DeliveryRow.next_at <= at, DeliveryRow.created_at < before)
            .values(status=DeliveryStatus.DEAD.value, ended_at=at, error=error)
        )
        return int(getattr(done, "rowcount", 0))

    def replay(self, id_: str, now: datetime) -> None:
        """Send a message that has ended again, with its id, after what waits in its group."""
        row = self._session.scalars(select(DeliveryRow).where(DeliveryRow.id == id_)).one()
        newest = self._session.scalar(select(func.max(DeliveryRow.number))) or 0
        row.number, row.status, row.created_at, row.next_at = newest + 1, DeliveryStatus.PENDING.value, now, now
        row.failing_since, row.ended_at, row.error = None, None, ""
        self._session.flush()

    def page(
        self, *, limit: int, offset: int, receiver: str | None = None, statuses: Collection[DeliveryStatus] = ()
    ) -> tuple[list[KeptMessage], int]:
        """Newest first, and how many there are in all."""
        wanted = [] if receiver is None else [DeliveryRow.receiver == receiver]
        wanted += [DeliveryRow.status.in_(sorted(statuses))] if statuses else []
        total = self._session.scalar(select(func.count()).select_from(DeliveryRow).where(*wanted)) or 0
        asked = select(DeliveryRow).where(*wanted).order_by(DeliveryRow.number.desc()).limit(limit).offset(offset)
        return [_kept(row) for row in self._session.scalars(asked)], total

    def forget(self, before: datetime) -> int:
        """Delete what ended before; how many."""
        done = self._session.execute(
            delete(DeliveryRow).where(DeliveryRow.status != DeliveryStatus.PENDING.value, DeliveryRow.ended_at < before)
        )
        return int(getattr(done, "rowcount", 0))


class DisabledReceivers:
    """Who is not told any more."""

    def __init__(self, session: Session) -> None:
        """Work inside ``session``; the caller commits."""
        self._session = session

    def all(self) -> dict[str, Disabled]:
        """By the receiver's key."""
        rows = self._session.scalars(select(DisabledReceiverRow))
        return {r.receiver: Disabled(receiver=r.receiver, digest=r.digest, at=r.at, reason=r.reason) for r in rows}

    def put(self, one: Disabled) -> None:
        """From now on."""
        self._session.merge(DisabledReceiverRow(receiver=one.receiver, digest=one.digest, at=one.at, reason=one.reason))
        self._session.flush()

    def remove(self, receiver: str) -> None:
        """It is told again."""
        self._session.execute(delete(DisabledReceiverRow).where(DisabledReceiverRow.receiver == receiver))


def _hash(group_key: str) -> str:
    return hashlib.sha256(group_key.encode()).hexdigest()[:32]


def _kept(row: DeliveryRow) -> KeptMessage:
    return KeptMessage(
        number=row.number, id=row.id, receiver=row.receiver, group_key=row.group_key,
        status=DeliveryStatus(row.status), resolved=row.resolved, created_at=row.created_at, next_at=row.next_at,
        attempts=row.attempts, failing_since=row.failing_since, ended_at=row.ended_at, error=row.error, body=row.body,
    )  # fmt: skip
