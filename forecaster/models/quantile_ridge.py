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
from forecaster.windows import Moments, Reads, features, moments

Float32Array = NDArray[np.float32]
Floats = FloatArray | Float32Array

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
BLOCK: Final = 20_000
"""Rows of features that are made at a time: 5 MB for one series."""


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
        """Quantiles of the steps after window end ``t``, shape ``(series, horizon, levels)``."""
        return self.paths_at(reads, np.array([t]), horizon)[:, 0]

    def paths_at(self, reads: Reads, ends: IntArray, horizon: int) -> FloatArray:
        """The same after each of many window ends, shape ``(series, ends, horizon, levels)``."""
        ahead, known = np.arange(1, horizon + 1), moments(reads, ends)
        blocks = [
            self._block(reads, _some(known, some), ahead)
            for some in np.array_split(np.arange(len(ends)), -(-len(ends) * horizon // BLOCK))
        ]
        return np.concatenate(blocks, axis=1)

    def _block(self, reads: Reads, known: Moments, ahead: IntArray) -> FloatArray:
        count, horizon = len(known.t), len(ahead)
        each = known if count == 1 else _some(known, np.repeat(np.arange(count), horizon))
        asked = features(reads, each, np.tile(ahead, count))
        rows = asked.rows.reshape(len(asked.rows), count, horizon, -1)
        made = [
            np.matmul(rows[:, :, first - 1 : last], self.coefficients[:, i].transpose(0, 2, 1)[:, None])
            for i, (first, last) in enumerate(self.ranges)
            if first <= horizon
        ]
        size = (len(rows), count, horizon, 1)
        paths: FloatArray = np.concatenate(made, axis=2) * asked.scale.reshape(size) + asked.centre.reshape(size)
        return paths


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """Coefficients that were learned elsewhere.

    Attributes:
        coefficients: Shape ``(ranges, levels, columns)``.
        weight: Against the series, in its histories.
        beyond: Ranges that begin later than this step are held to them.
    """

    coefficients: Floats
    weight: float
    beyond: float


def ranges(horizon: int) -> tuple[tuple[int, int], ...]:
    """Ranges of horizons that share coefficients: 1, 2, 3–4, 5–8, 9–12, 13–24 and so on."""
    lasts = [edge for edge in EDGES if edge < horizon] + [horizon]
    return tuple(zip([1, *(last + 1 for last in lasts)], lasts, strict=False))


def fit(
    reads: Reads, values: FloatArray, measured: NDArray[np.bool_], *, horizon: int, levels: Sequence[float],
    first: int, stride: int = 7, anchor: Anchor | None = None,
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
        anchor: What a single series is held to far ahead, having no batch to lean on.
    """
    found = ranges(horizon)
    size = values.shape[1]
    ends = np.arange(size - 1, first, -stride)
    all_moments = moments(reads, ends)
    coefficients = []
    for at_range, (lowest, highest) in enumerate(found):
        usable = ends <= size - highest
        t = ends[usable]
        ahead = lowest + (np.arange(len(t)) * max(1, round((highest - lowest + 1) * 0.618))) % (highest - lowest + 1)
        rows = features(reads, _some(all_moments, usable), ahead)
        at = t + ahead - 1
        scaled = np.clip((values[:, at] - rows.centre) / rows.scale, -FARTHEST_TARGET, FARTHEST_TARGET)
        weighted = weights(rows.scale, measured[:, at] & measured[:, t - 1])
        if anchor is None or len(values) > 1 or lowest <= anchor.beyond:
            coefficients.append(regress(rows.rows, scaled, weighted, levels))
        else:
            start = anchor.coefficients[at_range]
            coefficients.append(regress_towards(start, rows.rows, scaled, weighted, levels, weight=anchor.weight))
    return QuantileRidge(ranges=found, levels=tuple(levels), coefficients=np.stack(coefficients, 1))


def _some(known: Moments, usable: NDArray[np.bool_] | IntArray) -> Moments:
    return Moments(
        t=known.t[usable], centre=known.centre[:, usable], scale=known.scale[:, usable],
        columns=known.columns[:, usable],
    )  # fmt: skip


def weights(scale: FloatArray, usable: NDArray[np.bool_]) -> FloatArray:
    """Busy windows count more, as their errors do, by the root of their scale; on average 1 per usable row."""
    typical = np.exp(np.log(scale).mean(axis=1, keepdims=True))
    raw = np.where(usable, np.sqrt(np.clip(scale / typical, 0.1, 10)), 0.0)
    total = raw.sum(axis=1, keepdims=True)
    count = usable.sum(axis=1, keepdims=True)
    found: FloatArray = raw * np.where(total > 0, count / np.where(total > 0, total, 1), 0) / usable.shape[1]
    return found


def regress(rows: FloatArray, targets: FloatArray, weights: FloatArray, levels: Sequence[float]) -> Float32Array:
    """Coefficients of each series, shape ``(series, levels, columns)``."""
    taus = np.asarray(levels, dtype=np.float32)[:, None]
    data = _Rows.of(rows, targets, weights)
    shared = _shared(data, taus)
    if len(rows) == 1:
        return shared
    pull = SHRINKAGE * data.gram.mean(axis=0) + _ridge(data.gram)
    return _descend(data, taus, pull=pull, start=np.repeat(shared, len(rows), axis=0), held=True, steps=OWN_STEPS)


def shared(
    rows: Floats, targets: Floats, weights: Floats, levels: Sequence[float], *, most: int = SHARED_ROWS
) -> Float32Array:
    """Coefficients of all series as one, from at most ``most`` of their rows; shape ``(levels, columns)``."""
    found: Float32Array = _shared(
        _Rows.of(rows, targets, weights), np.asarray(levels, dtype=np.float32)[:, None], most
    )[0]
    return found


def regress_towards(
    start: Floats, rows: Floats, targets: Floats, weights: Floats, levels: Sequence[float], *, weight: float
) -> Float32Array:
    """Coefficients of one series held to others, of shape ``(levels, columns)``, that weigh so many histories."""
    data = _Rows.of(rows, targets, weights)
    taus, begin = np.asarray(levels, dtype=np.float32)[:, None], np.asarray(start, dtype=np.float32)[None]
    pull = weight * data.gram + _ridge(data.gram)
    return _descend(data, taus, pull=pull, start=begin, held=True, steps=SHARED_STEPS)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rows:
    """Regression data in single precision: half the time, and the noise of the data is 1e5 times its rounding.

    Attributes:
        rows: Shape ``(series, n, columns)``.
        across: The same, ``(series, columns, n)``.
        targets: Shape ``(series, 1, n)``.
        weights: Shape ``(series, 1, n)``.
        gram: Weighted, shape ``(series, columns, columns)``.
    """

    rows: Float32Array
    across: Float32Array
    targets: Float32Array
    weights: Float32Array
    gram: Float32Array

    @classmethod
    def of(cls, rows: Floats, targets: Floats, weights: Floats) -> _Rows:
        single = rows.astype(np.float32, copy=False)
        across = np.ascontiguousarray(single.transpose(0, 2, 1))
        weight = weights.astype(np.float32)[:, None, :]
        return cls(
            rows=single, across=across, targets=targets.astype(np.float32)[:, None, :], weights=weight,
            gram=np.matmul(across * weight, single),
        )  # fmt: skip

    def thinned(self, most: int) -> _Rows:
        """Of all series together, at most ``most`` rows."""
        thin = -(-self.rows.shape[0] * self.rows.shape[1] // most)
        flat = self.rows.reshape(1, -1, self.rows.shape[2])[:, ::thin]
        return _Rows.of(flat, self.targets.reshape(1, -1)[:, ::thin], self.weights.reshape(1, -1)[:, ::thin])


def _shared(data: _Rows, taus: Float32Array, most: int = SHARED_ROWS) -> Float32Array:
    """Coefficients of the batch as one, shape ``(1, levels, columns)``."""
    pooled = data.thinned(most)
    pull = RIDGE / 1e-4 * _ridge(pooled.gram)
    against = np.matmul(pooled.weights * pooled.targets, pooled.rows)
    start = np.repeat(np.matmul(against, np.linalg.inv(pooled.gram + pull)), len(taus), axis=1)
    return _descend(pooled, taus, pull=pull, start=start.astype(np.float32), held=False, steps=SHARED_STEPS)


def _ridge(gram: Float32Array) -> Float32Array:
    """A ten thousandth of the mean curvature on each column: columns may repeat each other."""
    columns = gram.shape[-1]
    size = np.trace(gram, axis1=1, axis2=2).mean() / columns
    ridge: Float32Array = ((1e-4 * size + 1e-9) * np.eye(columns)).astype(np.float32)
    return ridge


def _descend(
    data: _Rows, taus: Float32Array, *, pull: Float32Array, start: Float32Array, held: bool, steps: int
) -> Float32Array:
    """Damped Newton steps from ``start``, shape ``(series, levels, columns)``; no level's loss ever rises.

    The ridge ``pull`` holds to ``start``, or to 0. It is taken in units of the curvature: one matrix for all levels.
    """
    inverse = np.linalg.inv(data.gram + pull)
    anchor = start if held else np.zeros_like(start)
    best = found = start
    rest = data.targets - np.matmul(found, data.across)
    density = _density(rest, data.weights, taus)
    lowest, damping, move = np.full_like(density, np.inf), np.ones_like(density), np.zeros_like(start)
    for _ in range(steps + 1):
        ramp = np.clip(rest / (2 * SMOOTHING), -0.5, 0.5)
        slope = (ramp + (taus - 0.5)) * data.weights
        apart = found - anchor
        pulled = np.matmul(apart, pull)
        loss = _dot(slope, rest) - SMOOTHING * _dot(ramp * data.weights, ramp) + 0.5 * density * _dot(apart, pulled)
        better = loss < lowest
        lowest, best = np.where(better, loss, lowest), np.where(better, found, best)
        step = np.matmul(np.matmul(slope, data.rows) / density - pulled, inverse)
        move = np.where(better, step, move)
        damping = np.where(better, np.minimum(1.0, 1.6 * damping), 0.4 * damping).astype(np.float32)
        found = best + damping * move
        rest = data.targets - np.matmul(found, data.across)
    return best


def _dot(one: Float32Array, other: Float32Array) -> Float32Array:
    """Sum of products along the last axis, which is kept."""
    product: Float32Array = np.einsum("slc,slc->sl", one, other)[..., None]
    return product


def _density(rest: Float32Array, weights: Float32Array, taus: Float32Array) -> Float32Array:
    """Density of the residuals around 0, by level: the curvature of the loss per unit of the gram matrix."""
    wide = 4 * SMOOTHING
    mass = np.maximum(weights.sum(axis=2, keepdims=True), 1e-9)
    inside = ((np.abs(rest) < wide) * weights).sum(axis=2, keepdims=True) / mass / (2 * wide)
    density: Float32Array = np.maximum(inside, 0.5 * np.minimum(taus, 1 - taus)).astype(np.float32)
    return density
