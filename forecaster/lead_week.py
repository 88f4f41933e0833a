"""The loads of the last week and a little more, by tick, and what the lead forecast asks of them."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from forecaster import lead_features, lead_surge
from forecaster.lead import Clock
from forecaster.lead_features import DAYS, FloatArray, Recent

SLACK_MINUTES: Final = 180
"""The buffer is moved to its front this often: 2 % more memory and some microseconds."""


class Week:
    """Loads in single precision, which is 6e-8 of a load: a week at 15 s is 160 KB."""

    def __init__(self, load: FloatArray, clock: Clock) -> None:
        """The newest of ``load``, which is a whole history."""
        self._kept = DAYS * clock.day + (lead_features.LONGEST_MINUTES + 2) * clock.minute + 2 * clock.delay
        self._loads = np.zeros(self._kept + SLACK_MINUTES * clock.minute, dtype=np.float32)
        newest = load[-self._kept :]
        self._count, self._start = len(newest), len(load) - len(newest)
        self._loads[: self._count] = newest

    @property
    def end(self) -> int:
        """The tick after the newest one."""
        return self._start + self._count

    @property
    def nbytes(self) -> int:
        """What it takes."""
        return self._loads.nbytes

    def append(self, load: float) -> None:
        """The load of the next tick."""
        if self._count == len(self._loads):
            self._loads[: self._kept] = self._loads[self._count - self._kept :].copy()
            self._start += self._count - self._kept
            self._count = self._kept
        self._loads[self._count] = load
        self._count += 1

    def at(self, tick: int) -> float:
        """One load."""
        return float(self._loads[tick - self._start])

    def largest(self, first: int, last: int) -> float:
        """The largest of these ticks, both included."""
        return float(self._loads[first - self._start : last - self._start + 1].max())

    def recent(self, clock: Clock, offset: float) -> Recent:
        """The recent past at the newest tick, as rows of one."""
        reach = lead_features.LONGEST_MINUTES * clock.minute + clock.delay
        tail = self._loads[self._count - reach : self._count].astype(np.float64)
        made = lead_features.recent(tail, clock.minute, clock.delay, offset)
        return Recent(
            base=made.base[-1:], features=made.features[-1:], half_hour=made.half_hour[-1:],
            five_minutes=made.five_minutes[-1:], peakedness=made.peakedness[-1:],
        )  # fmt: skip

    def levels(self, clock: Clock, offset: float) -> FloatArray:
        """Logs of the mean of half an hour, and of five minutes, at this time of the last days: shape ``(2, days)``."""
        tick = self.end - 1
        days = range(1, min(max(tick // clock.day, 1), DAYS) + 1)
        means = [
            [self._mean(tick - back * clock.day - clock.delay, minutes * clock.minute) for back in days]
            for minutes in (30, 5)
        ]
        return np.log(np.array(means) + offset)

    def level_then(self, ago: NDArray[np.int64], clock: Clock, offset: float) -> FloatArray:
        """Logs of the mean of five minutes so many ticks ago."""
        newest = (self.end - 1 - clock.delay - ago).tolist()
        return np.log(np.array([self._mean(one, 5 * clock.minute) for one in newest]) + offset)

    def ratio(self, minute: int, reach: int, behind: int, ticks: int) -> float:
        """The largest minute ahead of ``minute`` over the level of the half hour before (see ``lead_surge``)."""
        begin = minute * ticks - self._start
        ahead = self._loads[begin : begin + (reach + 1) * ticks].reshape(-1, ticks)
        return float(ahead.mean(axis=1, dtype=np.float64).max()) / self.minute_level(minute, behind, ticks)

    def minute_level(self, minute: int, behind: int, ticks: int) -> float:
        """The level of the half hour before a minute."""
        newest = max(minute - behind, 0)
        oldest = max(newest + 1 - lead_surge.LEVEL_MINUTES, 0)
        part = self._loads[oldest * ticks - self._start : (newest + 1) * ticks - self._start]
        return max(float(part.mean(dtype=np.float64)), 1e-9)

    def last_days(self, tick: int, clock: Clock) -> NDArray[np.float64]:
        """The loads of the week before ``tick``."""
        return self._loads[max(tick - DAYS * clock.day - self._start, 0) : tick - self._start].astype(np.float64)

    def _mean(self, newest: int, ticks: int) -> float:
        """Of the ticks up to ``newest``, of those that there are."""
        newest = max(newest, 0)
        oldest = max(newest + 1 - ticks, 0)
        return float(self._loads[oldest - self._start : newest + 1 - self._start].mean(dtype=np.float64))
