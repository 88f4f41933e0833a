"""The quantile of a forecast's peak at every tick: what a trigger with ``quantile`` sees in a replay."""

from __future__ import annotations

import numpy as np

from controller.simulate.loop import FloatArray
from domain.load_ahead import LoadAhead


def of(ahead: LoadAhead, quantile: float) -> FloatArray:
    """The largest load within the lead that is not exceeded with this probability, shape ``(ticks,)``."""
    points = ahead.lowest + ahead.step * np.arange(ahead.tails.shape[1])
    # Tails fall from 1 to 0; ``interp`` wants rising ones.
    scales = np.array([np.interp(1 - quantile, tail[::-1], points[::-1]) for tail in ahead.tails])
    return np.asarray(np.maximum(np.exp(ahead.centre + ahead.scale * scales[ahead.row]) - ahead.offset, 0.0))
