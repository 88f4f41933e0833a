"""The whole lead forecast of a signal over a recorded history, as ``lead_live`` says it tick by tick.

A replay of a rule decides on this; the same functions, the same numbers, one array for all ticks.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from domain.load_ahead import LoadAhead, Outlook, Windows
from forecaster import lead, lead_features, lead_surge, lead_watch
from forecaster.lead import Clock, Walk
from forecaster.lead_features import FloatArray

HELD_MINUTES: Final = 5
"""A longer gap is bridged by the day before: a flat hour would teach that nothing ever changes."""


def over(load: FloatArray, *, windows: Windows, surge_last: int, clock: Clock, unit: float) -> Outlook:
    """What a price trigger decides on at every tick; of no use before ``fewest`` ticks.

    Args:
        load: Of every tick, as ``filled`` leaves it.
        windows: Of adding and of keeping.
        surge_last: Longest lead for surges, in ticks.
        clock: The grid.
        unit: Load of one replica.
    """
    exact = load.astype(np.float32).astype(np.float64)
    offset = lead.OFFSET_SHARE * unit
    recent = lead_features.recent(exact, clock.minute, clock.delay, offset)
    walks = [
        lead.walk(exact, recent, first=first, last=last, clock=clock, offset=offset, unit=unit)
        for first, last in windows
    ]
    wide = [_widened(walk, last + clock.delay, clock) for walk, (_, last) in zip(walks, windows, strict=True)]
    add, keep = (_wider(walk.ahead, where) for walk, where in zip(walks, wide, strict=True))
    surge = lead_surge.floor(exact, last=surge_last, day=clock.day, minute=clock.minute, delay=clock.delay)
    peak = lead_watch.peaks(exact, day=clock.day, minute=clock.minute)
    return Outlook(add=add, keep=keep, surge=surge, peak=peak, widened=wide[0])


def fewest(windows: Windows, clock: Clock) -> int:
    """Ticks of history below which nothing is said: a day, an hour and more, and the outcomes of the last half hour."""
    longest = max(last for _, last in windows) + clock.delay + lead_watch.WATCHED_MINUTES * clock.minute
    return max(clock.day, lead_features.LONGEST_MINUTES * clock.minute + clock.delay) + longest


def filled(values: FloatArray, clock: Clock) -> FloatArray:
    """A history without gaps, from its first value on; what fills a gap is known before it (``bridge``)."""
    usable = np.isfinite(values) & (values >= 0)
    known = np.flatnonzero(usable)
    if len(known) == 0:
        return np.zeros(0)
    first = int(known[0])
    made = values[first:].copy()
    missing = 0
    for tick in range(1, len(made)):
        if usable[first + tick]:
            missing = 0
            continue
        missing += 1
        day_ago = float(made[tick - clock.day]) if tick >= clock.day else math.nan
        made[tick] = bridge(missing, float(made[tick - 1]), day_ago, clock)
    return made


def bridge(missing: int, before: float, day_ago: float, clock: Clock) -> float:
    """What stands for the ``missing``-th value of a gap: the value before it, after five minutes that of a day ago."""
    if missing <= HELD_MINUTES * clock.minute or math.isnan(day_ago):
        return before
    return day_ago


def _widened(walk: Walk, known: int, clock: Clock) -> NDArray[np.bool_]:
    cell = lead.cells((walk.outcome - walk.predicted) / walk.scale)
    missed = cell >= lead_watch.edges(walk.ahead.tails)[walk.ahead.row]
    return lead_watch.widened(missed, known=known, minute=clock.minute)


def _wider(ahead: LoadAhead, where: NDArray[np.bool_]) -> LoadAhead:
    return replace(ahead, scale=np.where(where, lead_watch.WIDER, 1.0) * ahead.scale)
