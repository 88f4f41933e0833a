"""``…_over_time``: one number from the samples of each window."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from domain.series import FloatArray, IntArray
from store.promql.sums import window_means, window_sums
from store.promql.windows import Unrolled, Windows


def _first(windows: Windows) -> FloatArray:
    return windows.values[:, windows.first]


def _last(windows: Windows) -> FloatArray:
    return windows.values[:, windows.last]


def _each(windows: Windows, value: FloatArray) -> FloatArray:
    return np.broadcast_to(value, (len(windows.values), len(value)))


def variance(windows: Windows) -> FloatArray:
    """Population variance; two passes over deviations from the first sample, so that equal samples give exactly 0."""

    def of_piece(piece: Windows) -> FloatArray:
        samples = piece.unrolled()
        deviation = samples.values - samples.spread(samples.values[samples.starts])
        deviation -= samples.spread(samples.reduced(np.add, deviation) / samples.counts)
        squares = samples.reduced(np.add, deviation * deviation) / samples.counts
        return squares.reshape(len(piece.values), -1)

    return windows.by_pieces(of_piece)


def quantile(windows: Windows, level: FloatArray) -> FloatArray:
    """The quantile ``level`` (shape ``(steps,)``) of each window, interpolated; NaN counts as the smallest value."""
    levels = _by_column(windows, level)

    def of_piece(piece: Windows) -> FloatArray:
        samples = piece.unrolled()
        wanted = np.tile(levels(piece), len(piece.values))
        return _quantile_of(samples, samples.values, wanted).reshape(len(piece.values), -1)

    return windows.by_pieces(of_piece)


def median_deviation(windows: Windows) -> FloatArray:
    """Median of the absolute deviations from the median."""

    def of_piece(piece: Windows) -> FloatArray:
        samples = piece.unrolled()
        half = np.full(len(samples.starts), 0.5)
        median = _quantile_of(samples, samples.values, half)
        deviation = np.abs(samples.values - samples.spread(median))
        return _quantile_of(samples, deviation, half).reshape(len(piece.values), -1)

    return windows.by_pieces(of_piece)


def _by_column(windows: Windows, by_step: FloatArray) -> Callable[[Windows], FloatArray]:
    """Looks up a value of each step for the steps of a piece; several equal step times have equal values."""
    order = np.argsort(windows.steps_ms, kind="stable")
    times = windows.steps_ms[order]
    return lambda piece: by_step[order[np.searchsorted(times, piece.steps_ms)]]


def _quantile_of(samples: Unrolled, values: FloatArray, level: FloatArray) -> FloatArray:
    window = np.repeat(np.arange(len(samples.starts)), samples.counts)
    ranked = values[np.lexsort((values, ~np.isnan(values), window))]
    return at_level(level, samples.counts, lambda index: ranked[samples.starts + index])


def at_level(level: FloatArray, counts: IntArray, value_at: Callable[[IntArray], FloatArray]) -> FloatArray:
    """Prometheus' quantile: linear between the two nearest ranks; ±Inf outside [0, 1], NaN for NaN."""
    inside = (level >= 0) & (level <= 1)
    rank = np.where(inside, level, 0.0) * (counts - 1)
    low = np.maximum(np.floor(rank), 0).astype(np.int64)
    high = np.minimum(low + 1, counts - 1)
    weight = rank - np.floor(rank)
    between = value_at(low) * (1 - weight) + value_at(high) * weight
    outside = np.where(np.isnan(level), np.nan, np.where(level < 0, -np.inf, np.inf))
    result: FloatArray = np.where(inside, between, outside)
    return result


def _time_of(extreme: np.ufunc) -> Callable[[Windows], FloatArray]:
    """Time of the last sample that equals the window's extreme."""

    def function(windows: Windows) -> FloatArray:
        def of_piece(piece: Windows) -> FloatArray:
            samples = piece.unrolled()
            best = samples.spread(samples.reduced(extreme, samples.values))
            times_s = np.where((samples.values == best) | np.isnan(best), samples.timestamps_ms / 1000, -np.inf)
            return samples.reduced(np.maximum, times_s).reshape(len(piece.values), -1)

        return windows.by_pieces(of_piece)

    return function


OVER_TIME_FUNCTIONS: Final[Mapping[str, Callable[[Windows], FloatArray]]] = {
    "sum_over_time": window_sums,
    "avg_over_time": window_means,
    "min_over_time": lambda w: w.reduced(np.fmin, w.values),
    "max_over_time": lambda w: w.reduced(np.fmax, w.values),
    "count_over_time": lambda w: _each(w, w.counts.astype(np.float64)),
    "present_over_time": lambda w: _each(w, np.ones(len(w.low))),
    "first_over_time": _first,
    "last_over_time": _last,
    "stdvar_over_time": variance,
    "stddev_over_time": lambda w: np.sqrt(variance(w)),
    "mad_over_time": median_deviation,
    "ts_of_first_over_time": lambda w: _each(w, w.timestamps_ms[w.first] / 1000),
    "ts_of_last_over_time": lambda w: _each(w, w.timestamps_ms[w.last] / 1000),
    "ts_of_min_over_time": _time_of(np.fmin),
    "ts_of_max_over_time": _time_of(np.fmax),
}
"""Need one sample, take no argument."""
