"""From the errors a model made to a band around what it says next: split-conformal quantiles.

A residual is measured in units of the scale that is usual at its level (busy hours err more than quiet ones), pooled
with those of similar distance (1, 2, 3–4, 5–8 … steps ahead), and its quantiles are laid around the new forecast.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from domain.series import FloatArray
from forecaster import combine
from forecaster.backtest import Replay

WANDERING: Final = frozenset({"drift"})
"""Models whose errors add up step by step; those of the others come back to a season or a level."""
STRETCHES: Final = 5
"""Stretches side by side from which the errors at a distance are trusted; with fewer, chance sets the band."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """What the band of a wandering model is carried on by, where the errors at a distance are few.

    Attributes:
        judged: Steps that the errors come from.
        behind: Steps that the slope was known from at the first origin.
    """

    judged: int
    behind: int

    def spread(self, ahead: FloatArray) -> FloatArray:
        """How wide errors are, up to a factor: a random walk with a drift that was estimated from ``behind`` steps."""
        wide: FloatArray = np.sqrt(ahead * (1 + ahead / self.behind))
        return wide


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Quantiles of the scaled residuals by distance.

    Attributes:
        levels: Rising, shape ``(n,)``.
        centres: Middle of each bucket in log₂ steps ahead, rising, shape ``(buckets,)``.
        offsets: Scaled residual at each bucket and level, shape ``(buckets, n)``.
        base: Usual absolute error at level 0.
        slope: What a unit of level adds to it; ≥ 0.
    """

    levels: tuple[float, ...]
    centres: FloatArray
    offsets: FloatArray
    base: float
    slope: float

    def band(self, points: FloatArray) -> FloatArray:
        """Quantiles around point forecasts of shape ``(…, horizon)``; a new last axis of levels, never crossing."""
        ahead = np.log2(np.arange(1, points.shape[-1] + 1))
        offsets = np.stack([np.interp(ahead, self.centres, column) for column in self.offsets.T], axis=-1)
        scale = self.base + self.slope * np.abs(points)
        band: FloatArray = np.maximum.accumulate(points[..., None] + scale[..., None] * offsets, axis=-1)
        return band


def calibrate(
    actuals: FloatArray, points: FloatArray, levels: Sequence[float], *, walk: Walk | None = None
) -> Calibration:
    """Learn the band from forecasts and what came.

    Args:
        actuals: Shape ``(origins, horizon)``; NaN where unknown. At least one must be known.
        points: The point forecasts, same shape.
        levels: Quantiles wanted, rising, each in (0, 1).
        walk: Carries the band on where errors are few; None where they are taken as they are.
    """
    residuals = actuals - points
    base, slope = _scale(np.abs(residuals), np.abs(points))
    scaled = residuals / (base + slope * np.abs(points))
    centres, offsets = [], []
    for first, end in _buckets(points.shape[1]):
        bucket = scaled[:, first:end]
        known = bucket[~np.isnan(bucket)]
        if len(known):
            centres.append((np.log2(first + 1) + np.log2(end)) / 2)
            independent = int(np.count_nonzero(~np.isnan(bucket).all(axis=1)))
            offsets.append(np.quantile(known, _finite_sample(levels, independent)))
    found = np.array(centres), np.array(offsets)
    if walk is not None:
        found = _carried_on(*found, levels, walk, points.shape[1])
    return Calibration(levels=tuple(levels), centres=found[0], offsets=found[1], base=base, slope=slope)


def walk_of(replay: Replay, model: str, *, until: int | None = None) -> Walk | None:
    """What carries the model's band on, judged by the origins up to that step; None for those that do not wander."""
    if model not in WANDERING:
        return None
    first = int(replay.origins[0])
    return Walk(judged=max((until or int(replay.origins[-1]) + 1) - first, 1), behind=first)


def _carried_on(
    centres: FloatArray, offsets: FloatArray, levels: Sequence[float], walk: Walk, horizon: int
) -> tuple[FloatArray, FloatArray]:
    """At distances that fewer than ``STRETCHES`` tell of: at least as wide as those nearer would grow to."""
    trusted = int(np.flatnonzero(2**centres <= max(walk.judged / STRETCHES, 1.0))[-1:].sum())
    farther = [(np.log2(first + 1) + np.log2(end)) / 2 for first, end in _buckets(horizon)][len(centres) :]
    everywhere = np.concatenate([centres, farther, [np.log2(horizon)]])
    own = np.stack([np.interp(everywhere, centres, column) for column in offsets.T], axis=1)
    grown = walk.spread(2**everywhere) / walk.spread(2 ** centres[trusted : trusted + 1])
    wider = offsets[trusted] * grown[:, None]
    upper, lower = np.asarray(levels) > 0.5, np.asarray(levels) < 0.5
    widened = np.where(upper, np.maximum(own, wider), np.where(lower, np.minimum(own, wider), own))
    widened[: trusted + 1] = offsets[: trusted + 1]
    return everywhere, widened


