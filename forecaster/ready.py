"""What can be forecast of a series, and by which engine: its history without gaps, broken samples or odd units."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from domain.errors import ForetideError
from domain.series import FloatArray
from domain.units import format_duration
from forecaster import daily, seasonal, telemetry
from forecaster import history as histories
from forecaster.models.aligned_ridge import Seasons
from forecaster.panel import DAY, MONTH, PanelSeries, Refusal

Engine = Literal["seasonal", "daily", "telemetry", "single"]
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
        with_backtest: Also of fine telemetry, where it costs another fit; the other engines bring theirs anyway.
    """

    horizon: int
    levels: tuple[float, ...]
    season: int | timedelta | None = None
    with_backtest: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A series that can be forecast: its history without gaps, in units near its size, and the engine chosen."""

    at: int
    series: PanelSeries
    values: FloatArray
    measured: NDArray[np.bool_]
    season_length: int
    engine: Engine
    unit: float
    reason: str = ""


def ready(at: int, series: PanelSeries, ask: Ask) -> Ready | Refusal:
    """Fill, cut and scale a series, and choose its engine; refused where it has too few values."""
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
    return Ready(
        at=at, series=replace(series, values=series.values[:0], notes=tuple(notes)), values=values / unit,
        measured=history.measured,
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
        needed = seasonal_task(length, ask.horizon).needed
        engine: Engine = "seasonal"
    elif length == daily.WEEK and abs(step_seconds - DAY) < 0.05 * DAY:
        needed = daily.needed(ask.horizon)
        engine = "daily"
    elif length >= telemetry.SHORTEST_SEASON and got >= telemetry.needed(ask.horizon, length):
        return "telemetry", ""
    else:
        return "single", ""
    if got >= needed:
        return engine, ""
    spelled = [format_duration(timedelta(seconds=steps * step_seconds)) for steps in (got, needed)]
    return "single", f"history {spelled[0]} of {spelled[1]} that the blend needs at this horizon"


def seasonal_task(length: int, horizon: int) -> seasonal.Task:
    """A season of that length, and seven of it: the week, where it is a day."""
    return seasonal.Task(seasons=Seasons(short=length, long=7 * length), horizon=horizon)
