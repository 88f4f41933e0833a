"""From the errors a model made to a band around what it says next: split-conformal quantiles.

A residual is measured in units of the scale that is usual at its level (busy hours err more than quiet ones), pooled
with those of similar distance (1, 2, 3–4, 5–8 … steps ahead), and its quantiles are laid around the new forecast.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from domain.series import FloatArray
from forecaster import combine
from forecaster.backtest import Replay


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


def calibrate(actuals: FloatArray, points: FloatArray, levels: Sequence[float]) -> Calibration:
    """Learn the band from forecasts and what came.

    Args:
        actuals: Shape ``(origins, horizon)``; NaN where unknown. At least one must be known.
        points: The point forecasts, same shape.
        levels: Quantiles wanted, rising, each in (0, 1).
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
    return Calibration(
        levels=tuple(levels), centres=np.array(centres), offsets=np.array(offsets), base=base, slope=slope
    )


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
    return _shares(judged, calibrate(seen, points[:half], levels).band(points[half:]), levels)


def replayed_band(replay: Replay, model: str, levels: Sequence[float]) -> FloatArray:
    """The band that ``coverage`` counts, shape ``(origins, horizon, levels)``; NaN at the origins that calibrate it."""
    band = np.full((*replay.actuals.shape, len(levels)), np.nan)
    if (halves := _halves(replay)) is not None:
        half, seen, _ = halves
        points = replay.points[model]
        band[half:] = calibrate(seen, points[:half], levels).band(points[half:])
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
        band[block] = calibrate(replay.actuals if unseen else seen, points, levels).band(points[block])
    return band


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
