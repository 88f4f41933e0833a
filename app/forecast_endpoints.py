"""`/api/v1/forecasts/{signal}/…`: sampled paths of a forecast, the sum over a stretch, the dates of limits.

A signal's name holds slashes and stands in the address as it is; `{`, `"` and the like of a series' labels are
percent-encoded. All numbers are floats in the signal's unit: a sum of cost becomes money where it is decided on.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from app.envelope import Ok, ok
from app.forecast_questions import ForecastQuestions
from domain.clock import Clock
from domain.units import parse_duration
from forecaster import capacity, paths, sums

Samples = Annotated[int, Query(ge=2, le=200, description="Number of paths.")]
Thresholds = Annotated[list[float] | None, Query(description="Asked about, in the signal's unit; repeat for several.")]


class PathsView(BaseModel):
    """Sampled paths: step ``i`` of each lies at ``cutoff + (i + 1) · step_seconds``."""

    signal: str
    cutoff: datetime
    step_seconds: float
    lasting: float | None = Field(description="Share of the errors that stays; null where nothing was learned.")
    echo: float | None = Field(description="Correlation of the rest from one step to the next.")
    paths: list[list[float]]


class QuantileView(BaseModel):
    """One quantile of a sum."""

    quantile: float
    value: float


class DateView(BaseModel):
    """One quantile of a date; null where it lies beyond the horizon, or the limit is reached already."""

    quantile: float
    at: datetime | None


class ReachView(BaseModel):
    """When a limit is first reached."""

    name: str
    limit: float | None = Field(description="Null where its query has no answer; then nothing else is known.")
    already: bool
    probability: float | None = Field(description="That it is reached by `until` (ratio).")
    dates: list[DateView]
    until: datetime

    @classmethod
    def of(cls, name: str, limit: float, found: capacity.Reach) -> ReachView:
        """The view of what was found."""
        dates = [DateView(quantile=level, at=at) for level, at in found.dates.items()]
        return cls(
            name=name, limit=limit, already=found.already, probability=found.probability, dates=dates, until=found.until
        )


class CapacityView(BaseModel):
    """The limits of a signal."""

    signal: str
    cutoff: datetime
    level: float | None = Field(description="Measured at the cutoff.")
    limits: list[ReachView]


class SumView(BaseModel):
    """The sum over a stretch: what was measured, and what the rest may be."""

    signal: str
    start: datetime
    end: datetime
    until: datetime = Field(description="How far the forecast covers the stretch.")
    complete: bool = Field(description="Whether that is all of it; otherwise the rest is in no figure here.")
    per_seconds: float | None = Field(description="What the signal's value is per; null where it is an amount.")
    measured: float
    measured_steps_missing: int = Field(description="Steps without a value, counted as nothing.")
    mean: float
    quantiles: list[QuantileView]
    limits: list[ReachView]


def router(questions: ForecastQuestions, clock: Clock) -> APIRouter:
    """The routes."""
    api = APIRouter(prefix="/forecasts")
    _add_paths(api, questions)
    _add_capacity(api, questions, clock)
    _add_sum(api, questions, clock)
    return api


def _add_paths(api: APIRouter, questions: ForecastQuestions) -> None:
    @api.get("/{signal:path}/paths", operation_id="getForecastPaths")
    def forecast_paths(signal: str, samples: Samples = 20) -> Ok[PathsView]:
        """What the steps of the newest forecast may do together; the same ones at every call."""
        forecast = questions.forecast(signal)
        known = forecast.dependence
        return ok(
            PathsView(
                signal=signal, cutoff=forecast.cutoff, step_seconds=forecast.step.total_seconds(),
                lasting=known.lasting if known else None, echo=known.echo if known else None,
                paths=paths.sample(forecast, count=samples).tolist(),
            )
        )  # fmt: skip


def _add_capacity(api: APIRouter, questions: ForecastQuestions, clock: Clock) -> None:
    @api.get("/{signal:path}/capacity", operation_id="getForecastCapacity")
    def forecast_capacity(signal: str, threshold: Thresholds = None) -> Ok[CapacityView]:
        """When the level first reaches its limits: of its Forecast document, of `maxReplicas`, or `threshold`."""
        forecast = questions.forecast(signal)
        level = questions.level(forecast)
        limits = _named(threshold) if threshold else questions.limits(forecast, clock.now())
        known = {name: limit for name, limit in limits.items() if not np.isnan(limit)}
        found = capacity.reached(forecast, known, now=level)
        views = [
            ReachView.of(name, limit, found[name]) if name in found else _unknown(name, forecast.end)
            for name, limit in limits.items()
        ]
        return ok(CapacityView(signal=signal, cutoff=forecast.cutoff, level=level, limits=views))


def _add_sum(api: APIRouter, questions: ForecastQuestions, clock: Clock) -> None:
    @api.get("/{signal:path}/sum", operation_id="getForecastSum")
    def forecast_sum(
        signal: str,
        start: Annotated[datetime | None, Query(alias="from", description="With UTC offset.")] = None,
        end: Annotated[datetime | None, Query(alias="to", description="With UTC offset, exclusive.")] = None,
        over: Annotated[sums.Over | None, Query(description="The calendar window around now.")] = None,
        timezone: Annotated[str | None, Query(max_length=64, description="Of that window (IANA).")] = None,
        per: Annotated[str | None, Query(max_length=16, description="What a value is per, as in 1h.")] = None,
        threshold: Thresholds = None,
    ) -> Ok[SumView]:
        """The sum over a stretch, by default the document's window or the calendar month in UTC."""
        forecast = questions.forecast(signal)
        wanted = questions.document(signal)
        told = wanted.spec.sum if wanted is not None else None
        zone = timezone or (told and told.timezone) or (wanted and wanted.spec.timezone) or "UTC"
        first, last = _stretch(start, end, over or (told.over if told else "month"), zone, clock.now())
        unit = _duration(per) if per else questions.per(signal)
        measured = questions.measured(forecast, first, unit)
        total = sums.total(forecast, start=first, end=last, so_far=measured.total, per=unit)
        limits = {
            name: sums.exhausted(forecast, limit, start=first, end=last, so_far=measured.total, per=unit)
            for name, limit in _named(threshold).items()
        }
        return ok(
            SumView(
                signal=signal, start=first, end=last, until=total.until, complete=total.complete,
                per_seconds=unit.total_seconds() if unit else None, measured=measured.total,
                measured_steps_missing=measured.missing, mean=total.mean,
                quantiles=[QuantileView(quantile=level, value=value) for level, value in total.quantiles.items()],
                limits=[ReachView.of(name, limit, limits[name]) for name, limit in _named(threshold).items()],
            )
        )  # fmt: skip


def _named(thresholds: list[float] | None) -> dict[str, float]:
    if any(not np.isfinite(one) for one in thresholds or ()):
        raise HTTPException(422, "threshold: expected finite numbers")
    return {f"{one:g}": one for one in thresholds or ()}


def _unknown(name: str, until: datetime) -> ReachView:
    return ReachView(name=name, limit=None, already=False, probability=None, dates=[], until=until)


def _stretch(
    start: datetime | None, end: datetime | None, over: sums.Over, timezone: str, now: datetime
) -> tuple[datetime, datetime]:
    if start is None and end is None:
        try:
            ZoneInfo(timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise HTTPException(422, "timezone: expected a name like Europe/Paris") from error
        return sums.window(over, now, timezone)
    if start is None or end is None or start.tzinfo is None or end.tzinfo is None or start >= end:
        raise HTTPException(422, "from and to: give both, with UTC offset, from before to")
    return start.astimezone(UTC), end.astimezone(UTC)


def _duration(text: str) -> timedelta:
    try:
        per = parse_duration(text)
    except ValueError as error:
        raise HTTPException(422, "per: expected a duration like 1h") from error
    if per <= timedelta():
        raise HTTPException(422, "per: expected a duration above 0")
    return per
