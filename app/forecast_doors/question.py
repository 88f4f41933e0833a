"""Which forecast, which quantile, how far ahead; and the answer: the highest value until then, or a clear no.

A forecast is called as in the HPA or the ScaledObject: ``rule:trigger``, or the name of a ``Forecast`` document, always
of the namespace that asks.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from app.forecast_doors.selector import Requirement, matches
from controller import startup
from controller.triggers.forecasts import STALE_FORECAST
from domain.errors import ForetideError
from domain.forecasts import Forecast
from domain.units import format_duration, parse_duration

QUANTILE: Final = "quantile"
LEAD: Final = "lead"
DEFAULT_QUANTILE: Final = 0.9
DEFAULT_LEAD: Final = startup.lead_of(None).duration
"""As a rule with ``lead: auto`` whose replicas were never seen starting."""
_NAMESPACE: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?(:[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)?")


class BadQuestionError(ForetideError):
    """What is asked for cannot be meant; ``field`` names what is wrong."""

    def __init__(self, field: str, message: str) -> None:
        """Keep the field."""
        super().__init__(f"{field}: {message}")
        self.field = field


class UnknownForecastError(ForetideError):
    """Nobody forecasts this."""


class NotNowError(ForetideError):
    """There is one, but nothing that may be scaled by now: it is stale, or was never read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A forecast as Foretide told it last; ``living``: its process forecasts this signal now."""

    forecast: Forecast
    living: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked for.

    Attributes:
        key: ``namespace/rule/trigger``, or ``namespace/document`` for all series of it.
        quantile: Between the lowest and the highest that is forecast.
        lead: How far ahead; at least one step is looked at.
        series: Which of the series, by their labels.
    """

    key: str
    quantile: float
    lead: timedelta
    series: tuple[Requirement, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One series: the highest value of the quantile between now and the lead, and when the forecast was made."""

    labels: Mapping[str, str]
    value: float
    at: datetime


def key_of(namespace: str, name: str) -> str:
    """Of ``rule:trigger`` or of a document's name.

    Raises:
        BadQuestionError: It is neither.
    """
    if not _NAMESPACE.fullmatch(namespace):
        raise BadQuestionError("namespace", f"expected a namespace, found {namespace[:100]!r}")
    if not _NAME.fullmatch(name):
        raise BadQuestionError("forecast", f"expected RULE:TRIGGER or a Forecast document's name, found {name[:100]!r}")
    return f"{namespace}/{name.replace(':', '/')}"


def name_of(signal: str) -> str:
    """What a signal's forecast is called in its namespace: the way back."""
    return signal.partition("{")[0].partition("/")[2].replace("/", ":")


def quantile_of(text: str) -> float:
    """Of a label or a field.

    Raises:
        BadQuestionError: It is no number between 0 and 1.
    """
    try:
        level = float(text)
    except ValueError:
        level = math.nan
    if not 0.0 < level < 1.0:
        raise BadQuestionError(QUANTILE, f"expected a number between 0 and 1, for example 0.9; found {text[:50]!r}")
    return level


def lead_of(text: str) -> timedelta:
    """Of a label or a field.

    Raises:
        BadQuestionError: It is no duration above 0.
    """
    try:
        lead = parse_duration(text)
    except ValueError as error:
        raise BadQuestionError(LEAD, str(error)) from error
    if lead <= timedelta():
        raise BadQuestionError(LEAD, "expected a duration above 0, for example 10m")
    return lead


def answers(question: Question, known: Sequence[Known], now: datetime) -> list[Answer]:
    """One answer for each series that is asked for.

    A series that its document does not yield any more is left out as soon as others of it are forecast; one that is
    forecast and stale stops the whole answer: a sum without it would look like less load.

    Raises:
        BadQuestionError: The forecast has no such quantile, or does not reach so far.
        UnknownForecastError: There is no such forecast.
        NotNowError: It is stale.
    """
    meant = [one for one in known if matches(question.series, labels_of(one.forecast))]
    if not meant:
        of = "" if not known else " that has these labels"
        raise UnknownForecastError(f"there is no forecast {question.key}{of}")
    if any(one.living for one in known):
        meant = [one for one in meant if one.living or not _stale(one.forecast, now)]
    if not meant:
        raise NotNowError(f"no series of {question.key} with these labels is forecast any more")
    return [_answer(question, one.forecast, now) for one in meant]


def labels_of(forecast: Forecast) -> dict[str, str]:
    """Of a series; a name that means something to us has ``exported_`` before it, as in a scrape."""
    return {f"exported_{name}" if name in (QUANTILE, LEAD) else name: value for name, value in forecast.labels.items()}


def _answer(question: Question, forecast: Forecast, now: datetime) -> Answer:
    low, high = forecast.quantiles[0], forecast.quantiles[-1]
    if not low <= question.quantile <= high:
        raise BadQuestionError(
            QUANTILE, f"{forecast.signal} is forecast from {low:g} to {high:g}, found {question.quantile:g}: a rule or "
            "the Forecast document has to ask for it",
        )  # fmt: skip
    if question.lead > forecast.horizon * forecast.step:
        reach, asked = format_duration(forecast.horizon * forecast.step), format_duration(question.lead)
        raise BadQuestionError(LEAD, f"{forecast.signal} is forecast for {reach}, found {asked}")
    if _stale(forecast, now):
        age = format_duration(timedelta(seconds=round((now - forecast.cutoff).total_seconds())))
        raise NotNowError(f"the forecast {forecast.signal} is stale: its last measurement is {age} old")
    peak = forecast.peak(question.quantile, after=now, until=now + max(question.lead, forecast.step))
    if peak is None or not math.isfinite(peak[1]):
        raise NotNowError(f"the forecast {forecast.signal} has no value in the next {format_duration(question.lead)}")
    return Answer(labels=labels_of(forecast), value=max(peak[1], 0.0), at=forecast.made_at)


def _stale(forecast: Forecast, now: datetime) -> bool:
    """By the same measure as in a rule."""
    return now - forecast.cutoff > max(STALE_FORECAST, 3 * forecast.step)
