"""Spans to RED: calls, errors and durations per service and operation, as cumulative series.

Every committed span is counted, in the order of the trace store's commits; ``tick`` writes all series every 5 s as one
row, together with the position up to which it has counted. A row is written whole or not at all, so after ``kill -9``
``resume`` takes the last row and counts the spans behind its position again: none is lost, none counted twice.

Source:
    OpenTelemetry Collector, spanmetrics connector (names, dimensions, buckets), durations in seconds.
"""

from __future__ import annotations

import logging
import threading
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Final, Protocol

import numpy as np
from prometheus_client import CollectorRegistry

from collector.otlp_metrics import RedMetrics
from domain.clock import to_ms
from domain.errors import ForetideError
from domain.labels import METRIC_NAME, Labels
from domain.names import (
    SERVICE_NAME,
    SPAN_CALLS_TOTAL,
    SPAN_DURATION_BOUNDS_SECONDS,
    SPAN_DURATION_SECONDS,
    SPAN_KIND,
    SPAN_NAME,
    STATUS_CODE,
)
from domain.series import STALE_NAN, Sample, is_stale
from domain.spans import Span
from store.metrics import Matcher, MetricsStore

logger = logging.getLogger(__name__)

BOUNDS_SECONDS: Final = SPAN_DURATION_BOUNDS_SECONDS
OTHER: Final = "_other"
SERVICE_NAMESPACE: Final = "service_namespace"
POSITION: Final = "foretide_collector_red_position"
"""Series in each row: the trace store's position up to which the row has counted."""

_LES: Final = tuple(f"{bound:g}" for bound in BOUNDS_SECONDS) + ("+Inf",)
_BUCKET, _COUNT, _SUM = (f"{SPAN_DURATION_SECONDS}_{suffix}" for suffix in ("bucket", "count", "sum"))
_POSITION_LABELS: Final = Labels.of({METRIC_NAME: POSITION})
_MAX_NAME_LENGTH: Final = 1024
_POSITIONS_PER_MS: Final = 1000


class SpanSource(Protocol):
    """Where committed spans can be read again: the trace store."""

    def batches_after(self, position: int) -> Iterator[tuple[int, list[Span]]]:
        """Batches committed after ``position``, in order, each with its position."""
        ...


@dataclass(frozen=True, slots=True)
class _Key:
    service_namespace: str
    service: str
    operation: str
    kind: str
    status: str

    @property
    def labels(self) -> dict[str, str]:
        return {
            SERVICE_NAMESPACE: self.service_namespace,
            SERVICE_NAME: self.service,
            SPAN_NAME: self.operation,
            SPAN_KIND: self.kind,
            STATUS_CODE: self.status,
        }

    @classmethod
    def of(cls, labels: Labels) -> _Key:
        names = (SERVICE_NAMESPACE, SERVICE_NAME, SPAN_NAME, SPAN_KIND, STATUS_CODE)
        return cls(*map(labels.value_of, names))


@dataclass(slots=True)
class _Calls:
    """Durations of one key: calls per bucket (not cumulative, the last is +Inf) and their sum."""

    series: tuple[Labels, ...]
    buckets: list[int] = field(default_factory=lambda: [0] * len(_LES))
    sum_seconds: float = 0.0
    touched: bool = True
    born: bool = True
    active_ms: int = 0

    def values(self) -> list[float]:
        cumulative = list(accumulate(self.buckets))
        return [cumulative[-1], *cumulative, cumulative[-1], self.sum_seconds]


