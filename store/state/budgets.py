"""Where the thresholds of budgets stand, one row for each: what is known again after a restart."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from store.state.tables import BudgetRow


class BudgetStandings:
    """JSON that ``controller.budgets`` understands."""

    def __init__(self, session: Session) -> None:
        """Work inside ``session``; the caller commits."""
        self._session = session

    def put(self, budget: str, threshold: str, *, at: datetime, body: Mapping[str, Any]) -> None:
        """Keep it in place of the last."""
        self._session.merge(BudgetRow(budget=budget, threshold=threshold, at=at, body=dict(body)))
        self._session.flush()

    def all(self) -> dict[tuple[str, str], dict[str, Any]]:
        """By budget and threshold."""
        rows = self._session.scalars(select(BudgetRow).order_by(BudgetRow.budget, BudgetRow.threshold))
        return {(row.budget, row.threshold): row.body for row in rows}

    def forget(self, budget: str, threshold: str) -> None:
        """Of a threshold that is gone, with nothing of it left."""
        gone = delete(BudgetRow).where(BudgetRow.budget == budget, BudgetRow.threshold == threshold)
        self._session.execute(gone)
