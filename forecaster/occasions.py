"""From a ``Forecast`` document's events and holidays to the occasions of one stretch of time."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from forecaster.events import HOLIDAY, Occasion
from rules import public_holidays
from rules.forecast import Event, ForecastSpec, Holidays

_WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAY: Final = timedelta(days=1)


def occasions(spec: ForecastSpec, start: datetime, end: datetime) -> tuple[Occasion, ...]:
    """Events and holidays with a moment in ``(start, end]``, in order of their beginning."""
    found = [_event(spec, event) for event in spec.events]
    if spec.holidays is not None:
        found += _holidays(spec, spec.holidays, start, end)
    inside = [one for one in found if one.start < end and start < one.end]
    return tuple(sorted(inside, key=lambda one: (one.start, one.end, one.name)))


def _event(spec: ForecastSpec, event: Event) -> Occasion:
    replays = None
    if event.like is not None:
        replays = spec.instant(datetime.combine(event.like, event.start.time(), event.start.tzinfo))
    return Occasion(
        name=event.name, start=spec.instant(event.start), end=spec.instant(event.end), change=event.change,
        replays=replays,
    )  # fmt: skip


def _holidays(spec: ForecastSpec, wanted: Holidays, start: datetime, end: datetime) -> list[Occasion]:
    first, last = start.astimezone(spec.zone).date() - _DAY, end.astimezone(spec.zone).date() + _DAY
    days = {day: day.isoformat() for day in wanted.dates}
    for year in range(first.year, last.year + 1) if wanted.country is not None else ():
        days |= dict(public_holidays.days(wanted.country or "", wanted.subdivision, year))
    weekday = None if wanted.like == "learned" else _WEEKDAYS.index(wanted.like)
    return [_holiday(spec, day, name, weekday) for day, name in sorted(days.items()) if first <= day <= last]


def _holiday(spec: ForecastSpec, day: date, name: str, weekday: int | None) -> Occasion:
    midnights = [datetime.combine(one, time(), spec.zone).astimezone(UTC) for one in (day, day + _DAY)]
    return Occasion(name=name, start=midnights[0], end=midnights[1], weekday=weekday, of=day.weekday(), kind=HOLIDAY)
