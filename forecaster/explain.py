"""Why a forecast looks as it does: its history taken apart, two textbook models beside it, and two tests.

A pure function that a worker runs when somebody asks; it imports statsmodels, so only in a worker that ends. Nothing of
it is served or decides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from domain.errors import FitFailedError, HistoryTooShortError, NoDataError
from domain.forecasts import Combination
from domain.series import FloatArray
from forecaster import coarse, diagnostics, history, replayed
from forecaster.fit import FitRequest
from forecaster.fitted import SEASONS_NEEDED
from forecaster.models import holt_winters, sarimax, stl
from forecaster.models.textbook import Textbook

POINTS_PER_SEASON: Final = 96
"""A finer season is averaged down to this: the eye sees no more, and STL takes a tenth of the time of 288."""
SEASONS: Final = 21
"""Of history, at most: three weeks of days."""
WEEK: Final = 7
"""Seasons that may repeat as a whole: days of a week."""
WEEKS_NEEDED: Final = 2
"""As many as the forecast itself needs for its waves of a week."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Season:
    """One repeating part.

    Attributes:
        length: After which it repeats.
        values: Its share of each point, shape ``(n,)``.
        strength: 1 − var(remainder) ÷ var(this part + remainder), at least 0: 1 is a clear season (Wang, Hyndman).
        share: Of the variances of all parts (ratio).
    """

    length: timedelta
    values: FloatArray
    strength: float
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What was found.

    Attributes:
        signal: ``namespace/rule/trigger``.
        cutoff: The last measured step behind it, and the time of the last point.
        step: Distance of two points: means of that time.
        forecast_step: Distance of two steps of the forecast.
        model: The model that is served; empty where none is yet.
        observed: Means of the history, gaps filled, shape ``(n,)``: trend, seasons and remainder add up to it.
        trend: Shape ``(n,)``.
        trend_strength: As of a season.
        trend_share: Of the variances of all parts.
        seasons: Shortest first.
        remainder: Shape ``(n,)``.
        remainder_share: Of the variances of all parts.
        measured_share: How much of the history was measured and not filled.
        adf_p: Augmented Dickey-Fuller on the history without its seasons; small: the level returns. None: cannot tell.
        ljung_box_p: Of the served model's one-step residuals; small: something is left to learn. None: cannot tell.
        ljung_box_lags: Over how many lags; 0 where there is no p.
        autocorrelation: The largest of those lags, with its sign; None where there is no p.
        autocorrelation_lag: Its lag in steps of the forecast; 0 where there is none.
        residuals: How many there were.
        references: The textbook models that could be fitted; paths in steps of the forecast from ``cutoff`` on.
        failures: What could not be fitted, and why.
    """

    signal: str
    cutoff: datetime
    step: timedelta
    forecast_step: timedelta
    model: str
    observed: FloatArray
    trend: FloatArray
    trend_strength: float
    trend_share: float
    seasons: tuple[Season, ...]
    remainder: FloatArray
    remainder_share: float
    measured_share: float
    adf_p: float | None
    ljung_box_p: float | None
    ljung_box_lags: int
    autocorrelation: float | None
    autocorrelation_lag: int
    residuals: int
    references: tuple[Textbook, ...]
    failures: tuple[str, ...]


def explain(request: FitRequest, model: str, combination: tuple[Combination, ...] = ()) -> Explanation:
    """Take a signal's history apart.

    Args:
        request: As for the fit.
        model: The model that is served, whose residuals are judged; empty for none.
        combination: Of which members it is made.

    Raises:
        NoDataError: Nothing was measured, or the history never moved.
        HistoryTooShortError: Fewer than two seasons.
        FitFailedError: Absurd values, or it could not be decomposed.
    """
    known = history.prepare(
        request.signal, request.values, start=request.start, step=request.step, season=request.season
    )
    if (got := len(known.values)) < SEASONS_NEEDED * known.season_length:
        raise HistoryTooShortError(needed=SEASONS_NEEDED * request.season, got=got * request.step)
    if known.spread == 0:
        raise NoDataError(f"{request.signal} never moved: there is nothing to take apart")
    length, block = known.season_length, coarse.block_of(known.season_length, POINTS_PER_SEASON)
    recent = slice(-SEASONS * length, None)
    observed = coarse.averaged(known.values[recent], block)
    week = len(observed) >= WEEKS_NEEDED * WEEK * (length // block)
    trend, day, long_day, remainder = stl.decompose(observed, length // block, long_seasons=WEEK if week else None)
    seasons = [day] if long_day is None else [day, long_day]
    shares = _shares([trend, *seasons, remainder])
    left = replayed.residuals(known, model, combination)
    judged, largest = _judged(left)
    references, failures = _references(known.values, length, request.horizon)
    return Explanation(
        signal=request.signal, cutoff=known.cutoff, step=block * request.step, forecast_step=request.step,
        model=model, observed=observed, trend=trend, trend_strength=_strength(trend, remainder), trend_share=shares[0],
        seasons=tuple(
            Season(length=times * length * request.step, values=part, strength=_strength(part, remainder), share=share)
            for times, part, share in zip((1, WEEK), seasons, shares[1:-1], strict=False)
        ),
        remainder=remainder, remainder_share=shares[-1], measured_share=float(known.measured[recent].mean()),
        adf_p=diagnostics.adf_p(trend + remainder), ljung_box_p=judged[0], ljung_box_lags=judged[1],
        autocorrelation=largest[0], autocorrelation_lag=largest[1], residuals=0 if left is None else len(left),
        references=references, failures=failures,
    )  # fmt: skip


def _strength(part: FloatArray, remainder: FloatArray) -> float:
    both = float(np.var(part + remainder))
    return max(0.0, 1.0 - float(np.var(remainder)) / both) if both > 0 else 0.0


def _shares(parts: Sequence[FloatArray]) -> list[float]:
    variances = [float(np.var(part)) for part in parts]
    total = sum(variances)
    return [variance / total if total > 0 else 0.0 for variance in variances]


def _judged(left: FloatArray | None) -> tuple[tuple[float | None, int], tuple[float | None, int]]:
    """P and lags of Ljung-Box; the largest autocorrelation and its lag."""
    found = None if left is None else diagnostics.ljung_box_p(left)
    if left is None or found is None:
        return (None, 0), (None, 0)
    centred = left - left.mean()
    echoes = [float(centred[lag:] @ centred[:-lag]) / float(centred @ centred) for lag in range(1, found[1] + 1)]
    loudest = int(np.argmax(np.abs(echoes)))
    return found, (echoes[loudest], loudest + 1)


def _references(values: FloatArray, season_length: int, horizon: int) -> tuple[tuple[Textbook, ...], tuple[str, ...]]:
    made, failures = [], []
    fits: tuple[Callable[..., Textbook], ...] = (holt_winters.fitted, sarimax.fitted)
    for fitted in fits:
        try:
            made.append(fitted(values, season_length=season_length, horizon=horizon))
        except FitFailedError as error:
            failures.append(str(error))
    return tuple(made), tuple(failures)
