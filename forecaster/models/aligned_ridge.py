"""Aligned ridge: each step ahead from the same hour of the last days and weeks and from what is happening now.

Twenty-odd columns per target instead of pooled ridge's whole week: the same phase of the last seven short and four long
seasons, their neighbours, the last values and how they stood against their season, and short and long means. One set of
coefficients serves a band of steps; each series leans on the coefficients of all series, as in pooled ridge. Few
coefficients err differently from many: of all members this one alone has the smallest error on hourly data.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from domain.series import FloatArray, IntArray
from forecaster.models.pooled_ridge import CLIP, Pool, Sums

SHORT_BACK: Final = 7
LONG_BACK: Final = 4
STRIDE: Final = 4
"""Steps between two windows that are learnt from; neighbours say nearly the same (1 costs four times as much)."""
POOL_WINDOWS: Final = 16.0
"""The pool counts as many windows of the series' own."""
COLUMNS: Final = SHORT_BACK + LONG_BACK + 5 + 3 + 4 + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Seasons:
    """Steps of the shorter and of the longer season, the longer a multiple of the shorter."""

    short: int
    long: int

    @property
    def needed(self) -> int:
        """Steps before the first window that is learnt from."""
        return max(self.long, self.short * (SHORT_BACK + 1))


def bands(horizon: int, short: int) -> list[tuple[int, int]]:
    """Half-open ranges of steps that share coefficients: 3, 8, one season, then twice as far each time."""
    edges, edge = [0, 3, 8, short], short
    while edge < horizon:
        edge *= 2
        edges.append(edge)
    edges = sorted({min(edge, horizon) for edge in edges})
    return list(zip(edges[:-1], edges[1:], strict=True))


def pool_sums(
    series: Iterable[FloatArray], origin_offsets: IntArray, *, seasons: Seasons, horizon: int, stride: int = STRIDE
) -> list[list[Sums]]:
    """Sums over all series: for each band, for each origin; origins count back from the end of each series."""
    wide = bands(horizon, seasons.short)
    totals = [[Sums.none(COLUMNS, 1) for _ in origin_offsets] for _ in wide]
    plans: dict[int, list[list[_Windows]]] = {}
    for values in series:
        if len(values) not in plans:
            plans[len(values)] = [_windows(len(values) - origin_offsets, band, seasons, stride) for band in wide]
        view = _View(values, seasons)
        for b, windows in enumerate(plans[len(values)]):
            for k, sums in enumerate(_cumulative(view, windows)):
                totals[b][k] = totals[b][k] + sums
    return totals


def paths(
    batch: FloatArray, origins: IntArray, *, seasons: Seasons, horizon: int, pools: Sequence[Sequence[Pool]]
) -> FloatArray:
    """Point forecasts of each series at each origin.

    Args:
        batch: Histories without gaps, shape ``(n, length)``.
        origins: Number of values known at each origin, rising, each ≥ ``seasons.needed``.
        seasons: Shorter and longer season.
        horizon: Steps ahead.
        pools: What all series agreed on: for each band, for each origin.

    Returns:
        Shape ``(len(origins), n, horizon)``.
    """
    made = np.empty((len(origins), len(batch), horizon))
    wide = bands(horizon, seasons.short)
    past = [_windows(origins, band, seasons, STRIDE) for band in wide]
    now = [_Windows.of(origins, band, seasons) for band in wide]
    for i, values in enumerate(batch):
        view = _View(values, seasons)
        level, scale = view.norm(origins)
        for b, (first, end) in enumerate(wide):
            seen = view.columns(now[b])
            for k, sums in enumerate(_cumulative(view, past[b])):
                coefficients = pools[b][k].shrink(sums, POOL_WINDOWS * (end - first))[:, 0]
                made[k, i, first:end] = level[k] + scale[k] * (seen[k] @ coefficients)
    return made


@dataclass(frozen=True, slots=True, kw_only=True)
class _Windows:
    """Where the columns of some windows and their targets stand in a history; the same for all series of a length."""

    origins: IntArray
    band: tuple[int, int]
    indices: IntArray

    @classmethod
    def of(cls, origins: IntArray, band: tuple[int, int], seasons: Seasons) -> _Windows:
        at, steps = origins[:, None], np.arange(*band)[None, :]
        columns = np.broadcast_arrays(*_indices(at, steps, seasons))
        return cls(origins=origins, band=band, indices=np.stack(columns, axis=-1))


