"""How much of a budget is spent in its period, and where the present rate leads.

``projected_at_current_rate`` is what its name says and no forecast.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, localcontext
from enum import StrEnum
from typing import Final

import numpy as np

from cost import periods
from domain.money import Money
from domain.series import FloatArray
from rules.schema import Budget

_MICROSECONDS_PER_HOUR: Final = 3_600_000_000
_EXACT_DIGITS: Final = 60


class BudgetState(StrEnum):
    """Where a budget stands; a limit that is just reached is not exceeded."""

    OK = "ok"
    AT_RISK = "at_risk"
    """Not exceeded, but it will be before the window ends if the present rate goes on."""
    EXCEEDED = "exceeded"


@dataclass(frozen=True, slots=True, kw_only=True)
class CostInterval:
    """A stretch of time in which something cost the same; ``end`` is None while it goes on."""

    start: datetime
    end: datetime | None
    cost_per_hour: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetStatus:
    """One budget at one moment.

    Attributes:
        budget: ``namespace/name`` of the Budget.
        limit: Of the whole window.
        window_start: First moment of the window.
        window_end: First moment of the next one.
        spent: Since ``window_start``.
        rate_per_hour: What is being spent now.
        projected_at_current_rate: ``spent`` and the present rate until ``window_end``.
        state: What follows from these.
        reached_at: When the limit is reached at the present rate; None when it is not, or is already.
    """

    budget: str
    limit: Money
    window_start: datetime
    window_end: datetime
    spent: Money
    rate_per_hour: Money
    projected_at_current_rate: Money
    state: BudgetState
    reached_at: datetime | None


def status(
    budget: Budget, intervals: Iterable[CostInterval], *, now: datetime, earlier: Decimal = Decimal(0),
) -> BudgetStatus:  # fmt: skip
    """Where ``budget`` stands at ``now``.

    Args:
        budget: The document.
        intervals: Cost of everything in the budget's scope, in its currency, in any order; several may run at once.
            What lies outside the window or after ``now`` does not count.
        now: The moment asked for.
        earlier: Spent in the window before all of ``intervals``.

    Raises:
        ValueError: An interval is in another currency than the limit.
    """
    span = periods.around(budget.spec.repeats, now)
    part = periods.part(budget.spec.repeats, span)
    limit = Money(amount=budget.spec.total * part, currency=budget.spec.currency)
    start, end = span.start, span.end
    spent, rate = Money(amount=earlier, currency=limit.currency), Money(amount=Decimal(0), currency=limit.currency)
    with localcontext() as context:
        context.prec = _EXACT_DIGITS
        for interval in intervals:
            spent += _cost(interval, max(interval.start, start), min(interval.end or now, now))
            if interval.start <= now and (interval.end is None or interval.end > now):
                rate += interval.cost_per_hour
        projected = spent + rate * _hours(end - now)
        left = limit - spent
        reached_at = None
        if left.amount >= 0 and rate.amount > 0 and left.amount < rate.amount * _hours(end - now):
            reached_at = now + timedelta(microseconds=int(left.amount / rate.amount * _MICROSECONDS_PER_HOUR))
    return BudgetStatus(
        budget=budget.key,
        limit=limit,
        window_start=start,
        window_end=end,
        spent=spent,
        rate_per_hour=rate,
        projected_at_current_rate=projected,
        state=_state(limit, spent, projected),
        reached_at=reached_at,
    )


def in_scope(budget: Budget, rule: str, labels: Mapping[str, str] | None = None) -> bool:
    """Whether the cost of the rule ``namespace/name`` counts against ``budget``; an empty scope takes everything.

    Without ``labels`` those of the scope are not asked for: the caller has.
    """
    scope, namespace = budget.spec.scope, rule.partition("/")[0]
    if scope.rule is not None:
        return rule == scope.rule
    if labels is not None and not scope.labels.items() <= labels.items():
        return False
    if scope.namespaces is not None:
        return namespace in scope.namespaces
    return scope.namespace is None or namespace == scope.namespace


def _cost(interval: CostInterval, start: datetime, end: datetime) -> Money:
    return interval.cost_per_hour * _hours(max(end - start, timedelta()))


def _hours(duration: timedelta) -> Decimal:
    return Decimal(duration // timedelta(microseconds=1)) / _MICROSECONDS_PER_HOUR


def _state(limit: Money, spent: Money, projected: Money) -> BudgetState:
    if spent.amount > limit.amount:
        return BudgetState.EXCEEDED
    return BudgetState.AT_RISK if projected.amount > limit.amount else BudgetState.OK


def by_hour(intervals: Iterable[CostInterval], *, start: datetime, end: datetime) -> tuple[FloatArray, FloatArray]:
    """Cost of each whole hour, and which share of it somebody saw (ratio), both of shape ``(hours,)``.

    The intervals of one rule, which never run at once. For forecasts, so in floats.
    """
    hours = int((end - start) / timedelta(hours=1))
    cost, seen = np.zeros(hours), np.zeros(hours)
    for interval in intervals:
        first, last = max(interval.start, start), min(interval.end or end, end)
        rate = float(interval.cost_per_hour.amount)
        at = first
        while at < last:
            index = int((at - start) / timedelta(hours=1))
            until = min(start + timedelta(hours=index + 1), last)
            share = (until - at) / timedelta(hours=1)
            cost[index] += rate * share
            seen[index] += share
            at = until
    return cost, seen


def spent_between(intervals: Iterable[CostInterval], start: datetime, end: datetime) -> Decimal:
    """What was spent from ``start`` to ``end``."""
    with localcontext() as context:
        context.prec = _EXACT_DIGITS
        return sum(
            (_cost(one, max(one.start, start), min(one.end or end, end)).amount for one in intervals), Decimal(0)
        )  # fmt: skip
