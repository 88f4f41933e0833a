"""Cron expressions of five fields: what is wrong with one, and when it comes next and came last.

Where clocks change, a fixed time follows Debian's cron, as ``cronsim`` does: what lies in the hour that is skipped
comes right after it, what lies in the hour that comes twice comes the first time. ``*`` and ``*/5`` go on through both.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from itertools import islice
from typing import Final

from cronsim import CronSim, CronSimError

from rules.wording import quote

LONGEST: Final = 100
_FIELDS: Final = (
    ("minute", "0 to 59"), ("hour", "0 to 23"), ("day of the month", "1 to 31, or L for the last"),
    ("month", "1 to 12, or JAN to DEC"), ("day of the week", "0 to 7 (0 and 7 are Sunday), or SUN to SAT"),
)  # fmt: skip
_NAMES: Final = {
    "@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *",
}  # fmt: skip
_SOME_DAY: Final = datetime(2024, 1, 1, tzinfo=UTC)
_CLOCK_CHANGE: Final = timedelta(hours=3)
"""No clock was ever put back or forth by more since there are rules (Lord Howe 30 min, Troll 2 h)."""
_KEPT: Final = 4096
"""Answers kept: a fleet has few expressions, and all rules ask of the same minute."""
_MOST: Final = 400
"""Times within two clock changes, of the busiest expression (each minute)."""


@lru_cache(maxsize=_KEPT)
def fault(text: str) -> str:
    """What is wrong with the expression, in a sentence; empty where nothing is."""
    parts = text.split()
    if text.strip().lower() in _NAMES:
        return f"{quote(text.strip())} is not known; write {_NAMES[text.strip().lower()]}"
    if len(parts) != 5 or len(text) > LONGEST:
        count = f"found {len(parts)} fields" if len(parts) != 5 else f"found {len(text)} characters"
        return f"expected cron's five fields (minute hour day month weekday), such as 0 22 * * 1-5; {count}"
    if _reads(text):
        return ""
    for place, part in enumerate(parts):
        alone = ["*"] * 5
        alone[place] = part
        if not _reads(" ".join(alone)):
            name, form = _FIELDS[place]
            return f"{quote(part)} is no {name} of cron ({form})"
    return f"{quote(text)} never comes: no such day is in such a month"


def after(text: str, moment: datetime, zone: tzinfo) -> datetime | None:
    """The first time later than ``moment``, in UTC; None where none comes within 50 years."""
    return _after(text, _minute(moment), zone)


def until(text: str, moment: datetime, zone: tzinfo) -> datetime | None:
    """The last time that is not later than ``moment``, in UTC; None where there is none within 50 years."""
    return _until(text, _minute(moment), zone)


def _minute(moment: datetime) -> datetime:
    """The minute that it is in: the answer is the same for all of it, so a fleet's rules ask once."""
    return moment.astimezone(UTC).replace(second=0, microsecond=0)


@lru_cache(maxsize=_KEPT)
def _after(text: str, moment: datetime, zone: tzinfo) -> datetime | None:
    if _clock_changes_near(moment, zone):
        if later := [one for one in _around(text, moment, zone) if one > moment]:
            return min(later)
        moment += _CLOCK_CHANGE
    return _first(CronSim(text, moment.astimezone(zone)))


@lru_cache(maxsize=_KEPT)
def _until(text: str, moment: datetime, zone: tzinfo) -> datetime | None:
    if _clock_changes_near(moment, zone):
        if earlier := [one for one in _around(text, moment, zone) if one <= moment]:
            return max(earlier)
        moment -= _CLOCK_CHANGE
    return _first(CronSim(text, (moment + timedelta(seconds=1)).astimezone(zone), reverse=True))


def _clock_changes_near(moment: datetime, zone: tzinfo) -> bool:
    """Near a change cronsim goes by the wall clock, on which 02:15 of the second round lies before 02:45 of the first.

    So it is on two days of a year.
    """
    before, after = ((moment + way * _CLOCK_CHANGE).astimezone(zone).utcoffset() for way in (-1, 1))
    return before != after


def _around(text: str, moment: datetime, zone: tzinfo) -> list[datetime]:
    """All times near ``moment``."""
    times = islice(CronSim(text, (moment - _CLOCK_CHANGE).astimezone(zone)), _MOST)
    return [one.astimezone(UTC) for one in _while_before(times, moment + _CLOCK_CHANGE)]


def _while_before(times: Iterator[datetime], end: datetime) -> Iterator[datetime]:
    for one in times:
        if one.astimezone(UTC) > end:
            return
        yield one


def _first(times: CronSim) -> datetime | None:
    found = next(times, None)
    return None if found is None else found.astimezone(UTC)


def _reads(text: str) -> bool:
    """Whether cronsim takes it and it ever comes; odd texts end in its assertions, not only in its own error."""
    try:
        return next(CronSim(text, _SOME_DAY), None) is not None
    except (CronSimError, AssertionError, ValueError, TypeError, OverflowError):
        return False
