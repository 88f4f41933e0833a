"""How rules ask: one PromQL at one time, and what of its answer is a rule's result."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from alerts.templates.errors import CallError
from alerts.templates.functions import Ask as TemplateAsk
from alerts.templates.values import QueryResult, Sample, StringMap
from domain.clock import to_ms
from domain.errors import ForetideError
from domain.labels import Labels
from store.promql import Result, Scalar, Vector

Sampled = list[tuple[Labels, float]]
"""Series with one value each."""
Ask = Callable[[str, int], Result]
"""Answers a query at a time in milliseconds; raises ``QueryError`` and its kin."""


class RuleFailedError(ForetideError):
    """A rule that has no result this time; its series and alerts stay as they are."""


def sampled(result: Result) -> Sampled:
    """A vector, or a scalar as one element without labels.

    Raises:
        RuleFailedError: It is something else.
    """
    if isinstance(result, Vector):
        return [(labels, float(value)) for labels, value in zip(result.labels, result.values, strict=True)]
    if isinstance(result, Scalar):
        return [(Labels(), result.value)]
    raise RuleFailedError("rule result is not a vector or scalar")


def for_templates(ask: Ask, at: datetime) -> TemplateAsk:
    """``query`` of the templates, at the time of the evaluation."""

    def answer(query: str) -> QueryResult:
        try:
            found = sampled(ask(query, to_ms(at)))
        except ForetideError as error:
            raise CallError(str(error)) from error
        return QueryResult(Sample(StringMap(labels), value) for labels, value in found)

    return answer
