"""Direct quantile regression, one linear map per range of horizons and level, each series shrunk to all of them.

The quantiles of the step asked about are linear in the window before it (``forecaster.windows``). The coefficients
minimise the pinball loss by Newton steps on a smoothed loss: the curvature is the density of the residuals at the
quantile times one matrix, so that all levels share one factorisation per series. A series starts from the coefficients
of the whole batch and is held to them by a ridge: little history, little of its own opinion.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from domain.series import FloatArray, IntArray
from forecaster.windows import Features, Moments, Reads, features, moments

EDGES: Final = (1, 2, 4, 8, 12, 24, 48, 96, 192)
"""Last step of each range of horizons at a season of 288; the last range reaches to the horizon."""
SHRINKAGE: Final = 0.3
"""Weight of the batch against the series, in histories."""
FARTHEST_TARGET: Final = 12.0
SMOOTHING: Final = 0.1
"""Half width of the smoothed part of the loss, in spreads of the window."""
SHARED_STEPS: Final = 25
OWN_STEPS: Final = 6
SHARED_ROWS: Final = 6_000
"""Rows of the shared fit; more move the coefficients by less than the data's own noise."""
RIDGE: Final = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantileRidge:
    """Coefficients by range of horizons.

    Attributes:
        ranges: First and last step of each, both included.
        levels: Quantile levels, rising.
        coefficients: Shape ``(series, ranges, levels, columns)``.
    """

    ranges: tuple[tuple[int, int], ...]
    levels: tuple[float, ...]
    coefficients: NDArray[np.float32]

    def paths(self, reads: Reads, t: int, horizon: int) -> FloatArray:
        """Quantiles of the next steps, shape ``(series, horizon, levels)``."""
        known = moments(reads, np.array([t]))
        asked = features(reads, known, np.arange(1, horizon + 1))
        made = [
            np.matmul(asked.rows[:, first - 1 : last], self.coefficients[:, i].transpose(0, 2, 1))
            for i, (first, last) in enumerate(self.ranges)
            if first <= horizon
        ]
        scaled = np.concatenate(made, axis=1)
        paths: FloatArray = asked.centre[..., None] + asked.scale[..., None] * scaled
        return paths


def ranges(horizon: int) -> tuple[tuple[int, int], ...]:
    """Ranges of horizons that share coefficients: 1, 2, 3–4, 5–8, 9–12, 13–24 and so on."""
    lasts = [edge for edge in EDGES if edge < horizon] + [horizon]
    return tuple(zip([1, *(last + 1 for last in lasts)], lasts, strict=False))


def fit(
    reads: Reads, values: FloatArray, measured: NDArray[np.bool_], *, horizon: int, levels: Sequence[float],
    first: int, stride: int = 7,
) -> QuantileRidge:  # fmt: skip
    """Learn from every ``stride``-th window of the histories.

    Args:
        reads: Windows of ``values``.
        values: Histories without gaps, shape ``(series, steps)``.
        measured: Which of them were measured; a window is learned from only where its last step and its target were.
        horizon: Steps ahead.
        levels: Quantile levels.
        first: Windows end no earlier than this.
        stride: Best without a common divisor with an hour or a season, or some minutes are never seen.
    """
    found = ranges(horizon)
    size = values.shape[1]
    ends = np.arange(size - 1, first, -stride)
    all_moments = moments(reads, ends)
    coefficients = []
    for i, (lowest, highest) in enumerate(found):
        usable = ends <= size - highest
        t = ends[usable]
        ahead = lowest + (np.arange(len(t)) * max(1, round((highest - lowest + 1) * 0.618))) % (highest - lowest + 1)
        rows = features(reads, _some(all_moments, usable), ahead)
        at = t + ahead - 1
        scaled = np.clip((values[:, at] - rows.centre) / rows.scale, -FARTHEST_TARGET, FARTHEST_TARGET)
        weights = _weights(rows.scale, measured[:, at] & measured[:, t - 1])
        coefficients.append(regress(rows.rows, scaled, weights, levels))
    return QuantileRidge(ranges=found, levels=tuple(levels), coefficients=np.stack(coefficients, 1).astype(np.float32))


def _some(known: Moments, usable: NDArray[np.bool_]) -> Moments:
    return Moments(
        t=known.t[usable], centre=known.centre[:, usable], scale=known.scale[:, usable],
        columns=known.columns[:, usable],
    )  # fmt: skip


def _weights(scale: FloatArray, usable: NDArray[np.bool_]) -> FloatArray:
    """Busy windows count more, as their errors do, by the root of their scale; on average 1 per usable row."""
    typical = np.exp(np.log(scale).mean(axis=1, keepdims=True))
    weights = np.where(usable, np.sqrt(np.clip(scale / typical, 0.1, 10)), 0.0)
    total = weights.sum(axis=1, keepdims=True)
    count = usable.sum(axis=1, keepdims=True)
    found: FloatArray = weights * np.where(total > 0, count / np.where(total > 0, total, 1), 0) / usable.shape[1]
    return found


