"""Clean seasonality: nine closed-form members over whole batches, blended by what they did on the last stretches.

``learn`` sums what all series share (in chunks, by any number of processes: sums add up), ``forecast`` then takes
chunks of series of one length. The history is cut three times, a horizon apart; each member forecasts each cut from
what came before it, and the shared coefficients of a cut know nothing after it either.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from domain.series import FloatArray, IntArray
from forecaster.blend import Folds, band, blend, clipped
from forecaster.logs import Logs
from forecaster.made import Made
from forecaster.models import aligned_ridge, double_seasonal, harmonic, pooled_ridge, profile
from forecaster.models.aligned_ridge import Seasons
from forecaster.models.pooled_ridge import Pool, Sums

BoolArray = NDArray[np.bool_]

FOLDS: Final = 3
"""Stretches that weigh the members; one gives OWA 0.591, two 0.580, three 0.579 (M4 hourly, mean of three cuts)."""
LONGEST_LAGS: Final = 336
MOST_LONG_SEASONS: Final = 26
"""Older steps are left out: half a year of hours costs 40 ms a series, and two years err no less."""
POOL_STRIDE: Final = 5
"""Between the windows that the pool learns from: all series together have enough of them."""
ALIGNED_STRIDE: Final = 16
MEMBERS: Final = (
    "naive", "seasonal_naive", "profile", "pooled_ridge_log", "pooled_ridge", "aligned_ridge_log",
    "double_seasonal_log", "harmonic_log", "harmonic_trend_log",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is asked of all series alike.

    Attributes:
        seasons: Shorter and longer season in steps.
        horizon: Steps ahead.
    """

    seasons: Seasons
    horizon: int

    @property
    def stretch(self) -> int:
        """Steps that are really forecast: at least one short season to weigh by, at most one long; then it repeats."""
        return min(max(self.horizon, self.seasons.short), self.seasons.long)

    @property
    def lags(self) -> int:
        """Window of pooled ridge."""
        return min(self.seasons.long, LONGEST_LAGS)

    @property
    def offsets(self) -> IntArray:
        """Steps before the end at which forecasts start: three folds, then the end itself."""
        return np.arange(FOLDS, -1, -1) * self.stretch

    @property
    def needed(self) -> int:
        """Shortest history: one fold after two long seasons."""
        return max(2 * self.seasons.long, self.seasons.needed, self.lags) + self.stretch

    @property
    def most(self) -> int:
        """Longest history that is looked at."""
        return MOST_LONG_SEASONS * self.seasons.long

    def origins(self, length: int) -> IntArray:
        """Origins in a history of that length: as many folds as leave two long seasons before the first."""
        folds = min(FOLDS, (length - self.needed) // self.stretch + 1)
        return length - self.offsets[FOLDS - folds :]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """Normal equations, or what became of them, of the members that lean on all series; one for each offset."""

    ridge_log: tuple[Sums, ...]
    ridge: tuple[Sums, ...]
    aligned_log: tuple[tuple[Sums, ...], ...]

    def __add__(self, other: Shared) -> Shared:
        return Shared(
            ridge_log=_added(self.ridge_log, other.ridge_log), ridge=_added(self.ridge, other.ridge),
            aligned_log=tuple(_added(a, b) for a, b in zip(self.aligned_log, other.aligned_log, strict=True)),
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Pools:
    """What all series agree on, solved; one for each offset."""

    ridge_log: tuple[Pool, ...]
    ridge: tuple[Pool, ...]
    aligned_log: tuple[tuple[Pool, ...], ...]

    @classmethod
    def of(cls, shared: Shared) -> Pools:
        """Solve the sums over all series."""
        return cls(
            ridge_log=tuple(map(Pool.of, shared.ridge_log)), ridge=tuple(map(Pool.of, shared.ridge)),
            aligned_log=tuple(tuple(map(Pool.of, sums)) for sums in shared.aligned_log),
        )  # fmt: skip


def learn(series: Iterable[FloatArray], task: Task) -> Shared:
    """Sum what these series have to say to all; ``task.needed`` steps or more each, without gaps."""
    plain = [values[-task.most :] for values in series]
    logs = [Logs.of(values[None]).forward(values[None])[0] for values in plain]
    offsets, lags, ahead = task.offsets, task.lags, task.stretch
    aligned = aligned_ridge.pool_sums(logs, offsets, seasons=task.seasons, horizon=ahead, stride=ALIGNED_STRIDE)
    return Shared(
        ridge_log=tuple(pooled_ridge.pool_sums(logs, offsets, lags=lags, horizon=ahead, stride=POOL_STRIDE)),
        ridge=tuple(pooled_ridge.pool_sums(plain, offsets, lags=lags, horizon=ahead, stride=POOL_STRIDE)),
        aligned_log=tuple(map(tuple, aligned)),
    )


def forecast(
    batch: FloatArray, task: Task, pools: Pools, levels: Sequence[float], *, measured: BoolArray | None = None
) -> Made:
    """Forecast series of one length.

    Args:
        batch: Histories without gaps, shape ``(series, length)``, ``length ≥ task.needed``, none of them constant.
        task: Seasons and horizon.
        pools: What all series agree on.
        levels: Quantiles, rising.
        measured: Which values of ``batch`` were; the others, filled, weigh nothing. None for all.
    """
    truth = batch if measured is None else np.where(measured, batch, np.nan)
    batch, truth = batch[:, -task.most :], truth[:, -task.most :]
    origins = task.origins(batch.shape[1])
    points = _members(batch, origins, task, pools)
    past, ahead = points[:, :-1], points[:, -1]
    came = np.stack([truth[:, origin : origin + task.stretch] for origin in origins[:-1]])
    made = blend(Folds(members=MEMBERS, past=past, came=came, ahead=ahead, simple=2), batch)
    edges = [0, *(end for _, end in aligned_ridge.bands(task.stretch, task.seasons.short))]
    values = band(made, levels, edges=edges)
    return Made(
        mean=_extended(clipped(made.mean, batch), task), members=MEMBERS, blend=made,
        values=_extended(clipped(values, batch), task),
    )  # fmt: skip


def _members(batch: FloatArray, origins: IntArray, task: Task, pools: Pools) -> FloatArray:
    """Forecasts of every member; shape ``(members, origins, series, stretch)``."""
    ahead, short, long, skip = task.stretch, task.seasons.short, task.seasons.long, FOLDS + 1 - len(origins)
    log = Logs.of(batch)
    logs = log.forward(batch)
    flat = harmonic.Shape(seasons=_waves(task.seasons), order=12, ridge=3.0)
    trend = harmonic.Shape(seasons=_waves(task.seasons, rich=False), order=12, bends=0)
    in_logs = (
        pooled_ridge.paths(logs, origins, lags=task.lags, horizon=ahead, pools=pools.ridge_log[skip:]),
        aligned_ridge.paths(
            logs, origins, seasons=task.seasons, horizon=ahead, pools=[pool[skip:] for pool in pools.aligned_log]
        ),
        double_seasonal.paths(logs, origins, short=short, long=long, horizon=ahead),
        harmonic.paths(logs, origins, shape=flat, horizon=ahead),
        harmonic.paths(logs, origins, shape=trend, horizon=ahead),
    )
    ridge_log, aligned_log, double_log, flat_log, trend_log = (log.back(points) for points in in_logs)
    return np.stack([
        profile.paths(batch, origins, period=1, periods=1, horizon=ahead),
        profile.paths(batch, origins, period=short, periods=1, horizon=ahead),
        profile.paths(batch, origins, period=long, horizon=ahead),
        ridge_log,
        pooled_ridge.paths(batch, origins, lags=task.lags, horizon=ahead, pools=pools.ridge[skip:]),
        aligned_log, double_log, flat_log, trend_log,
    ])  # fmt: skip


def _waves(seasons: Seasons, *, rich: bool = True) -> list[tuple[float, int]]:
    """Nearly every wave of a day of hours and a quarter (an eighth where a trend is fitted, too) of a week's."""
    short = min(11 if rich else 10, (seasons.short - 1) // 2)
    long = min(42 if rich else 20, (seasons.long - 1) // 2)
    return [(float(seasons.short), short), (float(seasons.long), long)]


def _extended(values: FloatArray, task: Task) -> FloatArray:
    """Cut to the horizon, or repeated by the long season where the horizon is longer than one."""
    steps = np.arange(task.horizon)
    extended: FloatArray = values[:, np.where(steps < task.stretch, steps, steps % task.seasons.long)]
    return extended


def _added(left: Sequence[Sums], right: Sequence[Sums]) -> tuple[Sums, ...]:
    return tuple(a + b for a, b in zip(left, right, strict=True))
