"""How often sums came within what sampled paths said of them: what a period's end stands on, not its single hours.

Bands that hold hour by hour say nothing of a month: whether errors last or cancel out decides that. So the backtest
is summed over stretches, and each sum is held against the sums of paths made as ``forecaster.paths`` makes them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from domain.forecasts import Dependence
from domain.series import FloatArray, IntArray
from forecaster import paths

STRETCHES: Final = 5
"""A stretch is as long as so many of it fit side by side into what is judged: of fewer, chance decides."""
ORIGINS: Final = 32
"""Of the backtest's 128, evenly: the others overlap with them. With ``COUNT`` paths 0.2 s for four weeks of hours."""
COUNT: Final = 400


def held(
    origins: IntArray, actuals: FloatArray, bands: FloatArray, levels: Sequence[float], dependence: Dependence | None,
) -> tuple[int, Mapping[float, float]]:  # fmt: skip
    """Share of the sums at or below each quantile of the paths' sums, and how many steps a sum is of.

    The dependence was learned from the same errors, so that this is no test on unseen data: what it finds is whether
    one dependence fits all stretches, and whether the hours' bands are right at all.

    Args:
        origins: Number of steps known at each origin, shape ``(n,)``.
        actuals: What came, shape ``(n, horizon)``; NaN where unknown.
        bands: Quantiles, shape ``(n, horizon, levels)``; NaN where there were none.
        levels: Rising.
        dependence: Of the errors over time; None where nothing could be learned.

    Returns:
        0 and nothing where no stretch is known as a whole.
    """
    known = ~np.isnan(actuals) & ~np.isnan(bands).any(axis=-1)
    judged = len(np.unique((origins[:, None] + np.arange(actuals.shape[1]))[known]))
    steps = min(judged // STRETCHES, actuals.shape[1])
    there = np.flatnonzero(known.any(axis=1))
    if steps < 1 or len(levels) < 2 or not len(there):
        return 0, {}
    chosen = there[np.unique(np.linspace(0, len(there) - 1, ORIGINS).astype(np.int64))]
    farthest = int(np.flatnonzero(known[chosen].any(axis=0))[-1]) + 1
    scores = paths.dependent(paths.drivers(0, COUNT, farthest), dependence or paths.ASSUMED)
    below = []
    for origin in chosen:
        for first in range(0, farthest - steps + 1, steps):
            part = slice(first, first + steps)
            if known[origin, part].all():
                sums = paths.shaped(scores[:, part], bands[origin, part], levels).sum(axis=1)
                total = float(actuals[origin, part].sum())
                below.append(total <= np.quantile(sums, levels) + 1e-9 * abs(total))
    if not below:
        return 0, {}
    shares = np.mean(below, axis=0)
    return steps, {level: float(share) for level, share in zip(levels, shares, strict=True)}
