"""A season that follows the wall clock: a history in UTC steps is laid on local time, and the forecast read back.

People get up at seven by their clock. Where the clocks change inside the history or the horizon, the same time of day
lies an hour beside itself in UTC, and a season counted in UTC steps blurs. So the steps are moved by the change: in
spring an hour is missing (a gap, filled as any other), in autumn two hours fall into one (their mean). Where no clock
changes, nothing is moved and every bit stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Final

import numpy as np

from domain.series import FloatArray, IntArray

_SCAN: Final = timedelta(hours=12)
"""No zone changed its offset twice within a day since 1970 but for days of confusion; those cost an hour's blur."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WallClock:
    """The steps of one history and horizon on the wall clock.

    Attributes:
        start: Time of the first wall step, told by the clock of the cutoff's offset: wall steps are ``step`` apart.
        step: Distance of two steps.
        past: Wall index of each step of the history, shape ``(n,)``; −1 for those that the cutoff's clock has yet to
            show (the doubled hour, while it passes for the second time).
        length: Wall steps of the history; the last one is the cutoff.
        ahead: For each step of the horizon the wall step that it shows, 0 being the first after the cutoff.
    """

    start: datetime
    step: timedelta
    past: IntArray
    length: int
    ahead: IntArray

    @classmethod
    def of(cls, zone: tzinfo, *, start: datetime, steps: int, step: timedelta, horizon: int) -> WallClock:
        """Lay ``steps`` of history from ``start`` on, and ``horizon`` steps after them, on the clock of ``zone``.

        A change that is no whole number of steps is rounded to one, half a step to none: steps of an hour in a zone
        that moves by half of one stay where they are, steps of a day everywhere.
        """
        offsets = _offsets(zone, start.astimezone(UTC), steps + horizon, step)
        shift = np.rint((offsets - offsets[steps - 1]) / step.total_seconds()).astype(np.int64)
        wall = np.arange(steps + horizon) + shift
        first = int(wall[:steps].min())
        past = np.where(wall[:steps] <= steps - 1, wall[:steps] - first, -1)
        ahead = np.maximum(wall[steps:] - steps, 0)  # the doubled hour again, already seen: the next hour's begin
        return cls(start=start + first * step, step=step, past=past, length=steps - first, ahead=ahead)

    @property
    def is_even(self) -> bool:
        """Whether no clock changes: wall steps are the steps."""
        return np.array_equal(self.indices, np.arange(len(self.past) + len(self.ahead)))

    @property
    def horizon(self) -> int:
        """Wall steps to forecast."""
        return int(self.ahead.max()) + 1 if len(self.ahead) else 0

    @property
    def ahead_of_utc(self) -> int:
        """Steps by which the clock jumps forward at most, from the cutoff to the end of the horizon."""
        return max(0, int((self.ahead - np.arange(len(self.ahead))).max(initial=0)))

    @property
    def indices(self) -> IntArray:
        """Wall index of each step of history and horizon."""
        return np.concatenate([self.past, self.ahead + self.length])

    def lay(self, values: FloatArray) -> FloatArray:
        """A history on the wall clock, shape ``(length,)``: NaN where the clock jumped, the mean where it went back."""
        if self.is_even:
            return values
        sums, counts = np.zeros(self.length), np.zeros(self.length)
        known = (self.past >= 0) & ~np.isnan(values)
        np.add.at(sums, self.past[known], values[known])
        np.add.at(counts, self.past[known], 1.0)
        laid = np.full(self.length, np.nan)
        np.divide(sums, counts, out=laid, where=counts > 0)
        return laid

    def time_of(self, wall: datetime) -> datetime:
        """The time of a wall step of the history; of one that the clock left out, the first step after it."""
        index = round((wall - self.start) / self.step)
        later = np.flatnonzero(self.past >= index)
        behind = len(self.past) - 1 - (int(later[0]) if len(later) else len(self.past) - 1)
        cutoff = self.start + (self.length - 1) * self.step
        return cutoff - behind * self.step


@lru_cache(maxsize=64)
def _offsets(zone: tzinfo, start: datetime, count: int, step: timedelta) -> FloatArray:
    """UTC offset at each step in seconds; kept, because all series of a document ask alike."""
    offsets = np.full(count, _offset(zone, start).total_seconds())
    for change, after in transitions(zone, start, start + (count - 1) * step):
        offsets[-(-(change - start) // step) :] = after.total_seconds()
    offsets.setflags(write=False)
    return offsets


def transitions(zone: tzinfo, start: datetime, end: datetime) -> list[tuple[datetime, timedelta]]:
    """When the UTC offset changes in ``(start, end]``, to the second, and to what."""
    found: list[tuple[datetime, timedelta]] = []
    before = start
    while before < end:
        after = min(before + _SCAN, end)
        if _offset(zone, before) != _offset(zone, after):
            found.append((_change_between(zone, before, after), _offset(zone, after)))
        before = after
    return found


def _change_between(zone: tzinfo, before: datetime, after: datetime) -> datetime:
    """The first whole second with the offset of ``after``."""
    new = _offset(zone, after)
    low, high = 0, -(-(after - before) // timedelta(seconds=1))
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(zone, before + timedelta(seconds=middle)) == new:
            high = middle
        else:
            low = middle
    return before + timedelta(seconds=high)


def _offset(zone: tzinfo, at: datetime) -> timedelta:
    return at.astimezone(zone).utcoffset() or timedelta()
