"""Where everything meets: the newcomer's first file.

``House`` builds each package with what it needs, in the order of the flow (stores, intake, forecasts, decisions,
pages), names every loop with its interval, and starts and stops the lot. Nothing here decides anything.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path

from fastapi import FastAPI
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from app import api, cost_allocation, local_processes, resizing, self_metrics
from app.alerting import notifier_wiring, rules_endpoints, rules_wiring
from app.alerting.deliveries import EVERY as DELIVER_EVERY
from app.alerting.deliveries import THREADS, DeliveryParts, loops_run
from app.alerting.routes_section import unknown_receivers
from app.backtest_endpoints import BacktestDoor
from app.backtesting.running import RunningBacktests
from app.budget_counting import BudgetCounting
from app.budget_loop import Budgets
from app.budget_needs import HpaNeeds
from app.budget_room import BudgetRoom
from app.cluster_budgets import BudgetStatuses
from app.cluster_collection import ClusterCollection
from app.cluster_documents import AllDocuments
from app.cluster_status import ClusterStatuses
from app.cost_commitments_live import LiveCommitments, Terms
from app.cost_hours import EVERY as COST_HOURS_EVERY
from app.cost_hours import HourlyCosts
from app.cost_outlook import CostOutlooks
from app.cost_prices import READ_EVERY as PRICES_EVERY
from app.cost_prices import PriceParts
from app.cost_spot_objects import read as read_spot
from app.cost_unused import Unused
from app.effective_rules import EffectiveRules
from app.endpoints import Sources
from app.explanations import Explanations
from app.forecast_questions import ForecastQuestions
from app.gate import Gate
from app.guests import BACKFILL_EVERY, WRITE_EVERY, Guests
from app.keeper import Keeper, Made
from app.kubernetes_parts import KubernetesParts
from app.leads import LoadPast
from app.operations import Operations
from app.queries import Queries
from app.read_model import InProcessData, ReadModel
from app.recommendations import LOOK_EVERY as RECOMMEND_EVERY
from app.recommendations import RecommendationDesk
from app.ring_parts import RingParts
from app.savings_parts import SavingParts
from app.schedule import Schedule
from app.settings import Settings
from app.slos import SloDesk
from app.status import StatusBoard
from app.telemetry import Tracing
from app.trace_guests import READ_EVERY, TraceGuests
from collector.alerts_in.endpoints import routes as alert_routes
from collector.alerts_in.intake import WRITE_EVERY as ALERTS_IN_EVERY
from collector.alerts_in.intake import AlertIntake
from collector.endpoints import routes as otlp_routes
from collector.host import HostExporter
from collector.metrics import discovered_targets
from collector.receive import Receiver
from collector.red import RedAggregator
from collector.scrape import Scraper
from collector.targets import Target, TargetStatus
from controller.buffers import nowhere
from controller.capacities import Capacities
from controller.cluster import Cluster
from controller.cluster.known import from_kube_state
from controller.cluster.local import LocalCluster
from controller.cluster.observe import ObserveCluster
from controller.reading import asks_starts
from controller.reconcile import Reconciler
from controller.shadows import Shadows
from cost.prices import cost_per_hour
from dashboard.build import mount
from domain.clock import Clock
from domain.errors import ActuationError, ForetideError, NoDataError
from domain.forecasts import Forecast
from domain.money import Money
from domain.scaling import Workload
from domain.workloads import WorkloadFacts
from forecaster.challenge import Challenges
from forecaster.challengers import Candidate
from forecaster.challengers.onnx_model import OnnxModel
from forecaster.challengers.statistical import Statistical
from forecaster.dask_pool import DaskPool
from forecaster.document_series import DocumentSeries
from forecaster.fit import fit
from forecaster.leads import Leads
from forecaster.leads import plans as lead_plans
from forecaster.memory import Memories
from forecaster.metrics import ClusterMetrics
from forecaster.run import ForecastLoop
from forecaster.together import draw
from forecaster.workers import FitPool, OneShotPool
from kube import ClientMetrics, connect
from rules import RuleSet, RulesFolder
from store.metrics import MetricsStore
from store.promql.endpoints import router as prometheus_router
from store.state import State
from store.traces import TraceStore

log = logging.getLogger(__name__)

RULES_EVERY = timedelta(seconds=2)
"""An edit is picked up within 5 s; a poll of an unchanged folder is one stat per file."""
RED_EVERY = timedelta(seconds=5)
HOST_EVERY = timedelta(seconds=15)
ALERT_RULES_EVERY = timedelta(seconds=1)
"""Looked at; each group of rules is evaluated at its own interval."""
DECIDE_EVERY = timedelta(seconds=15)
"""HPA's own sync period."""
FORECAST_EVERY = timedelta(seconds=60)
LEADS_EVERY = timedelta(seconds=15)
"""Only what has no lead forecast yet is begun here; the decisions' own readings carry the others."""
CHALLENGE_EVERY = timedelta(hours=1)
"""Looked at; each signal is challenged once a day."""
BUDGETS_EVERY = timedelta(minutes=1)
SHADOW_EVERY = timedelta(minutes=1)
FORGET_EVERY = timedelta(hours=1)
RESUME_WITHIN = timedelta(minutes=10)
"""After a longer stop nobody knows whether the replicas of then are those of now."""