def regress(rows: FloatArray, targets: FloatArray, weights: FloatArray, levels: Sequence[float]) -> FloatArray:
    """Coefficients of each series, shape ``(series, levels, columns)``."""
    taus = np.asarray(levels)
    columns = rows.shape[-1]
    shared = _shared(rows, targets, weights, taus)
    gram = np.matmul((rows * weights[..., None]).transpose(0, 2, 1), rows)
    pull = SHRINKAGE * gram.mean(axis=0) + 1e-9 * np.eye(columns)
    own = np.repeat(shared[None], len(rows), axis=0)
    return _descend(rows, targets, weights, taus, gram=gram, pull=pull, start=own, steps=OWN_STEPS).transpose(0, 2, 1)


def _shared(rows: FloatArray, targets: FloatArray, weights: FloatArray, taus: FloatArray) -> FloatArray:
    """Coefficients of the batch as one, shape ``(columns, levels)``."""
    columns = rows.shape[-1]
    thin = max(1, rows.shape[0] * rows.shape[1] // SHARED_ROWS)
    x = np.ascontiguousarray(rows.reshape(1, -1, columns)[:, ::thin])
    y, w = targets.reshape(1, -1)[:, ::thin], weights.reshape(1, -1)[:, ::thin]
    if not w.any():
        return np.zeros((columns, len(taus)))
    gram = np.matmul((x * w[..., None]).transpose(0, 2, 1), x)
    pull = RIDGE * np.trace(gram[0]) / columns * np.eye(columns)
    middle = np.linalg.solve(gram + pull, np.matmul(x.transpose(0, 2, 1), (w * y)[..., None]))
    start = np.repeat(middle, len(taus), axis=2)
    return _descend(x, y, w, taus, gram=gram, pull=pull, start=start, steps=SHARED_STEPS, towards=0.0)[0]


def _descend(
    rows: FloatArray, targets: FloatArray, weights: FloatArray, taus: FloatArray, *, gram: FloatArray,
    pull: FloatArray, start: FloatArray, steps: int, towards: float = 1.0,
) -> FloatArray:  # fmt: skip
    """Damped Newton steps from ``start``, shape ``(series, columns, levels)``; no level's loss ever rises.

    The ridge ``pull`` holds to ``towards × start``. It is taken in units of the curvature, as the matrix of all levels.
    """
    inverse = np.linalg.inv(gram + pull)
    across = rows.transpose(0, 2, 1)
    mass = np.maximum(weights.sum(axis=1), 1e-12)[:, None]
    anchor = towards * start
    best, damping = start, np.ones((len(rows), 1, len(taus)))
    rest = targets[..., None] - np.matmul(rows, best)
    density = _density(rest, weights, mass, taus)
    lowest = np.full((len(rows), 1, len(taus)), np.inf)
    found, move = best, np.zeros_like(best)
    for _ in range(steps + 1):
        apart = found - anchor
        held = np.matmul(pull, apart)
        loss = _loss(rest, weights, taus) + 0.5 * density * (apart * held).sum(axis=1, keepdims=True)
        better = loss < lowest
        lowest = np.where(better, loss, lowest)
        best = np.where(better, found, best)
        ramp = np.clip(rest / (2 * SMOOTHING), -0.5, 0.5) + (taus - 0.5)
        step = np.matmul(inverse, np.matmul(across, ramp * weights[..., None]) / density - held)
        move = np.where(better, step, move)
        damping = np.where(better, np.minimum(1.0, 1.6 * damping), 0.4 * damping)
        found = best + damping * move
        rest = targets[..., None] - np.matmul(rows, found)
    return best


def _density(rest: FloatArray, weights: FloatArray, mass: FloatArray, taus: FloatArray) -> FloatArray:
    """Density of the residuals around 0, by level: the curvature of the loss per unit of the gram matrix."""
    wide = 4 * SMOOTHING
    inside = ((np.abs(rest) < wide) * weights[..., None]).sum(axis=1) / mass / (2 * wide)
    return np.maximum(inside, 0.5 * np.minimum(taus, 1 - taus))[:, None, :]


def _loss(rest: FloatArray, weights: FloatArray, taus: FloatArray) -> FloatArray:
    """Smoothed pinball loss of each series and level, shape ``(series, 1, levels)``."""
    size = np.abs(rest)
    smooth = np.where(size < SMOOTHING, rest**2 / (4 * SMOOTHING) + SMOOTHING / 4, size / 2)
    return ((smooth + (taus - 0.5) * rest) * weights[..., None]).sum(axis=1, keepdims=True)
