"""Pooled ridge: the last week maps linearly to the next steps, each series on its own but leaning on all of them.

Every window of the history is centred and scaled by its own mean and deviation, so that windows of all series and all
times are alike. The normal equations of one series, ``(G + λ·G₀) W = C + λ·G₀·W₀``, pull its coefficients towards those
of all series (``G₀``, ``C₀``: the pool) in the metric of the pool's own windows: one Cholesky solve per series and
origin, and the sums of a later origin are those of an earlier one plus a few windows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.linalg import cho_factor, cho_solve

from domain.series import FloatArray, IntArray

POOL_WINDOWS: Final = 7.0
"""The pool counts as many windows of the series' own: of 485 or 745 (M4) that is 1 %; 10 % costs 2 % of the blend's
OWA, as the members then err alike, although pooled ridge alone is best at 3–10 %. A short history leans on it more."""
FLOOR: Final = 1e-6
"""Of the mean diagonal, added to it: windows of a constant or of a pure repetition span few dimensions."""
CLIP: Final = 10.0
"""Deviations beyond which a window's or a target's value counts as that far: a spike is not to steer the fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """Normal equations of some windows.

    Attributes:
        gram: ``Xᵀ X``, shape ``(lags, lags)``.
        cross: ``Xᵀ Y``, shape ``(lags, horizon)``.
        count: Number of windows.
    """

    gram: FloatArray
    cross: FloatArray
    count: int

    @classmethod
    def of(cls, inputs: FloatArray, targets: FloatArray) -> Sums:
        """Those of windows ``inputs``, shape ``(n, lags)``, and what followed them, shape ``(n, horizon)``."""
        return cls(gram=inputs.T @ inputs, cross=inputs.T @ targets, count=len(inputs))

    @classmethod
    def none(cls, lags: int, horizon: int) -> Sums:
        """Of no window."""
        return cls(gram=np.zeros((lags, lags)), cross=np.zeros((lags, horizon)), count=0)

    def __add__(self, other: Sums) -> Sums:
        return Sums(gram=self.gram + other.gram, cross=self.cross + other.cross, count=self.count + other.count)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """What all series agree on: the mean normal equations per window and their solution."""

    gram: FloatArray
    coefficients: FloatArray

    @classmethod
    def of(cls, sums: Sums) -> Pool:
        """From the sums over all series."""
        gram = sums.gram / max(sums.count, 1)
        return cls(gram=gram, coefficients=_solve(gram, sums.cross / max(sums.count, 1)))

    def shrink(self, sums: Sums, windows: float) -> FloatArray:
        """Coefficients of one series, pulled towards the pool's as if by ``windows`` of its own windows."""
        if not sums.count:
            return self.coefficients
        prior = (windows / sums.count) * self.gram
        return _solve(sums.gram / sums.count + prior, sums.cross / sums.count + prior @ self.coefficients)


def pool_sums(
    series: Iterable[FloatArray], origin_offsets: IntArray, *, lags: int, horizon: int, stride: int = 1
) -> list[Sums]:
    """Sums over all series, one for each origin; origins count back from the end of each series.

    Args:
        series: Histories without gaps, of any lengths.
        origin_offsets: Steps before the end at which the forecasts start, falling.
        lags: Length of the window.
        horizon: Steps ahead.
        stride: Distance of two windows; neighbours say nearly the same.
    """
    totals = [Sums.none(lags, horizon) for _ in origin_offsets]
    for values in series:
        for i, sums in enumerate(_cumulative(values, len(values) - origin_offsets, lags, horizon, stride)):
            totals[i] = totals[i] + sums
    return totals


def paths(batch: FloatArray, origins: IntArray, *, lags: int, horizon: int, pools: Sequence[Pool]) -> FloatArray:
    """Point forecasts of each series at each origin.

    Args:
        batch: Histories without gaps, shape ``(n, length)``.
        origins: Number of values known at each origin, rising, each ≥ ``lags``.
        lags: Length of the window.
        horizon: Steps ahead.
        pools: What all series agreed on before each origin.

    Returns:
        Shape ``(len(origins), n, horizon)``.
    """
    made = np.empty((len(origins), len(batch), horizon))
    for i, values in enumerate(batch):
        level, scale = (norm[origins - lags] for norm in _norms(values, lags))
        for k, sums in enumerate(_cumulative(values, origins, lags, horizon, 1)):
            window = np.clip((values[origins[k] - lags : origins[k]] - level[k]) / scale[k], -CLIP, CLIP)
            made[k, i] = level[k] + scale[k] * (window @ pools[k].shrink(sums, POOL_WINDOWS))
    return made


def _cumulative(values: FloatArray, origins: IntArray, lags: int, horizon: int, stride: int) -> Iterator[Sums]:
    sums, first = Sums.none(lags, horizon), 0
    level, scale = _norms(values, lags)
    for origin in origins:
        end = int(origin) - lags - horizon + 1
        if end > first:
            windows = sliding_window_view(values[first : end + lags + horizon - 1], lags + horizon)[::stride]
            scaled = windows - level[first:end:stride, None]
            scaled /= scale[first:end:stride, None]
            np.clip(scaled, -CLIP, CLIP, out=scaled)
            sums = sums + Sums.of(scaled[:, :lags], scaled[:, lags:])
            first += len(windows) * stride
        yield sums


def _norms(values: FloatArray, lags: int) -> tuple[FloatArray, FloatArray]:
    """Mean and deviation of every window of ``lags`` steps, by running sums; the first window ends at ``lags``."""
    centre = float(values.mean())
    rest = values - centre
    total = np.concatenate([[0.0], np.cumsum(rest)])
    squares = np.concatenate([[0.0], np.cumsum(rest * rest)])
    mean = (total[lags:] - total[:-lags]) / lags
    deviation = np.sqrt(np.maximum((squares[lags:] - squares[:-lags]) / lags - mean * mean, 0.0))
    # Running sums of squares are exact to 1e-8 of the largest rest at best: below that a window counts as flat.
    return mean + centre, np.maximum(deviation, 1e-6 * np.abs(values).max() + 1e-290)


def _solve(gram: FloatArray, right: FloatArray) -> FloatArray:
    floor = FLOOR * float(np.trace(gram)) / len(gram) + 1e-290
    factor = cho_factor(gram + np.eye(len(gram)) * floor, lower=True, check_finite=False)
    solved: FloatArray = cho_solve(factor, right, check_finite=False)
    return solved
