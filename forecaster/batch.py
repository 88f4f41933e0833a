"""A whole file of series: each goes to the engine that fits its frequency and length, in chunks that any pool may run.

- ``seasonal`` — half-hourly to three-hourly data with two weeks and more of history
- ``daily`` — days, weeks to months ahead
- ``single`` — everything else: finer telemetry, short and constant histories, through ``fit``

Chunks do not depend on the number of workers, and sums over chunks are added in their order: the same file gives the
same bytes. What fails in an engine is forecast again by ``fit``, what fails there is refused with its reason; no series
stops the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import groupby
from typing import Any, Final, Literal, TypeVar

import numpy as np

from domain.errors import ForetideError
from domain.forecasts import Forecast
from domain.series import FloatArray
from domain.units import format_duration
from forecaster import daily, seasonal
from forecaster import history as histories
from forecaster.fit import LONGEST_HORIZON, FitRequest, fit
from forecaster.made import Made
from forecaster.models.aligned_ridge import Seasons
from forecaster.panel import DAY, MONTH, PanelSeries, Refusal

T = TypeVar("T")
R = TypeVar("R")
Engine = Literal["seasonal", "daily", "single"]
Run = Callable[[Callable[[T], R], Sequence[T]], Iterable[R]]
"""``map``, or the ``map`` of an executor: results in the order of the tasks."""

CHUNK: Final = 128
SINGLE_CHUNK: Final = 16
POOL_SERIES: Final = 256
"""Series that the shared coefficients are learnt from, evenly taken: more of them move the OWA by < 0.1 %."""
SHORTEST_SEASON: Final = 8
LONGEST_SEASON: Final = 48
"""Steps in a season that ``seasonal`` takes: beyond it the week-long window has too many columns."""
FEW_MEASURED: Final = 0.6
ABSURD: Final = 1e4
"""Widths of the middle 98 % beyond it from which a value is taken for broken."""
CUT: Final = 10.0
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What is wanted of every series.

    Attributes:
        horizon: Steps ahead, 1 … ``LONGEST_HORIZON``.
        levels: Quantiles, rising, each in (0, 1).
        season: In steps or as a duration; None tells it from the step: a day of hours, a week of days.
    """

    horizon: int
    levels: tuple[float, ...]
    season: int | timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One series' forecast.

    Attributes:
        series: What was asked, its values left out.
        engine: Which one made it.
        model: What is served: ``blend``, or the one model that was.
        season_length: Steps per season.
        mean: The point forecast, chosen for absolute and scaled error, shape ``(horizon,)``.
        values: Quantiles, shape ``(horizon, levels)``, never crossing.
        weights: Of the members, by name; they sum to 1.
        backtest: Errors on the last stretches of the history, by name; empty where it was too short.
        fallback_reason: Why something simpler is served than the engine's own; empty when it is not.
        notes: What was mended in the data, each a sentence.
    """

    series: PanelSeries
    engine: Engine
    model: str
    season_length: int
    mean: FloatArray
    values: FloatArray
    weights: Mapping[str, float]
    backtest: Mapping[str, float]
    fallback_reason: str
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ready:
    """A series that can be forecast: its history without gaps, in units near its size, and the engine chosen."""

    at: int
    series: PanelSeries
    values: FloatArray
    season_length: int
    engine: Engine
    unit: float
    reason: str = ""


def forecast_all(
    found: Sequence[PanelSeries | Refusal], ask: Ask, *, run: Run[Any, Any] = map
) -> list[Answer | Refusal]:
    """Forecast every series; answers and refusals stand in the order of ``found``.

    Args:
        found: What was read.
        ask: What is wanted.
        run: Runs tasks, here or in processes.
    """
    answers: dict[int, Answer | Refusal] = {}
    ready: dict[Engine, list[_Ready]] = {"seasonal": [], "daily": [], "single": []}
    for at, series in enumerate(found):
        made = series if isinstance(series, Refusal) else _ready(at, series, ask)
        if isinstance(made, Refusal):
            answers[at] = made
        else:
            ready[made.engine].append(made)
    failed = _by_engine(ready["seasonal"], ask, answers, partial(_seasonal, ask=ask, run=run))
    failed += _by_engine(ready["daily"], ask, answers, partial(_daily, ask=ask, run=run))
    _singles([*ready["single"], *failed], ask, answers, run)
    return [answers[at] for at in range(len(found))]


def _ready(at: int, series: PanelSeries, ask: Ask) -> _Ready | Refusal:
    measured = int(np.count_nonzero(~np.isnan(series.values)))
    if measured < histories.FEWEST_STEPS:
        reason = f"has {measured} values; {histories.FEWEST_STEPS} are needed to tell how sure a forecast is"
        return Refusal(unique_id=series.unique_id, place=series.place, reason=reason)
    length = season_length(series.step_seconds, ask.season)
    step = timedelta(seconds=series.step_seconds)
    try:
        history = histories.prepare(series.unique_id, series.values, start=EPOCH, step=step, season=length * step)
    except (ForetideError, OverflowError) as error:
        return Refusal(unique_id=series.unique_id, place=series.place, reason=str(error))
    values, cut = _cut(history.values)
    notes = [*series.notes, *_doubts(history, ask.horizon), *cut]
    engine, reason = _engine(history, length, series.step_seconds, ask)
    unit = _unit(values)
    return _Ready(
        at=at, series=replace(series, values=series.values[:0], notes=tuple(notes)), values=values / unit,
        season_length=history.season_length, engine=engine, unit=unit, reason=reason,
    )  # fmt: skip


def season_length(step_seconds: float, asked: int | timedelta | None) -> int:
    """Steps per season: as asked, else the next longer natural cycle: day, week or year.

    A week of hours is a day seven times, and every engine for days knows the week.
    """
    if asked is not None:
        length = asked if isinstance(asked, int) else max(2, round(asked.total_seconds() / step_seconds))
        a_week_of_days = step_seconds <= DAY / 2 and length == round(7 * DAY / step_seconds)
        return length // 7 if a_week_of_days else length
    if step_seconds <= DAY / 2:
        return round(DAY / step_seconds)
    if step_seconds < 2 * DAY:
        return max(2, round(7 * DAY / step_seconds))
    return max(2, round(12 * MONTH / step_seconds))


def _doubts(history: histories.History, horizon: int) -> list[str]:
    notes = []
    share = float(history.measured.mean())
    if share < FEW_MEASURED:
        notes.append(f"only {share:.0%} of its steps are measured, the others are filled")
    if horizon > len(history.values):
        notes.append(f"the horizon of {horizon} steps is longer than the history of {len(history.values)}")
    return notes


def _cut(values: FloatArray) -> tuple[FloatArray, list[str]]:
    """Without values that no demand explains: one broken sample of 10⁹⁰ must not become a forecast of 10⁸⁴."""
    low, high = np.quantile(values, [0.01, 0.99])
    width = high - low
    absurd = (values < low - ABSURD * width) | (values > high + ABSURD * width)
    count = int(np.count_nonzero(absurd))
    if not count or width <= 0:
        return values, []
    note = f"{count} values stand out by more than {ABSURD:g} times the usual range: cut to {CUT:g} times"
    return np.clip(values, low - CUT * width, high + CUT * width), [note]


def _unit(values: FloatArray) -> float:
    """The power of two below the largest value: dividing by it is exact, and no square over- or underflows."""
    return float(2.0 ** np.floor(np.log2(largest))) if (largest := float(np.abs(values).max())) > 0 else 1.0


def _engine(history: histories.History, length: int, step_seconds: float, ask: Ask) -> tuple[Engine, str]:
    """Which engine, and why not the one that the frequency asks for."""
    got = len(history.values)
    if history.spread == 0:
        return "single", ""
    if SHORTEST_SEASON <= length <= LONGEST_SEASON and step_seconds < DAY / 2:
        needed = _task(length, ask.horizon).needed
        engine: Engine = "seasonal"
    elif length == daily.WEEK and abs(step_seconds - DAY) < 0.05 * DAY:
        needed = daily.needed(ask.horizon)
        engine = "daily"
    else:
        return "single", ""
    if got >= needed:
        return engine, ""
    spelled = [format_duration(timedelta(seconds=steps * step_seconds)) for steps in (got, needed)]
    return "single", f"history {spelled[0]} of {spelled[1]} that the blend needs at this horizon"


def _by_engine(
    ready: Sequence[_Ready], ask: Ask, answers: dict[int, Answer | Refusal],
    engine: Callable[[Sequence[_Ready]], Iterable[tuple[Sequence[_Ready], Made | str]]],
) -> list[_Ready]:  # fmt: skip
    """Keep what an engine made; give back what it could not make, with the reason."""
    failed = []
    for chunk, made in engine(ready) if ready else ():
        for row, one in enumerate(chunk):
            if isinstance(made, str):
                failed.append(replace(one, reason=f"{one.engine} engine failed: {made}"))
            elif not (made.blend.sound[row] and np.isfinite(made.values[row]).all()):
                failed.append(replace(one, reason=f"no member of the {one.engine} engine stayed within reason"))
            else:
                answers[one.at] = _answer(one, made, row)
    return failed


def _seasonal(
    ready: Sequence[_Ready], *, ask: Ask, run: Run[Any, Any]
) -> Iterable[tuple[Sequence[_Ready], Made | str]]:
    for length, alike in _grouped(ready, lambda one: one.season_length):
        task = _task(length, ask.horizon)
        stride = -(-len(alike) // POOL_SERIES)
        taught = [one.values for one in alike[::stride]]
        parts = list(run(partial(_learn, task=task), [taught[i : i + CHUNK] for i in range(0, len(taught), CHUNK)]))
        if any(isinstance(part, str) for part in parts):
            yield alike, next(part for part in parts if isinstance(part, str))
            continue
        pools = seasonal.Pools.of(sum(parts[1:], start=parts[0]))
        chunks = _chunks(alike, seasonal_most=task.most)
        forecast = partial(_safely, partial(seasonal.forecast, task=task, pools=pools, levels=ask.levels))
        yield from zip(chunks, run(forecast, [_stacked(chunk, task.most) for chunk in chunks]), strict=True)


def _daily(ready: Sequence[_Ready], *, ask: Ask, run: Run[Any, Any]) -> Iterable[tuple[Sequence[_Ready], Made | str]]:
    chunks = _chunks(ready, seasonal_most=None)
    forecast = partial(_safely, partial(daily.forecast, horizon=ask.horizon, levels=ask.levels))
    yield from zip(chunks, run(forecast, [_stacked(chunk, None) for chunk in chunks]), strict=True)


def _singles(ready: Sequence[_Ready], ask: Ask, answers: dict[int, Answer | Refusal], run: Run[Any, Any]) -> None:
    requests = [_request(one, ask) for one in ready]
    chunks = [requests[i : i + SINGLE_CHUNK] for i in range(0, len(requests), SINGLE_CHUNK)]
    made = [forecast for chunk in run(_fit_each, chunks) for forecast in chunk]
    for one, forecast in zip(ready, made, strict=True):
        if isinstance(forecast, str):
            refusal = Refusal(unique_id=one.series.unique_id, place=one.series.place, reason=forecast)
            answers[one.at] = refusal
        else:
            answers[one.at] = _single_answer(one, forecast)


def _request(one: _Ready, ask: Ask) -> FitRequest:
    step = timedelta(seconds=one.series.step_seconds)
    return FitRequest(
        signal=one.series.unique_id, values=one.values, start=EPOCH, step=step, season=one.season_length * step,
        horizon=ask.horizon, quantiles=ask.levels, made_at=EPOCH,
    )  # fmt: skip


def _fit_each(requests: Sequence[FitRequest]) -> list[Forecast | str]:
    return [_safely(fit, request) for request in requests]


def _learn(series: Sequence[FloatArray], task: seasonal.Task) -> seasonal.Shared | str:
    return _safely(partial(seasonal.learn, task=task), series)


def _safely(work: Callable[[T], R], given: T) -> R | str:
    """The result, or in words why there is none: one bad batch must not end the others."""
    try:
        return work(given)
    except ForetideError as error:
        return str(error)
    except (ArithmeticError, ValueError, np.linalg.LinAlgError) as error:
        return f"{type(error).__name__}: {error}"


def _task(length: int, horizon: int) -> seasonal.Task:
    return seasonal.Task(seasons=Seasons(short=length, long=7 * length), horizon=horizon)


def _grouped(ready: Sequence[_Ready], key: Callable[[_Ready], int]) -> list[tuple[int, list[_Ready]]]:
    return [(value, list(group)) for value, group in groupby(sorted(ready, key=key), key=key)]


def _chunks(ready: Sequence[_Ready], *, seasonal_most: int | None) -> list[list[_Ready]]:
    """Up to ``CHUNK`` series of one length each."""
    groups = _grouped(ready, lambda one: min(len(one.values), seasonal_most or len(one.values)))
    return [group[i : i + CHUNK] for _, group in groups for i in range(0, len(group), CHUNK)]


def _stacked(chunk: Sequence[_Ready], most: int | None) -> FloatArray:
    return np.stack([one.values[-most:] if most else one.values for one in chunk])


def _answer(one: _Ready, made: Made, row: int) -> Answer:
    blended, weights = made.blend, made.blend.weights[:, row]
    served = made.members[int(np.argmax(weights))] if blended.beaten[row] else "blend"
    losses = {
        f"mae_{name}": one.unit * float(loss)
        for name, loss in zip(made.members, blended.member_loss[:, row], strict=True)
    }
    simple = min(losses["mae_seasonal_naive"], losses.get("mae_naive", np.inf))
    size = one.unit * float(np.abs(blended.errors[:, row] + blended.past[:, row]).mean())
    loss = one.unit * float(blended.loss[row])
    backtest = {
        "folds": float(len(blended.errors)), "mae": loss, "wape": loss / size if size else np.inf,
        "skill": 1 - loss / simple if simple else 0.0, **losses,
    }  # fmt: skip
    beaten = f"{served} errs far less than the blend on the last stretches" if blended.beaten[row] else ""
    return Answer(
        series=one.series, engine=one.engine, model=served, season_length=one.season_length,
        mean=one.unit * made.mean[row], values=one.unit * made.values[row],
        weights=dict(zip(made.members, weights.tolist(), strict=True)),
        backtest={name: value for name, value in backtest.items() if np.isfinite(value)},
        fallback_reason=beaten, notes=one.series.notes,
    )  # fmt: skip


def _single_answer(one: _Ready, forecast: Forecast) -> Answer:
    backtest = {} if forecast.backtest is None else {
        "wape": forecast.backtest.wape,
        **{f"wape_{name}": wape for name, wape in forecast.backtest.wape_by_model.items()},
    }  # fmt: skip
    reasons = [reason for reason in (one.reason, forecast.fallback_reason) if reason]
    return Answer(
        series=one.series, engine="single", model=forecast.model, season_length=one.season_length,
        mean=one.unit * forecast.mean, values=one.unit * forecast.values, weights={forecast.model: 1.0},
        fallback_reason="; ".join(reasons),
        backtest={name: value for name, value in backtest.items() if np.isfinite(value)}, notes=one.series.notes,
    )  # fmt: skip


__all__ = ["LONGEST_HORIZON", "Answer", "Ask", "forecast_all", "season_length"]
