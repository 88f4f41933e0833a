"""One history in, one fitted signal out: a pure function that a worker process runs.

Prepare the history, let the models compete on it, keep the best that stays within reason. Each member brings
quantiles of its own; ``forecaster.combine`` says how they become one. What is kept forecasts without another fit
(``forecaster.fitted``); ``fit`` is both for whoever wants one forecast.
Whatever is simpler than was asked for says why in ``fallback_reason``. The same request gives the same forecast.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal

import numpy as np

from domain.errors import FitFailedError, HistoryTooShortError
from domain.forecasts import Backtest, Combination, Dependence, Forecast, HorizonAccuracy
from domain.series import FloatArray
from domain.units import format_duration
from forecaster import accuracy, cold_start, combine, members, paths, serving, sparse, sum_coverage
from forecaster import history as histories
from forecaster.backtest import Replay, replay
from forecaster.calendar import Calendar
from forecaster.calibrate import band_coverage, coverage, replayed_band
from forecaster.fitted import SEASONS_NEEDED, Fitted
from forecaster.guard import objection
from forecaster.history import History
from forecaster.members import Competition
from forecaster.models import COMPETING, holt_winters, seasonal_naive
from forecaster.recent import Recent
from forecaster.serving import Banded, ColdStart, Combined, Constant, Empirical, Serving
from forecaster.shipped import coefficients

QUANTILES: Final = (0.05, 0.25, 0.5, 0.75, 0.95)
LONGEST_HORIZON: Final = 5_000
"""Steps; a day at 17 s. Beyond it the backtest no longer fits a worker's memory."""


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
        model: The model to serve; ``auto`` combines what competes (``forecaster.combine``).
        made_at: Now, as the caller sees it.
        generated: True when part of the history was generated and not measured.
        calendar: What is known about days, for ``forecaster.dated``; the functions here do not look at it.
        with_reference: Also fit Holt-Winters; imports statsmodels (190 MB), so only in a worker that ends.
        judge_sums: Also hold sums over stretches against those of sampled paths: for whoever asks of a total.
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
    calendar: Calendar | None = None
    with_reference: bool = False
    judge_sums: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chosen:
    """The part of a fitted signal that depends on the model.

    Attributes:
        model: Its name.
        serving: What it keeps.
        backtest: What it did on this history.
        fallback_reason: Why it is simpler than was asked for.
        spare: To be served where ``serving`` leaves the bounds of reason later.
        combination: Of which members it is made.
    """

    model: str
    serving: Serving
    backtest: Backtest | None
    fallback_reason: str
    spare: Banded | None = None
    combination: tuple[Combination, ...] = ()
    dependence: Dependence | None = None


def fit(request: FitRequest) -> Forecast:
    """Forecast one signal once.

    Raises:
        NoDataError: Nothing was measured.
        HistoryTooShortError: Fewer than ten steps were measured.
        FitFailedError: Absurd values, a horizon beyond reason, or no model stayed within reason.
    """
    forecast = fit_signal(request).forecast(request.made_at)
    return replace(forecast, reference=_reference_or_none(request)) if request.with_reference else forecast


def fit_signal(request: FitRequest) -> Fitted:
    """Fit one signal, to be carried forward step by step; raises as ``fit`` does."""
    if not 1 <= request.horizon <= LONGEST_HORIZON:
        raise FitFailedError(f"{request.signal}: a horizon of {request.horizon} steps is not in 1…{LONGEST_HORIZON}")
    history = _history(request)
    chosen = _choose(history, request)
    return Fitted(
        signal=request.signal, model=chosen.model, serving=chosen.serving, spare=chosen.spare,
        recent=Recent.of(history, _seasons_kept(chosen.serving)), cutoff=history.cutoff, history_start=history.start,
        step=request.step, season=request.season, horizon=request.horizon, quantiles=request.quantiles,
        fitted_at=request.made_at, fitted_steps=len(history.values), backtest=chosen.backtest,
        fallback_reason=chosen.fallback_reason, generated=request.generated, dependence=chosen.dependence,
        combination=chosen.combination,
    )  # fmt: skip


