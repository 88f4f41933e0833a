"""One history in, one forecast out: a pure function that a worker process runs.

Prepare the history, let the models compete on it, serve the best that stays within reason. The engine's median brings
its own quantiles; the point models are banded by their own errors.
Whatever is simpler than was asked for says why in ``fallback_reason``. The same request gives the same forecast.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal

import numpy as np

from domain.errors import FitFailedError, HistoryTooShortError
from domain.forecasts import Backtest, Dependence, Forecast, HorizonAccuracy
from domain.series import FloatArray
from domain.units import format_duration
from forecaster import accuracy, ensemble, paths, sparse
from forecaster import history as histories
from forecaster.backtest import Replay, replay
from forecaster.calibrate import band_coverage, calibrate, coverage, replayed_band, walk_of
from forecaster.guard import objection
from forecaster.history import History
from forecaster.models import COMPETING, holt_winters

QUANTILES: Final = (0.05, 0.25, 0.5, 0.75, 0.95)
SEASONS_NEEDED: Final = 2
CLEARLY: Final = 0.9
"""Another model is served in the median's place only where it errs > 10 % less: chance chooses too. A guess: 2 % and
10 % were not yet compared by themselves."""
LONGEST_HORIZON: Final = 5_000
"""Steps; a day at 17 s. Beyond it the backtest no longer fits a worker's memory."""
CONSTANT_BAND: Final = 0.05
"""Half width of the 0.05–0.95 band of a history that never moved, as a ratio of its level: a guess."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FitRequest:
    """What a fit needs to know; picklable.

    Attributes:
        signal: ``namespace/rule/trigger``.
        values: History on a regular grid, NaN where nothing was measured, shape ``(n,)``.
        start: Time of ``values[0]``.
        step: Distance of two steps.
        season: Length of the season.
        horizon: Steps to forecast, 1 … ``LONGEST_HORIZON``.
        quantiles: Levels, rising, each in (0, 1).
        model: The model to serve; ``auto`` takes the engine's median, unless another errs clearly less in the backtest.
        made_at: Now, as the caller sees it.
        generated: True when part of the history was generated and not measured.
        with_reference: Also fit Holt-Winters; imports statsmodels (190 MB), so only in a worker that ends.
    """

    signal: str
    values: FloatArray
    start: datetime
    step: timedelta
    season: timedelta
    horizon: int
    quantiles: tuple[float, ...] = QUANTILES
    model: Literal["auto", "seasonal_naive", "fourier_ar"] = "auto"
    made_at: datetime
    generated: bool = False
    with_reference: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Served:
    """The part of a forecast that depends on the model."""

    model: str
    mean: FloatArray
    values: FloatArray
    backtest: Backtest | None
    fallback_reason: str
    dependence: Dependence | None = None


def fit(request: FitRequest) -> Forecast:
    """Forecast one signal.

    Raises:
        NoDataError: Nothing was measured.
        HistoryTooShortError: Fewer than ten steps were measured.
        FitFailedError: Absurd values, a horizon beyond reason, or no model stayed within reason.
    """
    if not 1 <= request.horizon <= LONGEST_HORIZON:
        raise FitFailedError(f"{request.signal}: a horizon of {request.horizon} steps is not in 1…{LONGEST_HORIZON}")
    history = _history(request)
    served = _serve(history, request)
    return Forecast(
        signal=request.signal, model=served.model, made_at=request.made_at, cutoff=history.cutoff, step=request.step,
        season=request.season, mean=served.mean, quantiles=request.quantiles, values=served.values,
        reference=_reference_or_none(history, request), backtest=served.backtest, history_start=history.start,
        fallback_reason=served.fallback_reason, generated=request.generated, dependence=served.dependence,
    )  # fmt: skip


def reference(request: FitRequest) -> tuple[datetime, FloatArray]:
    """The Holt-Winters path alone, and its cutoff; imports statsmodels.

    Raises:
        HistoryTooShortError: Fewer than two seasons.
        FitFailedError: It did not fit.
        NoDataError: Nothing was measured.
    """
    history = _history(request)
    if (got := len(history.values)) < SEASONS_NEEDED * history.season_length:
        raise HistoryTooShortError(needed=SEASONS_NEEDED * request.season, got=got * request.step)
    path = holt_winters.path(history.values, season_length=history.season_length, horizon=request.horizon)
    return history.cutoff, path if history.lowest is None else np.maximum(path, history.lowest)


def _history(request: FitRequest) -> History:
    return histories.prepare(
        request.signal, request.values, start=request.start, step=request.step, season=request.season
    )


def _reference_or_none(history: History, request: FitRequest) -> FloatArray | None:
    if not request.with_reference or len(history.values) < SEASONS_NEEDED * history.season_length:
        return None
    try:
        return reference(request)[1]
    except FitFailedError:
        return None


def _serve(history: History, request: FitRequest) -> _Served:
    if history.spread == 0:
        return _constant(history, request)
    if len(history.values) < SEASONS_NEEDED * history.season_length:
        return _flat(history, request)
    if request.model == "auto" and sparse.is_sparse(history):
        return _empirical(history, request)
    return _best(history, request)


def _best(history: History, request: FitRequest) -> _Served:
    """The asked model, or the best; the next simpler one where it leaves the bounds of reason."""
    past = replay(history, COMPETING, horizon=request.horizon)
    if request.model == "auto" and ensemble.suits(history, past.origins, request.horizon):
        levels = _with_median(request.quantiles)
        past = past.joined(ensemble.replayed(history, past.origins, request.horizon, levels), levels)
    wape = {name: past.wape(name) for name in past.points}
    reason = ""
    for model in _ranked(wape, request.model):
        mean, values = _forecast(model, history, past, request)
        if (doubt := objection(mean, values, history)) is None:
            band = _past_band(past, model, request.quantiles)
            found = Backtest(
                wape=wape[model], coverage=_coverage(past, model, request.quantiles), origins=len(past.origins),
                wape_by_model=wape,
                by_horizon=_by_horizon(past, model, history, request, band),
            )  # fmt: skip
            reason = reason or _why_simpler(model, wape, request.model)
            together = paths.learned(past.origins, past.actuals, band, request.quantiles)
            return _Served(
                model=model, mean=mean, values=values, backtest=found, fallback_reason=reason, dependence=together
            )
        reason = f"{model} {doubt}"
    raise FitFailedError(f"{request.signal}: no model stayed within reason, at last {reason or 'none could be fitted'}")


def _empirical(history: History, request: FitRequest) -> _Served:
    """Mostly zeros: quantiles of what came at this time of the seasons before; the simple models beside it."""
    levels = _with_median(request.quantiles)
    asked = [levels.index(level) for level in request.quantiles]
    past = replay(history, COMPETING, horizon=request.horizon)
    bands = sparse.quantiles(history, past.origins, request.horizon, levels)
    past = replace(past, points={**past.points, sparse.NAME: bands[..., levels.index(0.5)]})
    made = sparse.quantiles(history, np.array([len(history.values)]), request.horizon, levels)[0]
    wape = {name: past.wape(name) for name in past.points}
    found = Backtest(
        wape=wape[sparse.NAME], coverage=band_coverage(past, bands[..., asked], request.quantiles),
        origins=len(past.origins), wape_by_model=wape,
        by_horizon=_by_horizon(past, sparse.NAME, history, request, bands[..., asked]),
    )  # fmt: skip
    return _Served(
        model=sparse.NAME, mean=made[:, levels.index(0.5)], values=made[:, asked], backtest=found,
        fallback_reason=f"{100 * sparse.zeros(history):.0f} % of the last season are zeros",
        dependence=paths.learned(past.origins, past.actuals, bands[..., asked], request.quantiles),
    )  # fmt: skip


def _ranked(wape: Mapping[str, float], asked: str) -> list[str]:
    """What to serve, then what to fall back to: seasonal naive, naive."""
    order = dict.fromkeys([_favourite(wape) if asked == "auto" else asked, "seasonal_naive", "naive"])
    return [name for name in order if name in wape]


def _favourite(wape: Mapping[str, float]) -> str:
    """The median, unless another errs clearly less."""
    served = {name: error for name, error in wape.items() if name in COMPETING or name == ensemble.NAME}
    best = min(served, key=lambda name: served[name], default="naive")
    median = wape.get(ensemble.NAME)
    return ensemble.NAME if median is not None and CLEARLY * median <= wape[best] else best


def _why_simpler(model: str, wape: Mapping[str, float], asked: str) -> str:
    if asked not in ("auto", model):
        return f"{asked} could not be fitted"
    if asked == "auto" and model == "naive" and len(wape) > 1:
        rival = min((name for name in wape if name != model), key=lambda name: wape[name])
        return f"naive errs least: WAPE {wape[model]:.3f} against {wape[rival]:.3f} of {rival}"
    return ""


def _forecast(model: str, history: History, past: Replay, request: FitRequest) -> tuple[FloatArray, FloatArray]:
    """Point forecast from the end of the history, and its quantiles."""
    if model == ensemble.NAME:
        levels = _with_median(request.quantiles)
        made = _floored(ensemble.forecast(history, request.horizon, levels), history)
        return made[:, levels.index(0.5)], made[:, [levels.index(level) for level in request.quantiles]]
    origin = np.array([len(history.values)])
    paths = COMPETING[model]
    mean = paths(history.values, origin, season_length=history.season_length, horizon=request.horizon)[0]
    mean = _floored(mean, history)
    calibration = calibrate(past.actuals, past.points[model], request.quantiles, walk=walk_of(past, model))
    return mean, _floored(calibration.band(mean), history)


def _coverage(past: Replay, model: str, levels: tuple[float, ...]) -> Mapping[float, float]:
    if model != ensemble.NAME or past.bands is None:
        return coverage(past, model, levels)
    shares = band_coverage(past, past.bands, _with_median(levels))
    return {level: shares[level] for level in levels if level in shares}


def _by_horizon(
    past: Replay, model: str, history: History, request: FitRequest, band: FloatArray
) -> tuple[HorizonAccuracy, ...]:
    """The replay's errors of the served model and its band, by how far ahead, beside naive and the last season."""
    over, levels, season = accuracy.bands(request.horizon, request.step), request.quantiles, history.season_length
    sums = accuracy.tally(
        past.actuals, past.points[model], band, levels=levels, over=over,
        naive=accuracy.naive_paths(history.values, past.origins, request.horizon),
        seasonal=accuracy.seasonal_paths(history.values, past.origins, request.horizon, season),
    )  # fmt: skip
    first = int(past.origins[0])
    scale = accuracy.season_scale(history.values[:first], history.measured[:first], season)
    return tuple(
        HorizonAccuracy(
            until=one.band.steps * request.step, wape=one.wape, mase=one.mase, pinball=one.pinball,
            coverage_95=one.coverage.get(0.95), skill_vs_naive=one.skill_vs_naive,
            skill_vs_seasonal_naive=one.skill_vs_seasonal_naive,
        )
        for one in accuracy.measure(sums, over, levels, scale)
    )  # fmt: skip


