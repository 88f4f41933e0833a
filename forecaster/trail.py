"""How far off what was served was over a trailing time: sums of errors by the hour, for the gates of rules.

The rings of ``served`` forget after two days at the latest; a gate may ask for months. Each range of horizons stands
for as many steps as it has, so that the ratio compares with a backtest's, which counts every step alike.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

HOUR: Final = timedelta(hours=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Trail:
    """The errors of one signal's served forecasts; used by one thread at a time."""

    def __init__(self, judged: Iterable[timedelta]) -> None:
        """Keep as much as the longest of these times needs; without any, nothing."""
        self._hours = max((-(-one // HOUR) for one in judged), default=0)
        self._since: int | None = None
        self._sums: deque[list[float]] = deque()  # rows of hour, sum of absolute errors, sum of what came

    def add(self, at: datetime, error: float, size: float) -> None:
        """One error and the size of what came at ``at``; rising but for what the ranges differ by."""
        if not self._hours:
            return
        hour = (at - _EPOCH) // HOUR
        self._since = hour if self._since is None else min(self._since, hour)
        if not self._sums or self._sums[-1][0] < hour:
            self._sums.append([hour, 0.0, 0.0])
        self._sums[-1][1] += error
        self._sums[-1][2] += size
        while self._sums[0][0] < hour - self._hours:
            self._sums.popleft()

    def wapes(self, judged: Iterable[timedelta], now: datetime) -> dict[timedelta, float]:
        """Sum of errors ÷ sum of what came, of each time for which forecasts have been served so long."""
        found: dict[timedelta, float] = {}
        hour = (now - _EPOCH) // HOUR
        for over in judged:
            first = hour - -(-over // HOUR)
            recent = [row for row in self._sums if row[0] >= first]
            error, size = sum(row[1] for row in recent), sum(row[2] for row in recent)
            if self._since is not None and self._since <= first and size > 0:
                found[over] = error / size
        return found

    def body(self) -> dict[str, Any]:
        """What is to be kept over a restart, as JSON."""
        return {"since": self._since, "sums": [list(row) for row in self._sums]}

    def restore(self, body: Mapping[str, Any]) -> None:
        """Go on from a kept body; ValueError, KeyError or TypeError where it is none."""
        since = None if body["since"] is None else int(body["since"])
        sums = [[int(hour), float(error), float(size)] for hour, error, size in body["sums"]]
        self._since, self._sums = since, deque(sums)
