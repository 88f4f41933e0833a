"""Trends within each window: least squares (``deriv``, ``predict_linear``) and double exponential smoothing."""

from __future__ import annotations

import numpy as np

from domain.errors import QueryExecutionError
from domain.series import FloatArray
from store.promql.windows import Windows


def slope(windows: Windows) -> FloatArray:
    """``deriv``: change per second of the least-squares line."""
    return windows.by_pieces(lambda piece: _line(piece, 0.0)[0])


def predicted(windows: Windows, seconds: FloatArray) -> FloatArray:
    """``predict_linear``: the least-squares line ``seconds`` (shape ``(steps,)``) after the evaluation time."""
    by_step = dict(zip(windows.steps_ms.tolist(), seconds.tolist(), strict=True))

    def of_piece(piece: Windows) -> FloatArray:
        ahead = np.array([by_step[step] for step in piece.steps_ms.tolist()])
        gradient, at_step = _line(piece, piece.steps_ms / 1000)
        line: FloatArray = gradient * ahead + at_step
        return line

    return windows.by_pieces(of_piece)


def _line(piece: Windows, at_s: FloatArray | float) -> tuple[FloatArray, FloatArray]:
    """Slope per second and value at ``at_s`` of each window; centred, so that large timestamps cost no digits."""
    samples = piece.unrolled()
    shape = (len(piece.values), len(piece.low))
    origin_s = samples.timestamps_ms[samples.starts] / 1000
    x = samples.timestamps_ms / 1000 - samples.spread(origin_s)
    first = samples.values[samples.starts]
    y = samples.values - samples.spread(np.where(np.isfinite(first), first, 0.0))
    mean_x = samples.reduced(np.add, x) / samples.counts
    mean_y = samples.reduced(np.add, y) / samples.counts
    dx = x - samples.spread(mean_x)
    covariance = samples.reduced(np.add, dx * (y - samples.spread(mean_y)))
    gradient = covariance / samples.reduced(np.add, dx * dx)
    level = mean_y + np.where(np.isfinite(first), first, 0.0)
    constant = samples.reduced(np.maximum, (samples.values != samples.spread(first)).astype(np.float64)) == 0
    gradient = np.where(constant, np.where(np.isinf(first), np.nan, 0.0), gradient).reshape(shape)
    level = np.where(constant, first, level)
    since_mean_s = at_s - (origin_s + mean_x).reshape(shape)
    return gradient, level.reshape(shape) + gradient * since_mean_s


def smoothed(windows: Windows, smoothing: float, trend: float) -> FloatArray:
    """``double_exponential_smoothing``: sample by sample, for all windows at once."""
    for name, factor in (("smoothing", smoothing), ("trend", trend)):
        if not 0 < factor < 1:
            raise QueryExecutionError(f"invalid {name} factor. Expected: 0 < {name[0]}f < 1, got: {factor:f}")

    def of_piece(piece: Windows) -> FloatArray:
        samples = piece.unrolled()
        values = [samples.values[samples.starts + np.minimum(k, samples.counts - 1)] for k in range(2)]
        before, level, gradient = np.zeros(len(samples.starts)), values[0], values[1] - values[0]
        for k in range(1, int(samples.counts.max(initial=0))):
            if k > 1:
                gradient = trend * (level - before) + (1 - trend) * gradient
            value = samples.values[samples.starts + np.minimum(k, samples.counts - 1)]
            new = smoothing * value + (1 - smoothing) * (level + gradient)
            going = k < samples.counts
            before, level = np.where(going, level, before), np.where(going, new, level)
        return level.reshape(len(piece.values), -1)

    return windows.by_pieces(of_piece)
