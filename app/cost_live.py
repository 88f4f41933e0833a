"""What was spent since the last whole hour that is written down, in stretches of five minutes: for budgets.

An hour is written five minutes after its end; a budget that waited for it would see a runaway an hour late. Kept in
memory only: what a restart loses is made anew by its first tick, in one stretch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from app.cost_allocation import Books
from app.cost_hours import SETTLED
from cost.allocation.rollup import rolled

LAG: Final = timedelta(minutes=2)
"""Scrapes come every 15 s to a minute: of the newest two minutes a part may be missing."""
KEPT: Final = timedelta(hours=3)
_SEEN: Final = 0.5
"""Of a stretch, for its cost to be one: less is a source that comes or goes, and the whole hour will tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Some whole minutes.

    Attributes:
        costs: Amounts by the text of ``rolled``.
    """

    start: datetime
    end: datetime
    currency: str
    costs: Mapping[str, Decimal]


class LiveCosts:
    """Ticks every five minutes, while a budget asks for it."""

    def __init__(self, books: Callable[[datetime, datetime], Books], *, wanted: Callable[[], bool]) -> None:
        """``books`` makes a window's ledger; nothing is read while nobody has ``wanted`` it."""
        self._books, self._wanted = books, wanted
        self._stretches: tuple[Stretch, ...] = ()
        self._until: datetime | None = None

    def tick(self, now: datetime) -> None:
        """From where the last one ended; a source that does not answer is asked again by the next tick."""
        if not self._wanted():
            self._stretches, self._until = (), None
            return
        until = (now - LAG).astimezone(UTC).replace(second=0, microsecond=0)
        written = (now - SETTLED).astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        start = max(self._until or written, until - KEPT)
        if until <= start:
            return
        made = self._books(start, until)
        self._until = until
        kept = [one for one in self._stretches if one.end > now - KEPT]
        if made.seen >= _SEEN:
            kept.append(Stretch(start=start, end=until, currency=made.ledger.currency, costs=rolled(made.ledger)))
        self._stretches = tuple(kept)

    def since(self, instant: datetime) -> list[Stretch]:
        """Those that end later, in order of time."""
        return [one for one in self._stretches if one.end > instant]
