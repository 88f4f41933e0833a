"""Surges that come at the same time every day: a floor that is there before them, and nothing on other workloads.

A mean of days blurs a sharp step and a ridge shrinks it; so this asks plainly what most of the last seven days did.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from forecaster.lead_decay import decayed
from forecaster.lead_features import DAYS, FloatArray, late, trailing_max, trailing_mean

EARLY_MINUTES: Final = 3
"""Yesterday's clock and today's differ by a minute or two."""
STEP_RATIO: Final = 1.3
"""How far a day's largest minute ahead must lie above the last half hour, relative to what is usual there."""
SHARE_OF_DAYS: Final = 0.6
FEWEST_DAYS: Final = 4
QUANTILE: Final = 0.5
LEVEL_MINUTES: Final = 30


def floor(load: FloatArray, *, last: int, day: int, minute: int, delay: int) -> FloatArray:
    """Load to be ready for, by tick; 0 where no surge is due.

    Args:
        load: Load by tick.
        last: Longest lead, in ticks.
        day: Ticks of a day.
        minute: Ticks of a minute.
        delay: Age of the newest value, in ticks.
    """
    count = len(load) // minute
    per_day, behind = day // minute, late_minutes(delay, minute)
    reach = reach_minutes(last, minute)
    if count <= FEWEST_DAYS * per_day:
        return np.zeros(len(load))
    ratio, level = ratios(load, last=last, minute=minute, delay=delay)
    usual = late(decayed(ratio, per_day), reach + behind)
    past = np.full((DAYS, count), np.nan)
    for back in range(1, DAYS + 1):
        past[back - 1, back * per_day :] = ratio[: max(count - back * per_day, 0)]
    known = np.clip(np.arange(count) // per_day, 0, DAYS)
    made = due(past, usual, level, known)
    return np.concatenate([np.repeat(made, minute), np.zeros(len(load) - count * minute)])


def usual_now(load: FloatArray, *, last: int, day: int, minute: int, delay: int) -> float:
    """What is usual in the newest, perhaps unfinished minute of a history: see ``due``."""
    ratio, _ = ratios(load, last=last, minute=minute, delay=delay)
    newest = (len(load) - 1) // minute - reach_minutes(last, minute) - late_minutes(delay, minute)
    return float(decayed(ratio, day // minute)[max(newest, 0)])


def due(past: FloatArray, usual: FloatArray, level: FloatArray, known: NDArray[np.int64]) -> FloatArray:
    """What most of the last days did at this time, where that is unusual; 0 elsewhere.

    Args:
        past: By how much the load exceeded its level on the last days, shape ``(DAYS, minutes)``.
        usual: What is usual of that.
        level: Of the last half hour.
        known: How many days there are.
    """
    share = (past >= STEP_RATIO * usual).sum(axis=0) / np.maximum(known, 1)
    armed = (share >= SHARE_OF_DAYS) & (known >= FEWEST_DAYS)
    made = np.zeros(len(level))
    if armed.any():
        made[armed] = np.nanquantile(past[:, armed], QUANTILE, axis=0) * level[armed]
    return made


def ratios(load: FloatArray, *, last: int, minute: int, delay: int) -> tuple[FloatArray, FloatArray]:
    """By minute: the largest one ahead over the level of the half hour before, and that level."""
    count = len(load) // minute
    minutes = load[: count * minute].reshape(count, minute).mean(axis=1)
    sums = np.concatenate([[0.0], np.cumsum(minutes)])
    level = np.maximum(late(trailing_mean(sums, LEVEL_MINUTES), late_minutes(delay, minute)), 1e-9)
    return _ahead(minutes, reach_minutes(last, minute)) / level, level


def late_minutes(delay: int, minute: int) -> int:
    """Minutes until a minute is known."""
    return 1 + -(-delay // minute)


def reach_minutes(last: int, minute: int) -> int:
    """Minutes ahead that are looked at."""
    return -(-last // minute) + EARLY_MINUTES


def _ahead(minutes: FloatArray, reach: int) -> FloatArray:
    """Largest of this minute and the next ``reach``; only looked at a day later."""
    padded = np.concatenate([minutes, np.repeat(minutes[-1:], reach)])
    return trailing_max(padded, reach + 1)[reach:]
