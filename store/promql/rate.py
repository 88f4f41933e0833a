"""``rate`` and its family: how much a series changed within each window.

Source: Prometheus, "Query functions", and its ``extrapolatedRate``: the change between first and last sample of the
window, counter resets added back, extended to the window's edges where a sample was due there.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from domain.series import FloatArray
from store.promql.results import BoolArray
from store.promql.windows import Windows

_CLOSE: Final = 1.1
"""A sample that is missing at an edge by at most 1.1 average intervals was merely not scraped yet."""


def extrapolated(windows: Windows, *, is_counter: bool, per_second: bool) -> tuple[FloatArray, BoolArray]:
    """``rate``, ``increase`` and ``delta``; needs two samples."""
    values, first, last = windows.values, windows.first, windows.last
    known = windows.counts >= 2
    change = values[:, last] - values[:, first]
    if is_counter:
        change = change + _resets_added_back(windows)
    start_s = (windows.timestamps_ms[first] - (windows.ends_ms - windows.range_ms)) / 1000
    end_s = (windows.ends_ms - windows.timestamps_ms[last]) / 1000
    sampled_s = (windows.timestamps_ms[last] - windows.timestamps_ms[first]) / 1000
    average_s = sampled_s / np.maximum(windows.counts - 1, 1)
    start_s = np.where(start_s >= average_s * _CLOSE, average_s / 2, start_s)
    end_s = np.where(end_s >= average_s * _CLOSE, average_s / 2, end_s)
    before_s: FloatArray = np.broadcast_to(start_s, change.shape)
    if is_counter:
        before_s = _not_below_zero(change, values[:, first], sampled_s, before_s)
    factor = (sampled_s + before_s + end_s) / sampled_s
    if per_second:
        factor = factor / (windows.range_ms / 1000)
    return change * factor, np.broadcast_to(known, change.shape)


def _resets_added_back(windows: Windows) -> FloatArray | float:
    """The value before each reset, summed over the window; series by series, so that no rounding error spreads."""
    before, after = windows.values[:, :-1], windows.values[:, 1:]
    resets = after < before
    affected = np.flatnonzero(resets.any(axis=1))
    if not len(affected):
        return 0.0
    lost = np.zeros((len(affected), windows.values.shape[1]))
    lost[:, 1:] = np.where(resets[affected], before[affected], 0.0)
    added = np.zeros((len(windows.values), len(windows.low)))
    added[affected] = np.where(windows.counts >= 2, windows.reduced(np.add, lost, skip=1), 0.0)
    return added


def _not_below_zero(change: FloatArray, first: FloatArray, sampled_s: FloatArray, before_s: FloatArray) -> FloatArray:
    """A counter is never negative: extrapolate no further back than to the point where it was 0."""
    rising = (change > 0) & (first >= 0)
    to_zero_s = np.where(rising, sampled_s * (first / np.where(rising, change, 1.0)), np.inf)
    return np.minimum(before_s, to_zero_s)


def instantaneous(windows: Windows, *, per_second: bool) -> tuple[FloatArray, BoolArray]:
    """``irate`` and ``idelta``: the last two samples only."""
    known = windows.counts >= 2
    last = windows.last
    previous = np.maximum(last - 1, 0)
    new, old = windows.values[:, last], windows.values[:, previous]
    change = new - old
    if per_second:
        change = np.where(new < old, new, change)
        change = change / ((windows.timestamps_ms[last] - windows.timestamps_ms[previous]) / 1000)
    return change, np.broadcast_to(known, change.shape)


def resets(windows: Windows) -> FloatArray:
    """How often the value fell."""
    return windows.flagged(windows.values[:, 1:] < windows.values[:, :-1])


def changes(windows: Windows) -> FloatArray:
    """How often the value changed; NaN after NaN is no change."""
    before, after = windows.values[:, :-1], windows.values[:, 1:]
    return windows.flagged((after != before) & ~(np.isnan(after) & np.isnan(before)))
