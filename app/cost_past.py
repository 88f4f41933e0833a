"""What hours of cost are known, by group: amounts to the digit for what was spent, and a grid for who forecasts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

import numpy as np

from cost.allocation.ledger import exact_sum
from cost.allocation.rollup import Grouping, HourCosts, Key
from domain.series import FloatArray

HOUR: Final = timedelta(hours=1)
DAY: Final = 24
WEEK: Final = 7 * DAY
SEEN: Final = 0.5
"""Of an hour, for its cost to count as known of a whole one."""
_DIGITS: Final = 9
"""Of the sum of floats: nodes that cost the same each hour shall be seen to."""


@dataclass(frozen=True, slots=True)
class _Hour:
    start: datetime
    currency: str
    seen: float
    sums: Mapping[Key, Decimal]


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """Every hour that is kept.

    Attributes:
        start: Of the first known hour.
        currency: Of the newest hour; hours in another count as unknown.
        costs: By group, what each hour would have cost had it been seen as a whole: NaN where less than half of it was,
            shape ``(hours,)``; 0 where the group was not there.
        spent: By group, of the period so far, what was seen of it.
        seen_hours: Of the period so far, how much was seen.
        foreign: Hours in another currency.
    """

    start: datetime
    currency: str
    costs: Mapping[Key, FloatArray]
    spent: Mapping[Key, Decimal]
    seen_hours: float
    foreign: int

    @property
    def hours(self) -> int:
        """From the first known to the newest known hour."""
        return len(next(iter(self.costs.values()))) if self.costs else 0

    @property
    def cutoff(self) -> datetime:
        """End of the newest known hour."""
        return self.start + self.hours * HOUR

    @property
    def total(self) -> FloatArray:
        """Of all groups."""
        total: FloatArray = np.round(np.sum(list(self.costs.values()), axis=0), _DIGITS)
        return total

    @property
    def hourly(self) -> float:
        """What the last day cost in an hour, over the hours of it that are known."""
        return float(np.nanmean(self.total[-DAY:]))


def past_of(hours: Iterable[HourCosts], grouping: Grouping, *, start: datetime, end: datetime) -> Past | None:
    """All that is known, and what of it lies in the period; None where no hour was seen by half.

    Args:
        hours: In order of time.
        grouping: Into which groups.
        start: Of the period, a whole hour or not: an hour that begins before it is not in it.
        end: Of the period.
    """
    # An hour's workloads are dropped once they are summed: a quarter of them would be a gigabyte.
    read = [_Hour(hour.start, hour.currency, hour.seen, grouping.sums(hour.costs)) for hour in hours]
    known = [hour for hour in read if hour.seen >= SEEN]
    if not known:
        return None
    currency, first, last = known[-1].currency, known[0].start, known[-1].start
    kept = [hour for hour in read if hour.currency == currency and first <= hour.start <= last]
    keys = sorted({key for hour in kept for key in hour.sums})
    grid = {key: np.full((last - first) // HOUR + 1, np.nan) for key in keys}
    for hour in kept:
        if hour.seen >= SEEN:
            for key in keys:
                grid[key][(hour.start - first) // HOUR] = float(hour.sums.get(key, Decimal(0))) / hour.seen
    inside = [hour for hour in kept if start <= hour.start < end]
    return Past(
        start=first, currency=currency, costs=grid, seen_hours=sum(hour.seen for hour in inside),
        spent={key: exact_sum(hour.sums.get(key, Decimal(0)) for hour in inside) for key in keys},
        foreign=sum(hour.currency != currency for hour in read),
    )  # fmt: skip
