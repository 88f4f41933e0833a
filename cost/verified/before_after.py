"""Before and after: what the hours since a change would have cost by those before it, less what they did cost.

Hours are held against the same hours of the week in up to four weeks before. Where demand is known and explains cost
(a line through the hours before), the line says what today's demand would have cost. Nothing else that changed on that
day can be told apart: only days on and off, or a twin, can do that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from cost.verified.interval import LEAST_DAYS, Measured, NotYet, drawn, of_draws, too_few
from domain.series import FloatArray, IntArray

HOUR: Final = timedelta(hours=1)
LONGEST: Final = timedelta(days=28)
"""Of either side: four of each day of the week; farther away much else has changed."""
WHOLE: Final = 18
"""Hours of a day that have to be known for it to count: three quarters."""
EXPLAINED: Final = 0.3
"""Of the variance before (R²), for demand to have a say: below it the line is mostly noise. A guess."""
_WEEKDAYS: Final = 7
_WEEK: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """What one thing cost, hour by hour.

    Attributes:
        start: Of the first hour.
        cost: In each, NaN where it is not known, shape ``(hours,)``.
        demand: In each, in whatever unit, likewise; None where no demand is known.
    """

    start: datetime
    cost: FloatArray
    demand: FloatArray | None = None

    @property
    def end(self) -> datetime:
        """Of the last hour."""
        return self.start + len(self.cost) * HOUR

    def between(self, start: datetime, end: datetime) -> Hours:
        """A part; the hour that ``start`` cuts is not in it, nor that which ``end`` cuts."""
        first = min(max(-(-(start - self.start) // HOUR), 0), len(self.cost))
        last = max(min((end - self.start) // HOUR, len(self.cost)), first)
        demand = None if self.demand is None else self.demand[first:last]
        return Hours(start=self.start + first * HOUR, cost=self.cost[first:last], demand=demand)


def measure(hours: Hours, changed_at: datetime, until: datetime) -> Measured | NotYet:
    """What was saved in an hour from ``changed_at`` to ``until``, at most four weeks of either side."""
    before, after = sides(hours, changed_at, until)
    if len(known_days(after)) < LEAST_DAYS:
        return too_few(len(known_days(after)))
    if len(known_days(before)) < LEAST_DAYS:
        return NotYet(why=f"{len(known_days(before))} days before the change are known, {LEAST_DAYS} are needed: "
                          "nothing says what would have been")  # fmt: skip
    line = _line(before)
    if line is not None and np.isfinite(_demand(after)).sum() >= LEAST_DAYS * WHOLE:
        return _by_demand(before, after, line)
    return _by_hours(before, after)


def sides(hours: Hours, changed_at: datetime, until: datetime) -> tuple[Hours, Hours]:
    """Whole weeks of either side, four at most: a part of one would hold a Saturday against no Saturday.

    Less than a week is left as it is, to be counted.
    """
    back = min(changed_at - hours.start, LONGEST)
    ahead = min(min(until, hours.end) - changed_at, LONGEST)
    return hours.between(changed_at - _whole(back), changed_at), hours.between(changed_at, changed_at + _whole(ahead))


def known_days(hours: Hours) -> list[int]:
    """Numbers of the days, from the first hour on, of which enough is known."""
    return [day for day, cost in _by_day(hours, hours.cost) if np.isfinite(cost).sum() >= WHOLE]


def of_each_day(hours: Hours, values: FloatArray) -> FloatArray:
    """Means of the known days."""
    known = set(known_days(hours))
    return np.array([float(np.nanmean(one)) for day, one in _by_day(hours, values) if day in known])


def _whole(length: timedelta) -> timedelta:
    """Weeks; an hour that a change cuts may be missing of the last."""
    weeks = (length + HOUR) // _WEEK
    return weeks * _WEEK if weeks else length


def _by_hours(before: Hours, after: Hours) -> Measured:
    """Against the mean of the same hours; with less than two weeks before, of the same hours of the day."""
    weekly = len(known_days(before)) >= 2 * _WEEKDAYS
    expected = _profile(before, 24 * _WEEKDAYS if weekly else 24)
    errors = of_each_day(before, expected(before) - before.cost)
    saved = of_each_day(after, expected(after) - after.cost)
    # A profile of seven kinds of days has swallowed a part of the days' own noise: it is given back.
    errors = errors * np.sqrt(len(errors) / (len(errors) - (_WEEKDAYS if weekly else 1)))
    noise = errors[drawn(len(errors), 1)].mean(axis=1) - errors.mean()
    draws = saved[drawn(len(saved))].mean(axis=1) - noise
    return of_draws(float(saved.mean()), draws, days=len(saved), fewest=min(len(saved), len(errors)))


def _by_demand(before: Hours, after: Hours, line: tuple[float, float]) -> Measured:
    """The line is drawn anew through each draw of days before, and held against a draw of days after."""
    sums = _sums(before)
    lines = _through(sums[drawn(len(sums), 1)].sum(axis=1))
    later = _sums(after)
    many = later[drawn(len(later))].sum(axis=1)
    draws = lines[0] + lines[1] * many[:, 1] / many[:, 0] - many[:, 2] / many[:, 0]
    whole = later.sum(axis=0)
    saved = line[0] + line[1] * whole[1] / whole[0] - whole[2] / whole[0]
    return of_draws(float(saved), draws, days=len(later), fewest=min(len(later), len(sums)), scaled=True)


def _line(before: Hours) -> tuple[float, float] | None:
    """Cost at no demand and for one more of it; None where demand does not explain cost, or costs less with more."""
    sums = _sums(before)
    if len(sums) < LEAST_DAYS:
        return None
    count, of_x, of_y, of_xx, of_xy, of_yy = sums.sum(axis=0)
    spread_x, spread_y = of_xx - of_x**2 / count, of_yy - of_y**2 / count
    if spread_x <= 1e-9 * of_xx or spread_y <= 0:
        return None
    common = of_xy - of_x * of_y / count
    if common <= 0 or common**2 / (spread_x * spread_y) < EXPLAINED:
        return None
    slope = common / spread_x
    return float((of_y - slope * of_x) / count), float(slope)


def _through(sums: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Lines by least squares; a draw without any spread is flat."""
    count, of_x, of_y, of_xx, of_xy = (sums[:, place] for place in range(5))
    spread = of_xx - of_x**2 / count
    slope = np.divide(of_xy - of_x * of_y / count, spread, out=np.zeros_like(spread), where=spread > 1e-9 * of_xx)
    return (of_y - slope * of_x) / count, slope


