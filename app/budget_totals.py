"""Keeps what a long period has cost, before the decisions and hours that tell it are forgotten.

What is younger is counted anew at every look, for late samples change it. Decisions are kept for 30 days and hours for
93: without this a restart in March would lose January of a year.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from cost import periods
from cost.budgets import CostInterval, spent_between
from cost.periods import Span
from rules.schema import Budget
from store.state import BudgetTotal, BudgetTotals, State

LONGEST: Final = timedelta(days=28)
"""As far back as the allocation's hours are made up for."""
_DAY: Final = timedelta(days=1)
_KEPT: Final = timedelta(days=800)
"""Two years and a bit: somebody may ask what the last period came to."""
_GRAIN: Final = Decimal("1e-12")


class Totals:
    """Of all budgets; whoever counts the same writes the same."""

    def __init__(self, state: State, *, decisions_kept: timedelta) -> None:
        """What is older than ``decisions_kept`` less a day is put away."""
        self._state, self._open = state, max(min(LONGEST, decisions_kept) - _DAY, timedelta(hours=1))

    def of(self, budget: Budget, span: Span) -> tuple[datetime, Decimal]:
        """Until when the period is put away, and what it had cost by then; of an edited scope it is counted anew."""
        with self._state.transaction() as session:
            found = BudgetTotals(session).of(budget.key, span.start)
        if found is None or found.counted != _digest(budget):
            return span.start, Decimal(0)
        return found.until, found.amount

    def is_due(self, budget: Budget, now: datetime) -> bool:
        """Whether something of its present period may be put away."""
        return now - self._open > periods.around(budget.spec.repeats, now).start

    def keep(
        self, budget: Budget, span: Span, known: tuple[datetime, Decimal], intervals: list[CostInterval], now: datetime
    ) -> None:  # fmt: skip
        """Put away what has grown old; ``intervals`` begin where ``known`` ends."""
        until = min((now - self._open).astimezone(UTC).replace(minute=0, second=0, microsecond=0), span.end)
        if until <= known[0]:
            return
        amount = (known[1] + spent_between(intervals, known[0], until)).quantize(_GRAIN)
        total = BudgetTotal(
            budget=budget.key, period=span.start, counted=_digest(budget), until=until, amount=amount
        )  # fmt: skip
        with self._state.transaction() as session:
            BudgetTotals(session).put(total)
            BudgetTotals(session).forget_before(now - _KEPT)


def _digest(budget: Budget) -> str:
    """Of what is counted; the limit is not part of it."""
    spec = budget.spec
    said = [spec.scope.model_dump(mode="json"), spec.repeats.model_dump(mode="json"), spec.of, sorted(spec.include)]
    return hashlib.sha256(json.dumps([*said, spec.currency]).encode()).hexdigest()[:16]
