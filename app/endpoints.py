"""`/api/v1`: every list needs no parameter, answers 200 also when empty, and comes in the envelope."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, TypeVar

from fastapi import APIRouter, Query
from starlette.exceptions import HTTPException

from app import (
    backtest_endpoints,
    budget_endpoints,
    cost_commitments_endpoint,
    cost_endpoints,
    cost_forecast_endpoints,
    cost_model_endpoint,
    cost_prices,
    cost_sizing,
    cost_spot,
    cost_unused,
    explain_endpoints,
    explanation_views,
    forecast_endpoints,
    recommendations_endpoints,
    resizing_endpoints,
    savings_endpoints,
    slo_endpoints,
)
from app.alerting import delivery_endpoints, silences_endpoints
from app.alerting.deliveries import DeliveryParts
from app.alerting.silences import SilenceDesk
from app.backtest_endpoints import BacktestDoor
from app.budget_loop import Budgets
from app.cost_allocation import Allocations
from app.cost_commitments_live import LiveCommitments
from app.cost_outlook import CostOutlooks
from app.cost_prices import PriceParts
from app.cost_unused import Unused
from app.envelope import ERROR_RESPONSES, Ok, Page, ok, page_of
from app.explanations import Explanations
from app.forecast_questions import ForecastQuestions
from app.own_cost import OwnCosts
from app.queries import Queries
from app.read_model import ReadModel
from app.recommendations import RecommendationDesk
from app.savings import Savings
from app.shadow_view import view_of
from app.slos import SloDesk
from app.trace_guests import TraceGuests
from app.views import (
    DecisionView,
    DecompositionView,
    ForecastStatusView,
    ForecastView,
    RuleView,
    ServiceView,
    SignalView,
    SpanView,
    StatusView,
    TargetView,
    TraceView,
)
from dashboard.contract import RowState
from domain.clock import Clock, from_ms, to_ms
from domain.errors import (
    HistoryTooShortError,
    NoDataError,
    QuerySourceError,
    QueryTimeoutError,
    UnknownSourceError,
)
from domain.scaling import Decision
from domain.shadow import ShadowScore
from forecaster.challenge import Challenge
from forecaster.signal_state import SignalStatus
from kube import Connection
from rules import RuleSet
from rules.provenance import provenance
from rules.ruleset import source_key
from rules.schema import ScalingRule
from store.state import DecisionLedger, ForecastShelf, State
from store.traces import TraceSummary
from store.tracing import Search

T = TypeVar("T")
PageNumber = Annotated[int, Query(ge=1, le=10_000, description="Counts from 1.")]
Limit = Annotated[int, Query(ge=1, le=200, description="Items per page.")]
_MAX_TRACES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What the endpoints read from; all of it is thread-safe."""

    model: ReadModel
    rules: Callable[[], RuleSet]
    state: State
    budgets: Budgets
    traces: TraceGuests
    forecast_status: Callable[[], Mapping[str, SignalStatus]]
    explanations: Explanations
    challenges: Callable[[str], Sequence[Challenge]]
    questions: ForecastQuestions
    status: Callable[[], StatusView]
    shadow: Callable[[str], ShadowScore | None]
    clock: Clock
    backtests: BacktestDoor
    allocations: Allocations
    cost_outlooks: CostOutlooks
    prices: PriceParts
    commitments: LiveCommitments
    cluster: Connection | None
    unused: Unused
    queries: Queries
    recommendations: RecommendationDesk
    savings: Savings
    own_cost: OwnCosts
    slos: SloDesk
    deliveries: DeliveryParts


def router(sources: Sources) -> APIRouter:
    """The routes of `/api/v1`."""
    api = APIRouter(prefix="/api/v1", responses=ERROR_RESPONSES)
    for add in (_add_services_and_rules, _add_decisions, _add_forecasts_and_signals, _add_traces, _add_overviews):
        add(api, sources)
    api.include_router(forecast_endpoints.router(sources.questions, sources.clock))
    api.include_router(explain_endpoints.router(sources.state, sources.rules, sources.shadow, sources.clock))
    api.include_router(backtest_endpoints.router(sources.backtests))
    api.include_router(cost_endpoints.router(sources.allocations, sources.clock))
    api.include_router(cost_forecast_endpoints.router(sources.cost_outlooks, sources.clock))
    api.include_router(cost_prices.router(sources.prices))
    api.include_router(cost_commitments_endpoint.router(sources.commitments))
    api.include_router(cost_spot.router(sources.prices, sources.commitments, sources.cluster))
    api.include_router(cost_model_endpoint.router(sources.prices.model, sources.clock))
    api.include_router(cost_sizing.router(sources.queries, sources.allocations, sources.clock))
    api.include_router(cost_unused.router(sources.unused))
    api.include_router(resizing_endpoints.router(sources.state, sources.clock))
    api.include_router(recommendations_endpoints.router(sources.recommendations, sources.clock))
    api.include_router(savings_endpoints.router(sources.savings, sources.own_cost, sources.clock))
    api.include_router(slo_endpoints.router(sources.slos, sources.rules))
    api.include_router(delivery_endpoints.router(sources.deliveries))
    api.include_router(silences_endpoints.router(SilenceDesk(sources.state, sources.clock), sources.clock))
    api.include_router(budget_endpoints.router(sources.budgets, sources.rules, sources.clock))
    return api


