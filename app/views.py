"""What ``/api/v1`` answers, as pydantic models: OpenAPI tells the truth, and domain types stay free of JSON.

Money is ``{"amount": "0.0251", "currency": "USD"}`` with the amount as text, instants are RFC 3339 in UTC, durations
are seconds in the field's name.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_serializer

from app.cost_price_view import PriceSourceView
from dashboard.contract import RowState
from domain.forecasts import Forecast
from domain.scaling import Mode, Outcome, Reason
from forecaster.challenge import Challenge
from forecaster.signal_state import SignalStatus


class _View(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class MoneyView(_View):
    """An amount in a currency."""

    amount: Decimal
    currency: str

    @field_serializer("amount", when_used="json")
    def _written_out(self, amount: Decimal) -> str:
        """Never ``0E-8``, and none of the zeros that exact arithmetic leaves behind the cents."""
        whole, point, part = f"{amount:f}".partition(".")
        return whole + point + part.rstrip("0").ljust(min(2, len(part)), "0")


class TargetView(_View):
    """The workload a rule is about."""

    kind: str
    namespace: str
    name: str


class ProposalView(_View):
    """What one trigger asked for."""

    trigger: str
    kind: str
    replicas: int | None
    value: float | None
    target: float | None
    unit: str
    reason: str
    as_of: datetime | None
    missing: bool
    completeness: float | None


class TraceLineView(_View):
    """One stage of a decision."""

    stage: str
    replicas: int | None
    message: str


class DecisionView(_View):
    """One decision with its whole why."""

    id: str
    rule: str
    target: TargetView
    mode: Mode
    at: datetime
    current_replicas: int | None
    ready_replicas: int | None
    desired_replicas: int | None
    reactive_replicas: int | None
    forecast_replicas: int | None
    outcome: Outcome
    reason: Reason
    message: str
    limited_by: list[str]
    proposals: list[ProposalView]
    trace: list[TraceLineView]
    cost_per_hour: MoneyView | None
    cost_change_per_hour: MoneyView | None
    hpa_only_replicas: int | None
    with_forecast_replicas: int | None


class DecisionSummary(_View):
    """The decision that a service last moved by."""

    id: str
    at: datetime
    from_replicas: int | None
    to_replicas: int | None
    outcome: Outcome
    reason: Reason
    message: str


class PeakView(_View):
    """Highest value of a forecast quantile within the horizon."""

    value: float
    at: datetime
    quantile: float


class ServiceView(_View):
    """One service: its load, replicas, RED figures, cost and last decision."""

    namespace: str
    name: str
    rule: str | None
    mode: Mode | None
    state: RowState
    current_replicas: int | None
    ready_replicas: int | None
    desired_replicas: int | None
    min_replicas: int | None
    max_replicas: int | None
    load: float | None
    load_unit: str
    request_rate: float | None
    error_ratio: float | None
    p95_latency_seconds: float | None
    forecast_peak: PeakView | None
    cost_per_hour: MoneyView | None
    last_decision: DecisionSummary | None
    generated_until: datetime | None


class ShadowSideView(BaseModel):
    """What one of the two came to."""

    replica_hours: float
    violated_minutes: float
    cost: MoneyView | None


class ShadowView(BaseModel):
    """What a rule that does not act would have done, beside what ran."""

    since: datetime
    at: datetime
    replicas: int
    counted_hours: float
    judged_hours: float
    shadow: ShadowSideView
    real: ShadowSideView
    sentence: str


class RuleView(BaseModel):
    """One running rule: where it stands, what it says, and how its newest decision went."""

    key: str
    namespace: str
    name: str
    target: TargetView
    mode: Mode
    source: str
    spec: dict[str, Any]
    provenance: dict[str, str]
    state: RowState
    reason: Reason | None
    message: str | None
    shadow: ShadowView | None


class HorizonAccuracyView(_View):
    """How well the served model did up to a distance ahead; null where the history cannot tell."""

    until_seconds: float = Field(description="End of the band, which begins at the first step.")
    wape: float | None
    mase: float | None = Field(description="Scaled by seasonal naive inside the history before the first origin.")
    pinball: float | None = Field(description="Mean over the quantiles, in the signal's unit.")
    coverage_95: float | None = Field(description="Share of actuals at or below the 0.95 quantile.")
    skill_vs_naive: float | None = Field(description="1 − error ÷ that of the last value held.")
    skill_vs_seasonal_naive: float | None = Field(description="1 − error ÷ that of the last season repeated.")


class BacktestView(_View):
    """What the rolling backtest found."""

    wape: float
    coverage: dict[float, float]
    origins: int
    wape_by_model: dict[str, float]
    by_horizon: list[HorizonAccuracyView] = Field(description="The served model by how far ahead, nearest first.")


class ChallengeView(_View):
    """A model from elsewhere, held against the served one from the same origins; never served."""

    name: str
    made_at: datetime
    wape: float | None
    coverage_95: float | None = Field(description="Share of actuals at or below its 0.95 quantile.")
    served_model: str
    served_wape: float | None = Field(description="Of the served model from the same origins.")
    origins: int
    error: str


class ServedErrorsView(_View):
    """How the forecasts that were served did at one range of horizons, over the rolling window."""

    first_seconds: float = Field(description="Distance of the range's first step.")
    last_seconds: float = Field(description="Of its last.")
    known: int = Field(description="Forecasts whose truth came.")
    wape: float | None
    coverage: dict[float, float] = Field(description="Share of what came at or below each quantile as it was served.")
    moved: bool = Field(description="Whether the range's quantiles are moved by these errors now.")


class CombinationView(_View):
    """Of what a forecast is made on one stretch of its horizon."""

    until_seconds: float = Field(description="End of the stretch, which begins where the one before ends.")
    members: list[str]
    weights: dict[str, float] = Field(description="Of each member; empty where their median is served.")


class ForecastStatusView(BaseModel):
    """How the forecasting of a signal goes."""

    last_success: datetime | None
    last_error: str
    reference_error: str
    next_due: datetime
    next_refit: datetime | None = Field(description="When it is fitted again for its age; an event may come before.")
    refit_reason: str = Field(
        description="Why it was fitted last: start, plan, age, grown, moved, level_shift, coverage, backfill or gap."
    )
    served_coverage: dict[float, float] = Field(description="All ranges alike; empty before the first truth came.")
    served_errors: list[ServedErrorsView] = Field(description="By range of horizons, nearest first.")
    recalibrated: bool = Field(description="The coverage is off and quantiles are moved.")
    level_shift: datetime | None = Field(description="First step of a new level while naive is served for it.")

    @classmethod
    def fields_of(cls, status: SignalStatus) -> dict[str, Any]:
        """Of a status of the loop."""
        step = status.step.total_seconds()
        told = (
            "last_success", "last_error", "reference_error", "next_due", "next_refit", "refit_reason",
            "recalibrated", "level_shift",
        )  # fmt: skip
        return {
            **{name: getattr(status, name) for name in told},
            "served_coverage": dict(status.served_coverage),
            "served_errors": [
                ServedErrorsView(
                    first_seconds=one.first * step, last_seconds=one.last * step, known=one.known, wape=one.wape,
                    coverage=dict(one.coverage), moved=one.moved,
                )
                for one in status.served_errors
            ],
        }  # fmt: skip


class SignalForecastView(ForecastStatusView):
    """The same, for a list: also for signals that were never forecast, with the reason."""

    signal: str


def _listed(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else value


Numbers = Annotated[list[float], BeforeValidator(_listed)]
Rows = Annotated[list[list[float]], BeforeValidator(_listed)]


class QualityView(_View):
    """What a forecast stands on."""

    history_steps: int = Field(description="From the first measured step to the last.")
    missing_ratio: float = Field(description="Share of these that were not measured.")
    cold_start: bool = Field(description="The fit knew less than two seasons.")
    level_shift: datetime | None = Field(description="First step of a new level while naive is served for it.")


class ForecastView(BaseModel):
    """The newest forecast of a signal: step ``i`` lies at ``cutoff + (i + 1) · step_seconds``."""

    signal: str
    model: str
    made_at: datetime
    cutoff: datetime
    step_seconds: float
    season_seconds: float | None
    history_start: datetime
    mean: Numbers
    quantiles: list[float]
    values: Rows = Field(description="One row per step, one value per quantile.")
    reference: Numbers | None = Field(description="Holt-Winters (statsmodels), for comparison.")
    backtest: BacktestView | None
    fallback_reason: str
    generated: bool = Field(description="Part of the history was generated by a demo and not measured.")
    labels: dict[str, str] = Field(description="Of the series, where a Forecast document asks for it.")
    unit: str = Field(description="Of the values, as the document writes it.")
    events: list[str] = Field(description="Events and holidays that moved a step of the forecast.")
    fitted_at: datetime | None = Field(description="When its coefficients were fitted; null in older forecasts.")
    model_version: str = Field(description="Of the forecaster's models; empty in older forecasts.")
    quality: QualityView | None
    combination: list[CombinationView] = Field(description="Empty where one model is served as it was asked for.")
    status: ForecastStatusView | None
    challengers: list[ChallengeView] = Field(description="Since the start of this process; empty without any.")

    @classmethod
    def of(cls, forecast: Forecast, status: ForecastStatusView | None, challenges: Sequence[Challenge]) -> ForecastView:
        """The view of a forecast."""
        return cls(
            signal=forecast.signal,
            model=forecast.model,
            made_at=forecast.made_at,
            cutoff=forecast.cutoff,
            step_seconds=forecast.step.total_seconds(),
            season_seconds=None if forecast.season is None else forecast.season.total_seconds(),
            history_start=forecast.history_start,
            mean=_listed(forecast.mean),
            quantiles=list(forecast.quantiles),
            values=_listed(forecast.values),
            reference=None if forecast.reference is None else _listed(forecast.reference),
            backtest=None if forecast.backtest is None else BacktestView.model_validate(forecast.backtest),
            fallback_reason=forecast.fallback_reason,
            generated=forecast.generated,
            labels=dict(forecast.labels),
            unit=forecast.unit,
            events=list(forecast.events),
            fitted_at=forecast.fitted_at,
            model_version=forecast.model_version,
            combination=[CombinationView.model_validate(one) for one in forecast.combination],
            quality=None if forecast.quality is None else QualityView.model_validate(forecast.quality),
            status=status,
            challengers=[ChallengeView.model_validate(one) for one in challenges],
        )


class SeasonView(BaseModel):
    """One repeating part of a history."""

    length_seconds: float
    values: Numbers
    strength: float = Field(description="1 − var(remainder) ÷ var(this + remainder), at least 0.")
    share: float = Field(description="Of the variances of all parts.")


class ReferenceView(BaseModel):
    """A textbook model fitted to the same history."""

    model: str
    parameters: dict[str, float]
    aic: float = Field(description="Akaike's criterion; comparable between fits of the same points only.")
    points: int
    point_seconds: float = Field(description="It was fitted to means of that time.")
    path: Numbers = Field(description="In the forecast's steps from the cutoff on.")
    note: str


class ResidualsView(BaseModel):
    """What the served model missed one step ahead."""

    count: int
    ljung_box_p: float | None = Field(description="Small: something is left to learn. Null: cannot tell.")
    lags: int
    autocorrelation: float | None = Field(description="The largest of these lags.")
    autocorrelation_lag: int


class DecompositionView(BaseModel):
    """A forecast's history taken apart: trend, seasons and remainder add up to what was observed."""

    signal: str
    model: str = Field(description="Whose residuals are judged; empty where nothing is served yet.")
    sentences: list[str]
    cutoff: datetime = Field(description="Time of the last point.")
    point_seconds: float = Field(description="Distance of two points, each the mean of that time.")
    observed: Numbers
    trend: Numbers
    trend_strength: float
    trend_share: float
    seasons: list[SeasonView]
    remainder: Numbers
    remainder_share: float
    measured_share: float = Field(description="How much of the history was measured; the rest is filled.")
    adf_p: float | None = Field(description="Dickey-Fuller without the seasons; small: the level returns.")
    residuals: ResidualsView
    references: list[ReferenceView]
    failures: list[str]


