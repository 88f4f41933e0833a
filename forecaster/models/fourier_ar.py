"""Fourier ridge + AR: the season as a few smooth waves, and what is left over as an echo that fades.

The waves are fitted by ridge with Huber steps, so that a spike does not bend the day; the rest follows an
autoregression by Yule–Walker, which cannot explode. At short horizons the AR carries the level, at long ones the waves.
Many origins share one fit: the history is cut into a few stretches, each forecast with what was fitted before it began.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from domain.series import FloatArray, IntArray

FITS: Final = 8
"""Refits over all origins of one call: 128 fits would cost 16 times as much and move the WAPE by < 1 %."""
HARMONICS: Final = 10
WEEK: Final = 7
"""Seasons in the longer season: seven days, where the season is a day."""
WEEK_HARMONICS: Final = 20
ORDER: Final = 12
RIDGE: Final = 1.0
"""In observations per column: nothing against thousands of steps, a check on collinear waves in two seasons."""
HUBER: Final = 3.0
"""Residuals beyond so many robust standard deviations count as that many."""
HUBER_STEPS: Final = 8
"""Of a spike of 100 times the level in 960 steps, one step leaves 10 times the level in the day, eight nothing."""


def paths(values: FloatArray, origins: IntArray, *, season_length: int, horizon: int) -> FloatArray:
    """Waves plus fading residual from each origin, fitted on what was known at the first origin of its stretch.

    Args:
        values: History without gaps, shape ``(n,)``.
        origins: Number of values known at each origin, rising, each ≥ ``season_length``.
        season_length: Steps per season.
        horizon: Steps ahead.

    Returns:
        Point forecasts, shape ``(len(origins), horizon)``.
    """
    design = _waves(0, int(origins[-1]) + horizon, season_length)
    stretches = [stretch for stretch in np.array_split(origins, FITS) if len(stretch)]
    return np.concatenate([_stretch(values, design, stretch, season_length, horizon) for stretch in stretches])


def fit(values: FloatArray, season_length: int) -> FourierAr:
    """Waves and echo of one history without gaps, to be carried forward step by step."""
    found = _Fit.of(values, _waves(0, len(values), season_length), season_length)
    return FourierAr(season_length=season_length, waves=found.waves, echo=found.echo)


@dataclass(frozen=True, slots=True, kw_only=True)
class FourierAr:
    """What a fit found.

    Attributes:
        season_length: Steps per season.
        waves: Coefficients of the columns.
        echo: Of the last residuals, newest first.
    """

    season_length: int
    waves: FloatArray
    echo: FloatArray

    def path(self, newest: FloatArray, t: int, horizon: int) -> FloatArray:
        """Point forecast of the steps from ``t`` on, counted from the fit's first.

        Args:
            newest: Ends before ``t``; as many values as the echo is long, or more.
            t: Steps known.
            horizon: Steps ahead.
        """
        order = len(self.echo)
        smooth = _waves(t - order, t + horizon, self.season_length)[:, : len(self.waves)] @ self.waves
        line = np.concatenate([newest[-order:] - smooth[:order], np.zeros(horizon)])
        backwards = self.echo[::-1].copy()
        for step in range(order, order + horizon):
            line[step] = line[step - order : step] @ backwards
        ahead: FloatArray = smooth[order:] + line[order:]
        return ahead


def _stretch(values: FloatArray, design: FloatArray, origins: IntArray, season_length: int, horizon: int) -> FloatArray:
    first, last = int(origins[0]), int(origins[-1])
    fitted = _Fit.of(values[:first], design[:first], season_length)
    smooth = design[: last + horizon, : len(fitted.waves)] @ fitted.waves
    rest = values[:last] - smooth[:last]
    order = len(fitted.echo)
    recent = rest[origins[:, None] - 1 - np.arange(order)]
    ahead = smooth[origins[:, None] + np.arange(horizon)]
    forecasts: FloatArray = ahead + recent @ _echoes(fitted.echo, horizon).T
    return forecasts


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fit:
    waves: FloatArray
    echo: FloatArray

    @classmethod
    def of(cls, values: FloatArray, design: FloatArray, season_length: int) -> _Fit:
        columns = _columns(len(values), season_length)
        waves, rest = _ridge(values, design[:, :columns])
        return cls(waves=waves, echo=_yule_walker(rest, order=min(ORDER, len(values) // 4)))


def _waves(first: int, end: int, season_length: int) -> FloatArray:
    """Columns: constant, waves of the season, then those of seven seasons that are not waves of one."""
    season = [float(k) for k in range(1, _harmonics(season_length) + 1)]
    week = [k / WEEK for k in range(1, WEEK_HARMONICS + 1) if k % WEEK]
    angle = np.outer(np.arange(first, end), np.array(season + week)) * (2 * np.pi / season_length)
    pairs = np.stack([np.cos(angle), np.sin(angle)], axis=2).reshape(end - first, -1)
    return np.concatenate([np.ones((end - first, 1)), pairs], axis=1)


def _harmonics(season_length: int) -> int:
    return max(1, min(HARMONICS, (season_length - 1) // 2))


def _columns(length: int, season_length: int) -> int:
    """How many columns the history can carry: the waves of seven seasons only once two of them are known."""
    season = 1 + 2 * _harmonics(season_length)
    week = 2 * sum(1 for k in range(1, WEEK_HARMONICS + 1) if k % WEEK)
    return season + week if length >= 2 * WEEK * season_length else season


def _ridge(values: FloatArray, design: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Coefficients and residuals; the later solves see residuals cut at ``HUBER`` robust deviations."""
    gram = design.T @ design
    penalty = np.full(len(gram), RIDGE)
    penalty[0] = 1e-6  # the level itself is not shrunk
    factor = np.linalg.cholesky(gram + np.diag(penalty)).astype(np.float64, copy=False)
    coefficients = _solve(factor, design.T @ _fenced(values))
    for _ in range(HUBER_STEPS):
        rest = values - design @ coefficients
        limit = HUBER * 1.4826 * float(np.median(np.abs(rest)))
        coefficients = coefficients + _solve(factor, design.T @ np.clip(rest, -limit, limit) - penalty * coefficients)
    return coefficients, values - design @ coefficients


