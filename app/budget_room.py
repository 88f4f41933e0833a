"""How many replicas a rule's linked budget leaves room for: what is left of it, spread evenly over the time left.

What a budget's action limits (``capMaxReplicas``) goes for its rules, too, linked or not: the lower of the two.

What was not spent so far may be spent from now on, so the room grows after quiet hours. What other rules of the same
scope spend now is taken off first. Looked at once a minute for each rule: it reads the ledger.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from app.budget_loop import Budgets
from app.budget_tally import Tallies
from app.memo import Memo
from app.spending import Spending, counted
from controller.guardrails import Ceiling
from cost.prices import cost_per_hour
from domain.clock import Clock
from domain.money import Money
from domain.scaling import Workload
from rules import RuleSet
from rules.schema import Budget, ScalingRule


class BudgetRoom:
    """Reads the ledger through ``Spending``."""

    def __init__(
        self, spending: Spending, rules: Callable[[], RuleSet], *, clock: Clock, acting: Budgets | None = None,
        tallies: Tallies | None = None,
    ) -> None:  # fmt: skip
        """``rules`` are those that run, with their budgets and the price sheet; ``acting`` knows what actions limit.

        Without ``tallies`` the rules' replicas count.
        """
        self._tallies, self._rules, self._acting = tallies or Tallies(spending), rules, acting
        self._memo = Memo(clock=clock, keep_seconds=60.0)

    def of(self, rule: ScalingRule, workload: Workload, now: datetime) -> Ceiling | None:
        """None without a link or an action, a price or a request: what has no price is limited by no money."""
        both = [self._linked(rule, workload, now), self._acted(rule, now)]
        return min((one for one in both if one is not None), key=lambda one: one.replicas, default=None)

    def _acted(self, rule: ScalingRule, now: datetime) -> Ceiling | None:
        found = None if self._acting is None else self._acting.limits(rule.key, now)
        if found is None or found.most is None:
            return None
        return Ceiling(kind="budget", name=found.by.partition("/")[2], replicas=found.most, said="a budget's action")

    def _linked(self, rule: ScalingRule, workload: Workload, now: datetime) -> Ceiling | None:
        running = self._rules()
        linked = rule.spec.budget
        budget = None if linked is None else running.budget(rule.qualified(linked))
        if budget is None or running.price_sheet is None or not workload.requests:
            return None
        each = cost_per_hour(workload.requests, 1, running.price_sheet)
        if each is None or each.currency != budget.spec.currency or each.amount <= 0:
            return None
        left, hours = self._memo.get((rule.key, budget.key), lambda: self._left(budget, rule, running, now))
        return room(budget.metadata.name, left, hours, each)

    def _left(self, budget: Budget, rule: ScalingRule, running: RuleSet, now: datetime) -> tuple[Money, Decimal]:
        """For this rule until the window ends: what is left, less what the others go on spending."""
        tally = self._tallies.of(budget, counted(budget, running.rules), now=now)
        status = tally.status(budget, now)
        own = self._tallies.rate_of(budget, [rule.key], now=now)
        rate = replace(status.rate_per_hour, amount=max(status.rate_per_hour.amount - own, Decimal(0)))
        hours = Decimal(max((status.window_end - now) / timedelta(hours=1), 1 / 240))
        return status.limit - status.spent - rate * hours, hours


def room(name: str, left: Money, hours: Decimal, each: Money) -> Ceiling:
    """So many replicas for so long use up exactly what is left."""
    rate = max(left.amount, Decimal(0)) / hours
    replicas = min(int(rate / each.amount), 2**31 - 1)
    said = f"{left.amount:.2f} {left.currency} left for {hours:.1f} h, {each.amount:.4f} per replica and hour"
    return Ceiling(kind="budget", name=name, replicas=replicas, said=said)
