"""A whole file of series: each goes to the engine that fits its frequency and length, in chunks that any pool may run.

- ``seasonal`` — half-hourly to three-hourly data with two weeks and more of history
- ``daily`` — days, weeks to months ahead
- ``telemetry`` — finer data, where a file has many such series
- ``single`` — everything else: few or short or constant histories, through ``fit``

Chunks do not depend on the number of workers, and sums over chunks are added in their order: the same file gives the
same bytes. What fails in an engine is forecast again by ``fit``, what fails there is refused with its reason; no series
stops the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from itertools import groupby
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from domain.errors import ForetideError
from domain.forecasts import Forecast
from domain.series import FloatArray
from forecaster import daily, seasonal, telemetry
from forecaster.fit import LONGEST_HORIZON, FitRequest, fit
from forecaster.made import Made
from forecaster.panel import PanelSeries, Refusal
from forecaster.ready import EPOCH, Ask, Engine, Ready, seasonal_task
from forecaster.ready import ready as make_ready

T = TypeVar("T")
R = TypeVar("R")
BoolArray = NDArray[np.bool_]
Run = Callable[[Callable[[T], R], Sequence[T]], Iterable[R]]
"""``map``, or the ``map`` of an executor: results in the order of the tasks."""

CHUNK: Final = 128
SINGLE_CHUNK: Final = 16
POOL_SERIES: Final = 256
"""Series that the shared coefficients are learnt from, evenly taken: more of them move the OWA by < 0.1 %."""
TELEMETRY_FROM: Final = 64
"""Series of one season from which fine telemetry goes through the engine's batch: 3 ms a series where ``fit``, which
also backtests each one against simpler models, takes 80 and errs 1–6 % less (14 traces, 1 h to 24 h ahead)."""


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
    ready: dict[Engine, list[Ready]] = {"seasonal": [], "daily": [], "telemetry": [], "single": []}
    for at, series in enumerate(found):
        made = series if isinstance(series, Refusal) else make_ready(at, series, ask)
        if isinstance(made, Refusal):
            answers[at] = made
        else:
            ready[made.engine].append(made)
    single = ready["single"]
    single += _by_engine(ready["seasonal"], answers, partial(_seasonal, ask=ask, run=run))
    single += _by_engine(ready["daily"], answers, partial(_daily, ask=ask, run=run))
    single += _telemetry(ready["telemetry"], ask, answers, run)
    _singles(single, ask, answers, run)
    return [answers[at] for at in range(len(found))]


def _by_engine(
    ready: Sequence[Ready], answers: dict[int, Answer | Refusal],
    engine: Callable[[Sequence[Ready]], Iterable[tuple[Sequence[Ready], Made | str]]],
) -> list[Ready]:  # fmt: skip
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


def _seasonal(ready: Sequence[Ready], *, ask: Ask, run: Run[Any, Any]) -> Iterable[tuple[Sequence[Ready], Made | str]]:
    for length, alike in _grouped(ready, lambda one: one.season_length):
        task = seasonal_task(length, ask.horizon)
        stride = -(-len(alike) // POOL_SERIES)
        taught = [one.values for one in alike[::stride]]
        parts = list(run(partial(_learn, task=task), [taught[i : i + CHUNK] for i in range(0, len(taught), CHUNK)]))
        if any(isinstance(part, str) for part in parts):
            yield alike, next(part for part in parts if isinstance(part, str))
            continue
        pools = seasonal.Pools.of(sum(parts[1:], start=parts[0]))
        chunks = _chunks(alike, seasonal_most=task.most)
        forecast = partial(_made, partial(seasonal.forecast, task=task, pools=pools, levels=ask.levels))
        yield from zip(chunks, run(forecast, [_stacked(chunk, task.most) for chunk in chunks]), strict=True)


def _daily(ready: Sequence[Ready], *, ask: Ask, run: Run[Any, Any]) -> Iterable[tuple[Sequence[Ready], Made | str]]:
    chunks = _chunks(ready, seasonal_most=None)
    forecast = partial(_made, partial(daily.forecast, horizon=ask.horizon, levels=ask.levels))
    yield from zip(chunks, run(forecast, [_stacked(chunk, None) for chunk in chunks]), strict=True)


def _telemetry(
    ready: Sequence[Ready], ask: Ask, answers: dict[int, Answer | Refusal], run: Run[Any, Any]
) -> list[Ready]:
    """Keep what the engine's batch made; give back what it could not make, and the seasons with few series."""
    left: list[Ready] = []
    levels = tuple(sorted({*ask.levels, 0.5}))
    wanted = [levels.index(level) for level in ask.levels]
    for length, alike in _grouped(ready, lambda one: one.season_length):
        if len(alike) < TELEMETRY_FROM:
            left += alike
            continue
        chunks = [alike[i : i + CHUNK] for i in range(0, len(alike), CHUNK)]
        forecast = partial(
            _telemetry_chunk, season_length=length, horizon=ask.horizon, levels=levels, judged=ask.with_backtest
        )
        tasks = [[(one.values, one.measured) for one in chunk] for chunk in chunks]
        for chunk, (made, errors) in zip(chunks, run(forecast, tasks), strict=True):
            for row, one in enumerate(chunk):
                if isinstance(made, str) or not np.isfinite(made[row]).all():
                    left.append(
                        replace(one, reason=f"the batch of telemetry failed: {made}" if isinstance(made, str) else "")
                    )
                else:
                    path = one.unit * made[row]
                    told = {name: float(wape[row]) for name, wape in errors.items() if np.isfinite(wape[row])}
                    answers[one.at] = _telemetry_answer(one, path[:, levels.index(0.5)], path[:, wanted], told)
    return left


