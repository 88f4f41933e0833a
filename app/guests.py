"""The Prometheus-compatible servers whose guests we are: for each the client, what it is asked at a step, and its past.

With a source other than ``local`` samples stay at the server: Foretide keeps what it decides on, the histories that it
forecasts from (one value per step), and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry

from app.sources import LOCAL, PROMETHEUS
from app.views import SourceView
from controller.slo import WINDOWS
from domain.clock import Clock
from domain.errors import UnknownSourceError
from domain.forecasts import Forecast
from forecaster import leads
from forecaster.plan import Plan, plans
from rules import RuleSet, asked
from store.prometheus.client import PrometheusClient
from store.prometheus.config import SourceConfig
from store.prometheus.histories import Histories, Wanted
from store.prometheus.http import SourceHttp, new_http
from store.prometheus.metrics import SourceMetrics
from store.prometheus.pieces import InPieces
from store.prometheus.remote_write import RemoteWriter
from store.promql import check, check_syntax
from store.promql.completeness import LOOK_EVERY, checks_of
from store.promql.stepped import Stepped
from store.tracing import Jaeger, Tempo, TraceSource

BACKFILL_EVERY: Final = timedelta(seconds=5)
WRITE_EVERY: Final = timedelta(seconds=15)
LEAD_STEP: Final = timedelta(minutes=1)
"""Of the past of a price trigger's load: servers are scraped every 15 to 60 s, and two weeks are then 20,000 values."""