def _seasons_kept(chosen: Serving) -> int:
    """What the model reads itself; three seasons for the level-shift guard and for gaps."""
    if isinstance(chosen, Combined) and chosen.shipped is not None:
        return coefficients.FULL
    return sparse.SEASONS if isinstance(chosen, Empirical) else seasonal_naive.SEASONS


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


def _reference_or_none(request: FitRequest) -> FloatArray | None:
    try:
        return reference(request)[1]
    except (FitFailedError, HistoryTooShortError):
        return None


def _choose(history: History, request: FitRequest) -> _Chosen:
    if history.spread == 0:
        return _Chosen(model="naive", serving=Constant(), backtest=None, fallback_reason="the history is constant")
    if len(history.values) < SEASONS_NEEDED * history.season_length:
        return _short(history, request)
    if request.model == "auto" and sparse.is_sparse(history):
        return _empirical(history, request)
    return _best(history, request)


def _short(history: History, request: FitRequest) -> _Chosen:
    """Less than two seasons: shipped coefficients from some hours on, the flat line before."""
    known = int(np.count_nonzero(history.measured))
    reason = "the history is short"  # by how much is told at each forecast
    if cold_start.suits(known, history.season_length):
        cold = ColdStart()
        made = cold.made(Recent.of(history, SEASONS_NEEDED), request.horizon, request.quantiles)
        if objection(made.mean, made.values, history) is None:
            return _Chosen(model=cold_start.NAME, serving=cold, backtest=None, fallback_reason=reason)
    flat = serving.flat(history.values, request.quantiles)
    return _Chosen(model="naive", serving=flat, backtest=None, fallback_reason=reason)


def _best(history: History, request: FitRequest) -> _Chosen:
    """What was asked for; the next simpler one where it leaves the bounds of reason."""
    levels = _with_median(request.quantiles)
    past = replay(history, members.point_models(request.step), horizon=request.horizon)
    found = members.compete(history, past, request.horizon, levels) if request.model == "auto" else None
    if found is not None:
        past = past.joined({**found.members, found.name: found.served}, levels)
    wape = {name: past.wape(name) for name in past.points}
    spare = members.banded("naive", history, past, request.quantiles) if "naive" in past.points else None
    reason = ""
    for model in _ranked(wape, request.model if found is None else found.name):
        joint = found if found is not None and model == found.name else None
        kept: Serving = members.kept(joint, history, past, request.horizon, levels) if joint else members.banded(
            model, history, past, request.quantiles
        )  # fmt: skip
        made = kept.made(Recent.of(history, _seasons_kept(kept)), request.horizon, request.quantiles)
        if (doubt := objection(made.mean, made.values, history)) is None:
            band = _past_band(model, joint, past, request.quantiles)
            dependence = paths.learned(past.origins, past.actuals, band, request.quantiles)
            judged = _backtest(model, joint, past, wape, band, history, request)
            return _Chosen(
                model=model, serving=kept, spare=spare, backtest=_with_sums(judged, past, band, dependence, request),
                fallback_reason=reason or _why_simpler(model, joint, wape, request),
                combination=_told(joint, request) if joint else (), dependence=dependence,
            )  # fmt: skip
        reason = f"{model} {doubt}"
    raise FitFailedError(f"{request.signal}: no model stayed within reason, at last {reason or 'none could be fitted'}")


def _past_band(model: str, joint: Competition | None, past: Replay, quantiles: tuple[float, ...]) -> FloatArray:
    """The quantiles of the served model at each origin: a combination brings those it would have given."""
    if joint is None:
        return replayed_band(past, model, quantiles)
    levels = _with_median(quantiles)
    return joint.served[..., [levels.index(level) for level in quantiles]]