def _past_band(past: Replay, model: str, levels: tuple[float, ...]) -> FloatArray:
    """The quantiles of the served model at each origin: the median brings its own."""
    if model == ensemble.NAME and past.bands is not None:
        known = _with_median(levels)
        return past.bands[..., [known.index(level) for level in levels]]
    return replayed_band(past, model, levels)


def _with_median(levels: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(sorted({*levels, 0.5}))


def _flat(history: History, request: FitRequest) -> _Served:
    """Too little for a season: the last value, in a band that widens as a random walk of the steps seen so far."""
    last, steps = float(history.values[-1]), np.diff(history.values)
    count = len(steps)
    levels = np.clip(0.5 + (np.asarray(request.quantiles) - 0.5) * (count + 1) / count, 0.0, 1.0)
    widening = np.sqrt(np.arange(1, request.horizon + 1))
    offsets = np.clip(np.outer(widening, np.quantile(steps, levels)), -history.spread, history.spread)
    got, needed = format_duration(count * request.step), format_duration(SEASONS_NEEDED * request.season)
    return _Served(
        model="naive", mean=np.full(request.horizon, last), values=_floored(last + offsets, history), backtest=None,
        fallback_reason=f"history {got} of {needed} (two seasons)",
    )  # fmt: skip


def _constant(history: History, request: FitRequest) -> _Served:
    """A level that never moved, in a token band."""
    level = float(history.values[-1])
    offsets = CONSTANT_BAND * abs(level) * (np.asarray(request.quantiles) - 0.5) / 0.45
    return _Served(
        model="naive", mean=np.full(request.horizon, level), backtest=None, fallback_reason="the history is constant",
        values=_floored(np.tile(level + offsets, (request.horizon, 1)), history),
    )  # fmt: skip


def _floored(values: FloatArray, history: History) -> FloatArray:
    return values if history.lowest is None else np.maximum(values, history.lowest)
