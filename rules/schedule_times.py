"""When windows are in force: pure functions of a document's times and a moment, for the live loop and the replay.

A window of cron is in force from each of its starts to the next of its ends; where both come at once, the start
counts. A window that comes once may announce itself: over ``ramp`` before ``at`` its minimum rises in a straight
line, so that all of it stands when it is needed. Nothing ramps down: ``behavior`` says how fast replicas go.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from rules import cron
from rules.circumstances import CronWindow, ScheduledBounds


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A window at a moment.

    Attributes:
        in_force: Whether it lasts now; the start belongs to it, the end does not.
        since: When that became so; None where it always was.
        until: When it may change next; None where it never does.
        ramp: How much of its minimum counts: from 0 to 1 over the ramp, then 1.
    """

    in_force: bool
    since: datetime | None
    until: datetime | None
    ramp: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What the schedules make of the bounds at a moment.

    Attributes:
        names: Those in force, or rising, in the document's order.
        min: The highest of their minima; None where none has one.
        max: The lowest of their maxima; likewise.
        until: Before this moment nothing changes, unless a minimum is rising.
    """

    names: tuple[str, ...]
    min: int | None
    max: int | None
    until: datetime | None


def of_window(window: CronWindow, now: datetime) -> Standing:
    """Whether a window that comes again lasts at ``now``."""
    return _in_the_minute(window, now.replace(second=0, microsecond=0))


@lru_cache(maxsize=8192)
def _in_the_minute(window: CronWindow, now: datetime) -> Standing:
    """Cron goes by whole minutes: one look serves four ticks, and all rules of a policy."""
    zone = window.zone
    started, ended = cron.until(window.start, now, zone), cron.until(window.end, now, zone)
    in_force = started is not None and (ended is None or started >= ended)
    if in_force:
        return Standing(in_force=True, since=started, until=cron.after(window.end, now, zone))
    return Standing(in_force=False, since=ended, until=cron.after(window.start, now, zone))


def of_bounds(entry: ScheduledBounds, now: datetime) -> Standing:
    """Whether other bounds count at ``now``, and how far their ramp is."""
    window, begins = entry.window, entry.begins
    if window is not None:
        return of_window(window, now)
    if begins is None or entry.for_ is None:  # which ``rule_checks`` refuse
        return Standing(in_force=False, since=None, until=None)
    ends, rises = begins + entry.for_, begins if entry.ramp is None else begins - entry.ramp
    if now < rises:
        return Standing(in_force=False, since=None, until=rises)
    if now >= ends:
        return Standing(in_force=False, since=ends, until=None)
    if now >= begins:
        return Standing(in_force=True, since=begins, until=ends)
    return Standing(in_force=True, since=rises, until=begins, ramp=(now - rises) / (begins - rises))


def bounds(entries: Iterable[ScheduledBounds], now: datetime, *, lowest: int) -> Bounds:
    """What all schedules of a rule make of its bounds; a rising minimum begins at ``lowest``, its ``replicas.min``."""
    standing = [(entry, of_bounds(entry, now)) for entry in entries]
    in_force = [(entry, one) for entry, one in standing if one.in_force]
    minima = [_rising(entry.min, one.ramp, lowest) for entry, one in in_force if entry.min is not None]
    maxima = [entry.max for entry, one in in_force if entry.max is not None and one.ramp == 1.0]
    return Bounds(
        names=tuple(entry.name for entry, _ in in_force),
        min=max(minima, default=None),
        max=min(maxima, default=None),
        until=min((one.until for _, one in standing if one.until is not None), default=None),
    )


def _rising(minimum: int, ramp: float, lowest: int) -> int:
    """In whole replicas, rounded up: early is the side to err on."""
    return lowest + math.ceil(max(minimum - lowest, 0) * ramp)