class SignalView(BaseModel):
    """What a trigger read at its rule's newest decision."""

    signal: str
    rule: str
    trigger: str
    kind: str
    query: str | None
    value: float | None
    unit: str
    target: float | None
    as_of: datetime | None
    missing: bool
    reason: str
    decided_at: datetime | None


class TraceView(_View):
    """One recent trace, as far as its spans have arrived."""

    trace_id: str
    root_service: str
    root_operation: str
    start: datetime
    duration_seconds: float
    span_count: int
    error_count: int
    services: list[str]


class SpanView(_View):
    """One span of a trace."""

    trace_id: str
    span_id: str
    parent_span_id: str
    name: str
    kind: str
    status: str
    service: str
    start: datetime
    duration_seconds: float
    attributes: dict[str, Any]


class MistakeView(_View):
    """One mistake in a rule document: the running rules stay."""

    file: str
    line: int
    column: int
    field: str
    message: str


class ScrapeTargetView(BaseModel):
    """One scrape target, in Prometheus' words."""

    job: str
    instance: str
    labels: dict[str, str]
    scrape_url: str
    health: str
    last_error: str
    last_scrape: datetime | None
    last_scrape_duration_seconds: float
    scrape_interval_seconds: float


class LoopView(BaseModel):
    """The newest tick of one loop: how long it and each of its steps took, and why it failed if it did."""

    loop: str
    started_at: datetime
    duration_seconds: float
    steps: dict[str, float]
    error: str


