"""Days on and off: a coin decides each day whether a change is in force, so that nothing else can explain a difference.

In each fortnight every day of the week is on once and off once, by the change's id: nobody can pick good days, and
whoever knows the id can check them. The interval is that of Fisher's randomisation: which shifts would the same coin
not find surprising? No rule is switched by it yet; whoever switches by hand can be measured.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import date
from typing import Final

import numpy as np

from cost.verified.interval import DRAWS, LEAST_DAYS, SEED, Measured, NotYet, of_draws
from domain.series import FloatArray

_FORTNIGHT: Final = 14
_WEEK: Final = 7


def is_on(id_: str, day: date, *, since: date) -> bool:
    """Whether the change is in force on ``day``, by a schedule that begins at ``since``.

    Raises:
        ValueError: ``day`` lies before it.
    """
    number = (day - since).days
    if number < 0:
        raise ValueError(f"the days on and off of {id_} begin on {since.isoformat()}, after {day.isoformat()}")
    block, place = divmod(number, _FORTNIGHT)
    digest = hashlib.sha256(f"{id_}/{since.isoformat()}/{block}".encode()).digest()
    first = bool(digest[place % _WEEK] & 1)  # of this day of the week, in the fortnight's first week
    return first if place < _WEEK else not first


def measure(costs: Mapping[date, float], id_: str, *, since: date) -> Measured | NotYet:
    """Mean of the days off less mean of the days on, each day's mean hour.

    Args:
        costs: By day; a day that is not there was not seen.
        id_: Of the change.
        since: First day of the schedule.
    """
    days = sorted(day for day in costs if day >= since)
    on = np.array([is_on(id_, day, since=since) for day in days], dtype=bool)
    fewest = int(min(on.sum(), (~on).sum())) if days else 0
    if fewest < LEAST_DAYS:
        return NotYet(why=f"not yet: {fewest} of {LEAST_DAYS} days of each kind")
    cost = np.array([costs[day] for day in days])
    saved = float(cost[~on].mean() - cost[on].mean())
    # With the saving given back to the days on, no kind differs from the other: what other coins find is noise.
    level = cost + np.where(on, saved, 0.0)
    noise = _noise(level, [(day - since).days for day in days])
    return of_draws(saved, saved + noise, days=len(days), fewest=len(days) - 1)


def _noise(level: FloatArray, places: list[int]) -> FloatArray:
    """Differences that other schedules of the same kind would have found, of which one kind may lack days."""
    rng = np.random.default_rng((SEED, 2))
    numbers = np.array(places)
    blocks, within = numbers // _FORTNIGHT, numbers % _FORTNIGHT
    coins = rng.integers(0, 2, size=(DRAWS, int(blocks.max()) + 1, _WEEK)).astype(bool)
    on = coins[:, blocks, within % _WEEK] ^ (within >= _WEEK)
    counts = on.sum(axis=1)
    kept = (counts > 0) & (counts < len(level))
    on, counts = on[kept], counts[kept]
    differences: FloatArray = (~on @ level) / (len(level) - counts) - (on @ level) / counts
    return differences