def _windows(origins: IntArray, band: tuple[int, int], seasons: Seasons, stride: int) -> list[_Windows]:
    """For each origin the windows whose targets end before it and that no earlier origin has taken."""
    found, begin = [], seasons.needed
    for origin in origins:
        windows = np.arange(begin, int(origin) - band[1] + 1, stride)
        begin = int(windows[-1]) + stride if len(windows) else begin
        found.append(_Windows.of(windows, band, seasons))
    return found


class _View:
    """One history with its running sums, from which columns are gathered."""

    def __init__(self, values: FloatArray, seasons: Seasons) -> None:
        self.values, self.seasons = values, seasons
        centred = values - values.mean()
        self._total = np.concatenate([[0.0], np.cumsum(centred)])
        self._squares = np.concatenate([[0.0], np.cumsum(centred * centred)])
        self._centre = float(values.mean())

    def norm(self, origins: IntArray) -> tuple[FloatArray, FloatArray]:
        """Mean and deviation of the last long season before each origin."""
        span = self.seasons.long
        mean = (self._total[origins] - self._total[origins - span]) / span
        square = (self._squares[origins] - self._squares[origins - span]) / span
        level = mean + self._centre
        scale = np.sqrt(np.maximum(square - mean * mean, 0.0))
        return level, np.maximum(scale, 1e-6 * np.abs(self.values).max() + 1e-290)

    def columns(self, windows: _Windows) -> FloatArray:
        """What each target sees, in the scale of its window; shape ``(windows, steps, COLUMNS)``."""
        at, found = windows.origins, windows.indices
        level, scale = (norm[:, None, None] for norm in self.norm(at))
        seen = np.ones((*found.shape[:2], COLUMNS))
        near = found.shape[2]
        seen[..., :near] = self.values[found]
        for i, span in enumerate((3, self.seasons.short, 2 * self.seasons.short)):
            seen[..., near + i] = self._mean(at, span)[:, None]
        scaled = seen[..., :-1]
        scaled -= level
        scaled /= scale
        np.clip(scaled, -CLIP, CLIP, out=scaled)
        return seen

    def targets(self, windows: _Windows) -> FloatArray:
        """What came, in the same scale; shape ``(windows, steps)``."""
        level, scale = (norm[:, None] for norm in self.norm(windows.origins))
        came = self.values[windows.origins[:, None] + np.arange(*windows.band)]
        targets: FloatArray = np.clip((came - level) / scale, -CLIP, CLIP)
        return targets

    def _mean(self, at: IntArray, span: int) -> FloatArray:
        mean: FloatArray = (self._total[at] - self._total[at - span]) / span + self._centre
        return mean


def _indices(at: IntArray, steps: IntArray, seasons: Seasons) -> Iterator[NDArray[np.int64]]:
    target, last = at + steps, at - 1
    same_short = target - seasons.short * (steps // seasons.short + 1)
    same_long = target - seasons.long * (steps // seasons.long + 1)
    for back in range(SHORT_BACK):
        yield np.maximum(same_short - seasons.short * back, same_short % seasons.short)
    for back in range(LONG_BACK):  # the most distant known one stands in where the history does not reach back
        index = same_long - seasons.long * back
        yield np.where(index >= 0, index, np.maximum(same_long % seasons.long, 0))
    for lag in (1, 2, seasons.short, seasons.short + 1, seasons.long):
        yield at - lag
    for same in (same_short, same_long):
        yield np.maximum(same - 1, 0)
        yield np.minimum(same + 1, last)


def _cumulative(view: _View, plan: Sequence[_Windows]) -> Iterator[Sums]:
    """Sums of all windows that may be learnt from at each origin."""
    sums = Sums.none(COLUMNS, 1)
    for windows in plan:
        if len(windows.origins):
            inputs = view.columns(windows).reshape(-1, COLUMNS)
            sums = sums + Sums.of(inputs, view.targets(windows).reshape(-1, 1))
        yield sums
