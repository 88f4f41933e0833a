"""Demand as a running Foretide saw it: machines of a kind there in each hour, and paths of it for a plan."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from cost.commitments.demand import HOURS_PER_WEEK
from domain.series import FloatArray

HOUR: Final = timedelta(hours=1)


def by_hour(stretches: Iterable[tuple[datetime, datetime]], *, start: datetime, hours: int) -> FloatArray:
    """Machines in each hour, one that was there for a part of it as that part; shape ``(hours,)``."""
    counted = np.zeros(hours)
    for begin, until in stretches:
        first, last = max((begin - start) / HOUR, 0.0), min((until - start) / HOUR, float(hours))
        if last <= first:
            continue
        i, j = int(first), int(np.ceil(last)) - 1
        if i == j:
            counted[i] += last - first
            continue
        counted[i] += i + 1 - first
        counted[i + 1 : j] += 1.0
        counted[j] += last - j
    return counted


def mixture(past: FloatArray, ahead: FloatArray | None) -> FloatArray:
    """Weeks of what was and of what may come as paths of one term, shape ``(paths, 168)``, each side with about the
    same weight: the past alone knows no growth, and a forecast alone forgets what it cannot explain.

    Args:
        past: Demand hour by hour, earliest first, not empty; hours before the first whole week are left out.
        ahead: Sampled paths, shape ``(paths, hours)``, whole weeks are taken; None or less than a week: the past alone.
    """
    weeks = len(past) // HOURS_PER_WEEK
    rows = past[len(past) - weeks * HOURS_PER_WEEK :].reshape(weeks, HOURS_PER_WEEK) if weeks else None
    coming = None
    if ahead is not None and ahead.shape[1] >= HOURS_PER_WEEK:
        whole = ahead.shape[1] // HOURS_PER_WEEK * HOURS_PER_WEEK
        coming = ahead[:, :whole].reshape(-1, HOURS_PER_WEEK)
    if rows is None:
        return past.reshape(1, -1) if coming is None else coming
    if coming is None:
        return rows
    return np.vstack([np.repeat(rows, max(1, round(len(coming) / len(rows))), axis=0), coming])
