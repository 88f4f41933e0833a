"""What the served path would have said of a whole file at earlier times, held against what came.

Every series is cut back by the same numbers of steps (those of one step length), and what is left goes through
``forecast_all`` as a file of its own: engine, weights, coefficients and band know nothing after the cut.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final

import numpy as np

from domain.series import FloatArray
from forecaster.accuracy import (
    Accuracy,
    Band,
    Tally,
    bands,
    measure,
    naive_paths,
    season_scale,
    seasonal_paths,
    skill,
    tally,
)
from forecaster.batch import Answer, Ask, Run, forecast_all
from forecaster.history import FEWEST_STEPS, prepare_batch
from forecaster.panel import PanelSeries, Refusal
from forecaster.ready import season_length

SHARE: Final = 1 / 3
"""Last part of the history that the origins are spread over, as in the fit's own backtest."""
ORDER: Final = ("first", "15m", "tenth", "1h", "half", "4h", "24h", "all")
"""Of the bands in the overall figures: a file may hold series of both kinds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """How one series would have been forecast.

    Attributes:
        unique_id: Its name.
        place: ``file:line`` of its first row.
        origins: Forecasts that were made and compared.
        engines: How many of them each engine made.
        season_length: Steps per season, also of seasonal naive.
        by_band: Figures by how far ahead.
    """

    unique_id: str
    place: str
    origins: int
    engines: Mapping[str, int]
    season_length: int
    by_band: tuple[Accuracy, ...]


@dataclass(slots=True, kw_only=True)
class _Walk:
    """One series on the way."""

    series: PanelSeries
    season: int
    over: tuple[Band, ...]
    sums: Tally | None = None
    scale: float | None = None
    end: int = 0
    engines: Counter[str] = field(default_factory=Counter)
    reason: str = ""


def walk_forward(
    found: Sequence[PanelSeries | Refusal], ask: Ask, *, origins: int, run: Run[Any, Any] = map
) -> list[Scored | Refusal]:
    """Forecast every series from earlier origins; scores and refusals stand in the order of ``found``.

    Args:
        found: What was read.
        ask: What is wanted of every forecast.
        origins: Forecasts per series, at most; a series that is too short for the earlier ones has fewer.
        run: Runs tasks, here or in processes.
    """
    walks = {at: _begun(series, ask) for at, series in enumerate(found) if isinstance(series, PanelSeries)}
    distances = _distances([walk.series for walk in walks.values()], ask, origins)
    for number in reversed(range(origins)):  # the oldest first: the first cut that can be forecast gives the scale
        cuts = {at: _cut(walk, distances[walk.series.step_seconds][number]) for at, walk in walks.items()}
        taken = [(walks[at], cut) for at, cut in cuts.items() if cut is not None]
        answers = forecast_all([cut for _, cut in taken], ask, run=run)
        for (walk, cut), answer in zip(taken, answers, strict=True):
            _compare(walk, cut, answer, ask)
    return [_scored(walks[at], ask) if isinstance(one, PanelSeries) else one for at, one in enumerate(found)]


def overall(scored: Sequence[Scored], levels: Sequence[float]) -> tuple[Accuracy, ...]:
    """Every series counts the same: means of their ratios, skill from the means of their scaled errors.

    ``pinball`` is None: it has the unit of its series. Steps are the longest of the band.
    """
    by_name: dict[str, list[Accuracy]] = {}
    for one in scored:
        for accuracy in one.by_band:
            by_name.setdefault(accuracy.band.name, []).append(accuracy)
    return tuple(_together(name, by_name[name], levels) for name in ORDER if name in by_name)


def _together(name: str, several: Sequence[Accuracy], levels: Sequence[float]) -> Accuracy:
    whole = [one for one in several if one.mase is not None]
    mase, naive = _mean([one.mase for one in whole]), _mean([one.naive_mase for one in whole])
    seasonal = _mean([one.seasonal_naive_mase for one in whole])
    shares = {level: _mean([one.coverage.get(level) for one in several]) for level in levels}
    return Accuracy(
        band=Band(name=name, steps=max(one.band.steps for one in several)), wape=_mean([one.wape for one in several]),
        mase=mase, naive_mase=naive, seasonal_naive_mase=seasonal, pinball=None,
        scaled_pinball=_mean([one.scaled_pinball for one in whole]),
        coverage={level: share for level, share in shares.items() if share is not None},
        skill_vs_naive=skill(mase, naive), skill_vs_seasonal_naive=skill(mase, seasonal),
    )  # fmt: skip


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _begun(series: PanelSeries, ask: Ask) -> _Walk:
    step = None if series.style == "step" else timedelta(seconds=series.step_seconds)
    season = max(2, season_length(series.step_seconds, ask.season))
    return _Walk(series=series, season=season, over=bands(ask.horizon, step))


def _distances(found: Sequence[PanelSeries], ask: Ask, origins: int) -> Mapping[float, list[int]]:
    """Steps from each origin to the end, nearest first, by step length.

    Shared by all series of that step, so that what they learn from each other lies before every cut, as far as they
    end together.
    """
    lengths: dict[float, list[int]] = {}
    for series in found:
        lengths.setdefault(series.step_seconds, []).append(len(series.values))
    return {
        step: _spread_out(
            int(np.median(many)), horizon=ask.horizon, season=max(2, season_length(step, ask.season)), origins=origins
        )
        for step, many in lengths.items()
    }


def _spread_out(length: int, *, horizon: int, season: int, origins: int) -> list[int]:
    """Evenly over the last part of the history before the last whole horizon.

    Three weeks of hours in eight would be a day apart: all forecasts would be made at one time of day. Such a stride is
    shortened, so that the origins go round the season.
    """
    span = max(0, min(int(length * SHARE), length - horizon - FEWEST_STEPS))
    stride = span / origins
    seasons = round(stride / season)
    if seasons and abs(stride - seasons * season) < season / (2 * origins):
        stride = (seasons - 1 / origins) * season
    return [horizon + round(number * stride) for number in range(origins)]


def _cut(walk: _Walk, distance: int) -> PanelSeries | None:
    """The series as it was so many steps before its end; None where it had not begun or no value is new since."""
    series = walk.series
    known = np.flatnonzero(~np.isnan(series.values[: max(0, len(series.values) - distance)]))
    if len(known) < FEWEST_STEPS or int(known[-1]) + 1 == walk.end:
        return None
    walk.end = end = int(known[-1]) + 1  # in a gap: the forecast begins after the last value, as it would have then
    behind = len(series.values) - end
    return replace(
        series, values=series.values[:end], end_seconds=series.end_seconds - behind * series.step_seconds, notes=()
    )


def _compare(walk: _Walk, cut: PanelSeries, answer: Answer | Refusal, ask: Ask) -> None:
    if isinstance(answer, Refusal):
        walk.reason = answer.reason
        return
    end = len(cut.values)
    actuals = walk.series.values[None, end : end + ask.horizon]
    if np.isnan(actuals).all():
        walk.reason = f"has no value in the {ask.horizon} steps after any origin"
        return
    filled, measured = prepare_batch(cut.values[None], walk.season)
    if walk.scale is None:
        walk.scale = season_scale(filled[0], measured[0], walk.season)
    sums = _held_against(actuals, answer, filled[0], walk, ask)
    walk.sums = sums if walk.sums is None else walk.sums + sums
    walk.engines[answer.engine] += 1


def _held_against(actuals: FloatArray, answer: Answer, filled: FloatArray, walk: _Walk, ask: Ask) -> Tally:
    origin = np.array([len(filled)])
    return tally(
        actuals, answer.mean[None], answer.values[None], levels=ask.levels, over=walk.over,
        naive=naive_paths(filled, origin, ask.horizon),
        seasonal=seasonal_paths(filled, origin, ask.horizon, walk.season),
    )  # fmt: skip


def _scored(walk: _Walk, ask: Ask) -> Scored | Refusal:
    series = walk.series
    if walk.sums is None:
        reason = walk.reason or (
            f"has {int(np.count_nonzero(~np.isnan(series.values)))} values in {len(series.values)} steps; "
            f"{FEWEST_STEPS} values and a horizon of {ask.horizon} steps after them are needed"
        )
        return Refusal(unique_id=series.unique_id, place=series.place, reason=reason)
    return Scored(
        unique_id=series.unique_id, place=series.place, origins=walk.engines.total(), engines=dict(walk.engines),
        season_length=walk.season, by_band=measure(walk.sums, walk.over, ask.levels, walk.scale),
    )  # fmt: skip
