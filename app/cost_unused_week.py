"""The last week of a query's series on whole hours (or quarters), kept: a second look asks only for the hours since.

The first look reads every sample of a week, three million a second from the embedded store; one an hour later reads an
hour. It is asked in pieces of six hours: one query may touch so many samples and no more.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np

from app.queries import Queries
from cost.unused.snapshot import WEEK
from domain.clock import to_ms
from domain.errors import QueryError
from domain.series import FloatArray

Named = tuple[str, str]
"""Namespace and name."""
HOUR: Final = timedelta(hours=1)
_AT_ONCE: Final = timedelta(hours=6)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class _Kept:
    """Rows of a week that ends at ``end``."""

    end: datetime
    rows: dict[Named, FloatArray]


class Weeks:
    """One question after the other; not for several threads at once."""

    def __init__(self, queries: Queries) -> None:
        """Nothing is asked yet."""
        self._queries = queries
        self._kept: dict[str, _Kept] = {}
        self.problems: dict[str, str] = {}
        """Queries that were refused at the last look, and why."""

    def by(self, expr: str, label: str, at: datetime, step: timedelta = HOUR) -> dict[Named, FloatArray]:
        """Values at each step of the week until ``at``, NaN where there is none, by namespace and ``label``."""
        end, steps = whole(at, step), WEEK // step
        kept = self._kept.pop(expr, None)
        known = 0 if kept is None else max(steps - (end - kept.end) // step, 0)
        rows = {} if kept is None or not known else _moved(kept.rows, steps - known)
        first = end - (steps - 1) * step
        try:
            for start in range(known, steps, _AT_ONCE // step):
                since = first + start * step
                self._read(rows, expr, label, since, min(since + _AT_ONCE - step, end), step, first, steps)
        except QueryError as error:
            self.problems[expr] = str(error)
            return {}
        self.problems.pop(expr, None)
        self._kept[expr] = _Kept(end=end, rows=rows)
        return rows

    def _read(
        self, rows: dict[Named, FloatArray], expr: str, label: str, since: datetime, until: datetime, step: timedelta,
        first: datetime, steps: int,
    ) -> None:  # fmt: skip
        for pairs, (times, values) in self._queries.lines(expr, since, until, step).items():
            labels = dict(pairs)
            own = rows.setdefault((labels.get("namespace", ""), labels.get(label, "")), np.full(steps, np.nan))
            own[(times - to_ms(first)) // round(step / timedelta(milliseconds=1))] = values


def whole(at: datetime, step: timedelta) -> datetime:
    """The last whole step, so that two looks have the same grid."""
    return at - (at - _EPOCH) % step


def _moved(rows: dict[Named, FloatArray], by: int) -> dict[Named, FloatArray]:
    """Without the oldest steps, and without rows that are empty then."""
    if by == 0:
        return rows
    moved = {name: np.concatenate((values[by:], np.full(by, np.nan))) for name, values in rows.items()}
    return {name: values for name, values in moved.items() if np.isfinite(values).any()}