def coverage(replay: Replay, model: str, levels: Sequence[float]) -> Mapping[float, float]:
    """Share of actuals at or below each quantile, on origins that the calibration had not seen.

    The first half of the origins calibrates, the second half is counted; a target of the first half that lies after
    the first counted origin is left out of the calibration, as it was not yet known then. Empty where nothing is left.
    """
    halves = _halves(replay)
    if halves is None:
        return {}
    half, seen, judged = halves
    points = replay.points[model]
    return _shares(judged, _half_calibrated(replay, model, half, seen, levels).band(points[half:]), levels)


def replayed_band(replay: Replay, model: str, levels: Sequence[float]) -> FloatArray:
    """The band that ``coverage`` counts, shape ``(origins, horizon, levels)``; NaN at the origins that calibrate it."""
    band = np.full((*replay.actuals.shape, len(levels)), np.nan)
    if (halves := _halves(replay)) is not None:
        half, seen, _ = halves
        points = replay.points[model]
        band[half:] = _half_calibrated(replay, model, half, seen, levels).band(points[half:])
    return band


def crossed_band(replay: Replay, model: str, levels: Sequence[float]) -> FloatArray:
    """Bands at all origins, shape ``(origins, horizon, levels)``, each block's calibrated on what is apart from it.

    A step ahead of which nothing is apart takes the band of the steps beside it.
    """
    points, ahead = replay.points[model], np.arange(1, replay.actuals.shape[1] + 1)
    band = np.empty((*points.shape, len(levels)))
    for block in combine.blocks(len(replay.origins)):
        seen = np.where(combine.apart(replay.origins[:, None], block, ahead), replay.actuals, np.nan)
        unseen = np.isnan(seen).all()
        band[block] = calibrate(replay.actuals if unseen else seen, points, levels, walk=walk_of(replay, model)).band(
            points[block]
        )
    return band


def _half_calibrated(replay: Replay, model: str, half: int, seen: FloatArray, levels: Sequence[float]) -> Calibration:
    walk = walk_of(replay, model, until=int(replay.origins[half]))
    return calibrate(seen, replay.points[model][:half], levels, walk=walk)


def band_coverage(replay: Replay, bands: FloatArray, levels: Sequence[float]) -> Mapping[float, float]:
    """The same of bands that were forecast, shape ``(origins, horizon, levels)``: all origins count, none calibrated.

    The engine's bands are not moved by what this finds: moved, they cost 4–15 % of WQL on the recorded workloads.
    """
    return {} if np.isnan(replay.actuals).all() else _shares(replay.actuals, bands, levels)


def _halves(replay: Replay) -> tuple[int, FloatArray, FloatArray] | None:
    """Number of origins that calibrate, what they had seen when counting begins, and what is counted."""
    half = len(replay.origins) // 2
    begin = replay.origins[half]
    targets = replay.origins[:half, None] + np.arange(replay.actuals.shape[1])
    seen, judged = np.where(targets < begin, replay.actuals[:half], np.nan), replay.actuals[half:]
    return None if np.isnan(seen).all() or np.isnan(judged).all() else (half, seen, judged)


def _shares(judged: FloatArray, bands: FloatArray, levels: Sequence[float]) -> Mapping[float, float]:
    known = ~np.isnan(judged)
    below = judged[..., None] <= bands + 1e-12 * np.abs(bands)
    return {level: float(below[..., i][known].mean()) for i, level in enumerate(levels)}


def _scale(errors: FloatArray, sizes: FloatArray) -> tuple[float, float]:
    """Usual error = base + slope·size by least squares, slope and base ≥ 0, and never 0 altogether."""
    known = ~np.isnan(errors)
    error, size = errors[known], sizes[known]
    mean_error, mean_size = float(error.mean()), float(size.mean())
    spread = float(((size - mean_size) ** 2).mean())
    slope = float(((size - mean_size) * (error - mean_error)).mean()) / spread if spread > 0 else 0.0
    # At most the slope that leaves a quarter of the mean error to the base: no zero band at level zero.
    most = 0.75 * mean_error / mean_size if mean_size > 0 else 0.0
    slope = min(max(slope, 0.0), most)
    return max(mean_error - slope * mean_size, 1e-9 * (mean_size + 1e-290)), slope


def _buckets(horizon: int) -> list[tuple[int, int]]:
    """Half-open ranges of steps that double in width: 1, 2, 3–4, 5–8 and so on."""
    edges = [0, *(2**k for k in range((horizon - 1).bit_length())), horizon]
    return [(first, end) for first, end in zip(edges, edges[1:], strict=False) if first < end]


def _finite_sample(levels: Sequence[float], count: int) -> FloatArray:
    """Levels moved outward by ``(n + 1) ÷ n``, so that a new error is covered with the probability asked for."""
    asked = np.asarray(levels, dtype=np.float64)
    moved: FloatArray = np.clip(0.5 + (asked - 0.5) * (count + 1) / count, 0.0, 1.0)
    return moved
