"""PromQL answers in the shapes that the packages ask for: one number for a trigger, columns for a chart.

A query goes to its source: the embedded store, or a Prometheus-compatible server whose guests we are.
"""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np

from app.guests import Guest, Guests
from app.memo import Memo
from app.sources import LOCAL
from domain.clock import Clock, from_ms, to_ms
from domain.errors import NoDataError, NoNumberError, QueryError, UnknownSourceError
from domain.labels import METRIC_NAME
from domain.names import GENERATED
from domain.series import FloatArray, IntArray, Series, Signal, is_stale
from rules.forecast import MAX_HISTORY_STEPS
from store.metrics import Matcher, MetricsStore
from store.promql import Evaluator, QueryLimits
from store.promql.completeness import LOOK_EVERY, checks_of
from store.promql.querying import QuerySource
from store.promql.results import Matrix, Result, Scalar, Vector
from store.promql.stepped import Stepped

LabelPairs = tuple[tuple[str, str], ...]
_PATIENCE = timedelta(seconds=10)


class Queries:
    """Asks the metrics store and the guests' servers; every method may block and may raise ``QueryError``.

    ``source`` names where to ask: ``local``, one of foretide.yaml, or None for the default source.
    """

    def __init__(self, store: MetricsStore, *, clock: Clock, guests: Guests | None = None) -> None:
        """Evaluate over ``store``; close it."""
        self._store, self._guests = store, guests
        # Generated samples are loaded at start and never again; looking for them reads the disk.
        self._generated = Memo(clock=clock, keep_seconds=60.0)
        self._by_pod = Memo(clock=clock, keep_seconds=60.0)
        self._seen = threading.local()
        self.evaluator = Evaluator(store.select)
        self._noting = Evaluator(self._select_noting)
        # A history may be longer than a chart: 21 days in minutes are 30,240 steps.
        self._long = Evaluator(store.select, limits=QueryLimits(max_steps=MAX_HISTORY_STEPS))
        self._checks = Stepped(self.evaluator, step=LOOK_EVERY, at_once=1, patience=_PATIENCE)

    def close(self) -> None:
        """Ask nothing more."""
        self._checks.close()

    def expect(self, queries: Iterable[str]) -> None:
        """What the embedded store will be asked for at every tick: how complete it is, is looked at together."""
        self._checks.expect(text for query in queries for one in checks_of(query) for text in one.queries)

    def signal(self, expr: str, now: datetime, source: str | None = None) -> Signal:
        """The one number that ``expr`` yields at ``now``, and how much of what it is made of was seen.

        Raises:
            NoDataError: It yields nothing, several series, or no number.
        """
        guest = self._guest(source)
        checks = self._checks if guest is None else guest.checks
        return self._with_completeness(self.number(expr, now, source), expr, checks, now)

    def number(self, expr: str, now: datetime, source: str | None = None) -> Signal:
        """The same, without a look at what was seen: for the many small questions about replicas."""
        guest = self._guest(source)
        if guest is not None:
            return self._one(guest.instants.instant(expr, at_ms=to_ms(now)), now, None)
        self._seen.newest_ms = None
        return self._one(self._noting.instant(expr, at_ms=to_ms(now)), now, self._seen)

    def pods(self, expr: str, now: datetime, source: str | None = None) -> dict[str, float]:
        """A number for each pod as of ``now``.

        Raises:
            NoDataError: It yields nothing.
            NoNumberError: A series has no label ``pod``, or two have the same.
        """
        found: dict[str, float] = {}
        for labels, value in self.instant(expr, now, source).items():
            pod = dict(labels).get("pod", "")
            if not pod or pod in found:
                why = f"two series for pod {pod}" if pod else "a series without label pod"
                raise NoNumberError(f"query yields {why}; aggregate it by (pod)")
            found[pod] = value
        if not found:
            raise NoDataError("query yields no series")
        return found

    def by_pod(self, expr: str, now: datetime) -> dict[str, float]:
        """What pods request, from the default source, as of the last minute: it changes with rollouts only."""
        guest = self._guest(None)
        source = self.evaluator if guest is None else guest.checks

        def compute() -> dict[str, float]:
            return {dict(labels).get("pod", ""): value for labels, value in self._instant(source, expr, now).items()}

        return self._by_pod.get((expr, to_ms(now) // 60_000), compute)

    def _one(self, result: Result, now: datetime, noted: threading.local | None) -> Signal:
        if isinstance(result, Scalar):
            value, count = float(result.value), 1
        elif isinstance(result, Vector):
            count = len(result.labels)
            if count > 1:
                raise NoNumberError(f"query yields {count} series; aggregate it to one")
            if count == 0:
                raise NoDataError("query yields no series")
            value = float(result.values[0])
        else:
            raise NoNumberError("query yields no number; a trigger needs a scalar or an instant vector")
        if not math.isfinite(value):
            said = f"query yields {value}, which is no number to scale by"
            raise NoNumberError(said, is_nan=math.isnan(value))
        newest: int | None = None if noted is None else noted.newest_ms
        return Signal(
            value=value, window=timedelta(), as_of=now if newest is None else from_ms(newest), count=max(count, 1)
        )

    def _with_completeness(self, signal: Signal, expr: str, source: QuerySource, now: datetime) -> Signal:
        """The worst of the query's selectors counts; where nobody can say, the signal stays as it is."""
        worst: tuple[int, int] | None = None
        newest: list[float] = []
        for checks in checks_of(expr):
            seen, expected, at = (self._number(source, text, now) for text in checks.queries)
            newest += [] if at is None else [at]
            counts = (int(seen or 0), int(expected or 0))
            if counts[1] and (worst is None or counts[0] * worst[1] < worst[0] * counts[1]):
                worst = counts
        if newest and source is not self._checks:
            signal = replace(signal, as_of=min(from_ms(round(max(newest) * 1000)), now))
        if worst is None:
            return signal
        seen, expected = worst
        return replace(signal, completeness_ratio=min(seen / expected, 1.0), seen=seen, expected=expected)

    @staticmethod
    def _number(source: QuerySource, text: str, now: datetime) -> float | None:
        try:
            result = source.instant(text, at_ms=to_ms(now))
        except QueryError:
            return None
        return float(result.values[0]) if isinstance(result, Vector) and len(result.labels) == 1 else None

    def result(self, expr: str, at_ms: int, source: str | None = None) -> Result:
        """The answer as it is, at exactly this time."""
        guest = self._guest(source)
        return (self.evaluator if guest is None else guest.client).instant(expr, at_ms=at_ms)

    def instant(self, expr: str, now: datetime, source: str | None = None) -> dict[LabelPairs, float]:
        """Finite values of an instant vector by label set."""
        return self._instant(self._source(source), expr, now)

    @staticmethod
    def _instant(source: QuerySource, expr: str, now: datetime) -> dict[LabelPairs, float]:
        result = source.instant(expr, at_ms=to_ms(now))
        if not isinstance(result, Vector):
            return {}
        pairs = zip(result.labels, result.values.tolist(), strict=True)
        return {tuple(labels): value for labels, value in pairs if math.isfinite(value)}

    def line(
        self, expr: str, start: datetime, end: datetime, step: timedelta, source: str | None = None
    ) -> tuple[IntArray, FloatArray]:
        """Times (ms) and values of the first series that ``expr`` yields, NaN where it has none; empty without one."""
        found = self.lines(expr, start, end, step, source)
        return next(iter(found.values()), (np.empty(0, np.int64), np.empty(0)))

    def lines(
        self, expr: str, start: datetime, end: datetime, step: timedelta, source: str | None = None
    ) -> dict[LabelPairs, tuple[IntArray, FloatArray]]:
        """The same of every series that has a number, by label set."""
        matrix = self._range(self._source(source), expr, start, end, step)
        found: dict[LabelPairs, tuple[IntArray, FloatArray]] = {}
        for row, labels in enumerate(matrix.labels):
            values = np.where(matrix.present[row], matrix.values[row], np.nan)
            known = np.flatnonzero(np.isfinite(values))
            if len(known):
                inside = slice(known[0], known[-1] + 1)
                found[tuple(labels)] = (matrix.timestamps_ms[inside], values[inside])
        return found

    def history(
        self, expr: str, start: datetime, end: datetime, step: timedelta, *, source: str | None = None
    ) -> tuple[FloatArray, bool]:
        """One value per step for the forecaster, and whether a part of it was generated by a demo.

        Raises:
            NoDataError: ``expr`` yields several series.
        """
        if (guest := self._guest(source)) is not None:
            step_ms = round(step / timedelta(milliseconds=1))
            values = guest.histories.history(expr, start_ms=to_ms(start), end_ms=to_ms(end), step_ms=step_ms)
            return values, False
        matrix = self._range(self._long, expr, start, end, step)
        steps = len(matrix.timestamps_ms)
        if len(matrix.labels) > 1:
            raise NoDataError(f"query yields {len(matrix.labels)} series; aggregate it to one")
        if not matrix.labels:
            return np.full(steps, np.nan), False
        until = self.generated_until(expr)
        return np.where(matrix.present[0], matrix.values[0], np.nan), until is not None and until >= start

    def histories(
        self, expr: str, start: datetime, end: datetime, step: timedelta, *, source: str | None = None
    ) -> tuple[dict[LabelPairs, FloatArray], bool]:
        """The same of every series that ``expr`` yields, from one evaluation, by label set without the metric's name.

        Raises:
            NoDataError: Two series differ by the metric's name only.
        """
        guest = self._guest(source)
        matrix = self._range(self._long if guest is None else guest.ranges, expr, start, end, step)
        found: dict[LabelPairs, FloatArray] = {}
        for row, labels in enumerate(matrix.labels):
            pairs = tuple(pair for pair in labels if pair[0] != METRIC_NAME)
            if pairs in found:
                raise NoDataError("query yields series that differ by the metric's name only; aggregate them")
            found[pairs] = np.where(matrix.present[row], matrix.values[row], np.nan)
        until = self.generated_until(expr) if found and guest is None else None
        return found, until is not None and until >= start

    def generated_until(self, expr: str) -> datetime | None:
        """Newest generated sample of a metric that ``expr`` names; None when all of it was measured."""
        generated = self._generated.get("newest", self._newest_generated)
        words = frozenset(re.findall(r"[\w:]+", expr))
        newest = [at_ms for name, at_ms in generated.items() if name in words]
        return from_ms(max(newest)) if newest else None

    def is_guest(self, source: str | None) -> bool:
        """Whether the source is somebody's server and not the embedded store."""
        return self._guest(source) is not None

    def _guest(self, source: str | None) -> Guest | None:
        """None for the embedded store; a rule may outlive its source by a restart."""
        if self._guests is None:
            return None
        name = source or self._guests.default
        guest = self._guests.named(name)
        if guest is None and name != LOCAL:
            raise UnknownSourceError(f'there is no source "{name}" in foretide.yaml')
        return guest

    def _source(self, source: str | None) -> QuerySource:
        guest = self._guest(source)
        return self.evaluator if guest is None else guest.instants

    def _newest_generated(self) -> dict[str, int]:
        newest: dict[str, int] = {}
        for sample in self._store.last_values([Matcher(name=GENERATED, op="=", value="true")]):
            name = sample.labels.metric_name
            newest[name] = max(sample.timestamp_ms, newest.get(name, 0))
        return newest

    def _range(self, evaluator: QuerySource, expr: str, start: datetime, end: datetime, step: timedelta) -> Matrix:
        step_ms = max(int(step / timedelta(milliseconds=1)), 1)
        return evaluator.range(expr, start_ms=to_ms(start), end_ms=to_ms(end), step_ms=step_ms)

    def _select_noting(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[Series]:
        found = self._store.select(matchers, start_ms, end_ms)
        for series in found:
            fresh = np.flatnonzero(~is_stale(series.values[-2:]))
            if len(fresh):
                newest = int(series.timestamps_ms[-2:][fresh[-1]])
                self._seen.newest_ms = max(newest, getattr(self._seen, "newest_ms", None) or newest)
        return found
