"""Periods of budgets: from when to when, by the clocks of a time zone, beginning at an anchor.

A day may have 23 or 25 hours; an anchor on the 31st is the last day of a shorter month; a period that begins at a
midnight which the clocks skip begins with the first minute after it.
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from rules.schema import Period

_MONTHS: Final = {"month": 1, "quarter": 3, "year": 12}
_WEEKEND: Final = 0.3
"""Of a weekday's weight, in profile ``weekday``. A guess: offices are empty, shops are not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One period.

    Attributes:
        id: The local date that it begins on, of an hour with the time (``2026-10-01``, ``2026-10-01T13Z``).
        start: Its first instant, in UTC.
        end: That of the next one.
    """

    id: str
    start: datetime
    end: datetime


def around(period: Period, instant: datetime) -> Span:
    """The period that ``instant`` lies in; before a budget ``starts`` its first, which may be shorter."""
    if period.every == "hour":
        hour = instant.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        return Span(id=f"{hour:%Y-%m-%dT%HZ}", start=hour, end=hour + timedelta(hours=1))
    zone = ZoneInfo(period.timezone)
    day = instant.astimezone(zone).date()
    if period.starts is not None and day < _next(period, _first(period, period.starts)):
        end = _midnight(_next(period, _first(period, period.starts)), zone)
        return Span(id=period.starts.isoformat(), start=_midnight(period.starts, zone), end=end)
    first = _first(period, day)
    return Span(id=first.isoformat(), start=_midnight(first, zone), end=_midnight(_next(period, first), zone))


def following(period: Period, span: Span) -> Span:
    """The one after it."""
    return around(period, span.end)


def part(period: Period, span: Span) -> Decimal:
    """Which part of a whole period's limit is that of ``span``: less than 1 of a first one that begins late."""
    if period.starts is None:
        return Decimal(1)
    zone, first = ZoneInfo(period.timezone), _first(period, period.starts)
    if first == period.starts or span.id != period.starts.isoformat():
        return Decimal(1)
    whole = planned(period, _midnight(first, zone), span.end)
    return Decimal(repr(round(planned(period, span.start, span.end) / whole, 6)))


def passed(period: Period, span: Span, until: datetime) -> float:
    """Which share of the period's plan lies before ``until`` (ratio, 0 … 1): of its time, or by its profile."""
    if until <= span.start:
        return 0.0
    return min(planned(period, span.start, until) / planned(period, span.start, span.end), 1.0)


def planned(period: Period, start: datetime, end: datetime) -> float:
    """Hours from ``start`` to ``end``, those of a quiet day counting less where the profile says so."""
    if period.profile == "even":
        return (end - start) / timedelta(hours=1)
    zone, total, at = ZoneInfo(period.timezone), 0.0, start
    while at < end:
        day = at.astimezone(zone).date()
        until = min(_midnight(day + timedelta(days=1), zone), end)
        total += (until - at) / timedelta(hours=1) * (_WEEKEND if day.weekday() >= 5 else 1.0)
        at = until
    return total


def _first(period: Period, day: date) -> date:
    """The day that the period around ``day`` begins on."""
    if period.every == "day":
        return day
    if period.every == "week":
        return day - timedelta(days=(day.isoweekday() - period.anchor_day) % 7)
    length = _MONTHS[period.every]
    month = day.year * 12 + day.month - 1
    month -= (month - (period.anchor_month - 1)) % length
    first = _anchored(month, period.anchor_day)
    return first if first <= day else _anchored(month - length, period.anchor_day)


def _next(period: Period, first: date) -> date:
    if period.every in ("day", "week"):
        return first + timedelta(days=1 if period.every == "day" else 7)
    return _anchored(first.year * 12 + first.month - 1 + _MONTHS[period.every], period.anchor_day)


def _anchored(month: int, anchor_day: int) -> date:
    """The anchor in a month, counted from year 0; the last day where it has none so late."""
    year, index = divmod(month, 12)
    return date(year, index + 1, min(anchor_day, calendar.monthrange(year, index + 1)[1]))


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    """The first instant of a day; where midnight is skipped, what the clocks show instead is that instant, too."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
