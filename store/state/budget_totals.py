"""What budgets' periods had cost by an instant, one row for each period that is longer than decisions are kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import delete
from sqlalchemy.orm import Session

from store.state.tables import BudgetTotalRow


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetTotal:
    """One period.

    Attributes:
        period: When it began.
        counted: Digest of what was counted.
        until: Up to when.
        amount: From the period's start, in the budget's currency.
    """

    budget: str
    period: datetime
    counted: str
    until: datetime
    amount: Decimal


class BudgetTotals:
    """All of them."""

    def __init__(self, session: Session) -> None:
        """Work inside ``session``; the caller commits."""
        self._session = session

    def of(self, budget: str, period: datetime) -> BudgetTotal | None:
        """None where nothing was put."""
        row = self._session.get(BudgetTotalRow, (budget, period))
        if row is None:
            return None
        return BudgetTotal(
            budget=row.budget, period=row.period, counted=row.counted, until=row.until, amount=Decimal(row.amount)
        )

    def put(self, one: BudgetTotal) -> None:
        """In place of what was known of the period."""
        self._session.merge(BudgetTotalRow(
            budget=one.budget, period=one.period, counted=one.counted, until=one.until, amount=f"{one.amount:f}",
        ))  # fmt: skip
        self._session.flush()

    def forget_before(self, instant: datetime) -> None:
        """Delete periods that nobody has carried on since."""
        self._session.execute(delete(BudgetTotalRow).where(BudgetTotalRow.until < instant))
