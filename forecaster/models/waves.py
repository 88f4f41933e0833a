"""Fourier ridge + AR residual for a batch: the season and the hour as smooth waves, and an echo that fades.

The same idea as ``fourier_ar``, for many series of one length: they share the design matrix, so one inverse serves them
all. Huber steps keep spikes out of the waves; the echo is an autoregression by Yule–Walker, which cannot explode.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from domain.series import FloatArray, IntArray

SEASON_WAVES: Final = 10
WEEK_WAVES: Final = 3
HOUR_WAVES: Final = 6
HOURS: Final = 24
ORDER: Final = 24
"""Two hours at 5 minutes: jobs of each hour echo once; 12 cost 1 % at 1 h."""
RIDGE: Final = 0.02
"""In observations per observation: 2,592 steps are held to 0 as if by 52."""
HUBER: Final = 3.0
HUBER_STEPS: Final = 4
THIN: Final = 3
"""The robust deviation is told from every third residual: half the time of the fit went into medians."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waves:
    """Fitted waves and echo.

    Attributes:
        season: Steps per season.
        coefficients: Of ``design``'s columns, shape ``(series, columns)``.
        echo: Of the last residuals, newest first, shape ``(series, ORDER)``.
    """

    season: int
    coefficients: FloatArray
    echo: FloatArray

    def smooth(self, first: int, end: int) -> FloatArray:
        """The waves at steps ``first`` to ``end``, shape ``(series, end − first)``."""
        return self.coefficients @ design(first, end, self.season).T

    def path(self, newest: FloatArray, t: int, horizon: int) -> FloatArray:
        """Point forecast from window end ``t``; ``newest`` ends there and holds at least ``ORDER`` values."""
        rest = newest[:, -ORDER:] - self.smooth(t - ORDER, t)
        return self.smooth(t, t + horizon) + self._echoed(rest, horizon)

    def paths(self, values: FloatArray, origins: IntArray, horizon: int) -> FloatArray:
        """Point forecasts at many origins, shape ``(series, origins, horizon)``."""
        waves = self.smooth(0, int(origins[-1]) + horizon)
        rest = values[:, : origins[-1]] - waves[:, : origins[-1]]
        recent = rest[:, origins[:, None] - ORDER + np.arange(ORDER)]
        kernel = self._echoed_each(horizon)
        made: FloatArray = waves[:, origins[:, None] + np.arange(horizon)] + np.matmul(recent, kernel)
        return made

    def _echoed(self, rest: FloatArray, horizon: int) -> FloatArray:
        """What is left of the last residuals (oldest first) at each step ahead."""
        line = np.empty((len(rest), ORDER + horizon))
        line[:, :ORDER] = rest
        backwards = np.ascontiguousarray(self.echo[:, ::-1])
        for step in range(ORDER, ORDER + horizon):
            line[:, step] = (line[:, step - ORDER : step] * backwards).sum(axis=1)
        return line[:, ORDER:]

    def _echoed_each(self, horizon: int) -> FloatArray:
        """The echo of a residual of 1 at each of the last steps, shape ``(series, ORDER, horizon)``."""
        size = len(self.echo)
        line = np.zeros((size, ORDER, ORDER + horizon))
        line[:, :, :ORDER] = np.eye(ORDER)
        backwards = np.ascontiguousarray(self.echo[:, ::-1])[..., None]
        for step in range(ORDER, ORDER + horizon):
            line[:, :, step] = np.matmul(line[:, :, step - ORDER : step], backwards)[..., 0]
        return line[:, :, ORDER:]


def fit(values: FloatArray, season_length: int) -> Waves:
    """Waves and echo of each series; ``values`` without gaps, shape ``(series, steps)``."""
    size = values.shape[1]
    columns = design(0, size, season_length)
    penalty = _penalty(season_length, size)
    inverse = np.linalg.inv(columns.T @ columns + np.diag(penalty))
    low, high = np.quantile(values[:, ::THIN], [0.01, 0.99], axis=1)[..., None]
    found = np.clip(values, 2 * low - high, 2 * high - low) @ columns @ inverse
    rest = values - found @ columns.T
    for _ in range(HUBER_STEPS):
        limit = HUBER * _deviation(rest)
        found = found + (np.clip(rest, -limit, limit) @ columns - penalty * found) @ inverse
        rest = values - found @ columns.T
    return Waves(season=season_length, coefficients=found, echo=_yule_walker(rest))


def design(first: int, end: int, season_length: int) -> FloatArray:
    """Columns: constant, waves of the season, of seven seasons, of the hour; shape ``(steps, columns)``."""
    angle = np.outer(np.arange(first, end), np.array(_rhythms(season_length))) * (2 * np.pi / season_length)
    return np.concatenate([np.ones((end - first, 1)), np.cos(angle), np.sin(angle)], axis=1)


def _rhythms(season_length: int) -> list[float]:
    """In waves per season; none faster than two steps."""
    most = (season_length - 1) // 2
    season = [float(k) for k in range(1, min(SEASON_WAVES, most) + 1)]
    week = [k / 7 for k in range(1, WEEK_WAVES + 1)]
    hour = [float(HOURS * k) for k in range(1, HOUR_WAVES + 1) if HOURS * k <= most]
    return season + week + hour


def _penalty(season_length: int, size: int) -> FloatArray:
    """The week is held three times as firmly as the day: nine days know little of it. The level is free."""
    each = [3.0 if rhythm < 1 else 1.0 for rhythm in _rhythms(season_length)]
    return np.concatenate([[1e-6], RIDGE * size * np.array(each + each)])


def _deviation(rest: FloatArray) -> FloatArray:
    return 1.4826 * np.median(np.abs(rest[:, ::THIN]), axis=1, keepdims=True)


def _yule_walker(rest: FloatArray) -> FloatArray:
    """AR coefficients from the biased autocovariances: stationary by construction, whatever the data."""
    size, spread = rest.shape[1], _deviation(rest)
    cut = np.clip(rest, -5 * spread, 5 * spread)
    covariance = np.stack(
        [np.einsum("nt,nt->n", cut[:, lag:], cut[:, : size - lag]) / size for lag in range(ORDER + 1)], axis=1
    )
    lags = np.abs(np.subtract.outer(np.arange(ORDER), np.arange(ORDER)))
    toeplitz = covariance[:, lags] + np.eye(ORDER) * (covariance[:, :1, None] * 1e-4 + 1e-12)
    echo: FloatArray = np.linalg.solve(toeplitz, covariance[:, 1:, None])[..., 0]
    return echo
