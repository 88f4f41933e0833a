"""Reads time intervals: ``monday:friday``, ``-3:-1``, ``09:00`` to ``17:00``, each with Alertmanager's refusals."""

from __future__ import annotations

import re
from typing import Final
from zoneinfo import ZoneInfo

from alerts.routing.intervals import NamedIntervals, Span, TimeInterval
from alerts.rule_file.fields import Fields, Mistakes
from alerts.rule_file.yaml_nodes import Node, Scalar
from rules.wording import quote

_INTERVAL: Final = ("times", "weekdays", "days_of_month", "months", "years", "location")
_TIME: Final = re.compile(r"(\d{1,2}):(\d{2})", re.ASCII)
_NUMBER: Final = re.compile(r"-?\d{1,4}", re.ASCII)
_WEEKDAYS: Final = {
    name: number
    for number, name in enumerate(("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"))
}
_MONTH_NAMES: Final = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
_MONTHS: Final = {name: number for number, name in enumerate(_MONTH_NAMES, start=1)}


def named_intervals(fields: Fields, name: str, mistakes: Mistakes) -> list[NamedIntervals]:
    """The list of names, each with its intervals."""
    found: list[NamedIntervals] = []
    for path, item in fields.items(name):
        entry = Fields(item, path, mistakes, ("name", "time_intervals"))
        if not entry.text("name"):
            entry.wrong("name", "a time interval needs a name")
        inner = [_interval(one, at, mistakes) for at, one in entry.items("time_intervals")]
        found.append(NamedIntervals(name=entry.text("name"), intervals=tuple(inner)))
    return found


def _interval(node: Node, path: str, mistakes: Mistakes) -> TimeInterval:
    fields = Fields(node, path, mistakes, _INTERVAL)
    return TimeInterval(
        times=_times(fields, mistakes),
        weekdays=_spans(fields, "weekdays", mistakes, names=_WEEKDAYS, most=6, only_names=True),
        days_of_month=_days(fields, mistakes),
        months=_spans(fields, "months", mistakes, names=_MONTHS, least=1, most=12),
        years=_spans(fields, "years", mistakes, most=9999),
        location=_location(fields),
    )


def _times(fields: Fields, mistakes: Mistakes) -> tuple[Span, ...]:
    spans: list[Span] = []
    for path, item in fields.items("times"):
        entry = Fields(item, path, mistakes, ("start_time", "end_time"))
        first, last = _minute(entry, "start_time"), _minute(entry, "end_time")
        if first is None or last is None:
            continue
        if first >= last:
            entry.wrong("start_time", "start time cannot be equal or greater than end time")
        spans.append((first, last))
    return tuple(spans)


def _minute(fields: Fields, name: str) -> int | None:
    text = fields.text(name)
    found = _TIME.fullmatch(text)
    minute = int(found[1]) * 60 + int(found[2]) if found and int(found[2]) < 60 else 24 * 60 + 1
    if minute > 24 * 60:
        fields.wrong(name, f"expected a time from 00:00 to 24:00; found {quote(text)}")
        return None
    return minute


def _days(fields: Fields, mistakes: Mistakes) -> tuple[Span, ...]:
    """Shorter months clamp a span; only what is never one is refused."""
    spans = _spans(fields, "days_of_month", mistakes, least=-31, most=31, ordered=False)
    for (path, item), (first, last) in zip(fields.items("days_of_month"), spans, strict=False):
        if 0 in (first, last):
            mistakes.add(item.place, path, "0 is not a valid day of the month: out of range")
        elif first < 0 < last:
            mistakes.add(item.place, path, "end day must be negative if start day is negative")
        elif first + (28 if first < 0 else 0) > last + (28 if last < 0 else 0):
            mistakes.add(item.place, path, f"end day {last} is always before start day {first}")
    return spans


def _spans(
    fields: Fields, name: str, mistakes: Mistakes, *, names: dict[str, int] | None = None, least: int = 0, most: int,
    only_names: bool = False, ordered: bool = True,
) -> tuple[Span, ...]:  # fmt: skip
    spans: list[Span] = []
    for path, item in fields.items(name):
        text = item.text if isinstance(item, Scalar) else ""
        ends = [_number(part, names or {}, only_names=only_names) for part in text.lower().split(":")]
        known = [one for one in ends if one is not None and least <= one <= most]
        if not 1 <= len(ends) == len(known) <= 2:
            expected = "monday or monday:friday" if only_names else "one value, or two with : between them"
            mistakes.add(item.place, path, f"expected {expected}; found {quote(text)}")
            known = [1]
        elif ordered and known[0] > known[-1]:
            mistakes.add(item.place, path, f"the end of {quote(text)} is before its start")
        spans.append((known[0], known[-1]))
    return tuple(spans)


def _number(text: str, names: dict[str, int], *, only_names: bool) -> int | None:
    if text in names:
        return names[text]
    return int(text) if _NUMBER.fullmatch(text) and not only_names else None


def _location(fields: Fields) -> ZoneInfo:
    text = fields.text("location")
    try:
        return ZoneInfo(text or "UTC")
    except (KeyError, ValueError, OSError):  # ZoneInfoNotFoundError is a KeyError
        fields.wrong("location", f"unknown time zone {quote(text)}")
        return ZoneInfo("UTC")