def _fenced(values: FloatArray) -> FloatArray:
    """Without what stands out by more than the width of the middle 98 %: a better start than the plain fit."""
    low, high = np.quantile(values, [0.01, 0.99])
    fenced: FloatArray = np.clip(values, 2 * low - high, 2 * high - low)
    return fenced


def _solve(factor: FloatArray, right: FloatArray) -> FloatArray:
    solved: FloatArray = np.linalg.solve(factor.T, np.linalg.solve(factor, right))
    return solved


def _yule_walker(rest: FloatArray, *, order: int) -> FloatArray:
    """AR coefficients from the biased autocovariances: stationary by construction, whatever the data."""
    if order < 1:
        return np.zeros(1)
    spread = 1.4826 * float(np.median(np.abs(rest)))
    cut = np.clip(rest, -5 * spread, 5 * spread) if spread > 0 else rest
    covariance = np.array([cut[lag:] @ cut[: len(cut) - lag] for lag in range(order + 1)]) / len(cut)
    if covariance[0] <= 0:
        return np.zeros(order)
    lags = np.abs(np.subtract.outer(np.arange(order), np.arange(order)))
    toeplitz = covariance[lags] + np.eye(order) * covariance[0] * 1e-6
    echo: FloatArray = np.linalg.solve(toeplitz, covariance[1:])
    return echo


def _echoes(echo: FloatArray, horizon: int) -> FloatArray:
    """Weights of the last residuals, newest first, in the forecast of each step; shape ``(horizon, order)``."""
    order = len(echo)
    known = np.eye(order)
    weights = np.zeros((horizon, order))
    window = list(known)
    for step in range(horizon):
        weights[step] = echo @ np.array(window[:order])
        window.insert(0, weights[step])
    return weights