class RedAggregator:
    """Counts spans and flushes the counts; ``count`` and ``tick`` may run in different threads."""

    def __init__(
        self,
        *,
        store: MetricsStore,
        registry: CollectorRegistry,
        max_operations: int = 500,
        expiry: timedelta = timedelta(minutes=5),
    ) -> None:
        """Begin with nothing.

        Args:
            store: Takes the rows.
            registry: For the aggregator's own metrics.
            max_operations: Span names of one service that get series of their own; further ones count as ``_other``.
            expiry: Series without a span for this long end with a stale marker.
        """
        self._store, self._metrics = store, RedMetrics(registry)
        self._max_operations, self._expiry_ms = max_operations, int(expiry / timedelta(milliseconds=1))
        self._lock = threading.Lock()
        self._calls: dict[_Key, _Calls] = {}
        self._names: dict[tuple[str, str], dict[str, int]] = {}
        self._position = 0
        self._flushed_ms: int | None = None
        self._layout: tuple[Labels, ...] | None = None

    def count(self, position: int, spans: Sequence[Span]) -> None:
        """Count spans that were committed up to ``position``; each commit once, in their order."""
        with self._lock:
            for span in spans:
                calls = self._calls_of(span)
                duration = span.duration_seconds
                calls.buckets[bisect_left(BOUNDS_SECONDS, duration)] += 1
                calls.sum_seconds += duration
                calls.touched = True
            self._position = position

    def resume(self, source: SpanSource, *, now: datetime) -> None:
        """Go on where the last flush before a restart ended. Call it before the first ``count``.

        Without any flush on record the spans of the last ``expiry`` are counted: series older than that had ended.
        """
        now_ms = to_ms(now)
        self._restore(now_ms)
        recounted = 0
        try:
            for position, spans in source.batches_after(self._position):
                self.count(position, spans)
                recounted += len(spans)
        except ForetideError:
            logger.exception("spans since the last flush could not be read: they are missing in the RED series")
        logger.info("RED series resumed", extra={"series": len(self._calls), "recounted_spans": recounted})

    def tick(self, now: datetime) -> None:
        """Write all series as they stand; never raises. What a failed flush did not write, the next one does."""
        now_ms = to_ms(now)
        with self._lock:
            if self._flushed_ms is not None and now_ms <= self._flushed_ms:
                return  # the clock was set back: rows must rise
            try:
                self._flush(now_ms)
            except ForetideError:
                self._metrics.flush_failures.inc()
                logger.warning("RED series could not be written", exc_info=True)
            self._metrics.operations.set(len(self._calls))

    def _flush(self, now_ms: int) -> None:
        for calls in self._calls.values():
            if calls.touched:
                calls.active_ms, calls.touched = now_ms, False
        if not self._calls:
            self._flushed_ms = now_ms
            return
        idle = [key for key, calls in self._calls.items() if now_ms - calls.active_ms > self._expiry_ms]
        self._begin_at_zero()
        self._write(now_ms, stale=frozenset(idle))
        for key in idle:
            self._forget(key)
        self._flushed_ms = now_ms

    def _begin_at_zero(self) -> None:
        """New series get a 0 at the last tick, so that ``rate`` sees their first calls too."""
        born = [calls for calls in self._calls.values() if calls.born]
        if born and self._flushed_ms is not None:
            labels = tuple(one for calls in born for one in calls.series)
            self._store.append(labels, self._flushed_ms, np.zeros(len(labels)))
        for calls in born:
            calls.born = False

    def _write(self, now_ms: int, *, stale: frozenset[_Key]) -> None:
        if self._layout is None:
            series = (one for calls in self._calls.values() for one in calls.series)
            self._layout = (_POSITION_LABELS, *series)  # one tuple for many rows: the store knows it by identity
        values = [float(self._position)]
        for key, calls in self._calls.items():
            values.extend([STALE_NAN] * len(calls.series) if key in stale else calls.values())
        self._store.append(self._layout, now_ms, np.array(values))

    def _calls_of(self, span: Span) -> _Calls:
        key = _Key(span.service_namespace, span.service, span.name, span.kind.value, span.status.value)
        calls = self._calls.get(key)
        if calls is not None:
            return calls
        if not self._has_room(key):
            self._metrics.overflow.inc()
            key = _Key(key.service_namespace, key.service, OTHER, key.kind, key.status)
            if (calls := self._calls.get(key)) is not None:
                return calls
        return self._add(key)

    def _has_room(self, key: _Key) -> bool:
        names = self._names.get((key.service_namespace, key.service), {})
        fits = key.operation in names or len(names) - (OTHER in names) < self._max_operations
        return fits and len(key.operation) <= _MAX_NAME_LENGTH

    def _add(self, key: _Key) -> _Calls:
        names = self._names.setdefault((key.service_namespace, key.service), {})
        names[key.operation] = names.get(key.operation, 0) + 1
        calls = self._calls[key] = _Calls(series=_series(key))
        self._layout = None
        return calls

    def _forget(self, key: _Key) -> None:
        del self._calls[key]
        self._layout = None
        names = self._names[key.service_namespace, key.service]
        names[key.operation] -= 1
        if not names[key.operation]:
            del names[key.operation]
        if not names:
            del self._names[key.service_namespace, key.service]
        self._metrics.expired.inc()

    def _restore(self, now_ms: int) -> None:
        last = _newest(self._last(POSITION))
        self._position = int(last.value) if last else (now_ms - self._expiry_ms) * _POSITIONS_PER_MS
        if last is None:
            return
        self._flushed_ms = last.timestamp_ms
        # Series that ended before hold a stale marker; a series of an older row was lost with its row.
        buckets = [sample for sample in self._last(_BUCKET) if sample.timestamp_ms == last.timestamp_ms]
        sums = {_Key.of(sample.labels): sample.value for sample in self._last(_SUM)}
        cumulative: dict[_Key, dict[str, float]] = {}
        for sample in buckets:
            if not is_stale(np.array([sample.value])).any():
                cumulative.setdefault(_Key.of(sample.labels), {})[sample.labels.value_of("le")] = sample.value
        for key, values in cumulative.items():
            calls = self._add(key)
            calls.buckets = [int(step) for step in np.diff([values.get(le, 0.0) for le in _LES], prepend=0.0)]
            calls.sum_seconds = sums.get(key, 0.0)
            calls.born = False

    def _last(self, metric: str) -> list[Sample]:
        return self._store.last_values([Matcher(name=METRIC_NAME, op="=", value=metric)])


def _newest(samples: Iterable[Sample]) -> Sample | None:
    return max(samples, key=lambda sample: sample.timestamp_ms, default=None)


def _series(key: _Key) -> tuple[Labels, ...]:
    """Calls, buckets, count and sum, in the order of ``_Calls.values``."""
    own = key.labels
    return (
        Labels.of({**own, METRIC_NAME: SPAN_CALLS_TOTAL}),
        *(Labels.of({**own, METRIC_NAME: _BUCKET, "le": le}) for le in _LES),
        Labels.of({**own, METRIC_NAME: _COUNT}),
        Labels.of({**own, METRIC_NAME: _SUM}),
    )