class House:
    """The whole system in one process."""

    def __init__(
        self, settings: Settings, *, clock: Clock, version: str, base_url: str, environment: Mapping[str, str]
    ) -> None:
        """Open the stores and build the rest; nothing runs before ``start``.

        Args:
            settings: What was read at start.
            clock: The only one.
            version: Of Foretide.
            base_url: Where this process listens, for the processes of cluster ``local``.
            environment: What those processes start with.

        Raises:
            StoreError: A store cannot be opened.
            SettingsError: The local processes of foretide.yaml do not fit together. Stores that were opened for
                nothing are closed again, whatever is raised.
        """
        self.settings, self._clock, self._version, self._base_url = settings, clock, version, base_url
        with ExitStack() as opened:
            self._build(opened, base_url, environment)
            self._opened = opened.pop_all()

    def _build(self, opened: ExitStack, base_url: str, environment: Mapping[str, str]) -> None:
        """Room after room in the order of the flow; what stands further down is only asked for when it runs."""
        self._build_telemetry(opened)
        self._open_stores(opened)
        self._build_collector(opened)
        self._observed = ObserveCluster(self._number, self._by_pod, usage_api=self._collection is not None)
        self._kubernetes: KubernetesParts | None = None
        self.cluster = self._cluster(base_url, environment)
        self._build_rules()
        self._build_forecaster()
        self._build_controller()
        self.deliveries = DeliveryParts(
            self.settings.delivery, state=self.state, rules=self.running_rules, clock=self._clock,
            pool=ThreadPoolExecutor(THREADS, thread_name_prefix="delivery"), registry=self.registry,
            alive=loops_run(self._tracing.last_ticks.newest), leads=self._leads_the_cluster, base_url=base_url,
        )  # fmt: skip
        self._build_views()
        self._plan_loops()
        self._stop_scraping = asyncio.Event()
        self._scraping: asyncio.Task[None] | None = None

    def _build_telemetry(self, opened: ExitStack) -> None:
        """What Foretide tells about itself, and the schedule, whose ticks are the first of it."""
        self.registry = CollectorRegistry()
        self._client_metrics = ClientMetrics(self.registry)
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        self._tracing = Tracing(version=self._version, otlp_endpoint=self.settings.otlp_endpoint)
        opened.callback(self._tracing.close)
        self.schedule = Schedule(clock=self._clock, registry=self.registry, tracer=self._tracing.tracer("app"))

    def _open_stores(self, opened: ExitStack) -> None:
        """What is kept: samples, spans, and everything else in the state database."""
        settings, folder = self.settings, self.settings.data_dir
        # First what locks the folder: a second Foretide in it shall touch nothing.
        self.metrics = MetricsStore.open(folder / "metrics.db", retention=settings.retention.metrics, clock=self._clock)
        opened.callback(self.metrics.close)
        self.state = State.open(settings.database_url)
        opened.callback(self.state.close)
        self._red = RedAggregator(store=self.metrics, registry=self.registry)
        self.traces = TraceStore.open(
            folder / "traces.db", retention=settings.retention.traces, on_commit=self._red.count
        )
        opened.callback(self.traces.close)
        self._red.resume(self.traces, now=self._clock.now())

    def _build_collector(self, opened: ExitStack) -> None:
        """What comes in: pushed, scraped, or asked from the servers Foretide is a guest of."""
        settings = self.settings
        self.receiver = Receiver(metrics=self.metrics, traces=self.traces, clock=self._clock, registry=self.registry)
        self._alerts_in = AlertIntake(self.metrics, clock=self._clock, registry=self.registry)
        self._host = HostExporter(store=self.metrics, clock=self._clock)
        self.guests = Guests(
            settings.sources, default=settings.default_source, opened=opened, clock=self._clock,
            registry=self.registry, folder=settings.data_dir, rules=self.running_rules,
        )  # fmt: skip
        self._trace_guests = TraceGuests(
            self.traces, self.guests.traces, configs=settings.sources, metrics=self.metrics, rules=self.running_rules
        )
        self.queries = Queries(self.metrics, clock=self._clock, guests=self.guests)
        opened.callback(self.queries.close)
        self._collection = self._in_cluster()
        self._scraper = Scraper(
            jobs=settings.scrape.jobs,
            store=self.metrics,
            clock=self._clock,
            registry=self.registry,
            extra_targets=self._found_targets,
        )

    def _build_rules(self) -> None:
        """The documents, and the keeper that writes down what happens to them."""
        settings = self.settings
        folder = RulesFolder(settings.rules_dir, check_query=self.guests.check_query) if settings.rules_dir else None
        self._documents = self._of_cluster(folder)
        self.rules = EffectiveRules(
            self._documents or folder, workloads=self._workloads, check_query=self.guests.check_query
        )
        self._statuses: ClusterStatuses | None = None
        if self._kubernetes is not None and self._kubernetes.objects is not None and self._documents is not None:
            self._statuses = ClusterStatuses(
                self._kubernetes.objects, documents=self._documents, rules=self.rules,
                writer=self._kubernetes.status_writer(), leads=self._kubernetes.elector.leading,
                tell=self._kubernetes.tell,
                budgets=BudgetStatuses(
                    lambda key: self.running_rules().budget(key), lambda key: self.budgets.held(key),
                    lambda budget, now: self.budgets.look(budget, now),
                ),
            )  # fmt: skip
        self._keeper = Keeper(self.state, clock=self._clock, retention=settings.retention)

    def _build_forecaster(self) -> None:
        """What fits and forecasts, what explains and challenges it, and how far ahead each rule looks."""
        self.fits, self._references = FitPool(1), OneShotPool()
        self.cluster_fits = self._dask_pool()
        self.forecasts = ForecastLoop(
            range_values=self.queries.history,
            documents=DocumentSeries(self.queries.histories),
            save=self._save_forecast,
            pool=self.cluster_fits or self.fits,
            reference_pool=self._references,
            rules=self.running_rules,
            registry=self.registry,
            memories=Memories(save=self._keeper.save_memory, load=self._keeper.memory_of),
        )
        self._explanations = Explanations(
            rules=self.running_rules, latest=self._keeper.latest_forecast, range_values=self.queries.history,
            range_series=self.queries.histories, pool=self._references, clock=self._clock,
        )  # fmt: skip
        self._challenges = Challenges(
            candidates=self._candidates(), named=self.settings.challenged, rules=self.running_rules,
            latest=self._keeper.latest_forecast, range_values=self.queries.history, pool=self._references,
        )  # fmt: skip
        self._leads = Leads(
            history=LoadPast(self.queries), pool=self.fits, registry=self.registry,
            plans=lambda: lead_plans(self.running_rules().rules),
        )  # fmt: skip

    def _build_controller(self) -> None:
        """What decides, and the backtests without which nobody enforces."""
        self.gate = Gate(self._keeper.newest_backtests, clock=self._clock)
        self.capacities = Capacities(self._keeper.capacities())
        self.shadows = Shadows(
            cost_of=self._cost_of, known=self._keeper.shadow_scores(), capacity_of=self.capacities.of,
            startup_of=lambda rule: self._reconciler.startup_of(rule),
        )  # fmt: skip
        self.prices = PriceParts(self.settings, self.queries, self.running_rules, self._clock)
        self._allocations = cost_allocation.wired(self.settings, self.queries, self.prices.prices, self._clock)
        self._cost_hours = HourlyCosts(self._allocations.books, self.state, writes=lambda: not self._follows())
        self._counting = BudgetCounting(
            self.state, hours=self._cost_hours, books=self._allocations.books, rules=self.running_rules,
            follows=self._follows, by_default=self.settings.cluster != "local",
            decisions_kept=self.settings.retention.decisions,
        )  # fmt: skip
        spending, tallies = self._counting.judging
        self.budgets = Budgets(
            rules=self.running_rules, spending=spending, tallies=tallies, state=self.state,
            fit=lambda request: self.fits.submit(fit, request).result(), leads=self._leads_the_cluster,
            burn=lambda rule, now: self._reconciler.burn_of(rule, now),
            cluster=None if self._kubernetes is None else self._kubernetes.budget_hands(),
            hpa_need=HpaNeeds(self.queries.history),
        )  # fmt: skip
        self._resizings = resizing.wired(
            self._kubernetes, self.state, self.queries, rules=self.running_rules,
            burn=lambda rule, now: self._reconciler.burn_of(rule, now),
        )  # fmt: skip
        self.notifying = notifier_wiring.wired(
            self.settings, state=self.state, registry=self.registry, clock=self._clock,
            leads=self._leads_the_cluster, put=lambda session, one: self.deliveries.outbox.put(session, one),
        )  # fmt: skip
        self._rings = RingParts(
            self._kubernetes, settings=self.settings, version=self._version, rules=self.running_rules,
            registry=self.registry,
        )  # fmt: skip
        spending, tallies = self._counting.deciding
        self._reconciler = Reconciler(
            rules=lambda: self.running_rules().rules,
            evaluate=self.queries.signal,
            forecast_of=self._keeper.latest_forecast,
            cluster=self.cluster,
            record=self._record,
            cost_of=self._cost_of,
            registry=self.registry,
            tracer=self._tracing.tracer("controller"),
            outlook_of=self._leads.outlook,
            gate=self.gate.objection,
            rings=self._rings.held,
            keep_buffers=nowhere if self._kubernetes is None else self._kubernetes.cluster.buffers.keep,
            slo_of=lambda key: self.running_rules().slo(key),
            budget_room=BudgetRoom(
                spending, self.running_rules, clock=self._clock, acting=self.budgets, tallies=tallies
            ).of,
            lower=self.budgets.lowered,
            slept=self._keeper.slept,
            cautions_of=self._keeper.cautions,
            by_pod=self.queries.pods,
            place_of=lambda rule: self.running_rules().sources.get(rule.key, ""),
            shadows=self.shadows,
            capacities=self.capacities,
        )
        self.alert_rules = rules_wiring.wired(
            self.settings, queries=self.queries, metrics=self.metrics, registry=self.registry,
            base_url=self._base_url, leads=self._leads_the_cluster, offer=self.notifying.notifier.offer,
            slos=lambda: self.running_rules().slos,
        )  # fmt: skip
        self._cost_outlooks = CostOutlooks(
            self._cost_hours, fit=lambda request: self.fits.submit(fit, request).result(),
            draw=lambda task: self.fits.submit(draw, task).result(),
        )  # fmt: skip
        self._unused = Unused(
            None if self._kubernetes is None else self._kubernetes.connection,
            self.queries,
            self.prices.prices.at,
            self._clock,
        )
        self._commitments = LiveCommitments(self.prices, lambda request: self.fits.submit(fit, request).result())
        self.recommendations = RecommendationDesk(
            state=self.state, allocations=self._allocations, queries=self.queries, rules=self.running_rules,
            leads=self._leads_the_cluster, survey=lambda now: self._unused.surveyed().survey,
            spot=lambda: None if self._kubernetes is None else read_spot(self._kubernetes.connection),
            plans=lambda: self._commitments.of(Terms()),
        )  # fmt: skip
        self._savings = SavingParts(
            self.state, self.recommendations, self._cost_hours, self.queries, self._allocations,
            rules=self.running_rules, leads=self._leads_the_cluster, twins_of=self.settings.twins,
        )  # fmt: skip
        self.operations = Operations(clock=self._clock)
        self._backtests = RunningBacktests(
            rules=self.running_rules, queries=self.queries, state=self.state, cluster=self.cluster,
            operations=self.operations, clock=self._clock, learned=self.gate.forget,
        )  # fmt: skip

    def _build_views(self) -> None:
        """What people and programs see."""
        self.status = StatusBoard(
            version=self._version, settings=self.settings, cluster=self.cluster.name, rules=self.running_rules,
            mistakes=lambda: [
                *self.rules.mistakes, *self.alert_rules.loaded.mistakes,
                *unknown_receivers(self.settings.routes, self.running_rules().receivers, self.settings.config_path),
            ],
            left_out=lambda: self.rules.left_out,
            targets=self._target_statuses,
            forecasts=self.forecasts.status, metrics=self.metrics, traces=self.traces, state=self.state,
            schedule=self.schedule, ticks=self._tracing.last_ticks, clock=self._clock,
            sources=self.guests.views, rings=self._rings.status,
            lease=lambda: "" if self._kubernetes is None else self._kubernetes.elector.problem,
            prices=self.prices.files.states,
        )  # fmt: skip
        self._model = ReadModel(
            rules=self.running_rules, queries=self.queries, state=self.state, cluster=self.cluster,
            status=self.status.brief, explain=self._explanations.of, clock=self._clock,
            shadow=self.shadows.of,
        )  # fmt: skip
        self_metrics.expose(self.registry, version=self._version, metrics=self.metrics, traces=self.traces)

    def application(self) -> FastAPI:
        """The ASGI application with every door; it starts and stops the loops of a prepared house with its own life."""
        sources = Sources(
            model=self._model, rules=self.running_rules, state=self.state,
            budgets=self.budgets, traces=self._trace_guests,
            forecast_status=self.forecasts.status,
            explanations=self._explanations, challenges=self._challenges.of,
            questions=ForecastQuestions(rules=self.running_rules, queries=self.queries, state=self.state),
            status=self.status.full, shadow=self.shadows.of, clock=self._clock, queries=self.queries,
            backtests=BacktestDoor(
                running=self._backtests, operations=self.operations, state=self.state, rules=self.running_rules
            ),
            allocations=self._allocations,
            cost_outlooks=self._cost_outlooks,
            prices=self.prices, unused=self._unused, recommendations=self.recommendations,
            commitments=self._commitments, savings=self._savings.savings, own_cost=self._savings.own,
            slos=SloDesk(self.queries, clock=self._clock), deliveries=self.deliveries,
            cluster=None if self._kubernetes is None else self._kubernetes.connection,
        )  # fmt: skip
        application = api.build(
            sources=sources,
            probes=self.status,
            registry=self.registry,
            version=self._version,
            start=self.start,
            stop=self.stop,
            prometheus=rules_endpoints.add(
                prometheus_router(self.queries.evaluator, self.metrics, self._clock),
                self.alert_rules.groups,
                self.alert_rules.broken,
            ),
            otlp=[*otlp_routes(self.receiver), *alert_routes(self._alerts_in)],
        )
        mount(application, InProcessData(self._model), version=self._version)
        return application

    def running_rules(self) -> RuleSet:
        """The rules that run now."""
        return self.rules.running

    def prepare(self) -> None:
        """Read the rules and start the processes of cluster ``local``: the part of the start that can fail.

        Raises:
            StoreError: The state database does not take a line.
            UnavailableError: The processes' logs cannot be written.
        """
        now = self._clock.now()
        self._keeper.note("start", "foretide", {"cluster": self.cluster.name, "version": self._version})
        self._poll_rules(now)
        if isinstance(self.cluster, LocalCluster):
            self._start_processes(self.cluster, now)
        if self._kubernetes is not None:
            self._kubernetes.start()
        if self._collection is not None:
            self._collection.start()

    async def start(self) -> None:
        """Start the scraper and the loops."""
        self._scraping = asyncio.create_task(self._scraper.run(self._stop_scraping), name="scraper")
        self.schedule.start()
        log.info(
            "foretide runs",
            extra={"cluster": self.cluster.name, "rules": len(self.running_rules().rules), "version": self._version},
        )

    async def stop(self) -> None:
        """Stop everything in the opposite order; what was acknowledged is on disk afterwards."""
        self._stop_scraping.set()
        ending = [asyncio.to_thread(self._close_workers), *([self._scraping] if self._scraping else [])]
        for failure in await asyncio.gather(*ending, return_exceptions=True):
            if isinstance(failure, Exception):
                log.error("a part did not end well", exc_info=failure)
        await asyncio.to_thread(self._say_goodbye)
        await asyncio.to_thread(self.close)
        log.info("foretide has stopped")

    def close(self) -> None:
        """End processes, close stores; for a house that was never started, this is all. Again does nothing."""
        self._close_workers()
        self._opened.close()

    def _in_cluster(self) -> ClusterCollection | None:
        """What is collected from a Kubernetes cluster, over a connection of the collector's own."""
        config, discovered = self.settings.kubernetes, discovered_targets(self.registry)
        if config is None:
            return None
        return ClusterCollection(
            connect(config.access, clock=self._clock, metrics=self._client_metrics),
            cluster=config.access.context or "in-cluster",
            own_namespace=config.namespace, collect=config.collect, labels=config.collect_labels,
            jobs=self.settings.scrape.jobs, store=self.metrics, queries=self.queries, clock=self._clock,
            discovered=discovered,
        )  # fmt: skip

    def _found_targets(self) -> list[Target]:
        """Replicas of a local cluster, and what discovery found in a Kubernetes cluster."""
        local = local_processes.scrape_targets(self.cluster, self.settings.scrape)
        return [*local, *(self._collection.targets() if self._collection is not None else ())]

    def _target_statuses(self) -> list[TargetStatus]:
        in_cluster = [] if self._collection is None else self._collection.statuses()
        return [*self._scraper.targets(), self._host.status, *in_cluster]

    def _cluster(self, base_url: str, environment: Mapping[str, str]) -> Cluster:
        if self.settings.cluster == "local":
            return local_processes.cluster(self.settings, base_url=base_url, environment=environment)
        if self.settings.kubernetes is not None:
            self._kubernetes = KubernetesParts(
                self.settings.kubernetes, metrics=self._observed, clock=self._clock, counts=self._client_metrics
            )
            return self._kubernetes.cluster
        return self._observed

    def _of_cluster(self, folder: RulesFolder | None) -> AllDocuments | None:
        """The folder's documents and the cluster's; None where the cluster's are not asked for."""
        if self._kubernetes is None or self._kubernetes.objects is None:
            return None
        return AllDocuments(folder, self._kubernetes.objects, check_query=self.guests.check_query)

    def _by_pod(self, expr: str) -> Mapping[str, float]:
        return self.queries.by_pod(expr, self._clock.now())

    def _workloads(self) -> tuple[WorkloadFacts, ...]:
        """What policies choose from."""
        if self.settings.cluster == "local":
            return local_processes.known(self.settings)
        if self._kubernetes is not None:
            return self._kubernetes.cluster.known()
        now = self._clock.now()
        return from_kube_state(lambda expr: [dict(labels) for labels in self.queries.instant(expr, now)])

    def _dask_pool(self) -> DaskPool | None:
        metrics = ClusterMetrics(self.registry)
        if self.settings.dask is None:
            return None
        return DaskPool(self.settings.dask, local=self.fits, metrics=metrics)

    def _candidates(self) -> list[Candidate]:
        makers: dict[str, Callable[[], Candidate]] = {
            "statsforecast": Statistical,
            "onnx": lambda: OnnxModel(self.settings.onnx_model or Path()),
        }  # fmt: skip
        return [makers[name]() for name in self.settings.challengers]

    def _number(self, expr: str) -> float | None:
        try:
            return self.queries.number(expr, self._clock.now()).value
        except NoDataError:
            return None

    def _cost_of(self, workload: Workload, replicas: int) -> Money | None:
        sheet = self.running_rules().price_sheet
        if sheet is None or not workload.requests:
            return None
        return cost_per_hour(workload.requests, replicas, sheet)

    def _plan_loops(self) -> None:
        plan = self.schedule.every
        soon = timedelta(seconds=1)
        plan(RULES_EVERY, "rules", self._poll_rules, first_after=RULES_EVERY)
        plan(RED_EVERY, "red", self._red.tick, first_after=RED_EVERY)
        plan(HOST_EVERY, "host", self._host.tick)
        plan(ALERTS_IN_EVERY, "alerts_in", self._alerts_in.tick, first_after=soon)
        plan(ALERT_RULES_EVERY, "alert_rules", self.alert_rules.tick, first_after=soon)
        if self._collection is not None:
            self._collection.plan(self.schedule)
        plan(FORECAST_EVERY, "forecast", self.forecasts.tick, first_after=soon)
        if self.settings.challengers:
            plan(CHALLENGE_EVERY, "challenge", self._challenges.tick, first_after=timedelta(minutes=10))
        # After the first forecast, so that the first decision already stands on it where there is history.
        plan(DECIDE_EVERY, "decide", self.decide, first_after=3 * soon)
        # After the first decision, which tells how far ahead to look.
        plan(LEADS_EVERY, "leads", self._leads.tick, first_after=5 * soon)
        if self.guests.by_name:
            plan(BACKFILL_EVERY, "backfill", self.guests.backfill, first_after=soon)
        if self._trace_guests.names:
            plan(READ_EVERY, "trace_red", self._trace_guests.tick, first_after=READ_EVERY)
        if self.guests.writes:
            plan(WRITE_EVERY, "remote_write", self.guests.write, first_after=WRITE_EVERY)
        if self._statuses is not None:
            plan(DECIDE_EVERY, "status", self._statuses.tick, first_after=10 * soon)
        if self.prices.has_files:
            plan(PRICES_EVERY, "prices", self.prices.files.tick, first_after=soon)
        self.notifying.plan(self.schedule)
        plan(BUDGETS_EVERY, "budgets", self.budgets.tick, first_after=20 * soon)
        plan(RECOMMEND_EVERY, "recommendations", self.recommendations.tick, first_after=RECOMMEND_EVERY)
        if self._resizings is not None:
            plan(BUDGETS_EVERY, "resizings", self._resizings.tick, first_after=30 * soon)
        plan(SHADOW_EVERY, "shadow", self._save_memories, first_after=SHADOW_EVERY)
        plan(COST_HOURS_EVERY, "cost_hours", self._cost_hours.tick, first_after=30 * soon)
        self._savings.plan(self.schedule)
        plan(DELIVER_EVERY, "deliver", self.deliveries.tick, first_after=soon)
        plan(FORGET_EVERY, "forget_deliveries", self.deliveries.forget, first_after=timedelta(minutes=6))
        plan(COST_HOURS_EVERY, "cost_live", self._counting.live.tick, first_after=15 * soon)
        plan(timedelta(hours=1), "budget_totals", self._counting.tick, first_after=timedelta(minutes=4))
        plan(FORGET_EVERY, "forget", self._keeper.forget, first_after=timedelta(minutes=5))

    def _start_processes(self, running: LocalCluster, now: datetime) -> None:
        """As many replicas as before a short stop: a restart must not release capacity either."""
        for rule in self.running_rules().rules:
            before = self._keeper.replicas_before(rule.key, since=now - RESUME_WITHIN)
            if before is None:
                continue
            try:
                running.scale(rule.target, before)
            except ActuationError as error:
                log.info("replicas not resumed", extra={"rule": rule.key, "error": str(error)})
        running.start()

    def _poll_rules(self, now: datetime) -> None:
        if self.rules.poll(now):
            self._keeper.rules_changed(self.rules.running, now)
            self._expect()

    def _save_memories(self, now: datetime) -> None:
        """What a crash may cost of scores and capacities is a minute, which a longer gap would not count anyway."""
        del now
        if self._follows():
            return
        self._keeper.save_shadows(self.shadows.all())
        self._keeper.save_capacities(self.capacities.all())

    def decide(self, now: datetime) -> None:
        """One decision for each rule; none while rules of the cluster may be there that nobody has read yet."""
        if self._documents is not None and not self._documents.known:
            return
        self._reconciler.tick(now)

    def _leads_the_cluster(self) -> bool:
        """Without a cluster to share there is nobody else."""
        return self._kubernetes is None or self._kubernetes.elector.leading()

    def _record(self, made: Sequence[Made]) -> dict[str, str]:
        if self._statuses is not None:
            failed = {one.rule: deed.error for one, deed in made if deed is not None and deed.error}
            self._statuses.decided([decision for decision, _ in made], failed)
        if self._follows():
            return {}  # the leader writes down what it decides of the same rules
        return self._keeper.record_decisions(made)

    def _follows(self) -> bool:
        """Whether another process leads; this one keeps its memory warm, so that it can go on at once."""
        return self._kubernetes is not None and self._kubernetes.follows()

    def _expect(self) -> None:
        """Tell the sources what will be asked of them, so that it can be put together."""
        also: set[str] = set()
        if not isinstance(self.cluster, LocalCluster):
            rules, asking = self.running_rules().rules, self._observed
            also = {query for rule in rules for query in asking.queries_of(rule.target)}
            ahead = (rule for rule in rules if asks_starts(rule))
            also |= {query for rule in ahead for query in asking.start_queries_of(rule.target)}
            used = ((rule.target, one.resource) for rule in rules for one in rule.spec.triggers if one.resource)
            for ref, resource in used:
                also |= set(asking.pod_queries_of(ref, resource.name, resource.container))
        self.guests.expect(also)
        self.queries.expect(self.guests.asked_here())

    def _save_forecast(self, forecast: Forecast) -> None:
        self._keeper.save_forecast(forecast)
        self.guests.offer(forecast)

    def _close_workers(self) -> None:
        # The loops first: a decision that comes while the processes end would only fail.
        self.schedule.stop()
        self.operations.close()
        self.deliveries.close()
        self.notifying.close()
        self._cost_outlooks.close()
        if self.cluster_fits is not None:
            self.cluster_fits.shutdown(wait=False)
        for pool in (self._references, self.fits):
            pool.shutdown(wait=False, cancel_futures=True)
        if isinstance(self.cluster, LocalCluster):
            self.cluster.close()
        if self._kubernetes is not None:
            self._kubernetes.close()
        if self._collection is not None:
            self._collection.close()

    def _say_goodbye(self) -> None:
        try:
            self._red.tick(self._clock.now())
            self._save_memories(self._clock.now())
            self._keeper.note("stop", "foretide", {})
        except ForetideError as error:
            log.warning("the end could not be written down", extra={"error": str(error)})
