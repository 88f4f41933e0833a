"""Right-sizings on their way and done, one row for each recommendation: what stood there before, what was written."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from store.state.tables import ResizingRow


class ResizingCases:
    """JSON that ``controller.resizing.records`` understands."""

    def __init__(self, session: Session) -> None:
        """Work inside ``session``; the caller commits."""
        self._session = session

    def put(self, id_: str, *, at: datetime, over: bool, body: Mapping[str, Any]) -> None:
        """Keep it in place of the last."""
        self._session.merge(ResizingRow(id=id_, at=at, over=over, body=dict(body)))
        self._session.flush()

    def all(self, *, over: bool) -> dict[str, dict[str, Any]]:
        """By id; those that are over, or those that are not."""
        rows = self._session.scalars(select(ResizingRow).where(ResizingRow.over == over).order_by(ResizingRow.id))
        return {row.id: row.body for row in rows}
