"""The load some minutes ahead as a distribution, at every tick: what the forecaster tells the controller."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

TICK: Final = timedelta(seconds=15)
"""Of the live decision, and so of the grid."""
KEEP_LONGER: Final = timedelta(minutes=2)
"""Beyond the longest start-up for which a replica must not be needed to be given back: halves the scale events."""
LONGEST_SHARE: Final = 1.5
"""The longest start-up over the usual one: 60 to 180 s are 120 s in the middle."""
Window = tuple[int, int]
Windows = tuple[Window, Window]
"""Of the load when a replica that starts now is ready, and of the load until then and a little longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadAhead:
    """A centre, a scale and common tails, all in log load; nothing at a tick depends on what came later.

    Attributes:
        centre: Expected log(load + offset), shape ``(ticks,)``.
        scale: Usual size of its error, shape ``(ticks,)``.
        tails: Shares of errors beyond ``lowest + k·step`` scales, shape ``(rows, points)``.
        row: Which row of ``tails`` holds, shape ``(ticks,)``.
        lowest: First point of the grid, in scales.
        step: Between its points, in scales.
        offset: Added to loads before the logarithm.
    """

    centre: NDArray[np.float64]
    scale: NDArray[np.float64]
    tails: NDArray[np.float64]
    row: NDArray[np.int64]
    lowest: float
    step: float
    offset: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """All that a price trigger decides on, at every tick of a history or, live, at one.

    Attributes:
        add: Largest load around the time when a replica that starts now is ready.
        keep: Largest load from now until well behind that time: what must hold before one is given back.
        surge: Load to be ready for in any case, shape ``(ticks,)``; 0 where no surge is due.
        peak: The 99.9th percentile minute of the week before the last midnight of the grid, shape ``(ticks,)``.
        widened: Whether the forecast missed so often lately that ``scale`` was doubled, shape ``(ticks,)``.
    """

    add: LoadAhead
    keep: LoadAhead
    surge: NDArray[np.float64]
    peak: NDArray[np.float64]
    widened: NDArray[np.bool_]


def windows(lead: timedelta) -> Windows:
    """From the usual time between a decision and a ready replica."""
    middle = max(-(-lead // TICK), 1)
    return (max(middle - 1, 1), middle + 1), (1, longest(lead) + KEEP_LONGER // TICK)


def longest(lead: timedelta) -> int:
    """Ticks until the slowest replica is ready."""
    return max(-(-(LONGEST_SHARE * lead) // TICK), 1)


def kept_within(lead: timedelta) -> timedelta:
    """How far ahead a replica must not be needed to be given back."""
    return longest(lead) * TICK + KEEP_LONGER