def _add_services_and_rules(api: APIRouter, sources: Sources) -> None:
    @api.get("/services", operation_id="listServices")
    def services(page: PageNumber = 1, limit: Limit = 20) -> Page[ServiceView]:
        """Every known service: those with a rule, and those seen in traces only."""
        return _paged([ServiceView.model_validate(row) for row in sources.model.fleet()], page, limit)

    @api.get("/services/{namespace}/{name}", operation_id="getService")
    def service(namespace: str, name: str) -> Ok[ServiceView]:
        """One service."""
        for row in sources.model.fleet():
            if (row.namespace, row.name) == (namespace, name):
                return ok(ServiceView.model_validate(row))
        raise HTTPException(404, f"no service {namespace}/{name}")

    @api.get("/rules", operation_id="listRules")
    def rules(page: PageNumber = 1, limit: Limit = 20) -> Page[RuleView]:
        """The running rules; mistakes in documents that do not run stand in /status."""
        running = sources.rules()
        shown = running.rules[(page - 1) * limit : page * limit]
        rows = {row.rule: row.state for row in sources.model.fleet()}
        views = [
            _rule_view(rule, running, rows, decision, sources.shadow(rule.key))
            for rule, decision in _latest(sources.state, shown)
        ]
        return page_of(views, page=page, limit=limit, total=len(running.rules))


def _add_decisions(api: APIRouter, sources: Sources) -> None:
    @api.get("/decisions", operation_id="listDecisions")
    def decisions(
        page: PageNumber = 1,
        limit: Limit = 20,
        rule: Annotated[str | None, Query(description="Only of this rule, namespace/name.")] = None,
        changes_only: Annotated[bool, Query(description="Leave out those that hold.")] = False,
    ) -> Page[DecisionView]:
        """Decisions, newest first, each with its whole why."""
        if page * limit > 10_000:
            raise HTTPException(422, "page × limit may be at most 10,000; narrow the list with rule or changes_only")
        with sources.state.transaction() as session:
            found, total = DecisionLedger(session).page(
                rule=rule, changes_only=changes_only, limit=limit, offset=(page - 1) * limit
            )
        return page_of([DecisionView.model_validate(one) for one in found], page=page, limit=limit, total=total)

    @api.get("/decisions/{decision_id}", operation_id="getDecision")
    def decision(decision_id: str) -> Ok[DecisionView]:
        """One decision."""
        with sources.state.transaction() as session:
            found = DecisionLedger(session).get(decision_id)
        if found is None:
            raise HTTPException(404, f"no decision {decision_id}")
        return ok(DecisionView.model_validate(found))


def _add_forecasts_and_signals(api: APIRouter, sources: Sources) -> None:
    @api.get("/forecasts", operation_id="listForecasts")
    def forecasts(
        page: PageNumber = 1,
        limit: Limit = 20,
        of: Annotated[
            str | None, Query(max_length=400, description="Of namespace/rule/trigger, or of namespace/document.")
        ] = None,
    ) -> Page[ForecastView]:
        """The newest forecast of each signal."""
        with sources.state.transaction() as session:
            found, total = ForecastShelf(session).page(limit=limit, offset=(page - 1) * limit, of=of)
        known = sources.forecast_status()
        views = [
            ForecastView.of(one, _forecast_status(known.get(one.signal)), sources.challenges(one.signal))
            for one in found
        ]
        return page_of(views, page=page, limit=limit, total=total)

    @api.get("/forecasts/{signal:path}/decomposition", operation_id="getForecastDecomposition")
    def decomposition(signal: str) -> Ok[DecompositionView]:
        """Why the newest forecast of a signal looks as it does; takes some seconds the first time."""
        try:
            found = sources.explanations.of(signal)
        except (HistoryTooShortError, NoDataError) as error:
            raise HTTPException(404, f"{signal} cannot be taken apart yet: {error}") from error
        if found is None:
            raise HTTPException(404, f"no running rule or document asks for a forecast {signal}")
        return ok(explanation_views.api_view(found))

    @api.get("/signals", operation_id="listSignals")
    def signals(page: PageNumber = 1, limit: Limit = 20) -> Page[SignalView]:
        """What every trigger read at its rule's newest decision."""
        running = sources.rules().rules
        views = [view for rule, newest in _latest(sources.state, running) for view in _signal_views(rule, newest)]
        return _paged(views, page, limit)


