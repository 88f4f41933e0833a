"""What stands beside the forecaster in the same run: conformalised seasonal naive, and statsforecast's ensemble."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np

from benchmarks.forecast_traces import AHEAD, LEVELS, SEASON, Batch, FloatArray
from forecaster.history import prepare_batch

CALIBRATED: Final = 6
"""Days of the history that seasonal naive forecasts again for its band."""
RANGES: Final = ((1, 1), (2, 2), (3, 4), (5, 8), (9, 12), (13, 24), (25, 48), (49, 96), (97, 192), (193, 288))
NATIVE_LEVELS: Final = (80, 90)
"""Central intervals of statsforecast whose upper ends are the 0.9 and 0.95 quantiles."""


def seasonal_naive(histories: FloatArray) -> FloatArray:
    """Yesterday, with the quantiles of its own errors over the last days; shape ``(series, AHEAD, levels)``."""
    filled, measured = prepare_batch(histories, SEASON)
    size = filled.shape[1]
    origins = size - SEASON * np.arange(1, CALIBRATED + 1)
    steps = origins[:, None] + np.arange(AHEAD)
    errors = np.where(measured, filled, np.nan)[:, steps] - filled[:, steps - SEASON]
    point = filled[:, size - SEASON : size - SEASON + AHEAD]
    made = np.empty((*point.shape, len(LEVELS)))
    for first, last in RANGES:
        pool = errors[:, :, first - 1 : last].reshape(len(filled), -1)
        offsets = [_quantiles(row[~np.isnan(row)]) for row in pool]
        made[:, first - 1 : last] = point[:, first - 1 : last, None] + np.array(offsets)[:, None, :]
    never_negative = (filled.min(axis=1) >= 0)[:, None, None]
    return np.where(never_negative, np.maximum(made, 0), made)


def _quantiles(errors: FloatArray) -> FloatArray:
    return np.quantile(errors, LEVELS) if len(errors) else np.zeros(len(LEVELS))


class PeerRow(NamedTuple):
    """One forecast of a peer: which batch and series it is of, its quantiles, and what it took."""

    batch: int
    series: int
    quantiles: FloatArray
    cpu_seconds: float


def chosen(series: int, origins: int, rows: int) -> list[tuple[int, int]]:
    """``rows`` pairs of origin and series, spread evenly over both."""
    pairs = ((lap * 5 + one * 7) % origins for lap in range(rows) for one in range(series))
    taken: dict[tuple[int, int], None] = {}
    for number, origin in zip(range(rows), pairs, strict=False):
        taken[origin, number % series] = None
    return list(taken)


def statsforecast_median(batches: Sequence[Batch], pairs: Sequence[tuple[int, int]]) -> Iterator[PeerRow]:
    """Median of MSTL + ETS, dynamic optimised theta, complex smoothing and ARIMA, with their own intervals."""
    from statsforecast.models import MSTL, AutoARIMA, AutoCES, AutoETS, DynamicOptimizedTheta

    for origin, series in pairs:
        values = prepare_batch(batches[origin].histories[series : series + 1], SEASON)[0][0]
        known = values[np.argmax(~np.isnan(batches[origin].histories[series])) :]
        models = [
            MSTL(season_length=SEASON, trend_forecaster=AutoETS(model="ZZN")),
            DynamicOptimizedTheta(season_length=SEASON), AutoCES(season_length=SEASON), AutoARIMA(),
        ]  # fmt: skip
        began = time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = [model.forecast(y=known, h=AHEAD, level=list(NATIVE_LEVELS)) for model in models]
        quantiles = np.median([np.column_stack([m["mean"], m["hi-80"], m["hi-90"]]) for m in made], axis=0)
        if known.min() >= 0:
            quantiles = np.maximum(quantiles, 0)
        yield PeerRow(origin, series, np.sort(quantiles, axis=1), time.process_time() - began)