class StoresView(BaseModel):
    """What the stores hold, and what they had to move aside or refuse."""

    state_database: str
    state_moved_aside: str
    metric_series: int
    metric_samples: int
    metric_bytes: int
    metric_samples_refused: int
    metric_samples_dropped: int
    metrics_moved_aside: str
    metrics_write_error: str
    trace_bytes: int
    traces_moved_aside: str
    traces_write_error: str


class SourceView(_View):
    """A Prometheus-compatible server that answers queries."""

    name: str
    url: str
    breaker: str = Field(description="`closed` is well; `open`: it is not asked for a while; `half_open`: one may try.")
    last_error: str
    queries: int = Field(description="Sent since the start.")
    history_chunks: int = Field(description="Parts of signals' histories that were read, of those wanted.")
    history_chunks_wanted: int
    forecast_samples_queued: int | None = Field(description="That wait for remote write; null where it is off.")
    remote_write_error: str


class StatusView(BaseModel):
    """How Foretide itself is doing."""

    version: str
    cluster: str
    started_at: datetime
    uptime_seconds: float
    rules_running: int
    rules_digest: str
    rules_folder: str | None
    rule_mistakes: list[MistakeView]
    left_out: list[str]
    rings: list[str] = []
    prices: list[PriceSourceView] = Field([], description="Files that prices come from; empty without any.")
    lease: str = Field("", description="Why the last try for the Lease failed; empty when it did not.")
    targets_up: int
    targets_total: int
    targets: list[ScrapeTargetView]
    forecasts: list[SignalForecastView]
    sources: list[SourceView] = Field(description="Servers whose guest this is; empty without any.")
    stores: StoresView
    loops: list[LoopView]