def _add_traces(api: APIRouter, sources: Sources) -> None:
    @api.get("/traces", operation_id="listTraces")
    def traces(
        page: PageNumber = 1,
        limit: Limit = 20,
        service: Annotated[str | None, Query(description="Only traces with a span of this service.")] = None,
        operation: Annotated[str | None, Query(description="Only traces with a span of this name.")] = None,
        min_duration_seconds: Annotated[float | None, Query(ge=0, description="Of the whole trace.")] = None,
        source: Annotated[str | None, Query(description="A Jaeger or Tempo of foretide.yaml; default our own.")] = None,
    ) -> Page[TraceView]:
        """Recent traces of the last hour, newest first; at most 200 are looked at."""
        now = sources.clock.now()
        wanted = Search(
            service=service, operation=operation, min_duration_seconds=min_duration_seconds,
            start_ms=to_ms(now - timedelta(hours=1)), end_ms=to_ms(now), limit=_MAX_TRACES,
        )  # fmt: skip
        found = _read_through(lambda: sources.traces.search(wanted, source))
        return _paged([_trace_view(one) for one in found], page, limit)

    @api.get("/traces/{trace_id}", operation_id="getTrace")
    def trace(
        trace_id: str,
        source: Annotated[str | None, Query(description="Where it is; default wherever it is known.")] = None,
    ) -> Ok[list[SpanView]]:
        """All spans of one trace, by start."""
        spans = _read_through(lambda: sources.traces.trace(trace_id.lower(), source))
        if not spans:
            raise HTTPException(404, f"no trace {trace_id}")
        return ok([
            SpanView(
                trace_id=span.trace_id, span_id=span.span_id, parent_span_id=span.parent_span_id, name=span.name,
                kind=span.kind.value, status=span.status.value, service=span.service,
                start=from_ms(span.start_ns // 1_000_000), duration_seconds=span.duration_seconds,
                attributes=dict(span.attributes),
            )
            for span in spans
        ])  # fmt: skip


def _add_overviews(api: APIRouter, sources: Sources) -> None:
    @api.get("/status", operation_id="getStatus")
    def status() -> Ok[StatusView]:
        """How Foretide itself is doing: rules, targets, stores, loops."""
        return ok(sources.status())


def _read_through(ask: Callable[[], T]) -> T:
    """What another store answers; one that is not there is 404, one that does not answer is 503."""
    try:
        return ask()
    except UnknownSourceError as error:
        raise HTTPException(404, str(error)) from error
    except (QuerySourceError, QueryTimeoutError) as error:
        raise HTTPException(503, str(error)) from error


def _paged(items: Sequence[T], page: int, limit: int) -> Page[T]:
    return page_of(items[(page - 1) * limit : page * limit], page=page, limit=limit, total=len(items))


def _latest(state: State, rules: Sequence[ScalingRule]) -> list[tuple[ScalingRule, Decision | None]]:
    with state.transaction() as session:
        ledger = DecisionLedger(session)
        return [(rule, ledger.latest(rule.key)) for rule in rules]


def _rule_view(
    rule: ScalingRule,
    running: RuleSet,
    states: dict[str | None, RowState],
    newest: Decision | None,
    shadow: ShadowScore | None,
) -> RuleView:
    return RuleView(
        key=rule.key,
        namespace=rule.metadata.namespace,
        name=rule.metadata.name,
        target=TargetView.model_validate(rule.target),
        mode=rule.spec.mode,
        source=running.sources.get(source_key(rule), ""),
        spec=rule.spec.model_dump(mode="json", by_alias=True, exclude_none=True),
        provenance=provenance(rule, running),
        state=states.get(rule.key, RowState.INACTIVE),
        reason=newest.reason if newest else None,
        message=newest.message if newest else None,
        shadow=view_of(shadow),
    )


def _signal_views(rule: ScalingRule, newest: Decision | None) -> Iterator[SignalView]:
    read = {one.trigger: one for one in newest.proposals} if newest else {}
    for trigger in rule.spec.triggers:
        one = read.get(trigger.name)
        yield SignalView(
            signal=f"{rule.key}/{trigger.name}",
            rule=rule.key,
            trigger=trigger.name,
            kind=trigger.kind,
            query=trigger.query.expr if trigger.query is not None else None,
            value=one.value if one else None,
            unit=one.unit if one else "",
            target=one.target if one else None,
            as_of=one.as_of if one else None,
            missing=one.missing if one else True,
            reason=one.reason if one else (newest.message if newest else "not decided yet"),
            decided_at=newest.at if newest else None,
        )


def _trace_view(one: TraceSummary) -> TraceView:
    return TraceView(
        trace_id=one.trace_id,
        root_service=one.root_service,
        root_operation=one.root_operation,
        start=from_ms(one.start_ns // 1_000_000),
        duration_seconds=one.duration_seconds,
        span_count=one.span_count,
        error_count=one.error_count,
        services=list(one.services),
    )


def _forecast_status(status: SignalStatus | None) -> ForecastStatusView | None:
    if status is None:
        return None
    return ForecastStatusView(**ForecastStatusView.fields_of(status))
