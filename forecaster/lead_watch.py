"""What is said of a signal's lead forecast besides the forecast: how large the load gets, and whether it misses."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from forecaster.lead_features import DAYS, FloatArray

PEAK_PERCENT: Final = 99.9
NOMINAL: Final = 0.05
"""An outcome beyond this share of the tail is a miss."""
MOST_MISSES: Final = 3.0
"""Times the nominal share, over half an hour, before the scale is doubled."""
WATCHED_MINUTES: Final = 30
WIDER: Final = 2.0


def peak(load: FloatArray, minute: int) -> float:
    """The 99.9th percentile minute."""
    whole = len(load) // minute * minute
    return float(np.percentile(load[:whole].reshape(-1, minute).mean(axis=1), PEAK_PERCENT))


def peaks(load: FloatArray, *, day: int, minute: int) -> FloatArray:
    """At every tick that of the week before the last whole day; of the first day itself on the first day: 0."""
    made = np.zeros(len(load))
    for end in range(day, len(load), day):
        made[end : end + day] = peak(load[max(end - DAYS * day, 0) : end], minute)
    return made


def edges(tails: FloatArray) -> NDArray[np.int64]:
    """The first point of the grid that so few errors exceed that they are misses, by row of tails."""
    return np.asarray(np.argmax(tails < NOMINAL, axis=-1), dtype=np.int64)


def widened(missed: NDArray[np.bool_], *, known: int, minute: int) -> NDArray[np.bool_]:
    """Where misses were too many in the half hour before, as far as outcomes were known.

    Args:
        missed: Whether the forecast made at each tick missed.
        known: Ticks until that is known.
        minute: Ticks of a minute.
    """
    window = WATCHED_MINUTES * minute
    seen = np.zeros(len(missed))
    seen[known:] = missed[: max(len(missed) - known, 0)]
    sums = np.concatenate([np.zeros(window), np.cumsum(seen)])
    return np.asarray(too_many(sums[window:] - sums[:-window], window))


def too_many(misses: FloatArray | np.float64, window: int) -> NDArray[np.bool_]:
    """Whether so many misses in so many ticks are no chance."""
    return np.asarray(misses > MOST_MISSES * NOMINAL * window)
