"""What each rule that writes has saved against plain HPA in the last four weeks, read from the ledger day by day.

A day that is over is read once: 96 looks at it. Some days a tick: a first start with many rules is no standstill.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from cost.verified.by_rule import RuleDay, day_of
from cost.verified.interval import Measured, NotYet, of_days
from domain.scaling import Decision

Look = Callable[[str, datetime, datetime], Sequence[Decision]]
"""A rule's decisions between two times, one each quarter of an hour."""
REACHES: Final = 28
AT_ONCE: Final = 60
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSaving:
    """One rule; ``since`` is its first day that counts."""

    rule: str
    measured: Measured | NotYet
    currency: str
    since: date | None


class RuleSavings:
    """Of all rules; thread-safe."""

    def __init__(self, look: Look, rules: Callable[[], Sequence[str]]) -> None:
        """``rules`` are keys of those that write."""
        self._look, self._rules, self._lock = look, rules, threading.Lock()
        self._days: dict[str, dict[date, RuleDay | None]] = {}

    def tick(self, now: datetime) -> None:
        """Read days that are over and were not read, newest first."""
        wanted = [(rule, day) for day in _days(now) for rule in self._rules()]
        with self._lock:
            known, oldest = self._days, _days(now)[-1]
            self._days = {rule: {day: one for day, one in known.get(rule, {}).items() if day >= oldest}
                          for rule in self._rules()}  # fmt: skip
            due = [(rule, day) for rule, day in wanted if day not in self._days[rule]]
        for rule, day in due[:AT_ONCE]:
            start = datetime.combine(day, time(), UTC)
            found = day_of(self._look(rule, start, start + _DAY))
            with self._lock:
                self._days.setdefault(rule, {})[day] = found

    def all(self) -> list[RuleSaving]:
        """By key."""
        with self._lock:
            return [_saving(rule, days) for rule, days in sorted(self._days.items())]


def _saving(rule: str, days: dict[date, RuleDay | None]) -> RuleSaving:
    counted = {day: one for day, one in sorted(days.items()) if one is not None and one.counts}
    newest = max(counted, default=None)
    currency = "" if newest is None else counted[newest].currency
    mine = {day: one for day, one in counted.items() if one.currency == currency}
    measured = of_days([float(one.saving) for one in mine.values()])
    return RuleSaving(rule=rule, measured=measured, currency=currency, since=min(mine, default=None))


def _days(now: datetime) -> list[date]:
    """That are over, newest first; UTC."""
    today = now.astimezone(UTC).date()
    return [today - number * _DAY for number in range(1, REACHES + 1)]