class Guest:
    """All that belongs to one source; what it opens is closed with ``opened``."""

    def __init__(
        self,
        config: SourceConfig,
        *,
        opened: ExitStack,
        clock: Clock,
        metrics: SourceMetrics,
        folder: Path,
        wanted: Callable[[str], Iterable[Wanted]],
    ) -> None:
        """``wanted`` names the signals whose past a source has to give.

        Raises:
            SettingsError: A certificate cannot be read.
            StoreError: The file of histories cannot be opened.
        """
        self.config = config
        self.client = PrometheusClient(config, clock=clock, metrics=metrics)
        opened.callback(self.client.close)
        at_once, patience = config.max_concurrent, 2 * config.timeout
        self.instants = Stepped(self.client, step=config.step, at_once=at_once, patience=patience)
        opened.callback(self.instants.close)
        self.checks = Stepped(self.client, step=LOOK_EVERY, at_once=max(at_once // 2, 1), patience=patience)
        opened.callback(self.checks.close)
        self.ranges = InPieces(self.client)
        self.histories = Histories(
            self.ranges,
            path=folder / f"history-{config.name}.db",
            wanted=lambda: wanted(config.name),
            per_tick=max(round(config.backfill_queries_per_second * BACKFILL_EVERY.total_seconds()), 1),
        )
        opened.callback(self.histories.close)
        self.writer: RemoteWriter | None = None
        if config.remote_write_url is not None:
            http = new_http(config, clock=clock)
            opened.callback(http.close)
            self.writer = RemoteWriter(
                source=config.name, url=config.remote_write_url, http=http, metrics=metrics, clock=clock
            )

    def expect(self, queries: Iterable[str], also: Iterable[str]) -> None:
        """What is asked at every step from now on; how complete the ``queries`` are, is asked every minute.

        ``also`` are those about replicas and requests, of which only some are needed.
        """
        wanted, perhaps = tuple(queries), tuple(also)
        self.instants.expect(wanted, perhaps)
        self.checks.expect((text for query in wanted for one in checks_of(query) for text in one.queries), perhaps)


class Guests:
    """Every source of foretide.yaml."""

    def __init__(
        self,
        configs: Sequence[SourceConfig],
        *,
        default: str,
        opened: ExitStack,
        clock: Clock,
        registry: CollectorRegistry,
        folder: Path,
        rules: Callable[[], RuleSet],
    ) -> None:
        """Nothing is asked yet; errors as of ``Guest``."""
        self._rules, self._default = rules, default
        metrics = SourceMetrics(registry)
        self.traces: Mapping[str, TraceSource] = {
            config.name: _trace_source(config, opened=opened, clock=clock, metrics=metrics)
            for config in configs
            if config.kind != PROMETHEUS
        }
        self.by_name: Mapping[str, Guest] = {
            config.name: Guest(
                config, opened=opened, clock=clock, metrics=metrics, folder=folder, wanted=self._wanted
            )
            for config in configs
            if config.kind == PROMETHEUS
        }  # fmt: skip

    @property
    def default(self) -> str:
        """The source of a query that names none."""
        return self._default

    def named(self, source: str | None = None) -> Guest | None:
        """The guest behind a query's source; None for the embedded store."""
        return self.by_name.get(source or self._default)

    def check_query(self, expr: str, source: str | None = None, *, traces: bool = False) -> None:
        """Refuse what the query's source cannot answer; with ``traces`` a source that keeps none.

        Raises:
            UnknownSourceError: There is no such source.
            QueryError: The text is no PromQL, or the embedded store, which would evaluate it, cannot.
        """
        name = source or self._default
        if traces:
            self._check_traces(name)
        elif name == LOCAL:
            check(expr)
        elif name in self.by_name:
            check_syntax(expr)
        else:
            if name in self.traces:
                raise UnknownSourceError(f'"{name}" is a store of traces, which answers no PromQL')
            known = ", ".join((LOCAL, *sorted(self.by_name)))
            raise UnknownSourceError(f'"{name}" is not a source of foretide.yaml; it has {known}')

    def _check_traces(self, name: str) -> None:
        if name in self.traces:
            return
        if name == LOCAL:
            raise UnknownSourceError('without source the spans that come to Foretide are counted; leave out "local"')
        if name in self.by_name:
            raise UnknownSourceError(f'"{name}" is a Prometheus, which keeps no traces')
        known = ", ".join(sorted(self.traces)) or "none, of kind jaeger or tempo"
        raise UnknownSourceError(f'"{name}" is not a source of traces of foretide.yaml; it has {known}')

    @property
    def writes(self) -> bool:
        """Whether any source takes forecasts."""
        return any(guest.writer is not None for guest in self.by_name.values())

    def expect(self, also: Iterable[str] = ()) -> None:
        """Tell each source what the running rules will ask of it; ``also`` goes to the default source."""
        for name, guest in self.by_name.items():
            guest.expect(self._asked(name), also if name == self._default else ())

    def asked_here(self) -> set[str]:
        """What the running rules ask of the embedded store."""
        return self._asked(LOCAL)

    def _asked(self, name: str) -> set[str]:
        running = self._rules()
        queries = [query for rule in running.rules for query in asked.of_rule(rule)]
        guarding = (running.slo(key) for key in {rule.guarding_slo for rule in running.rules} if key is not None)
        queries += [slo.error_ratio_query(window) for slo in guarding if slo is not None for window in WINDOWS]
        return {query.expr for query in queries if (query.source or self._default) == name}

    def backfill(self, now: datetime) -> None:
        """Read a little more of the past."""
        for guest in self.by_name.values():
            guest.histories.tick(now)

    def offer(self, forecast: Forecast) -> None:
        """Queue a forecast for the servers that take them."""
        for guest in self.by_name.values():
            if guest.writer is not None:
                guest.writer.offer(forecast)

    def views(self) -> list[SourceView]:
        """How each of them does."""
        return [*(_view(guest) for guest in self.by_name.values()), *map(_trace_view, self.traces.values())]

    def write(self, now: datetime) -> None:
        """Write what is queued."""
        for guest in self.by_name.values():
            if guest.writer is not None:
                guest.writer.tick(now)

    def _wanted(self, name: str) -> list[Wanted]:
        own = (plan for plan in plans(self._rules().rules) if (plan.source or self._default) == name)
        ahead = (plan for plan in leads.plans(self._rules().rules) if (plan.source or self._default) == name)
        return [
            *(Wanted(query=plan.expr, step=plan.step, span=_span(plan)) for plan in own),
            *(Wanted(query=plan.expr, step=LEAD_STEP, span=leads.HISTORY) for plan in ahead),
        ]


def _view(guest: Guest) -> SourceView:
    status, progress, writer = guest.client.status(), guest.histories.progress, guest.writer
    return SourceView(
        name=status.name,
        url=status.url,
        breaker=status.breaker.value,
        last_error=status.last_error,
        queries=status.queries,
        history_chunks=progress.done,
        history_chunks_wanted=progress.wanted,
        forecast_samples_queued=None if writer is None else writer.queued,
        remote_write_error="" if writer is None else writer.last_error,
    )


def _trace_source(config: SourceConfig, *, opened: ExitStack, clock: Clock, metrics: SourceMetrics) -> TraceSource:
    http = SourceHttp(config, clock=clock, metrics=metrics)
    opened.callback(http.close)
    return Jaeger(http) if config.kind == "jaeger" else Tempo(http)


def _trace_view(source: TraceSource) -> SourceView:
    status = source.status()
    return SourceView(
        name=status.name, url=status.url, breaker=status.breaker.value, last_error=status.last_error,
        queries=status.queries, history_chunks=0, history_chunks_wanted=0, forecast_samples_queued=None,
        remote_write_error="",
    )  # fmt: skip


def _span(plan: Plan) -> timedelta:
    """As far back as a fit looks."""
    end = plan.cutoff(_ANY_DAY)
    return end - plan.history_start(end)


_ANY_DAY: Final = datetime.fromisoformat("2026-01-01T00:00:00+00:00")
