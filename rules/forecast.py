"""The ``Forecast`` document: what is forecast, how far, and what is known about the days to come.

``Lengths`` is what every forecast has, a document's and a rule's trigger's alike.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Annotated, Final, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator, model_validator

from domain.units import format_duration
from rules import public_holidays
from rules.amounts import Change, Duration, Float, PositiveQuantity, WholeNumber
from rules.document import Metadata, Query, Strict, mistake
from rules.fields import Day, DnsLabel, Moment, NonEmpty, Text, TimeZone, Word

MAX_HISTORY_STEPS: Final = 200_000
"""A year at 3 min is 175 200 steps; one fit of that many still ends within its minute."""
MAX_HORIZON_STEPS: Final = 5_000
MIN_FORECAST_STEP: Final = timedelta(seconds=15)
MAX_SERIES: Final = 10_000
LONGEST_EVENT: Final = timedelta(days=31)
"""What lasts longer is no event: the season learns it."""
_DAY: Final = timedelta(days=1)


class Lengths(Strict):
    """Season, step, history and horizon; they must fit each other."""

    season: Duration = _DAY
    step: Duration | None = None
    history: Duration = timedelta(days=21)
    horizon: Duration = timedelta(hours=2)
    model: Literal["auto", "seasonal_naive", "fourier_ar"] = "auto"
    timezone: TimeZone | None = None

    @property
    def effective_step(self) -> timedelta:
        """``step``, or season ÷ 288 (a day: 5 min) but no less than 15 s, in whole seconds."""
        if self.step is not None:
            return self.step
        return max(MIN_FORECAST_STEP, timedelta(seconds=self.season // timedelta(seconds=288)))

    @property
    def zone(self) -> tzinfo:
        """Where days begin; UTC without ``timezone``."""
        return UTC if self.timezone is None else ZoneInfo(self.timezone)

    @model_validator(mode="after")
    def _lengths(self) -> Self:
        step = self.effective_step
        if step < MIN_FORECAST_STEP or step * 4 > self.season:
            longest = format_duration(self.season / 4)
            raise mistake("step", f"must be from 15s to a quarter of the season ({longest})")
        if self.horizon < step or self.horizon / step > MAX_HORIZON_STEPS:
            raise mistake("horizon", f"must be 1 to {MAX_HORIZON_STEPS} steps of {format_duration(step)}")
        if self.history < 2 * self.season:
            raise mistake("history", f"must be at least two seasons ({format_duration(2 * self.season)})")
        if self.history / step > MAX_HISTORY_STEPS:
            raise mistake("history", f"must be at most {MAX_HISTORY_STEPS} steps of {format_duration(step)}")
        return self


class Holidays(Strict):
    """Days on which demand is another than on other days of the week: a country's, the operator's own, or both."""

    country: Text | None = None
    subdivision: Text | None = None
    dates: tuple[Day, ...] = ()
    like: Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday", "learned"] = "sunday"

    @model_validator(mode="after")
    def _days(self) -> Self:
        if self.country is None:
            if self.subdivision is not None:
                raise mistake("subdivision", "goes with country")
            if not self.dates:
                raise mistake("country", "give country, dates or both")
        elif fault := public_holidays.unknown_country(self.country):
            raise mistake("country", fault)
        elif self.subdivision and (fault := public_holidays.unknown_subdivision(self.country, self.subdivision)):
            raise mistake("subdivision", fault)
        return self


class Event(Strict):
    """A stretch of time in which demand is another than usual.

    ``change`` announces by how much, ``like`` names the day whose factor is replayed; with neither, the factor is
    learned from the events of the same name that have passed.
    """

    name: DnsLabel
    start: Moment
    end: Moment
    change: Change | None = None
    like: Day | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.change is not None and self.like is not None:
            raise mistake("like", "give change or like, not both")
        if (self.start.tzinfo is None) != (self.end.tzinfo is None):
            raise mistake("end", "write start and end both with a UTC offset, or both without")
        if not timedelta() < self.end - self.start <= LONGEST_EVENT:
            raise mistake("end", f"must lie after start, by at most {format_duration(LONGEST_EVENT)}")
        return self


class CapacityLimit(Strict):
    """What the forecast must not reach: a number, or what a query yields (see ``checks``).

    A query yields one value for all series, or one for each with the series' labels.
    """

    name: Word
    value: PositiveQuantity | None = None
    query: Query | None = None


class Capacity(Strict):
    """Limits whose date of reaching is asked for."""

    limits: NonEmpty[CapacityLimit]


class Sum(Strict):
    """The distribution of the sum over a calendar window, for example of cost per hour over the month."""

    over: Literal["hour", "day", "week", "month"]
    timezone: TimeZone | None = None


class ForecastSpec(Lengths):
    """What is forecast, how far and how sure."""

    query: Query
    unit: Annotated[Text, Field(max_length=64)] = ""
    max_series: Annotated[WholeNumber, Field(ge=1, le=MAX_SERIES)] = 500
    horizon: Duration = timedelta(hours=24)
    quantiles: NonEmpty[Float] = (0.05, 0.25, 0.5, 0.75, 0.95)
    holidays: Holidays | None = None
    events: tuple[Event, ...] = ()
    capacity: Capacity | None = None
    sum: Sum | None = None

    @field_validator("quantiles")
    @classmethod
    def _rising(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        if not all(0.01 <= value <= 0.99 for value in values):
            raise ValueError("each must be from 0.01 to 0.99")
        if len(values) > 20 or any(later <= earlier for earlier, later in zip(values, values[1:], strict=False)):
            raise ValueError("must rise, at most 20 of them")
        return values

    @model_validator(mode="after")
    def _calendar(self) -> Self:
        if self.holidays is not None and self.season not in (_DAY, 7 * _DAY):
            raise mistake("holidays", f"need a season of 1d or 7d; it is {format_duration(self.season)}")
        for index, event in enumerate(self.events):
            start, end = self.instant(event.start), self.instant(event.end)
            if event.like is None:
                continue
            replayed = self.instant(datetime.combine(event.like, event.start.time(), event.start.tzinfo))
            if replayed + (end - start) > start:
                raise mistake(("events", index, "like"), "the day to replay must lie before the event")
            if end - replayed > self.history:
                longest = format_duration(self.history)
                raise mistake(("events", index, "like"), f"lies further back than the history ({longest}) at its end")
        return self

    def instant(self, moment: datetime) -> datetime:
        """A moment of the document in UTC: one without offset is told by the wall clock of ``timezone``."""
        return (moment if moment.tzinfo is not None else moment.replace(tzinfo=self.zone)).astimezone(UTC)


class Forecast(Strict):
    """One query to forecast: every series that it yields is a signal."""

    api_version: Literal["foretide.dev/v1alpha1"]
    kind: Literal["Forecast"]
    metadata: Metadata
    spec: ForecastSpec

    @property
    def key(self) -> str:
        """``namespace/name``."""
        return f"{self.metadata.namespace}/{self.metadata.name}"
