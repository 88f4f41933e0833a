"""Which operator's documents were running when: each content once, with the time it was first and last seen."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from store.state.tables import DocumentRow


class DocumentsSeen:
    """The documents' history."""

    def __init__(self, session: Session) -> None:
        """Work inside ``session``; the caller commits."""
        self._session = session

    def record(self, *, kind: str, key: str, digest: str, source: str, body: Mapping[str, Any], at: datetime) -> bool:
        """Note that this content runs at ``at``; True when it was never seen before."""
        row = self._session.get(DocumentRow, digest)
        if row is not None:
            row.last_seen_at = at
            return False
        self._session.add(
            DocumentRow(
                digest=digest, kind=kind, key=key, source=source, body=dict(body), first_seen_at=at, last_seen_at=at
            )
        )
        self._session.flush()
        return True
