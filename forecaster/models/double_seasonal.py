"""Double-seasonal Holt-Winters with an AR(1) of its errors (Taylor 2003), on a grid of smoothing constants.

A level, an additive day and an additive week on top of it, each smoothed exponentially; the last one-step error echoes
and fades. Nothing is optimised: all 81 combinations of constants run side by side over all series in one pass, and each
series takes at each origin the combination with the smallest one-step error so far.
"""

from __future__ import annotations

from itertools import product
from typing import Final

import numpy as np

from domain.series import FloatArray, IntArray

LEVEL: Final = (0.01, 0.05, 0.2)
SHORT: Final = (0.05, 0.15, 0.4)
LONG: Final = (0.05, 0.15, 0.4)
ECHO: Final = (0.0, 0.5, 0.9)
GRID: Final = np.array(list(product(LEVEL, SHORT, LONG, ECHO)))


def paths(batch: FloatArray, origins: IntArray, *, short: int, long: int, horizon: int) -> FloatArray:
    """Point forecasts of each series at each origin.

    Args:
        batch: Histories without gaps, shape ``(n, length)``.
        origins: Number of values known at each origin, rising, each ≥ ``2 · long``.
        short: Steps of the shorter season.
        long: Steps of the longer season, a multiple of ``short``.
        horizon: Steps ahead.

    Returns:
        Shape ``(len(origins), n, horizon)``.
    """
    state = _State(batch, short=short, long=long)
    made = np.empty((len(origins), len(batch), horizon))
    at = 0
    for k, origin in enumerate(origins):
        while at < origin:
            state.step(batch[:, at], at)
            at += 1
        made[k] = state.ahead(at, horizon)
    return made


class _State:
    """All series × all combinations; arrays of shape ``(…, n, 81)``."""

    def __init__(self, batch: FloatArray, *, short: int, long: int) -> None:
        """Start from the first two long seasons: their mean, their mean day, and what the week adds."""
        count = len(batch)
        first = batch[:, : 2 * long]
        level = first.mean(axis=1)
        rest = first - level[:, None]
        day = rest.reshape(count, -1, short).mean(axis=1)
        week = (rest - np.tile(day, 2 * long // short)).reshape(count, 2, long).mean(axis=1)
        self.alpha, self.delta, self.omega, self.phi = GRID.T
        shape = (count, len(GRID))
        self.level = np.repeat(level[:, None], len(GRID), axis=1)
        self.day = np.broadcast_to(day.T[:, :, None], (short, *shape)).copy()
        self.week = np.broadcast_to(week.T[:, :, None], (long, *shape)).copy()
        self.error = np.zeros(shape)
        self.loss = np.zeros(shape)
        self.warm = long

    def step(self, value: FloatArray, at: int) -> None:
        day, week = self.day[at % len(self.day)], self.week[at % len(self.week)]
        bare = value[:, None] - self.level - day - week
        error = bare - self.phi * self.error
        if at >= self.warm:
            self.loss += error * error
        # Taylor's error-correction form: each component moves by its constant times the error of the smoothed part.
        self.level += self.alpha * bare
        day += self.delta * (1 - self.alpha) * bare
        week += self.omega * (1 - self.alpha) * (1 - self.delta) * bare
        self.error = bare

    def ahead(self, at: int, horizon: int) -> FloatArray:
        best = np.argmin(self.loss, axis=1)
        rows = np.arange(len(best))
        steps = at + np.arange(horizon)
        day = self.day[steps % len(self.day)][:, rows, best]
        week = self.week[steps % len(self.week)][:, rows, best]
        echo = self.error[rows, best] * self.phi[best] ** np.arange(1, horizon + 1)[:, None]
        ahead: FloatArray = (self.level[rows, best] + day + week + echo).T
        return ahead
