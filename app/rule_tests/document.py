"""A test file as a strict model: promtool's shape, with decisions in place of alerts.

What one field can say about itself stands here; what needs the rule files stands in ``read``.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from domain.labels import Labels
from domain.scaling import Outcome, Reason
from domain.units import parse_duration
from rules.amounts import Duration, Float, PositiveQuantity, WholeNumber
from rules.document import mistake
from rules.fields import Moment, NonEmpty, RuleKey, Text
from rules.wording import found
from store.promql.notation import Point, read_labels, read_points

START: Final = datetime(2026, 1, 5, tzinfo=UTC)
"""Midnight of a Monday, so that cron schedules are easily thought of."""
_FOLLOW: Final = "expected instantly, never, or startup and a duration, for example startup 60s"


def _since_start(value: object) -> timedelta:
    if isinstance(value, timedelta):
        return value
    try:
        duration = parse_duration(str(value)) if isinstance(value, str | int) else None
    except (ValueError, OverflowError):
        duration = None
    if duration is None or duration > timedelta(days=366):
        raise ValueError(f"expected a time since the test's start such as 0s, 5m or 1h30m; {found(value)}")
    return duration


def _labels(value: object) -> Labels:
    if isinstance(value, str) and value:
        try:
            labels, rest = read_labels(value)
        except (ValueError, SyntaxError):
            labels, rest = Labels(), value
        if labels.metric_name and not rest.strip():
            return labels
    raise ValueError(f"""expected a series such as http_requests_total{{job="shop"}}; {found(value)}""")


def _points(value: object) -> tuple[float | None, ...]:
    points: list[Point] = read_points(str(value)) if isinstance(value, str | int | float) else []
    if not points or "histogram" in points:
        raise ValueError(f"expected values such as 5, 0+120x40 or 7 _x3 stale; {found(value)}")
    return tuple(point for point in points if point != "histogram")


def _forecast_points(value: object) -> tuple[float | None, ...]:
    points = _points(value)
    if None in points:
        raise ValueError(f"a forecast has a value at every step; {found(value)}")
    return points


def _follow(value: object) -> timedelta | None:
    if value == "never":
        return None
    if value == "instantly":
        return timedelta()
    words = value.split() if isinstance(value, str) else []
    if len(words) == 2 and words[0] == "startup":
        try:
            return parse_duration(words[1])
        except ValueError as error:
            raise ValueError(f"{_FOLLOW}; {found(value)}") from error
    raise ValueError(f"{_FOLLOW}; {found(value)}")


SinceStart = Annotated[timedelta, BeforeValidator(_since_start)]
Points = Annotated[tuple[float | None, ...], BeforeValidator(_points)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class InputSeries(_Section):
    """A series in promtool's notation: the first value stands at the test's start."""

    series: Annotated[Labels, BeforeValidator(_labels)]
    values: Points


class InputSignal(_Section):
    """What a trigger reads, without a query: the first value stands at the test's start, `_` is no answer."""

    of: Text
    """The trigger."""
    values: Points


class InputForecast(_Section):
    """What is forecast of a trigger, at all quantiles: the first value is the test's start, the last one stays."""

    of: Text
    """The query trigger, or the Forecast document, as the rule's forecast trigger names it."""
    values: Annotated[tuple[float, ...], BeforeValidator(_forecast_points)]
    wape: Float = 0.1
    """What its backtest found, for the trigger's ``gate``."""


class Expected(_Section):
    """What is decided at a time; what is left out is not looked at."""

    eval_time: SinceStart
    replicas: Annotated[WholeNumber, Field(ge=0)] | None = None
    reason: Reason | None = None
    outcome: Outcome | None = None
    limited_by: tuple[Text, ...] | None = None
    trigger: dict[Text, Annotated[WholeNumber, Field(ge=0)] | None] = {}
    """What each trigger asks for; null where it has no say."""
    hpa_only: Annotated[WholeNumber, Field(ge=0)] | None = None
    with_forecast: Annotated[WholeNumber, Field(ge=0)] | None = None

    @model_validator(mode="after")
    def _expects_something(self) -> Self:
        if len(self.model_fields_set) < 2:
            raise mistake("eval_time", "nothing is expected at this time; add for example replicas: 4")
        return self


class DecisionTest(_Section):
    """One story: a rule, what is measured, and what it decides."""

    name: Text = ""
    rule: RuleKey
    interval: Duration | None = None
    """Between two values of a series; default ``evaluation_interval``."""
    start: Moment = START
    replicas: Annotated[WholeNumber, Field(ge=0, le=2**31 - 1)] = 1
    """At the start; all of them are ready."""
    follow: Annotated[timedelta | None, BeforeValidator(_follow)] = timedelta()
    """How the replicas follow the decisions; None: never."""
    requests: dict[Literal["cpu", "memory"], PositiveQuantity] = {}
    """Of each replica, for ``resource`` triggers and prices."""
    input_series: tuple[InputSeries, ...] = ()
    input_signals: tuple[InputSignal, ...] = ()
    """In place of series: the number itself, as an incident of the ledger has it."""
    forecasts: tuple[InputForecast, ...] = ()
    unguarded: bool = False
    """Without ceilings that ask a query, guard, pause and budget: a ledger has no numbers for them."""
    decision_test: NonEmpty[Expected]

    @property
    def begins(self) -> datetime:
        """``start``; without an offset it is UTC."""
        return self.start if self.start.tzinfo is not None else self.start.replace(tzinfo=UTC)

    @property
    def ends(self) -> timedelta:
        """The last time that is looked at."""
        return max(one.eval_time for one in self.decision_test)


class TestFile(_Section):
    """The whole file."""

    __test__ = False  # pytest: this is no test of ours
    rule_files: NonEmpty[Text]
    """Files, folders and patterns, relative to this file."""
    evaluation_interval: Duration = timedelta(seconds=15)
    """Between two decisions; live they are 15 s apart."""
    tests: NonEmpty[DecisionTest]
