"""Puts together what counts the spend of budgets: the rules' replicas, the allocation's hours, and live stretches."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from app.budget_allocation import ScopeCosts
from app.budget_tally import Tallies, counts_allocation
from app.budget_totals import Totals
from app.cost_allocation import Books
from app.cost_hours import HourlyCosts
from app.cost_live import LiveCosts
from app.spending import Spending, counted
from rules import RuleSet
from rules.schema import Budget
from store.state import State


class BudgetCounting:
    """Of one running Foretide."""

    def __init__(
        self, state: State, *, hours: HourlyCosts, books: Callable[[datetime, datetime], Books],
        rules: Callable[[], RuleSet], follows: Callable[[], bool], by_default: bool, decisions_kept: timedelta,
    ) -> None:  # fmt: skip
        """What ``follows`` another process reads no live stretches: it has the hours, and their newest rate."""
        self._state, self._hours, self._rules, self._by_default = state, hours, rules, by_default
        self._totals = Totals(state, decisions_kept=decisions_kept)
        self.live = LiveCosts(books, wanted=lambda: not follows() and bool(self._by_allocation()))
        self.judging = self._made()
        self.deciding = self._made()

    def tick(self, now: datetime) -> None:
        """Once an hour: of long periods what has grown old is put away, also of budgets that nobody looks at."""
        running = self._rules()
        for budget in running.budgets:
            if self._totals.is_due(budget, now):
                self.judging[1].of(budget, counted(budget, running.rules), now=now)

    def _made(self) -> tuple[Spending, Tallies]:
        """For one reader: first reads are long, so that who decides does not wait for who judges budgets."""
        spending = Spending(self._state)
        allocated = ScopeCosts(self._hours, self.live, wanted=self._by_allocation)
        return spending, Tallies(spending, allocated.of, by_default=self._by_default, totals=self._totals)

    def _by_allocation(self) -> list[Budget]:
        return [one for one in self._rules().budgets if counts_allocation(one, by_default=self._by_default)]
