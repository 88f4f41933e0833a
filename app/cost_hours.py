"""Writes down what each hour cost, once, so that a month need not be read minute by minute; and reads it back.

Every five minutes: hours that are missing, newest first, a few at a time, so that a stop or a first start beside a
source with a past is caught up within hours. An hour that was not seen as a whole is looked at again three hours after
its end, for samples may come late. Hours of which nothing is known are not kept.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from app.cost_allocation import Books
from cost.allocation.rollup import HourCosts, rolled
from domain.errors import ForetideError
from store.state import CostHour, CostHours, State

log = logging.getLogger(__name__)

HOUR: Final = timedelta(hours=1)
EVERY: Final = timedelta(minutes=5)
SETTLED: Final = timedelta(minutes=5)
"""After its end an hour's samples are there: a scrape takes 15 s, remote write and cAdvisor some minutes."""
LATE: Final = timedelta(hours=3)
BACK: Final = timedelta(days=28)
"""How far the past is made up for."""
KEPT: Final = timedelta(days=93)
"""A quarter: what a forecast of a month wants to know, and a budget's quarter to date."""
AT_ONCE: Final = 24
"""Hours a tick. One of 30,000 pods takes a second; four weeks are caught up within two and a half hours."""
_WHOLE: Final = 0.99


class HourlyCosts:
    """The only writer, and the only reader."""

    def __init__(
        self, books: Callable[[datetime, datetime], Books], state: State, *, writes: Callable[[], bool] = lambda: True
    ) -> None:
        """``books`` makes a window's ledger; nothing is written where ``writes`` says that another process does."""
        self._books, self._state, self._writes = books, state, writes
        self._empty: dict[datetime, datetime] = {}

    def tick(self, now: datetime) -> None:
        """Write what is due; a source that does not answer is asked again by the next tick."""
        if not self._writes():
            return
        for start in self._due(now)[:AT_ONCE]:
            self._write(start, now)
        with self._state.transaction() as session:
            CostHours(session).forget_before(now - KEPT)
        self._empty = {start: at for start, at in self._empty.items() if start >= now - BACK - HOUR}

    def since(self, start: datetime) -> Iterator[HourCosts]:
        """Hours from ``start`` on, in order of time; those that are not known are left out."""
        with self._state.transaction() as session:
            yield from map(_costs, CostHours(session).since(start))

    def made(self, since: datetime) -> dict[datetime, datetime]:
        """When each known hour from ``since`` on was reckoned last."""
        with self._state.transaction() as session:
            return {start: made_at for start, (_, made_at) in CostHours(session).known(since).items()}

    def some(self, starts: Collection[datetime]) -> Iterator[HourCosts]:
        """Certain hours, in order of time."""
        with self._state.transaction() as session:
            yield from map(_costs, CostHours(session).some(starts))

    def _due(self, now: datetime) -> list[datetime]:
        """Newest first."""
        last = (now - SETTLED).astimezone(UTC).replace(minute=0, second=0, microsecond=0) - HOUR
        with self._state.transaction() as session:
            known = CostHours(session).known(last - BACK)
        known |= {start: (0.0, at) for start, at in self._empty.items() if start not in known}
        hours = (last - number * HOUR for number in range(BACK // HOUR))
        return [start for start in hours if start not in known or _again(start, *known[start], now)]

    def _write(self, start: datetime, now: datetime) -> None:
        try:
            made = self._books(start, start + HOUR)
        except (ForetideError, ValueError) as error:
            raise ForetideError(f"the cost of the hour from {start.isoformat()} is not known: {error}") from error
        if not made.seen:
            self._empty[start] = now
            return
        costs = {text: f"{cost:f}" for text, cost in rolled(made.ledger).items()}
        hour = CostHour(start=start, currency=made.ledger.currency, seen=made.seen, made_at=now, costs=costs)
        with self._state.transaction() as session:
            CostHours(session).put(hour)


def _costs(one: CostHour) -> HourCosts:
    costs = {text: Decimal(amount) for text, amount in one.costs.items()}
    return HourCosts(start=one.start, currency=one.currency, seen=one.seen, costs=costs)


def _again(start: datetime, seen: float, made_at: datetime, now: datetime) -> bool:
    """Once more, three hours later, where a part was not seen."""
    late = start + HOUR + LATE
    return seen < _WHOLE and made_at < late <= now
