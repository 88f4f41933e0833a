"""Named spans of the week, the month or the year in which a route is mute, or the only ones in which it tells.

Source:
    Alertmanager, ``timeinterval``.
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

Span = tuple[int, int]
"""First and last, both inclusive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeInterval:
    """All that is given must hold; what is empty holds always.

    Attributes:
        times: Minutes of the day, the last of each span excluded.
        weekdays: Sunday is 0.
        days_of_month: Negative ones count from the month's end.
        months: January is 1.
        location: Whose clock is read.
    """

    times: tuple[Span, ...] = ()
    weekdays: tuple[Span, ...] = ()
    days_of_month: tuple[Span, ...] = ()
    months: tuple[Span, ...] = ()
    years: tuple[Span, ...] = ()
    location: ZoneInfo = ZoneInfo("UTC")

    def contains(self, now: datetime) -> bool:
        """Whether ``now`` is inside."""
        local = now.astimezone(self.location)
        minute = local.hour * 60 + local.minute
        return (
            (not self.times or any(first <= minute < last for first, last in self.times))
            and (not self.days_of_month or any(_in_month(span, local) for span in self.days_of_month))
            and _within(self.months, local.month)
            and _within(self.weekdays, local.isoweekday() % 7)
            and _within(self.years, local.year)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedIntervals:
    """What one name stands for: any of its intervals."""

    name: str
    intervals: tuple[TimeInterval, ...]

    def contains(self, now: datetime) -> bool:
        """Whether ``now`` is inside one of them."""
        return any(interval.contains(now) for interval in self.intervals)


def _within(spans: tuple[Span, ...], value: int) -> bool:
    return not spans or any(first <= value <= last for first, last in spans)


def _in_month(span: Span, local: datetime) -> bool:
    """A span that begins after the month's end is not in it; one that ends there ends with it."""
    days = calendar.monthrange(local.year, local.month)[1]
    first, last = (day if day > 0 else max(days + day + 1, -days) for day in span)
    return first <= local.day <= min(last, days)
