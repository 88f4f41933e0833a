"""What is known of a budget at one tick: spend, burn rates, the distribution at the period's end, and doubts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import takewhile
from typing import Final

import numpy as np

from app.budget_outlook import HOUR, History, Outlook, Outlooks, history_of, total
from app.budget_tally import ALLOCATION, Tallies, Tally
from app.spending import Spending, counted
from controller.budgets.alerts import Seen
from cost import budgets, periods
from cost.budgets import BudgetStatus, CostInterval
from cost.periods import Span
from domain.series import FloatArray
from domain.units import format_duration
from forecaster import paths
from forecaster.sums import Total
from rules.schema import Budget, BudgetThreshold, ScalingRule

_EVEN: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """One budget.

    Attributes:
        at: When it was looked at.
        span: The period.
        status: What is spent of it.
        rules: Keys of those that count.
        costs: What each of them cost in the last weeks.
        tally: What counts.
        series: What counted in the last weeks: ``costs``, or all of the scope as one.
        history: Of that together.
        outlook: Where that is heading.
        total: At the period's end; None where nobody can say.
        doubt: Why nothing may be done on the forecast; empty: it may.
        seen: For the state machine.
    """

    at: datetime
    span: Span
    status: BudgetStatus
    rules: list[str]
    costs: dict[str, list[CostInterval]]
    tally: Tally
    series: dict[str, list[CostInterval]]
    history: History
    outlook: Outlook
    total: Total | None
    doubt: str
    seen: Seen


def sight(
    budget: Budget, rules: Sequence[ScalingRule], *, spending: Spending, outlooks: Outlooks, now: datetime,
    before: Sight | None = None, asked: bool = False, tallies: Tallies | None = None,
) -> Sight:  # fmt: skip
    """Look at ``budget``; forecasts only where a threshold or an action asks for one, or somebody has ``asked``.

    ``before`` is the last look: its whole hours are those of now until another one is over. Without
    ``tallies`` the rules' replicas count.
    """
    spec, keys = budget.spec, counted(budget, rules)
    span = periods.around(spec.repeats, now)
    tally = (tallies or Tallies(spending)).of(budget, keys, now=now)
    status = tally.status(budget, now)
    costs = {key: _in_currency(spending.history(key, now=now), spec.currency) for key in keys}
    series = {ALLOCATION: tally.seen} if tally.of == ALLOCATION else costs
    history = _history(series, before, now)
    wanted = asked or any(one.basis == "forecast" for one in spec.thresholds) or _afford(budget)
    outlook = Outlook(forecast=None, fitted_at=now, why="nothing asks for one", was_asked=False)
    if wanted:
        outlook = outlooks.of(budget.key, history, until=span.end, now=now)
    end = total(outlook, now=max(now, span.start), end=span.end, spent=float(status.spent.amount))
    priced = sum(1 for one in series.values() if one) / len(series) if series else 0.0
    seen = Seen(
        period=span.id, limit=status.limit.amount, spent=status.spent.amount, unknown=outlook.why,
        probability={} if end is None else {
            one.id: end.probability_above(float(status.limit.amount) * (one.at or 1.0))
            for one in spec.thresholds if one.basis == "forecast"
        },
        burn={
            one.id: _burn(budget, one, series, span, status.limit.amount, now)
            for one in spec.thresholds if one.basis == "burnRate"
        },
    )  # fmt: skip
    return Sight(
        at=now, span=span, status=status, rules=keys, costs=costs, tally=tally, series=series, history=history,
        outlook=outlook, total=end, seen=seen, doubt=_doubt(budget, history, outlook, priced * history.known, now),
    )  # fmt: skip


def _history(series: dict[str, list[CostInterval]], before: Sight | None, now: datetime) -> History:
    same = before is not None and list(before.series) == list(series)
    if before is None or not same or before.history.newest is None or now >= before.history.end + HOUR:
        return history_of(series, now=now)
    return replace(before.history, newest=max(min(one[-1].end or now, now) for one in series.values() if one))


def besides(rule: str, seen: Sight, *, now: datetime) -> History | None:
    """What everything that counts but one rule cost, by hours; None where that is nothing.

    Of the allocation that is all of the scope less what the rule's replicas requested: their part changes with a limit,
    what is left is as given. Hours in which the rule was not seen are not known.
    """
    if seen.tally.of != ALLOCATION:
        others = {key: costs for key, costs in seen.costs.items() if key != rule}
        return history_of(others, now=now) if any(others.values()) else None
    if not seen.costs.get(rule):
        return seen.history
    its = history_of({rule: seen.costs[rule]}, now=now)
    start = min(seen.history.start, its.start)
    hours = int((seen.history.end - start) / HOUR)
    own, whole = np.zeros(hours), np.full(hours, np.nan)
    whole[int((seen.history.start - start) / HOUR) :] = seen.history.cost
    offset = int((its.start - start) / HOUR)
    own[offset : offset + len(its.cost)] = its.cost[: hours - offset]
    left = np.maximum(whole - own, 0.0)[int((seen.history.start - start) / HOUR) :]
    return replace(seen.history, cost=left)


def _afford(budget: Budget) -> bool:
    return any(one.type in ("capMaxReplicas", "reduceNonCritical") for one in budget.spec.actions.values())


def _in_currency(intervals: Sequence[CostInterval], currency: str) -> list[CostInterval]:
    return [one for one in intervals if one.cost_per_hour.currency == currency]


def _doubt(budget: Budget, history: History, outlook: Outlook, coverage: float, now: datetime) -> str:
    """The guards of the document, and the back-test."""
    guards = budget.spec.guards
    if history.newest is None:
        return "no spend is known yet"
    if history.length < guards.min_history:
        known = format_duration(timedelta(hours=int(history.length / HOUR))) if history.length >= HOUR else "0h"
        return f"{known} of history, {format_duration(guards.min_history)} are needed"
    if now - history.newest > guards.max_data_age:
        return f"the newest data are of {history.newest:%Y-%m-%d %H:%M} UTC, older than allowed"
    if coverage < guards.min_price_coverage:
        return f"{100 * coverage:.0f}% of the spend is known, {100 * guards.min_price_coverage:g}% are needed"
    return outlook.doubt()


def doubt_of(threshold: BudgetThreshold, seen: Sight) -> str:
    """Why nothing may be done because of that threshold; a band that is too wide makes unlikely things likelier."""
    if threshold.basis != "forecast":
        return ""
    return seen.doubt or (seen.outlook.width() if threshold.probability < _EVEN else "")


def _burn(
    budget: Budget,
    threshold: BudgetThreshold,
    costs: dict[str, list[CostInterval]],
    span: Span,
    limit: Decimal,
    now: datetime,
) -> tuple[float | None, float | None]:
    """Spend over each window ÷ what is planned for it; None where less than half of the window was seen."""
    repeats = budget.spec.repeats
    per_hour = float(limit) / periods.planned(repeats, span.start, span.end)

    def over(window: timedelta) -> float | None:
        start = now - window
        late = [_since(intervals, start) for intervals in costs.values()]
        seen = max((_seen(intervals, start, now) for intervals in late), default=timedelta())
        if seen < window / 2:
            return None
        spent = sum((budgets.spent_between(one, start, now) for one in late), Decimal(0))
        return float(spent) / (per_hour * periods.planned(repeats, start, now))

    short, long = threshold.windows
    return over(short), over(long)


def _since(intervals: Sequence[CostInterval], start: datetime) -> list[CostInterval]:
    """The newest of them, found from the end: a window of hours is little of four weeks."""
    return list(takewhile(lambda one: one.end is None or one.end > start, reversed(intervals)))


def _seen(intervals: Sequence[CostInterval], start: datetime, end: datetime) -> timedelta:
    within = (min(one.end or end, end) - max(one.start, start) for one in intervals)
    return sum((one for one in within if one > timedelta()), timedelta())


def replica_paths(outlook: Outlook, each: float, *, now: datetime, end: datetime) -> FloatArray | None:
    """Replicas that a rule's cost comes to in the hours from ``now`` to ``end``, shape ``(paths, hours)``."""
    forecast = outlook.forecast
    if forecast is None or forecast.end < end or each <= 0:
        return None
    first = max(int((now - forecast.cutoff) / HOUR), 0)
    last = int(-(-(end - forecast.cutoff) // HOUR))
    sampled: FloatArray = paths.sample(forecast)[:, first:last] / each
    return sampled