def _telemetry_chunk(
    series: Sequence[tuple[FloatArray, BoolArray]], season_length: int, horizon: int, levels: Sequence[float],
    judged: bool,
) -> tuple[FloatArray | str, Mapping[str, FloatArray]]:  # fmt: skip
    """Quantiles, or why there are none, and errors on the last third where those are asked for."""
    values, measured = zip(*series, strict=True)
    engine = partial(telemetry.forecast, measured=measured, season_length=season_length, horizon=horizon, levels=levels)
    made = _safely(engine, values)
    replay = partial(telemetry.backtest, measured=measured, season_length=season_length, horizon=horizon)
    errors = _safely(replay, values) if judged else {}
    return made, {} if isinstance(errors, str) else errors


def _telemetry_answer(one: Ready, mean: FloatArray, values: FloatArray, wape: Mapping[str, float]) -> Answer:
    backtest = {f"wape_{name}": error for name, error in wape.items()}
    if "median" in wape:
        backtest = {"folds": float(telemetry.ORIGINS), "wape": wape["median"], **backtest}
    return Answer(
        series=one.series, engine="telemetry", model="median", season_length=one.season_length, mean=mean,
        values=values, weights={}, backtest=backtest, fallback_reason="", notes=one.series.notes,
    )  # fmt: skip


def _singles(ready: Sequence[Ready], ask: Ask, answers: dict[int, Answer | Refusal], run: Run[Any, Any]) -> None:
    requests = [_request(one, ask) for one in ready]
    chunks = [requests[i : i + SINGLE_CHUNK] for i in range(0, len(requests), SINGLE_CHUNK)]
    made = [forecast for chunk in run(_fit_each, chunks) for forecast in chunk]
    for one, forecast in zip(ready, made, strict=True):
        if isinstance(forecast, str):
            refusal = Refusal(unique_id=one.series.unique_id, place=one.series.place, reason=forecast)
            answers[one.at] = refusal
        else:
            answers[one.at] = _single_answer(one, forecast)


def _request(one: Ready, ask: Ask) -> FitRequest:
    step = timedelta(seconds=one.series.step_seconds)
    values = np.where(one.measured, one.values, np.nan)  # what was filled is never counted as truth
    return FitRequest(
        signal=one.series.unique_id, values=values, start=EPOCH, step=step, season=one.season_length * step,
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


def _grouped(ready: Sequence[Ready], key: Callable[[Ready], int]) -> list[tuple[int, list[Ready]]]:
    return [(value, list(group)) for value, group in groupby(sorted(ready, key=key), key=key)]


def _chunks(ready: Sequence[Ready], *, seasonal_most: int | None) -> list[list[Ready]]:
    """Up to ``CHUNK`` series of one length each."""
    groups = _grouped(ready, lambda one: min(len(one.values), seasonal_most or len(one.values)))
    return [group[i : i + CHUNK] for _, group in groups for i in range(0, len(group), CHUNK)]


def _stacked(chunk: Sequence[Ready], most: int | None) -> tuple[FloatArray, BoolArray]:
    """Values, and which of them were measured."""
    end = -most if most else None
    return np.stack([one.values[end:] for one in chunk]), np.stack([one.measured[end:] for one in chunk])


def _made(engine: Callable[..., Made], chunk: tuple[FloatArray, BoolArray]) -> Made | str:
    return _safely(partial(engine, measured=chunk[1]), chunk[0])


def _answer(one: Ready, made: Made, row: int) -> Answer:
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


def _single_answer(one: Ready, forecast: Forecast) -> Answer:
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


__all__ = ["LONGEST_HORIZON", "Answer", "Ask", "forecast_all"]