def _sums(hours: Hours) -> FloatArray:
    """Of each known day the count, Σx, Σy, Σx², Σxy and Σy² of demand x and cost y, shape ``(days, 6)``."""
    demand = _demand(hours)
    rows = []
    for (_, cost), (_, load) in zip(_by_day(hours, hours.cost), _by_day(hours, demand), strict=True):
        both = np.isfinite(cost) & np.isfinite(load)
        x, y = load[both], cost[both]
        if len(x) >= WHOLE:
            rows.append([len(x), x.sum(), y.sum(), (x * x).sum(), (x * y).sum(), (y * y).sum()])
    return np.array(rows).reshape(-1, 6)


def _profile(before: Hours, length: int) -> Callable[[Hours], FloatArray]:
    """Says of hours what the same hours of the week, or of the day, cost before; the mean of all where nobody knows."""
    place = _places(before, length)
    every = float(np.nanmean(before.cost))
    means = np.full(length, every)
    for at in range(length):
        mine = before.cost[(place == at) & np.isfinite(before.cost)]
        if len(mine):
            means[at] = mine.mean()
    return lambda hours: means[_places(hours, length)]


def _places(hours: Hours, length: int) -> IntArray:
    first = hours.start.weekday() * 24 + hours.start.hour
    places: IntArray = (first + np.arange(len(hours.cost), dtype=np.int64)) % length
    return places


def _by_day(hours: Hours, values: FloatArray) -> list[tuple[int, FloatArray]]:
    return [(at // 24, values[at : at + 24]) for at in range(0, len(values), 24)]


def _demand(hours: Hours) -> FloatArray:
    return np.full(len(hours.cost), np.nan) if hours.demand is None else hours.demand
