"""A year ago: the same weekday of the last year, smoothed over three weeks, moved by what has changed since."""

from __future__ import annotations

from typing import Final

import numpy as np

from domain.series import FloatArray, IntArray
from forecaster.models import profile

YEAR: Final = 364
"""Days; 52 weeks keep the weekday."""
WEEK: Final = 7
LEVEL: Final = 28
"""Days whose median is the level, now and a year ago."""
NEEDED: Final = YEAR + LEVEL + WEEK


def paths(batch: FloatArray, origins: IntArray, *, horizon: int, moved: float) -> FloatArray:
    """Point forecasts of each series at each origin.

    Args:
        batch: Daily histories without gaps, shape ``(n, length)``.
        origins: Number of values known at each origin; below ``NEEDED`` the profile of the last weeks stands in.
        horizon: Days ahead; beyond a year it repeats.
        moved: Share of the change of level since a year ago that is added; 1 overshoots where levels return.

    Returns:
        Shape ``(len(origins), n, horizon)``.
    """
    made = profile.paths(batch, origins, period=WEEK, horizon=horizon)
    for k, origin in enumerate(int(origin) for origin in origins):
        if origin < NEEDED:
            continue
        day = origin - YEAR + np.arange(horizon) % YEAR
        around = np.stack([batch[:, np.minimum(day + shift, origin - 1)] for shift in (-WEEK, 0, WEEK)])
        now, then = (np.median(batch[:, end - LEVEL : end], axis=1) for end in (origin, origin - YEAR))
        made[k] = np.median(around, axis=0) + moved * (now - then)[:, None]
    return made
