"""What the scopes of budgets cost by the allocation: whole hours as they were written down, then live stretches.

An hour of a large cluster is 2,000 amounts: each is read once, for all budgets, and again only when it was reckoned
anew.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal, localcontext
from typing import Final

from app.cost_hours import HOUR, KEPT, HourlyCosts
from app.cost_live import KEPT as LIVE_KEPT
from app.cost_live import LiveCosts
from cost.allocation.scoped import Scoped
from cost.budgets import CostInterval
from domain.money import Money
from rules.schema import Budget

_DIGITS: Final = 60
Key = tuple[tuple[str, ...] | None, tuple[tuple[str, str], ...], frozenset[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    """An hour or a live stretch; ``length`` is what was seen of it."""

    start: datetime
    length: timedelta
    currency: str
    amount: Decimal

    def interval(self) -> CostInterval:
        with localcontext() as context:
            context.prec = _DIGITS
            hourly = self.amount * (HOUR // _MICROSECOND) / (self.length // _MICROSECOND)
        price = Money(amount=hourly, currency=self.currency)
        return CostInterval(start=self.start, end=self.start + self.length, cost_per_hour=price)


_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(slots=True, kw_only=True)
class _Scope:
    """One scope, and what is known of it."""

    scoped: Scoped
    since: datetime
    made: dict[datetime, datetime] = field(default_factory=dict)
    hours: dict[datetime, _Piece] = field(default_factory=dict)
    live: dict[datetime, _Piece] = field(default_factory=dict)


class ScopeCosts:
    """Thread-safe; whoever asks first after a start waits until a month of hours is read (3 s at 2,000 workloads)."""

    def __init__(self, hours: HourlyCosts, live: LiveCosts, *, wanted: Callable[[], Iterable[Budget]]) -> None:
        """``wanted`` are the budgets that are counted so."""
        self._hours, self._live, self._wanted = hours, live, wanted
        self._lock = threading.Lock()
        self._scopes: dict[Key, _Scope] = {}

    def of(self, budget: Budget, since: datetime, now: datetime) -> list[CostInterval]:
        """In the budget's currency, oldest first, from the first hour on in which the scope cost anything."""
        since = max(since, now - KEPT)
        with self._lock:
            for one in (budget, *self._wanted()):
                found = self._scopes.get(_key(one))
                if found is None:
                    self._scopes[_key(one)] = _Scope(scoped=_scoped(one), since=since)
                else:
                    found.since = min(found.since, since)
            self._carry_on(now)
            scope = self._scopes[_key(budget)]
            pieces = [scope.hours[start] for start in sorted(scope.hours)]
            end = pieces[-1].start + HOUR if pieces else since
            pieces += [one for start, one in sorted(scope.live.items()) if start >= end]
        mine = [one for one in pieces if one.currency == budget.spec.currency and one.start + one.length > since]
        first = next((index for index, one in enumerate(mine) if one.amount), len(mine))
        return [one.interval() for one in mine[first:] if one.start < now]

    def _carry_on(self, now: datetime) -> None:
        """Read what is new, or newly reckoned, once for all scopes."""
        made = self._hours.made(min(one.since for one in self._scopes.values()) - HOUR)
        late = {
            start for start, at in made.items()
            if any(one.made.get(start) != at for one in self._scopes.values() if start > one.since - HOUR)
        }  # fmt: skip
        for hour in self._hours.some(late) if late else ():
            for scope in self._scopes.values():
                scope.made[hour.start] = made[hour.start]
                scope.hours[hour.start] = _Piece(
                    start=hour.start, length=min(max(HOUR * hour.seen, _LEAST), HOUR), currency=hour.currency,
                    amount=scope.scoped.amount(hour.costs),
                )  # fmt: skip
        stretches = self._live.since(now - LIVE_KEPT)
        for scope in self._scopes.values():
            for start in [start for start in scope.hours if start < now - KEPT - HOUR]:
                del scope.hours[start], scope.made[start]
            scope.live = {
                one.start: scope.live.get(one.start) or _Piece(
                    start=one.start, length=one.end - one.start, currency=one.currency,
                    amount=scope.scoped.amount(one.costs),
                )
                for one in stretches
            }  # fmt: skip


_LEAST: Final = timedelta(seconds=36)
"""1 % of an hour: what was seen for less cost what it cost in that time, too."""


def _key(budget: Budget) -> Key:
    scope = budget.spec.scope
    namespaces = scope.namespaces or (None if scope.namespace is None else (scope.namespace,))
    return namespaces and tuple(sorted(namespaces)), tuple(sorted(scope.labels.items())), budget.spec.include


def _scoped(budget: Budget) -> Scoped:
    namespaces, labels, include = _key(budget)
    chosen = None if namespaces is None else frozenset(namespaces)
    return Scoped(namespaces=chosen, labels=dict(labels), include=include)
