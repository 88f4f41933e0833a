"""How well forecasts did, by how far ahead they looked: one arithmetic for the fit's replay and for ``backtest``.

What a forecast and the truth give is added up by horizon band (``Tally``), so that thousands of series need no more
memory than their sums; the figures (``Accuracy``) are ratios of these sums.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from domain.series import FloatArray, IntArray
from forecaster.history import BoolArray

CLOCK_BANDS: Final = {
    "15m": timedelta(minutes=15), "1h": timedelta(hours=1), "4h": timedelta(hours=4), "24h": timedelta(hours=24),
}  # fmt: skip
ALL: Final = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """The first ``steps`` of the horizon; bands begin at the first step, so that each holds the one before."""

    name: str
    steps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Sums over forecasts, by band; arrays of shape ``(bands,)``, those of quantiles ``(bands, levels)``.

    Attributes:
        count: Steps whose truth is known.
        error: Of absolute errors.
        size: Of absolute actuals.
        naive: Of the absolute errors of the last value held.
        beside: Of our absolute errors where seasonal naive is known too.
        seasonal: Of the absolute errors of seasonal naive.
        seasonal_count: Steps where it is known.
        judged: Steps whose truth and quantiles are known.
        pinball: Of the pinball losses.
        below: Actuals at or below each quantile.
    """

    count: FloatArray
    error: FloatArray
    size: FloatArray
    naive: FloatArray
    beside: FloatArray
    seasonal: FloatArray
    seasonal_count: FloatArray
    judged: FloatArray
    pinball: FloatArray
    below: FloatArray

    def __add__(self, other: Tally) -> Tally:
        """Both together; of the same bands and levels."""
        return Tally(**{one.name: getattr(self, one.name) + getattr(other, one.name) for one in fields(self)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """Figures of one band; None where the data cannot tell: no truth, no season known, a scale of 0.

    Attributes:
        band: How far ahead.
        wape: Sum of absolute errors ÷ sum of absolute actuals.
        mase: Mean absolute error ÷ that of seasonal naive inside the history before the first origin.
        naive_mase: The same of the last value held.
        seasonal_naive_mase: The same of seasonal naive.
        pinball: Mean over the quantiles of the mean pinball loss, in the unit of the series.
        scaled_pinball: The same ÷ what scales ``mase``: series in different units can be averaged.
        coverage: For each quantile the share of actuals at or below it.
        skill_vs_naive: 1 − error ÷ that of the last value held; 0 is no better, 1 perfect.
        skill_vs_seasonal_naive: The same against the last season repeated.
    """

    band: Band
    wape: float | None
    mase: float | None
    naive_mase: float | None
    seasonal_naive_mase: float | None
    pinball: float | None
    scaled_pinball: float | None
    coverage: Mapping[float, float]
    skill_vs_naive: float | None
    skill_vs_seasonal_naive: float | None


def bands(horizon: int, step: timedelta | None) -> tuple[Band, ...]:
    """15 minutes, 1, 4 and 24 hours, as far as they are inside the horizon, and all of it.

    Where the step is unknown, longer than 4 hours or all lies within 15 minutes: the first step, the first tenth, the
    first half, all.
    """
    by_clock = {} if not step or step > CLOCK_BANDS["4h"] else {
        name: end // step for name, end in CLOCK_BANDS.items() if 1 <= end // step < horizon
    }  # fmt: skip
    ends = by_clock or {"first": 1, "tenth": -(-horizon // 10), "half": -(-horizon // 2)}
    kept: dict[int, str] = {}
    for name, steps in ends.items():
        if steps < horizon:
            kept.setdefault(steps, name)
    return *(Band(name=name, steps=steps) for steps, name in kept.items()), Band(name=ALL, steps=horizon)


def naive_paths(values: FloatArray, origins: IntArray, horizon: int) -> FloatArray:
    """The last value before each origin, held; shape ``(origins, horizon)``."""
    return np.repeat(values[origins - 1][:, None], horizon, axis=1)


def seasonal_paths(values: FloatArray, origins: IntArray, horizon: int, season_length: int) -> FloatArray:
    """The last season before each origin, repeated; NaN where less than one is known."""
    at = origins[:, None] - season_length + np.arange(horizon) % season_length
    return np.where(origins[:, None] >= season_length, values[np.maximum(at, 0)], np.nan)


def season_scale(values: FloatArray, measured: BoolArray, season_length: int) -> float | None:
    """Mean absolute change over one season, of measured steps; None where it is unknown or 0.

    Source:
        Hyndman and Koehler 2006, mean absolute scaled error.
    """
    both = measured[season_length:] & measured[:-season_length]
    if not both.any():
        return None
    scale = float(np.abs(values[season_length:] - values[:-season_length])[both].mean())
    return scale if scale > 0 else None


def tally(
    actuals: FloatArray, points: FloatArray, quantiles: FloatArray, *, levels: Sequence[float], naive: FloatArray,
    seasonal: FloatArray, over: Sequence[Band],
) -> Tally:  # fmt: skip
    """Hold forecasts against what came.

    Args:
        actuals: Shape ``(origins, horizon)``; NaN where unknown.
        points: Point forecasts, same shape.
        quantiles: Shape ``(origins, horizon, levels)``; NaN where there were none.
        levels: Rising.
        naive: The last value held, same shape as ``actuals``.
        seasonal: The last season repeated; NaN where unknown.
        over: Bands.
    """
    ends = np.array([band.steps for band in over]) - 1
    known = ~np.isnan(actuals)
    compared = known & ~np.isnan(seasonal)
    judged = known & ~np.isnan(quantiles).any(axis=-1)
    error = np.abs(actuals - points)
    above = actuals[..., None] - quantiles
    loss = np.maximum(above * np.asarray(levels), above * (np.asarray(levels) - 1))

    def summed(values: FloatArray, mask: NDArray[np.bool_]) -> FloatArray:
        by_step = np.where(mask if values.ndim == 2 else mask[..., None], values, 0.0).sum(axis=0)
        found: FloatArray = np.cumsum(by_step, axis=0)[ends]
        return found

    ones = np.ones_like(actuals)
    return Tally(
        count=summed(ones, known), error=summed(error, known), size=summed(np.abs(actuals), known),
        naive=summed(np.abs(actuals - naive), known), beside=summed(error, compared),
        seasonal=summed(np.abs(actuals - seasonal), compared), seasonal_count=summed(ones, compared),
        judged=summed(ones, judged), pinball=summed(loss, judged),
        below=summed((above <= 1e-12 * np.abs(quantiles)).astype(np.float64), judged),
    )  # fmt: skip


def measure(sums: Tally, over: Sequence[Band], levels: Sequence[float], scale: float | None) -> tuple[Accuracy, ...]:
    """The figures of each band.

    Args:
        sums: Of the same bands.
        over: Bands.
        levels: Of the quantiles.
        scale: Of ``season_scale``.
    """
    return tuple(_measured(sums, at, band, levels, scale) for at, band in enumerate(over))


def _measured(sums: Tally, at: int, band: Band, levels: Sequence[float], scale: float | None) -> Accuracy:
    error, naive, seasonal = float(sums.error[at]), float(sums.naive[at]), float(sums.seasonal[at])
    count, judged = float(sums.count[at]), float(sums.judged[at])
    pinball = _ratio(float(sums.pinball[at].mean()), judged)
    coverage = {level: float(sums.below[at, i]) / judged for i, level in enumerate(levels)} if judged else {}
    return Accuracy(
        band=band, wape=_ratio(error, float(sums.size[at])), mase=_ratio(_ratio(error, count), scale),
        naive_mase=_ratio(_ratio(naive, count), scale),
        seasonal_naive_mase=_ratio(_ratio(seasonal, float(sums.seasonal_count[at])), scale),
        pinball=pinball, scaled_pinball=_ratio(pinball, scale), coverage=coverage,
        skill_vs_naive=skill(error, naive), skill_vs_seasonal_naive=skill(float(sums.beside[at]), seasonal),
    )  # fmt: skip


def skill(error: float | None, rival: float | None) -> float | None:
    """1 − error ÷ the rival's; None where the rival is unknown or errs nowhere."""
    ratio = _ratio(error, rival)
    return None if ratio is None else 1 - ratio


def _ratio(above: float | None, below: float | None) -> float | None:
    """None where one is unknown, or by next to nothing is divided."""
    if above is None or not below:
        return None
    ratio = above / below
    return ratio if math.isfinite(ratio) else None
