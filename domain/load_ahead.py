"""The load some minutes ahead as a distribution, at every tick: what the forecaster tells the controller."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


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
