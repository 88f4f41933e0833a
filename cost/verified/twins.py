"""Twins: what changed at one workload, less what changed at its twin over the same days (difference in differences).

The twin shall see the same load by the same calendar and stay as it is. Days are held against each other pair by pair,
so whatever moves both, a holiday, a price, is in no figure. The twin's cost is scaled to the other's before the change.
"""

from __future__ import annotations

from datetime import datetime

import numpy as np

from cost.verified.before_after import Hours, of_each_day, sides
from cost.verified.interval import LEAST_DAYS, Measured, NotYet, drawn, of_draws, too_few
from domain.series import FloatArray


def measure(changed: Hours, twin: Hours, changed_at: datetime, until: datetime) -> Measured | NotYet:
    """What was saved in an hour: the twin's cost says what would have been."""
    mine, theirs = (sides(one, changed_at, until) for one in (changed, twin))
    earlier, later = (_days(one, other) for one, other in zip(mine, theirs, strict=True))
    if len(later) < LEAST_DAYS:
        return too_few(len(later))
    if len(earlier) < LEAST_DAYS:
        return NotYet(why=f"{len(earlier)} days before the change are known of both, {LEAST_DAYS} are needed")
    if earlier[:, 1].sum() <= 0:
        return NotYet(why="the twin cost nothing before the change")
    one, other = earlier[drawn(len(earlier), 1)].mean(axis=1), later[drawn(len(later))].mean(axis=1)
    draws = _saved(one, other)
    whole = _saved(earlier.mean(axis=0)[None], later.mean(axis=0)[None])
    return of_draws(float(whole[0]), draws, days=len(later), fewest=min(len(later), len(earlier)))


def _saved(earlier: FloatArray, later: FloatArray) -> FloatArray:
    """Means of the changed one and of its twin, shape ``(draws, 2)``."""
    ratio = earlier[:, 0] / np.where(earlier[:, 1] > 0, earlier[:, 1], np.nan)
    return np.nan_to_num(ratio * later[:, 1] - later[:, 0])


def _days(changed: Hours, twin: Hours) -> FloatArray:
    """Means of days of which enough is known of both, shape ``(days, 2)``."""
    start, end = max(changed.start, twin.start), min(changed.end, twin.end)
    if end <= start:
        return np.empty((0, 2))
    one, other = changed.between(start, end), twin.between(start, end)
    both = np.isfinite(one.cost) & np.isfinite(other.cost)
    mine, theirs = np.where(both, one.cost, np.nan), np.where(both, other.cost, np.nan)
    shared = Hours(start=start, cost=mine)
    return np.column_stack((of_each_day(shared, mine), of_each_day(shared, theirs)))
