"""How Foretide itself is doing: for the probes, the API and the dashboard."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from app.cost_price_files import SourceState
from app.cost_price_view import source_view
from app.schedule import Schedule
from app.settings import Settings
from app.telemetry import LastTicks
from app.views import LoopView, MistakeView, ScrapeTargetView, SignalForecastView, SourceView, StatusView, StoresView
from collector.targets import Health, TargetStatus
from dashboard.contract import Status, StoreFacts
from domain.clock import Clock
from domain.errors import Mistake, StoreError
from forecaster.signal_state import SignalStatus
from rules import RuleSet
from rules.policy import LeftOut
from store.metrics import MetricsStore
from store.state import State
from store.traces import TraceStore


class StatusBoard:
    """Asks everybody how they are."""

    def __init__(
        self,
        *,
        version: str,
        settings: Settings,
        cluster: str,
        rules: Callable[[], RuleSet],
        mistakes: Callable[[], Sequence[Mistake]],
        targets: Callable[[], Sequence[TargetStatus]],
        forecasts: Callable[[], Mapping[str, SignalStatus]],
        metrics: MetricsStore,
        traces: TraceStore,
        state: State,
        schedule: Schedule,
        ticks: LastTicks,
        clock: Clock,
        sources: Callable[[], list[SourceView]] = list,
        left_out: Callable[[], Sequence[LeftOut]] = tuple,
        rings: Callable[[], list[str]] = list,
        lease: Callable[[], str] = str,
        prices: Callable[[], Sequence[SourceState]] = tuple,
    ) -> None:
        """Whom to ask."""
        self._rings, self._lease, self._prices = rings, lease, prices
        self._sources, self._left_out = sources, left_out
        self._version, self._settings, self._cluster = version, settings, cluster
        self._rules, self._mistakes, self._targets, self._forecasts = rules, mistakes, targets, forecasts
        self._metrics, self._traces, self._state = metrics, traces, state
        self._schedule, self._ticks, self._clock = schedule, ticks, clock
        self._started_at = clock.now()

    def readiness(self) -> dict[str, str]:
        """By part ``ok`` or what is wrong; ready when all are ``ok``."""
        checks = {"state": "ok", "metrics": "ok", "traces": "ok", "loops": "ok"}
        try:
            self._state.ping()
        except StoreError as error:
            checks["state"] = str(error)
        if problem := self._metrics.stats().write_error:
            checks["metrics"] = problem
        try:
            if problem := self._traces.stats().last_error:
                checks["traces"] = problem
        except StoreError as error:
            checks["traces"] = str(error)
        if not self._schedule.running:
            checks["loops"] = "not running"
        return checks

    def brief(self) -> Status:
        """For the dashboard."""
        targets, stats = self._targets(), self._metrics.stats()
        return Status(
            version=self._version,
            cluster=self._cluster,
            started_at=self._started_at,
            mistakes=tuple(self._mistakes()),
            rules_running=len(self._rules().rules),
            targets_up=sum(target.health is Health.UP for target in targets),
            targets_total=len(targets),
            store=StoreFacts(series=stats.series, samples=stats.samples_appended, size_bytes=stats.bytes_on_disk),
        )

    def full(self) -> StatusView:
        """For the API."""
        brief, now, rules = self.brief(), self._clock.now(), self._rules()
        folder = self._settings.rules_dir
        return StatusView(
            version=brief.version,
            cluster=brief.cluster,
            started_at=brief.started_at,
            uptime_seconds=(now - brief.started_at).total_seconds(),
            rules_running=brief.rules_running,
            rules_digest=rules.digest,
            rules_folder=None if folder is None else str(folder),
            rule_mistakes=[MistakeView.model_validate(mistake) for mistake in brief.mistakes],
            left_out=[str(one) for one in self._left_out()],
            rings=self._rings(),
            lease=self._lease(),
            prices=[source_view(one) for one in self._prices()],
            targets_up=brief.targets_up,
            targets_total=brief.targets_total,
            targets=[_target_view(target) for target in self._targets()],
            forecasts=[
                SignalForecastView(signal=signal, **SignalForecastView.fields_of(status))
                for signal, status in sorted(self._forecasts().items())
            ],
            sources=self._sources(),
            stores=self._stores(),
            loops=[
                LoopView(
                    loop=tick.loop,
                    started_at=tick.started_at,
                    duration_seconds=tick.duration_seconds,
                    steps=dict(tick.steps),
                    error=tick.error,
                )
                for tick in self._ticks.newest()
            ],
        )

    def _stores(self) -> StoresView:
        metrics, traces = self._metrics.stats(), self._traces.stats()
        return StoresView(
            state_database=self._state.dialect,
            state_moved_aside=self._state.quarantined,
            metric_series=metrics.series,
            metric_samples=metrics.samples_appended,
            metric_bytes=metrics.bytes_on_disk,
            metric_samples_refused=metrics.refused,
            metric_samples_dropped=metrics.dropped,
            metrics_moved_aside=metrics.quarantined,
            metrics_write_error=metrics.write_error,
            trace_bytes=traces.used_bytes,
            traces_moved_aside=str(traces.moved_aside or ""),
            traces_write_error=traces.last_error,
        )


def _target_view(target: TargetStatus) -> ScrapeTargetView:
    return ScrapeTargetView(
        job=target.job,
        instance=target.instance,
        labels=dict(target.labels),
        scrape_url=target.scrape_url,
        health=target.health.value,
        last_error=target.last_error,
        last_scrape=target.last_scrape,
        last_scrape_duration_seconds=target.last_scrape_duration_seconds,
        scrape_interval_seconds=target.scrape_interval.total_seconds(),
    )
