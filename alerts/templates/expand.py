"""Fills in a text: for an alert with Prometheus' short names ($labels, $value …) in front of it.

Source:
    Prometheus 3.14, ``rules/alerting.go`` (``__alert_NAME`` and the four variables), ``template.Expander``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Final

from alerts.templates import functions
from alerts.templates.errors import CallError, TemplateError
from alerts.templates.execute import Execution
from alerts.templates.functions import Ask
from alerts.templates.parse import Template, parse
from alerts.templates.values import AlertFields, QueryResult, StringMap, Value

PREFIX: Final = (
    "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}{{$externalURL := .ExternalURL}}{{$value := .Value}}"
)


def _nothing(query: str) -> QueryResult:
    raise CallError(f"there is nobody to ask {query!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What templates see beside their alert.

    Attributes:
        at: The time of evaluation, which ``query`` asks about and ``now`` yields.
        ask: Answers ``query``.
    """

    at: datetime
    ask: Ask = _nothing
    external_url: str = ""
    external_labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertData:
    """One element of the answer that fires a rule: its labels before the rule's own are set, and its value."""

    labels: Mapping[str, str]
    value: float


def check(name: str, text: str) -> None:
    """Whether ``text`` can be a template of an alert.

    Raises:
        TemplateError: It cannot.
    """
    _parsed(name, PREFIX + text)


def expand_for_alert(name: str, text: str, alert: AlertData, around: Surroundings) -> str:
    """A label value or an annotation of the alerting rule ``name``, filled in.

    Returns:
        The text; where the template fails, the sentence that Prometheus puts in its place.
    """
    if "{{" not in text:
        return text
    fields = AlertFields(
        Labels=StringMap(alert.labels),
        ExternalLabels=StringMap(around.external_labels),
        ExternalURL=around.external_url,
        Value=alert.value,
    )
    try:
        return expand(f"__alert_{name}", PREFIX + text, fields, around)
    except TemplateError as error:
        return f"<error expanding template: {error}>"


def expand(name: str, text: str, data: Value, around: Surroundings) -> str:
    """``text`` with ``data`` as its dot.

    Raises:
        TemplateError: It cannot be parsed, or not be executed.
    """
    try:
        template = _parsed(name, text)
    except TemplateError as error:
        raise TemplateError(f"error parsing template {name}: {error}") from None
    table = functions.table(around.ask, around.external_url, around.at)
    try:
        return Execution(template, table).text(data)
    except TemplateError as error:
        raise TemplateError(f"error executing template {name}: {error}") from None


@lru_cache(maxsize=4096)
def _parsed(name: str, text: str) -> Template:
    """Parsed once; 1,000 rules with four texts each stay."""
    return parse(name, text, functions.NAMES)
