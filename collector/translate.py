"""OTLP metrics to Prometheus samples: names and suffixes, ``job`` and ``instance``, ``target_info``.

Cumulative sums, gauges, classic histograms and summaries are taken. Delta temporality and exponential histograms are
refused by name: the sender reads in ``partial_success`` which metric and what to set instead.

Source:
    prometheus/storage/remote/otlptranslator/prometheusremotewrite.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, Final

import numpy as np

from collector.otlp import AttributeReader, text_of
from collector.prometheus_names import MetricType, label_name, metric_name
from domain.errors import IntakeError
from domain.labels import METRIC_NAME, Labels
from domain.names import INSTANCE, JOB
from domain.series import STALE_NAN, FloatArray

Row = tuple[Sequence[Labels], int, FloatArray]

_CUMULATIVE: Final = 2
_NO_RECORDED_VALUE: Final = 1
_IDENTIFYING: Final = ("service.name", "service.namespace", "service.instance.id")
_MAX_REASONS: Final = 5
_MAX_CACHED: Final = 100_000
MAX_AHEAD_MS: Final = 600_000
"""Points further in the future than this are refused: one of them would block its series (Prometheus' own bound)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Translation:
    """What a metrics request holds, as the store takes it.

    ``rows`` holds one row per timestamp, oldest first; ``points`` data points are in it, ``rejected`` are not.
    """

    rows: tuple[Row, ...]
    points: int
    rejected: int
    reasons: tuple[str, ...]

    @property
    def reason(self) -> str:
        """The reasons as one text for the sender; empty when nothing was refused."""
        shown = "; ".join(self.reasons[:_MAX_REASONS])
        more = len(self.reasons) - _MAX_REASONS
        return f"{shown}; and {more} more metrics" if more > 0 else shown


@dataclass(slots=True)
class _Batch:
    received_ms: int
    by_time: dict[int, dict[Labels, float]] = field(default_factory=dict)
    points: int = 0
    rejected: int = 0
    reasons: list[str] = field(default_factory=list)

    def add(self, timestamp_ms: int, labels: Sequence[Labels], values: Iterable[float]) -> None:
        self.by_time.setdefault(timestamp_ms, {}).update(zip(labels, values, strict=True))
        self.points += 1

    def reject(self, points: int, reason: str) -> None:
        self.rejected += points
        if reason not in self.reasons:
            self.reasons.append(reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Resource:
    key: tuple[bytes, ...]
    labels: dict[str, str]
    info: Labels | None


class MetricTranslator:
    """Translates requests; label sets that came before are not built again. Threads may share it."""

    def __init__(self, attributes: AttributeReader) -> None:
        """``attributes`` may be shared with the reader of spans."""
        self._attributes = attributes
        self._labels: dict[tuple[Any, ...], tuple[Labels, ...]] = {}
        self._resources: dict[tuple[bytes, ...], _Resource] = {}

    def translate(self, request: Any, *, received_ms: int) -> Translation:
        """All data points of a metrics request; a point without time gets ``received_ms``."""
        batch = _Batch(received_ms)
        for resource_metrics in request.resource_metrics:
            resource = self._resource(tuple(resource_metrics.resource.attributes))
            before = batch.points
            for scope_metrics in resource_metrics.scope_metrics:
                for metric in scope_metrics.metrics:
                    self._add_metric(batch, resource, metric)
            if resource.info is not None and batch.points > before:
                newest = max(batch.by_time)
                batch.by_time[newest][resource.info] = 1.0
        return Translation(
            rows=tuple(_row(timestamp_ms, batch.by_time[timestamp_ms]) for timestamp_ms in sorted(batch.by_time)),
            points=batch.points,
            rejected=batch.rejected,
            reasons=tuple(batch.reasons),
        )

    def _resource(self, key: tuple[bytes, ...]) -> _Resource:
        known = self._resources.get(key)
        if known is None:
            if len(self._resources) >= _MAX_CACHED // 100:
                self._resources.clear()
            known = self._resources[key] = self._read_resource(key)
        return known

    def _read_resource(self, key: tuple[bytes, ...]) -> _Resource:
        attributes = self._attributes.read(key)
        name, namespace, instance = (text_of(attributes.get(attribute)) for attribute in _IDENTIFYING)
        labels = {JOB: f"{namespace}/{name}" if namespace and name else name, INSTANCE: instance}
        labels = {label: value for label, value in labels.items() if value}
        others = _sanitized({key: text_of(value) for key, value in attributes.items() if key not in _IDENTIFYING})
        info = Labels.of({**others, **labels, METRIC_NAME: "target_info"}) if others and labels else None
        return _Resource(key=key, labels=labels, info=info)

    def _add_metric(self, batch: _Batch, resource: _Resource, metric: Any) -> None:
        kind = metric.WhichOneof("data")
        data = getattr(metric, kind) if kind else None
        count = len(data.data_points) if data is not None else 0
        refusal, add, metric_type = self._plan(kind, data)
        if refusal:
            batch.reject(count, f"metric {metric.name!r}: {refusal}")
            return
        if data is None or add is None:
            return
        try:
            name = metric_name(metric.name, unit=metric.unit, metric_type=metric_type)
        except IntakeError as error:
            batch.reject(count, str(error))
            return
        latest = batch.received_ms + MAX_AHEAD_MS
        for point in data.data_points:
            timestamp_ms = point.time_unix_nano // 1_000_000 or batch.received_ms
            if timestamp_ms > latest:
                batch.reject(1, f"metric {metric.name!r}: a data point lies more than 10 minutes in the future")
                continue
            add(batch, resource, name, timestamp_ms, point)

    def _plan(self, kind: str | None, data: Any) -> tuple[str, Callable[..., None] | None, MetricType]:
        if kind == "exponential_histogram":
            return "exponential histograms are not supported; use explicit buckets", None, MetricType.HISTOGRAM
        if kind in ("sum", "histogram") and data.aggregation_temporality != _CUMULATIVE:
            return "only cumulative temporality is supported; set the exporter to it", None, MetricType.HISTOGRAM
        match kind:
            case "sum":
                return "", self._add_number, MetricType.COUNTER if data.is_monotonic else MetricType.UP_DOWN_COUNTER
            case "histogram":
                return "", self._add_histogram, MetricType.HISTOGRAM
            case "summary":
                return "", self._add_summary, MetricType.SUMMARY
            case _:
                return "", self._add_number, MetricType.GAUGE

    def _add_number(self, batch: _Batch, resource: _Resource, name: str, timestamp_ms: int, point: Any) -> None:
        attributes = tuple(point.attributes)
        key = (resource.key, name, attributes)
        labels = self._labels.get(key) or self._keep(key, self._series(resource, attributes, ((name, "", ""),)))
        value = point.as_int if point.HasField("as_int") else point.as_double
        batch.add(timestamp_ms, labels, (STALE_NAN if point.flags & _NO_RECORDED_VALUE else float(value),))

    def _add_histogram(self, batch: _Batch, resource: _Resource, name: str, timestamp_ms: int, point: Any) -> None:
        bounds, counts = tuple(point.explicit_bounds), point.bucket_counts
        if counts and len(counts) != len(bounds) + 1:
            batch.reject(1, f"histogram {name}: {len(bounds)} bounds do not fit {len(counts)} buckets")
            return
        bounds = bounds if counts else ()
        attributes, has_sum = tuple(point.attributes), point.HasField("sum")
        key = (resource.key, name, attributes, bounds, has_sum)
        labels = self._labels.get(key)
        if labels is None:
            if not all(map(math.isfinite, bounds)):
                batch.reject(1, f"histogram {name}: its bounds are not all finite")
                return
            les = [*(_number_text(bound) for bound in bounds), "+Inf"]
            members = [(f"{name}_bucket", "le", le) for le in les] + [(f"{name}_count", "", "")]
            members += [(f"{name}_sum", "", "")] if has_sum else []
            labels = self._keep(key, self._series(resource, attributes, members))
        values = [*accumulate(counts[:-1]), point.count, point.count, *([point.sum] if has_sum else [])]
        batch.add(timestamp_ms, labels, _or_stale(values, point.flags))

    def _add_summary(self, batch: _Batch, resource: _Resource, name: str, timestamp_ms: int, point: Any) -> None:
        attributes, quantiles = tuple(point.attributes), tuple(item.quantile for item in point.quantile_values)
        key = (resource.key, name, attributes, quantiles)
        labels = self._labels.get(key)
        if labels is None:
            members = [(name, "quantile", _number_text(quantile)) for quantile in quantiles]
            members += [(f"{name}_count", "", ""), (f"{name}_sum", "", "")]
            labels = self._keep(key, self._series(resource, attributes, members))
        values = [*(item.value for item in point.quantile_values), point.count, point.sum]
        batch.add(timestamp_ms, labels, _or_stale(values, point.flags))

    def _series(
        self, resource: _Resource, attributes: tuple[bytes, ...], members: Iterable[tuple[str, str, str]]
    ) -> tuple[Labels, ...]:
        """The label sets of a point: for each member its metric name, and one more label."""
        read = self._attributes.read(attributes)
        shared = {**_sanitized({key: text_of(value) for key, value in read.items()}), **resource.labels}
        return tuple(
            Labels.of({**shared, METRIC_NAME: name, **({label: value} if label else {})})
            for name, label, value in members
        )

    def _keep(self, key: tuple[Any, ...], labels: tuple[Labels, ...]) -> tuple[Labels, ...]:
        if len(self._labels) >= _MAX_CACHED:
            self._labels.clear()
        self._labels[key] = labels
        return labels


def _sanitized(attributes: dict[str, str]) -> dict[str, str]:
    """Attributes as labels; where two become one name their values are joined by ``;`` in order of the keys."""
    labels: dict[str, str] = {}
    for key in sorted(attributes):
        name = label_name(key)
        if name:
            labels[name] = f"{labels[name]};{attributes[key]}" if name in labels else attributes[key]
    return labels


def _row(timestamp_ms: int, samples: dict[Labels, float]) -> Row:
    return tuple(samples), timestamp_ms, np.fromiter(samples.values(), dtype=np.float64, count=len(samples))


def _or_stale(values: list[float], flags: int) -> list[float]:
    return [STALE_NAN] * len(values) if flags & _NO_RECORDED_VALUE else [float(value) for value in values]


def _number_text(number: float) -> str:
    """As Go's ``FormatFloat(number, 'f', -1, 64)`` writes it: ``0.005``, ``1``, ``2500``."""
    return np.format_float_positional(number, trim="-") if np.isfinite(number) else str(number)
