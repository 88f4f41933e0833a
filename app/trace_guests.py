"""Traces of those stores whose guests we are: read through when somebody looks; their RED becomes series here.

The series are gauges in the embedded store: what ``trace`` triggers (and any query) read where no spans come to us.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from domain.clock import to_ms
from domain.errors import ForetideError, QueryError, UnknownSourceError
from domain.labels import METRIC_NAME, Labels
from domain.names import SERVICE_NAME, SPAN_NAME, TRACE_GUEST_CALLS, TRACE_GUEST_ERRORS, TRACE_GUEST_LATENCY_SECONDS
from domain.spans import Span
from rules import RuleSet
from store.metrics import MetricsStore
from store.prometheus import SourceConfig
from store.traces import TraceStore, TraceSummary
from store.tracing import Red, Search, TraceSource

log = logging.getLogger(__name__)

READ_EVERY: Final = timedelta(seconds=30)
"""Such stores aggregate once a minute or so; it takes 6 questions of a Jaeger, 3 for each service of a Tempo."""
LOCAL: Final = "local"


class TraceGuests:
    """The embedded trace store and the others, by name."""

    def __init__(
        self,
        own: TraceStore,
        guests: Mapping[str, TraceSource],
        *,
        configs: Sequence[SourceConfig],
        metrics: MetricsStore,
        rules: Callable[[], RuleSet],
    ) -> None:
        """``configs`` name the services whose RED is read besides those of the running rules."""
        self._own, self._guests, self._metrics, self._rules = own, guests, metrics, rules
        self._named = {config.name: config.services for config in configs}

    @property
    def names(self) -> tuple[str, ...]:
        """Of the stores that are not ours."""
        return tuple(self._guests)

    def search(self, wanted: Search, source: str | None) -> list[TraceSummary]:
        """Newest first, of the embedded store unless a ``source`` is named.

        Raises:
            UnknownSourceError: There is no store of that name.
            QueryError: The other store does not answer, or refuses.
        """
        if source in (None, LOCAL):
            return self._own.search(
                service=wanted.service, operation=wanted.operation, min_duration_seconds=wanted.min_duration_seconds,
                start_ms=wanted.start_ms, end_ms=wanted.end_ms, limit=wanted.limit,
            )  # fmt: skip
        return self._guest(source or LOCAL).search(wanted)

    def trace(self, trace_id: str, source: str | None) -> list[Span]:
        """All spans, of the named store, else of the first that knows the trace; errors as above."""
        if source not in (None, LOCAL):
            return self._guest(source or LOCAL).trace(trace_id)
        found = self._own.trace(trace_id)
        for name in self._guests if source is None and not found else ():
            try:
                found = self._guests[name].trace(trace_id)
            except QueryError as error:  # the next one may know it
                log.warning("trace not read", extra={"source": name, "error": str(error)})
            if found:
                break
        return found

    def tick(self, now: datetime) -> None:
        """Present RED of the services that rules and foretide.yaml name; a store that fails leaves a gap."""
        for name, guest in self._guests.items():
            services = sorted({*self._named.get(name, ()), *self._of_rules(name)})
            try:
                found = guest.red(services, at_ms=to_ms(now))
            except ForetideError as error:
                log.warning("RED not read", extra={"source": name, "error": str(error)})
                continue
            samples = dict(pair for red in found for pair in _samples(name, red))
            if samples:
                self._metrics.append(tuple(samples), to_ms(now), np.array(list(samples.values())))

    def _of_rules(self, name: str) -> Iterator[str]:
        triggers = (trigger for rule in self._rules().rules for trigger in rule.spec.triggers)
        signals = (trigger.trace for trigger in triggers if trigger.trace is not None)
        return (signal.service for signal in signals if signal.source == name)

    def _guest(self, name: str) -> TraceSource:
        if name not in self._guests:
            known = ", ".join((LOCAL, *self._guests))
            raise UnknownSourceError(f'"{name}" is no store of traces in foretide.yaml; there are {known}')
        return self._guests[name]


def _samples(source: str, red: Red) -> Iterator[tuple[Labels, float]]:
    own = {"source": source, SERVICE_NAME: red.service, SPAN_NAME: red.operation}
    for metric, value in ((TRACE_GUEST_CALLS, red.calls), (TRACE_GUEST_ERRORS, red.errors)):
        if value is not None:
            yield Labels.of({METRIC_NAME: metric, **own}), value
    for quantile, seconds in red.latency_seconds.items():
        yield Labels.of({METRIC_NAME: TRACE_GUEST_LATENCY_SECONDS, "quantile": quantile, **own}), seconds
