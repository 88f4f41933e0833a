"""The audit trail: who did what to which object, append-only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from store.state.tables import AuditRow


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One deed. ``actor`` is ``foretide``, ``local`` or ``token`` until identities exist."""

    at: datetime
    actor: str
    verb: str
    object: str
    detail: Mapping[str, Any] = field(default_factory=dict)


class AuditTrail:
    """All deeds."""

    def __init__(self, session: Session) -> None:
        """Work inside ``session``; the caller commits."""
        self._session = session

    def record(self, entry: AuditEntry) -> None:
        """Add one."""
        self._session.add(
            AuditRow(at=entry.at, actor=entry.actor, verb=entry.verb, object=entry.object, detail=dict(entry.detail))
        )
        self._session.flush()

    def newest(self, *, limit: int) -> list[AuditEntry]:
        """The newest deeds."""
        rows = self._session.scalars(select(AuditRow).order_by(AuditRow.id.desc()).limit(limit))
        return [AuditEntry(at=r.at, actor=r.actor, verb=r.verb, object=r.object, detail=r.detail) for r in rows]