def _backtest(
    model: str, joint: Competition | None, past: Replay, wape: Mapping[str, float], band: FloatArray, history: History,
    request: FitRequest,
) -> Backtest:  # fmt: skip
    levels = request.quantiles
    shares = coverage(past, model, levels) if joint is None else band_coverage(past, band, levels)
    return Backtest(
        wape=wape[model], coverage=shares, origins=len(past.origins), wape_by_model=wape,
        by_horizon=_by_horizon(past, model, history, request, band),
    )  # fmt: skip


def _with_sums(
    backtest: Backtest, past: Replay, band: FloatArray, dependence: Dependence | None, request: FitRequest
) -> Backtest:
    if not request.judge_sums:
        return backtest
    steps, shares = sum_coverage.held(past.origins, past.actuals, band, request.quantiles, dependence)
    return replace(backtest, sum_steps=steps, sum_coverage=shares)


def _told(joint: Competition, request: FitRequest) -> tuple[Combination, ...]:
    """What is combined, up to which distance; neighbours of one combination are one."""
    told: list[Combination] = []
    for part in joint.parts:
        weights = dict(zip(part.members, part.weights, strict=True)) if part.weights else {}
        made = Combination(until=part.steps * request.step, members=part.members, weights=weights)
        if told and (told[-1].members, told[-1].weights) == (made.members, made.weights):
            told.pop()
        told.append(made)
    return tuple(told)


def _empirical(history: History, request: FitRequest) -> _Chosen:
    """Mostly zeros: quantiles of what came at this time of the seasons before; the simple models beside it."""
    levels = _with_median(request.quantiles)
    asked = [levels.index(level) for level in request.quantiles]
    past = replay(history, COMPETING, horizon=request.horizon)
    bands = sparse.quantiles(history, past.origins, request.horizon, levels)
    past = replace(past, points={**past.points, sparse.NAME: bands[..., levels.index(0.5)]})
    wape = {name: past.wape(name) for name in past.points}
    found = Backtest(
        wape=wape[sparse.NAME], coverage=band_coverage(past, bands[..., asked], request.quantiles),
        origins=len(past.origins), wape_by_model=wape,
        by_horizon=_by_horizon(past, sparse.NAME, history, request, bands[..., asked]),
    )  # fmt: skip
    dependence = paths.learned(past.origins, past.actuals, bands[..., asked], request.quantiles)
    return _Chosen(
        model=sparse.NAME, serving=Empirical(levels=levels),
        backtest=_with_sums(found, past, bands[..., asked], dependence, request),
        fallback_reason=f"{100 * sparse.zeros(history):.0f} % of the last season are zeros", dependence=dependence,
    )  # fmt: skip


def _ranked(wape: Mapping[str, float], first: str) -> list[str]:
    """What to serve, then what to fall back to: seasonal naive, naive."""
    return [name for name in dict.fromkeys([first, "seasonal_naive", "naive"]) if name in wape]


def _why_simpler(model: str, joint: Competition | None, wape: Mapping[str, float], request: FitRequest) -> str:
    if request.model not in ("auto", model):
        return f"{request.model} could not be fitted"
    if joint is None:
        return ""
    if model == "naive" and len(wape) > 1:
        rival = min((name for name in wape if name != model), key=lambda name: wape[name])
        return f"naive errs least: WAPE {wape[model]:.3f} against {wape[rival]:.3f} of {rival}"
    starts = [0, *(part.steps for part in joint.parts)]
    flat = [
        f"{format_duration(start * request.step)} to {format_duration(part.steps * request.step)}"
        for start, part in zip(starts, joint.parts, strict=False)
        if part.members == (combine.NAIVE,)
    ]
    return f"naive errs least from {', '.join(flat)} ahead" if flat else ""


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


def _with_median(levels: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(sorted({*levels, 0.5}))
