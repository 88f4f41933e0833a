"""Schedules on the grid of a replay: a document's windows, looked at when they change and not at every tick."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np

from controller import core
from controller.simulate.loop import FloatArray
from controller.simulate.pods import IntArray
from rules import schedule_times
from rules.schema import CronWindow, ScheduledBounds


def while_it_lasts(window: CronWindow, replicas: int, *, start: datetime, tick: timedelta, ticks: int) -> FloatArray:
    """``replicas`` within the window, else 0."""
    made = np.zeros(ticks)
    at = 0
    while at < ticks:
        standing = schedule_times.of_window(window, start + at * tick)
        end = _next(standing.until, start, tick, at, ticks)
        made[at:end] = replicas if standing.in_force else 0
        at = end
    return made


def bounds(
    entries: Sequence[ScheduledBounds], lowest: int, *, start: datetime, tick: timedelta, ticks: int
) -> tuple[IntArray, IntArray]:
    """Lower and upper bounds of all schedules at every tick; while a minimum rises each tick has its own."""
    low, high = np.zeros(ticks, dtype=np.int64), np.full(ticks, core.MAX_INT32, dtype=np.int64)
    at = 0
    while at < ticks and entries:
        now = start + at * tick
        found = schedule_times.bounds(entries, now, lowest=lowest)
        standing = (schedule_times.of_bounds(one, now) for one in entries)
        rises = any(one.in_force and one.ramp < 1 for one in standing)
        end = at + 1 if rises else _next(found.until, start, tick, at, ticks)
        low[at:end] = found.min or 0
        high[at:end] = core.MAX_INT32 if found.max is None else found.max
        at = end
    return low, high


def _next(until: datetime | None, start: datetime, tick: timedelta, at: int, ticks: int) -> int:
    """The first tick that is not before ``until``."""
    if until is None:
        return ticks
    return min(max(-(-(until - start) // tick), at + 1), ticks)
