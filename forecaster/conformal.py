"""Bands for a batch of point forecasts from the errors they made: split-conformal, each series leaning on all of them.

A series that knows few of its own errors takes the shape of the batch's, in its own size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from domain.series import FloatArray

LEAN: Final = 50
"""Own errors that weigh as much as the batch's (facts: n ÷ (n + 50))."""


def offsets(errors: FloatArray, ranges: Sequence[tuple[int, int]], levels: Sequence[float]) -> FloatArray:
    """Quantiles of the errors by range of horizons.

    Args:
        errors: Actual − forecast, shape ``(series, origins, horizon)``; NaN where unknown.
        ranges: First and last step of each range, both included.
        levels: Quantile levels, rising.

    Returns:
        Shape ``(series, ranges, levels)``; 0 for a series without any known error.
    """
    return np.stack([_range_offsets(errors[:, :, first - 1 : last], levels) for first, last in ranges], axis=1)


def spread_out(by_range: FloatArray, ranges: Sequence[tuple[int, int]], horizon: int) -> FloatArray:
    """Offsets of each step, shape ``(series, horizon, levels)``."""
    widths = [min(last, horizon) - first + 1 for first, last in ranges if first <= horizon]
    return np.repeat(by_range[:, : len(widths)], widths, axis=1)


def _range_offsets(errors: FloatArray, levels: Sequence[float]) -> FloatArray:
    flat = np.sort(errors.reshape(len(errors), -1), axis=1)
    known = (~np.isnan(flat)).sum(axis=1)
    origins = (~np.isnan(errors)).any(axis=2).sum(axis=1)
    own = _sorted_quantiles(flat, known, origins, levels)
    size = np.nanmean(np.abs(np.where(known[:, None] > 0, flat, 0.0)), axis=1)[:, None]
    trusted = (known > 0) & (size[:, 0] > 0)
    if not trusted.any():
        return own
    shape = (own[trusted] / size[trusted]).mean(axis=0)
    weight = (origins / (origins + LEAN))[:, None]
    found: FloatArray = weight * own + (1 - weight) * size * shape
    return found


def _sorted_quantiles(
    flat: FloatArray, known: np.ndarray, origins: np.ndarray, levels: Sequence[float]
) -> FloatArray:
    """Quantiles of the first ``known`` of each row, moved outward for few independent origins."""
    taus = np.asarray(levels)
    moved = np.clip(0.5 + (taus - 0.5) * ((origins + 1) / np.maximum(origins, 1))[:, None], 0.0, 1.0)
    place = moved * np.maximum(known - 1, 0)[:, None]
    low = np.floor(place).astype(np.int64)
    high = np.minimum(low + 1, np.maximum(known - 1, 0)[:, None])
    below, above = np.take_along_axis(flat, low, axis=1), np.take_along_axis(flat, high, axis=1)
    found = below + (place - low) * (above - below)
    return np.where(known[:, None] > 0, found, 0.0)
