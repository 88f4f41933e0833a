"""Sums that keep what cancels: plain addition where that is exact enough, Neumaier's where it is not.

``[1e100, 2, −1e100]`` sums to 2 in Prometheus. Compensating everywhere would cost 6×; a bound on the rounding error
tells the few places that need it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np

from domain.series import FloatArray, IntArray
from store.promql.results import BoolArray
from store.promql.windows import Windows

_TOLERANCE: Final = 1e-13
_EXACT_INTEGERS: Final = 2.0**53
_SCALE: Final = 2.0**-40
"""Keeps a sum of up to 10¹² finite values finite; a power of two costs no digit."""


def neumaier(terms: Iterable[FloatArray], shape: tuple[int, ...]) -> FloatArray:
    """Compensated sum of arrays of one shape, term by term."""
    total, lost = np.zeros(shape), np.zeros(shape)
    for term in terms:
        new = total + term
        lost += np.where(np.abs(total) >= np.abs(term), (total - new) + term, (term - new) + total)
        total = new
    return np.where(np.isfinite(total), total + lost, total)


def doubtful(total: FloatArray, absolute: FloatArray, count: FloatArray | IntArray, *, whole: bool) -> BoolArray:
    """Where plain addition may be off by more than 1e-13 of the result."""
    if whole and float(np.max(absolute, initial=0.0)) < _EXACT_INTEGERS:
        return np.zeros(total.shape, dtype=np.bool_)
    error = absolute * count * np.finfo(np.float64).eps
    off: BoolArray = np.isfinite(total) & (absolute > 0) & ~(error <= _TOLERANCE * np.abs(total))
    return off


def all_whole(values: FloatArray) -> bool:
    """Whether every value is an integer."""
    return bool((values == np.rint(values)).all())


def window_sums(windows: Windows) -> FloatArray:
    """The sum of each window."""
    values = windows.values
    total = windows.reduced(np.add, values)
    absolute = np.where(windows.counts > 0, windows.reduced(np.add, np.abs(values)), 0.0)
    rows, columns = np.nonzero(doubtful(total, absolute, windows.counts, whole=all_whole(values)))
    if len(rows):
        low, counts = windows.low[columns], windows.counts[columns]
        terms = (
            np.where(k < counts, values[rows, np.minimum(low + k, values.shape[1] - 1)], 0.0)
            for k in range(int(counts.max()))
        )
        total[rows, columns] = neumaier(terms, rows.shape)
    return total


def window_means(windows: Windows) -> FloatArray:
    """The mean of each window; finite also where the sum is not."""
    total, counts = window_sums(windows), np.maximum(windows.counts, 1)
    mean: FloatArray = total / counts
    if np.isinf(total).any():
        scaled = windows.reduced(np.add, windows.values * _SCALE) / counts / _SCALE
        mean = np.where(np.isinf(total), scaled, mean)
    return mean


def group_sums(values: FloatArray, present: BoolArray, starts: IntArray) -> FloatArray:
    """Sums over runs of rows that begin at ``starts``, step by step; absent values add nothing."""
    filled = np.where(present, values, 0.0)
    total: FloatArray = np.add.reduceat(filled, starts, axis=0)
    absolute = np.add.reduceat(np.abs(filled), starts, axis=0)
    sizes = np.diff(np.append(starts, len(values)))
    off = doubtful(total, absolute, sizes[:, None], whole=all_whole(filled))
    for group in np.flatnonzero(off.any(axis=1)):
        steps = np.flatnonzero(off[group])
        members = filled[starts[group] : starts[group] + sizes[group]][:, steps]
        total[group, steps] = neumaier(members, steps.shape)
    return total


def group_means(values: FloatArray, present: BoolArray, starts: IntArray, counts: FloatArray) -> FloatArray:
    """Means over runs of rows; finite also where the sum is not."""
    total, divisor = group_sums(values, present, starts), np.maximum(counts, 1)
    mean: FloatArray = total / divisor
    if np.isinf(total).any():
        scaled = np.add.reduceat(np.where(present, values * _SCALE, 0.0), starts, axis=0) / divisor / _SCALE
        mean = np.where(np.isinf(total), scaled, mean)
    return mean
