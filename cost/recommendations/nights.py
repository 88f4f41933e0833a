"""Clear idle hours of a workload: the same stretch of every day in which it does next to nothing, of a week or more.

Clear means: of each hour at least seven days are known; in none of them did all pods together use more than a twentieth
of what they use in a busy hour (the 95th percentile of all hours), and the stretch is six hours or longer. A workload
that is idle all the time has no busy hours and is not judged here: that is for what looks abandoned.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np

from domain.series import FloatArray

LEAST_DAYS: Final = 7
LEAST_HOURS: Final = 6
MOST_RATIO: Final = 0.05
LEAST_BUSY_CORES: Final = 0.01
"""Below a hundredth of a core nobody can tell work from a heartbeat."""
_EDGE: Final = 1
"""Hours left running before and after the stretch: starting takes time, and people come early."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nights:
    """Idle hours of the day, UTC: from ``first`` up to ``until``, which may be on the next day.

    Attributes:
        days: That were looked at.
        most_cores: In any of these hours.
        busy_cores: In a busy hour.
    """

    first: int
    until: int
    days: int
    most_cores: float
    busy_cores: float

    @property
    def hours(self) -> frozenset[int]:
        """Of the week, 0 is Monday 00:00 UTC."""
        length = (self.until - self.first) % 24
        return frozenset(day * 24 + (self.first + at) % 24 for day in range(7) for at in range(length))


def nights(hourly: FloatArray, start: datetime) -> Nights | None:
    """Judge a workload.

    Args:
        hourly: Highest use of CPU of all its pods together in each hour, cores; NaN where nothing is known.
        start: Of the first hour, aware.

    Returns:
        None where no stretch is clearly idle.
    """
    known = np.isfinite(hourly)
    if not known.any():
        return None
    busy = float(np.percentile(hourly[known], 95))
    if busy < LEAST_BUSY_CORES:
        return None
    of_day = (start.astimezone(UTC).hour + np.arange(len(hourly))) % 24
    days = np.array([int(known[of_day == hour].sum()) for hour in range(24)])
    most = np.array([hourly[known & (of_day == hour)].max(initial=-1.0) for hour in range(24)])
    idle = (days >= LEAST_DAYS) & (most <= MOST_RATIO * busy)
    first, length = _longest(idle)
    first, length = (first + _EDGE) % 24, length - 2 * _EDGE
    if length < LEAST_HOURS or idle.all():
        return None
    mine = [(first + at) % 24 for at in range(length)]
    return Nights(
        first=first, until=(first + length) % 24, days=int(days[mine].min()), most_cores=float(most[mine].max()),
        busy_cores=busy,
    )  # fmt: skip


def _longest(idle: np.ndarray) -> tuple[int, int]:
    """The first hour and the length of the longest stretch around the clock; the earliest of equal ones."""
    best, run = (0, 0), 0
    for at in range(48):
        run = run + 1 if idle[at % 24] else 0
        if min(run, 24) > best[1]:
            best = ((at - run + 1) % 24, min(run, 24))
    return best
