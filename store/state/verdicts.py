"""What was measured of applied changes: one row for each change and week."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.orm import Session

from domain.verdicts import Verdict
from store.state.tables import VerdictRow


class Verdicts:
    """All of them; nothing is deleted, four for a change at most."""

    def __init__(self, session: Session) -> None:
        """Work inside ``session``; the caller commits."""
        self._session = session

    def put(self, one: Verdict) -> None:
        """Add it; the same moment again takes its place."""
        amounts = {name: f"{getattr(one, name):f}" for name in ("saving", "p10", "p90", "promised")}
        self._session.merge(VerdictRow(
            id=one.id, at=one.at, changed_at=one.changed_at, method=one.method, days=one.days, currency=one.currency,
            **amounts,
        ))  # fmt: skip
        self._session.flush()

    def all(self) -> dict[str, list[Verdict]]:
        """By id of the change, oldest first."""
        found: dict[str, list[Verdict]] = defaultdict(list)
        for row in self._session.scalars(select(VerdictRow).order_by(VerdictRow.id, VerdictRow.at)):
            found[row.id].append(Verdict(
                id=row.id, changed_at=row.changed_at, at=row.at, method=row.method, days=row.days,
                currency=row.currency, saving=Decimal(row.saving), p10=Decimal(row.p10), p90=Decimal(row.p90),
                promised=Decimal(row.promised),
            ))  # fmt: skip
        return dict(found)
