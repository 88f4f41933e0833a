"""What counts against a budget: what its scope costs by the allocation, or what its rules' replicas requested.

By the allocation as soon as it knows an hour in which the scope cost anything; for the time before that hour, and for
hours that nobody has reckoned, the replicas count.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, Literal

from app.budget_totals import Totals
from app.spending import Spending
from cost import budgets, periods
from cost.allocation.scoped import IDLE_SHARED, SYSTEM_SHARED
from cost.budgets import BudgetStatus, CostInterval
from rules.schema import Budget

Allocated = Callable[[Budget, datetime, datetime], list[CostInterval]]
"""What the scope of a budget cost from one instant to another, as ``ScopeCosts.of`` knows it."""
ALLOCATION: Final = "allocation"
GOES_ON: Final = timedelta(minutes=90)
"""An hour is written five minutes after its end, and again when samples come late: so long the newest rate goes on."""
HISTORY: Final = timedelta(days=28)
_GAP: Final = timedelta(hours=1)
"""A shorter one is part of an hour that was seen in part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """One budget at one moment.

    Attributes:
        of: What is counted.
        intervals: Of the present period; what goes on now has its end after now.
        seen: What the allocation saw in the last four weeks; empty where ``of`` is ``rules``.
        earlier: Spent in the period before all of ``intervals``.
        said: What is counted, in sentences.
    """

    of: Literal["allocation", "rules"]
    intervals: list[CostInterval]
    seen: list[CostInterval] = field(default_factory=list)
    earlier: Decimal = Decimal(0)
    said: tuple[str, ...] = ()

    def status(self, budget: Budget, now: datetime) -> BudgetStatus:
        """Where the budget stands."""
        return budgets.status(budget, self.intervals, now=now, earlier=self.earlier)


class Tallies:
    """Counts; thread-safe, as what it reads is."""

    def __init__(
        self, spending: Spending, allocated: Allocated | None = None, *, by_default: bool = False,
        totals: Totals | None = None,
    ) -> None:  # fmt: skip
        """``by_default``: budgets that do not say what is counted are counted by the allocation.

        Without ``totals`` a period is what is known of it still.
        """
        self._spending, self._allocated, self._by_default = spending, allocated, by_default
        self._totals = totals

    def of(self, budget: Budget, rules: Sequence[str], *, now: datetime) -> Tally:
        """``rules`` are those that count against it; what has grown old is put away."""
        span = periods.around(budget.spec.repeats, now)
        known = (span.start, Decimal(0)) if self._totals is None else self._totals.of(budget, span)
        found = self._since(budget, rules, known[0], now)
        if self._totals is not None:
            self._totals.keep(budget, span, known, found.intervals, now)
        return replace(found, earlier=known[1])

    def _since(self, budget: Budget, rules: Sequence[str], start: datetime, now: datetime) -> Tally:
        seen = self._seen(budget, min(start, now - HISTORY), now)
        if not seen:
            every = self._spending.on(budget, rules, now=now)
            intervals = [one for each in every if (one := _from(each, start)) is not None]
            return Tally(of="rules", intervals=intervals, said=tuple(self._without(budget, rules)))
        known = going_on(seen, now)
        unknown = gaps(known, start, now)
        rest = self._spending.on(budget, rules, now=now) if unknown else []
        between = [part for one in rest for span in unknown if (part := clipped(one, *span)) is not None]
        return Tally(
            of=ALLOCATION, intervals=[*between, *(one for each in known if (one := _from(each, start)) is not None)],
            seen=[one for one in seen if one.start >= now - HISTORY], said=tuple(_said(budget, seen, start)),
        )  # fmt: skip

    def rate_of(self, budget: Budget, rules: Sequence[str], *, now: datetime) -> Decimal:
        """What the replicas of some rules cost an hour now."""
        return budgets.status(budget, self._spending.on(budget, rules, now=now), now=now).rate_per_hour.amount

    def _seen(self, budget: Budget, since: datetime, now: datetime) -> list[CostInterval]:
        if self._allocated is None or not counts_allocation(budget, by_default=self._by_default):
            return []
        return self._allocated(budget, since, now)

    def _without(self, budget: Budget, rules: Sequence[str]) -> list[str]:
        said = [f"counted is what the replicas of {_several(len(rules), 'rule')} requested"]
        if self._allocated is not None and counts_allocation(budget, by_default=self._by_default):
            currency = budget.spec.currency
            said.append(f"the allocation knows no hour yet in which the scope cost any {currency}: then that counts")
        return said


def counts_allocation(budget: Budget, *, by_default: bool) -> bool:
    """Whether the allocation counts as soon as it knows something; who includes shared cost asks for it."""
    of = budget.spec.of
    return of == ALLOCATION or (of is None and (by_default or bool(budget.spec.include)))


def going_on(seen: Sequence[CostInterval], now: datetime) -> list[CostInterval]:
    """With the newest rate until now, where it is new enough."""
    newest = seen[-1]
    if newest.end is None or newest.end > now:
        return list(seen)
    return [*seen, replace(newest, start=newest.end, end=newest.end + GOES_ON)]


def gaps(known: Sequence[CostInterval], start: datetime, now: datetime) -> list[tuple[datetime, datetime]]:
    """From ``start`` on what nobody has reckoned; a last one goes on after ``now``."""
    found, at = [], start
    for one in known:
        if one.start - at >= _GAP:
            found.append((at, one.start))
        at = max(at, one.end or now)
    return [*found, (at, now + GOES_ON)] if now > at else found


def clipped(one: CostInterval, start: datetime, end: datetime) -> CostInterval | None:
    """The part from ``start`` to ``end``; None where there is none."""
    first, last = max(one.start, start), min(one.end or end, end)
    return replace(one, start=first, end=last) if first < last else None


def _from(one: CostInterval, start: datetime) -> CostInterval | None:
    """The part from ``start`` on, as it is where nothing lies before."""
    if one.start >= start:
        return one
    return None if one.end is not None and one.end <= start else replace(one, start=start)


def _said(budget: Budget, seen: Sequence[CostInterval], start: datetime) -> list[str]:
    scope = budget.spec.scope
    names = scope.namespaces or ((scope.namespace,) if scope.namespace else ())
    of = "all namespaces" if not names else f"namespace{'s' if len(names) > 1 else ''} {', '.join(names)}"
    labels = ", ".join(f"{name}={value}" for name, value in sorted(scope.labels.items()))
    shared = [_SHARED[one] for one in sorted(budget.spec.include)]
    said = [f"counted is what every pod of {of}{' with ' + labels if labels else ''} costs (allocation)"]
    said += [f"and its part of {' and of '.join(shared)}"] if shared else []
    if seen[0].start > start:
        said.append(f"until {seen[0].start:%Y-%m-%d %H:%M} UTC what the rules' replicas requested")
    return [", ".join(said)]


_SHARED: Final = {
    IDLE_SHARED: "what stands idle in the cluster", SYSTEM_SHARED: "kube-system and overhead, by cost",
}  # fmt: skip


def _several(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"
