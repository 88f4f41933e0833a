"""``external.metrics.k8s.io/v1beta1``: what is asked for, by address; discovery and lists of values as answers.

The metric is the forecast's name, ``rule:trigger`` or that of a ``Forecast`` document in the HPA's own namespace. In
the selector ``quantile`` and ``lead`` say which value of it; the other labels choose among the series.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from app.adapter.group import GROUP, PREFIX, VERSION
from app.adapter.open_api import DOCUMENTS
from app.adapter.review import Attributes
from app.forecast_doors.feed import Feed
from app.forecast_doors.question import (
    DEFAULT_LEAD,
    DEFAULT_QUANTILE,
    LEAD,
    QUANTILE,
    Answer,
    BadQuestionError,
    NotNowError,
    Question,
    UnknownForecastError,
    answers,
    key_of,
    lead_of,
    quantile_of,
)
from app.forecast_doors.selector import Requirement, read
from domain.units import format_duration

_LISTED: Final = 1000
"""Names in the discovery, which every kubectl reads; forecasts beyond them are served all the same."""

Reply = tuple[int, dict[str, Any]]


def attributes_of(path: str, method: str, *, watch: bool) -> Attributes:
    """What the authorizer is asked, in the API server's own words."""
    parts = path.strip("/").split("/")
    if path.startswith(f"{PREFIX}/namespaces/") and len(parts) >= 5:
        verb = {"GET": "watch" if watch else "list", "POST": "create", "DELETE": "deletecollection"}
        named = parts[5] if len(parts) > 5 else parts[3]
        return Attributes(
            verb=verb.get(method, method.lower()), path=path, namespace=parts[4], group=GROUP, version=VERSION,
            resource=named,
        )  # fmt: skip
    return Attributes(verb=method.lower(), path=path)


class MetricsApi:
    """Answers, once it is known who asks and that they may."""

    def __init__(self, feed: Feed, now: Callable[[], datetime]) -> None:
        """Serve what ``feed`` knows."""
        self._feed, self._now = feed, now

    def answer(self, path: str, query: Mapping[str, str]) -> Reply:
        """Status and body of a GET."""
        parts = path.strip("/").split("/")
        if path.rstrip("/") == "/apis":
            return 200, {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group()]}
        if path.rstrip("/") == f"/apis/{GROUP}":
            return 200, {"kind": "APIGroup", "apiVersion": "v1", **_group()}
        if path.rstrip("/") == PREFIX:
            return 200, self._resources()
        if path.startswith(f"{PREFIX}/namespaces/") and len(parts) == 6:
            return self._values(parts[4], parts[5], query)
        if path in DOCUMENTS:
            return 200, DOCUMENTS[path]
        return status(404, "NotFound", f"there is no {path[:200]}")

    def _resources(self) -> dict[str, Any]:
        resources = [
            {"name": name, "singularName": "", "namespaced": True, "kind": "ExternalMetricValueList", "verbs": ["get"]}
            for name in self._feed.names[:_LISTED]
        ]
        group = f"{GROUP}/{VERSION}"
        return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group, "resources": resources}

    def _values(self, namespace: str, metric: str, query: Mapping[str, str]) -> Reply:
        if query.get("watch") in ("1", "true"):
            return status(405, "MethodNotAllowed", "forecasts cannot be watched")
        try:
            question = question_of(namespace, metric, query.get("labelSelector", ""))
            found = answers(question, self._feed.of(question.key), self._now())
        except BadQuestionError as error:
            return status(400, "BadRequest", str(error))
        except UnknownForecastError as error:
            return status(404, "NotFound", str(error))
        except NotNowError as error:
            return status(503, "ServiceUnavailable", str(error))
        items = [_item(metric, question, one) for one in found]
        kind = {"kind": "ExternalMetricValueList", "apiVersion": f"{GROUP}/{VERSION}"}
        return 200, {**kind, "metadata": {}, "items": items}


def question_of(namespace: str, metric: str, selector: str) -> Question:
    """What an HPA asks for.

    Raises:
        BadQuestionError: It cannot be meant.
    """
    try:
        parts = read(selector)
    except ValueError as error:
        raise BadQuestionError("selector", str(error)) from error
    quantile, lead = _one(parts, QUANTILE), _one(parts, LEAD)
    return Question(
        key=key_of(namespace, metric),
        quantile=DEFAULT_QUANTILE if quantile is None else quantile_of(quantile),
        lead=DEFAULT_LEAD if lead is None else lead_of(lead),
        series=tuple(one for one in parts if one.name not in (QUANTILE, LEAD)),
    )


def _one(parts: list[Requirement], name: str) -> str | None:
    """The value of a label that is no label of a series: one, and equal."""
    found = [one for one in parts if one.name == name]
    if not found:
        return None
    values = found[0].values or frozenset()
    if len(found) > 1 or found[0].is_not or len(values) != 1:
        raise BadQuestionError(name, "expected one value, by matchLabels")
    return next(iter(values))


def status(code: int, reason: str, message: str) -> Reply:
    """A refusal, as every API server words it."""
    told = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    return code, {**told, "message": message, "reason": reason, "code": code}


def _group() -> dict[str, Any]:
    version = {"groupVersion": f"{GROUP}/{VERSION}", "version": VERSION}
    return {"name": GROUP, "versions": [version], "preferredVersion": version}


def _item(metric: str, question: Question, one: Answer) -> dict[str, Any]:
    labels = {**one.labels, QUANTILE: f"{question.quantile:g}", LEAD: format_duration(question.lead)}
    at = one.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"metricName": metric, "metricLabels": labels, "timestamp": at, "value": quantity(one.value)}


def quantity(value: float) -> str:
    """Whole where it is, else in thousandths, up; what no quantity can hold is the largest that one can."""
    milli = math.ceil(round(value * 1000, 6))
    if milli >= 2**63:
        return str(2**63 // 1000)
    return str(milli // 1000) if milli % 1000 == 0 else f"{milli}m"
