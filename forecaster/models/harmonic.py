"""Harmonic regression: seasons as waves, a trend that may bend and then holds, what is left over as a fading echo.

All series of a batch share one design matrix and one Cholesky factor per origin; Huber steps keep a spike from bending
the season, a half-life lets the old days count less. The rest follows an autoregression by Yule–Walker, which cannot
explode. It serves clean hourly seasonality and, with a trend, daily data months ahead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from domain.series import FloatArray, IntArray

HUBER: Final = 2.5
"""Residuals beyond so many robust standard deviations count as that many."""
HUBER_STEPS: Final = 10
"""Solves with a shared factor: of a spike of 100 times the level in 960 steps nothing is left after eight."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What the regression knows about time; steps are those of the series.

    Attributes:
        seasons: Pairs of period in steps and number of waves.
        bends: Places where the trend may bend, evenly spread over the history; None for no trend at all.
        half_life: Steps after which an observation counts half; None for never.
        order: Of the autoregression of the rest; 0 for none.
        ridge: Penalty on each wave, in observations; the level is not shrunk.
        bend_ridge: The same on each bend of the trend.
    """

    seasons: Sequence[tuple[float, int]]
    bends: int | None = None
    half_life: float | None = None
    order: int = 0
    ridge: float = 1.0
    bend_ridge: float = 1.0


def paths(batch: FloatArray, origins: IntArray, *, shape: Shape, horizon: int) -> FloatArray:
    """Point forecasts of each series at each origin.

    Args:
        batch: Histories without gaps, shape ``(n, length)``.
        origins: Number of values known at each origin, rising.
        shape: What the regression knows about time.
        horizon: Steps ahead.

    Returns:
        Shape ``(len(origins), n, horizon)``.
    """
    return np.stack([_path(batch[:, :origin], shape, horizon) for origin in origins])


def _path(batch: FloatArray, shape: Shape, horizon: int) -> FloatArray:
    known = batch.shape[1]
    design, penalty = _design(known, horizon, shape)
    weights = np.ones(known)
    if shape.half_life is not None:
        weights = 0.5 ** (np.arange(known)[::-1] / shape.half_life)
    coefficients = _fit(batch, design[:known], penalty, weights)
    smooth = coefficients @ design.T
    ahead: FloatArray = smooth[:, known:]
    if shape.order:
        ahead = ahead + _echo(batch - smooth[:, :known], weights, shape.order, horizon)
    return ahead


def _design(known: int, horizon: int, shape: Shape) -> tuple[FloatArray, FloatArray]:
    """Columns (level, waves, line and its bends) for history and horizon, and the penalty on each."""
    steps = np.arange(known + horizon) - (known - 1.0)
    columns, penalty = [np.ones(known + horizon)], [1e-6]
    frequencies = dict.fromkeys(k / period for period, waves in shape.seasons for k in range(1, waves + 1))
    for frequency in frequencies:
        angle = 2 * np.pi * frequency * steps
        columns += [np.cos(angle), np.sin(angle)]
        penalty += [shape.ridge, shape.ridge]
    if shape.bends is not None:
        time = np.minimum(steps, 0.0) / known  # held where it is: a line 90 days on errs 5–10 % more (daily data)
        columns.append(time)
        penalty.append(1e-3)
        for k in range(1, shape.bends + 1):
            columns.append(np.maximum(time + 1 - k / (shape.bends + 1), 0.0))
            penalty.append(shape.bend_ridge)
    return np.stack(columns, axis=1), np.array(penalty)


def _fit(batch: FloatArray, design: FloatArray, penalty: FloatArray, weights: FloatArray) -> FloatArray:
    weighted = design * weights[:, None]
    factor = cho_factor(design.T @ weighted + np.diag(penalty), lower=True, check_finite=False)
    coefficients = _solve(factor, _fenced(batch) @ weighted)
    for _ in range(HUBER_STEPS):
        rest = batch - coefficients @ design.T
        limit = HUBER * 1.4826 * np.median(np.abs(rest), axis=1, keepdims=True)
        coefficients = coefficients + _solve(factor, np.clip(rest, -limit, limit) @ weighted - penalty * coefficients)
    return coefficients


def _fenced(batch: FloatArray) -> FloatArray:
    """Without what stands out by more than the width of the middle 98 %: a better start than the plain fit."""
    low, high = np.quantile(batch, [0.01, 0.99], axis=1, keepdims=True)
    fenced: FloatArray = np.clip(batch, 2 * low - high, 2 * high - low)
    return fenced


def _solve(factor: tuple[FloatArray, bool], right: FloatArray) -> FloatArray:
    solved: FloatArray = cho_solve(factor, right.T, check_finite=False).T
    return solved


def _echo(rest: FloatArray, weights: FloatArray, order: int, horizon: int) -> FloatArray:
    """What an AR by Yule–Walker makes of the last residuals; stationary by construction, whatever the data."""
    limit = 5 * 1.4826 * np.median(np.abs(rest), axis=1, keepdims=True)
    cut = np.clip(rest, -limit, limit)
    root = cut * np.sqrt(weights)
    length = rest.shape[1]
    covariance = np.stack([(root[:, lag:] * root[:, : length - lag]).sum(axis=1) for lag in range(order + 1)], axis=1)
    lags = np.abs(np.subtract.outer(np.arange(order), np.arange(order)))
    floor = covariance[:, :1, None] * 1e-6 + 1e-290
    echo = np.linalg.solve(covariance[:, lags] + np.eye(order) * floor, covariance[:, 1:, None])[..., 0]
    window = cut[:, ::-1][:, :order].copy()  # newest first
    ahead = np.empty((len(rest), horizon))
    for step in range(horizon):
        ahead[:, step] = (echo * window).sum(axis=1)
        window = np.concatenate([ahead[:, step : step + 1], window[:, :-1]], axis=1)
    return ahead
