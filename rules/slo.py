"""The ``SLO`` document: what share of requests, or of time, must be good, and the queries that tell how much is not.

Whether the error budget burns is arithmetic over two windows and stands with the controller; here is only what to ask.

Source:
    OpenSLO v1 for the shape; Google's SRE workbook, chapter 5, for error ratios over windows.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from domain.names import SERVICE_NAME, SPAN_DURATION_BOUNDS_SECONDS, SPAN_DURATION_SECONDS, SPAN_KIND, SPAN_NAME
from domain.spans import SpanKind
from domain.units import format_duration
from rules.amounts import Duration, Float
from rules.document import Metadata, Query, Strict, mistake
from rules.fields import Name

WINDOW: Final = "{{window}}"
"""Stands in a query for the range that is asked about."""
_COUNTER: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*\s*(\{[^{}]*\})?")
_LONGEST_THRESHOLD: Final = timedelta(seconds=SPAN_DURATION_BOUNDS_SECONDS[-1])
_RESOLUTIONS: Final = (("1m", timedelta(days=6)), ("5m", timedelta(days=30)))
"""Of a threshold's subquery, up to which window; beyond, an hour: never more than 9,000 steps."""


class Ratio(Strict):
    """Good (or bad) requests of all: counters, or queries in which ``{{window}}`` stands for the range."""

    good: Query | None = None
    bad: Query | None = None
    total: Query


class SpansOf(Strict):
    """The requests to a service, or to one of its operations, as its traces count them."""

    service: Name
    operation: Name | None = None


class Latency(Strict):
    """Requests answered within ``threshold``, of all."""

    trace: SpansOf
    threshold: Duration

    @field_validator("threshold")
    @classmethod
    def _counted(cls, value: timedelta) -> timedelta:
        if value > _LONGEST_THRESHOLD:
            longest = format_duration(_LONGEST_THRESHOLD)
            raise ValueError(f"must be at most {longest}, the longest duration that is counted apart")
        return value


class Threshold(Strict):
    """Time in which the value of a query is below (``lt``) or above (``gt``) a number, of all time."""

    query: Query
    op: Literal["lt", "gt"]
    value: Float


class Indicator(Strict):
    """What is measured: exactly one of the three (see ``checks``)."""

    ratio: Ratio | None = None
    latency: Latency | None = None
    threshold: Threshold | None = None


class SLOSpec(Strict):
    """What is measured, how much of it must be good, over how long."""

    service: Name | None = None
    indicator: Indicator
    objective: Float = Field(json_schema_extra={"minimum": 50, "maximum": 99.999})
    window: Duration = timedelta(days=28)

    @field_validator("objective")
    @classmethod
    def _percent(cls, value: float) -> float:
        if 0.5 < value < 1:
            raise ValueError(f"expected percent such as 99.5; found the number {value:g}: write {100 * value:g}")
        if not 50 <= value <= 99.999:
            raise ValueError(f"expected percent from 50 to 99.999; found the number {value:g}")
        return value

    @model_validator(mode="after")
    def _window(self) -> Self:
        if not timedelta(hours=6) <= self.window <= timedelta(days=366):
            raise mistake("window", f"must be from 6h to 366d; found {format_duration(self.window)}")
        return self


class SLO(Strict):
    """One objective."""

    api_version: Literal["foretide.dev/v1alpha1"]
    kind: Literal["SLO"]
    metadata: Metadata
    spec: SLOSpec

    @property
    def key(self) -> str:
        """``namespace/name``."""
        return f"{self.metadata.namespace}/{self.metadata.name}"

    @property
    def budget(self) -> float:
        """The share that may be bad: 0.005 for 99.5 percent."""
        return 1 - self.spec.objective / 100

    def error_ratio_query(self, window: timedelta) -> Query:
        """What yields the share of the bad over ``window``, as one number from 0 to 1; without requests, nothing."""
        indicator, over = self.spec.indicator, format_duration(window)
        if indicator.ratio is not None:
            return _of_ratio(indicator.ratio, over)
        if indicator.latency is not None:
            return Query(expr=_of_latency(indicator.latency, over), source="local")  # where spans are counted
        if indicator.threshold is None:
            raise ValueError(f"{self.key} has no indicator")  # ``checks`` demands one
        return _of_threshold(indicator.threshold, window)


def over_window(expr: str, window: str) -> str | None:
    """A query with its range: by the placeholder, or around a plain counter; None where neither is there."""
    if WINDOW in expr:
        return expr.replace(WINDOW, window)
    return f"sum(rate({expr.strip()}[{window}]))" if _COUNTER.fullmatch(expr.strip()) else None


def _of_ratio(ratio: Ratio, over: str) -> Query:
    total = over_window(ratio.total.expr, over)
    if ratio.bad is not None:
        # A counter that never counted has no series: no bad requests, while there are requests.
        bad = over_window(ratio.bad.expr, over)
        return Query(expr=f"(({bad}) or 0 * ({total})) / ({total})", source=ratio.total.source)
    good = "" if ratio.good is None else over_window(ratio.good.expr, over)
    return Query(expr=f"1 - (({good}) or 0 * ({total})) / ({total})", source=ratio.total.source)


def _of_latency(latency: Latency, over: str) -> str:
    """A threshold between two bounds counts the bucket between them by its part, as histogram_quantile does."""
    seconds, buckets = latency.threshold.total_seconds(), f"{SPAN_DURATION_SECONDS}_bucket"
    above = next(bound for bound in SPAN_DURATION_BOUNDS_SECONDS if bound >= seconds)
    below = max((bound for bound in SPAN_DURATION_BOUNDS_SECONDS if bound < seconds), default=0.0)
    matchers = _matchers(latency.trace)
    total = f"sum(rate({SPAN_DURATION_SECONDS}_count{{{matchers}}}[{over}]))"
    upper = f'sum(rate({buckets}{{{matchers}, le="{above:g}"}}[{over}]))'
    if above == seconds:
        return f"1 - ({upper}) / ({total})"
    share = f"{(seconds - below) / (above - below):.6g}"
    if below == 0:
        return f"1 - ({share} * {upper}) / ({total})"
    lower = f'sum(rate({buckets}{{{matchers}, le="{below:g}"}}[{over}]))'
    return f"1 - ({lower} + {share} * ({upper} - {lower})) / ({total})"


def _of_threshold(threshold: Threshold, window: timedelta) -> Query:
    over, step = format_duration(window), next((step for step, most in _RESOLUTIONS if window <= most), "1h")
    sign = "<" if threshold.op == "lt" else ">"
    good = f"avg_over_time((({threshold.query.expr}) {sign} bool {threshold.value!r})[{over}:{step}])"
    return Query(expr=f"1 - {good}", source=threshold.query.source)


def _matchers(spans: SpansOf) -> str:
    pairs = {SERVICE_NAME: spans.service, SPAN_KIND: SpanKind.SERVER.value}
    if spans.operation is not None:
        pairs[SPAN_NAME] = spans.operation
    return ", ".join(f'{name}="{_escaped(value)}"' for name, value in pairs.items())


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')
