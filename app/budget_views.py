"""What the API says of budgets: one line of a list, and everything about one."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Final

from pydantic import BaseModel, Field

from app.budget_outlook import HOUR
from app.budget_seen import Sight
from app.views import MoneyView
from controller.budgets.alerts import AlertState
from controller.budgets.deeds import Deed, DeedState
from controller.budgets.records import Standing
from domain.money import Money
from forecaster import sums
from rules.schema import Budget, BudgetThreshold

_GRAIN: Final = Decimal("0.0001")
"""A hundredth of a cent: what is sampled is known no better, and a small budget still tells something."""


class SavingView(BaseModel):
    """What an action was to save, and what it has saved so far; the interval is that of the expectation."""

    promised: MoneyView | None
    realised: MoneyView | None
    realised_p10: MoneyView | None
    realised_p90: MoneyView | None


class DeedView(BaseModel):
    """What one action of one threshold does, or would do."""

    action: str
    state: DeedState
    since: datetime
    reason: str
    changes: list[str]
    said: str
    digest: str
    approved_by: list[str] = Field(description="Who has said yes to this patch, so far.")
    expires_at: datetime | None
    saving: SavingView
    undo: str


class ThresholdView(BaseModel):
    """Where one threshold stands."""

    id: str
    basis: str
    state: str
    since: datetime | None
    reason: str
    notices: int
    actions: list[DeedView]


class SpendForecastView(BaseModel):
    """What will have been spent at the period's end, of sampled paths."""

    p10: MoneyView
    p50: MoneyView
    p90: MoneyView
    probability_over: float
    exhausted_p10: datetime | None = Field(description="By then one path in ten has used up the limit.")
    exhausted_p50: datetime | None
    exhausted_p90: datetime | None
    fitted_at: datetime
    backtest_coverage80: float | None


class BudgetView(BaseModel):
    """One budget in its period."""

    key: str
    namespace: str
    name: str
    scope: dict[str, str]
    per: str
    timezone: str
    limit: MoneyView
    period: str
    window_start: datetime
    window_end: datetime
    spent: MoneyView
    rate_per_hour: MoneyView
    projected_at_current_rate: MoneyView
    state: str
    reached_at: datetime | None
    forecast: SpendForecastView | None = Field(description="Where a threshold, an action or an explanation asked.")
    firing: list[str] = Field(description="Ids of the thresholds that fire.")


class BudgetExplanation(BaseModel):
    """One budget: where it stands, why, what it does or would do, what that waits for, how it is undone."""

    key: str
    asked_at: datetime
    period: str
    period_start: datetime
    period_end: datetime
    limit: MoneyView
    spent: MoneyView
    counted: list[str] = Field(description="What is counted, in sentences.")
    projected_at_current_rate: MoneyView
    reached_at: datetime | None = Field(description="When the limit is reached if the present rate goes on.")
    state: str
    forecast: SpendForecastView | None
    no_forecast: str = Field(description="Why there is none; empty where there is one.")
    alerts_only: str = Field(description="Why nothing is done on the forecast; empty: it may be.")
    width: str = Field(description="That the forecast's band is too wide, and so speaks late; empty: it is not.")
    thresholds: list[ThresholdView]


def listed(budget: Budget, seen: Sight, standings: tuple[Standing, ...], now: datetime) -> BudgetView:
    """One line."""
    status = seen.status
    firing = {one.threshold for one in standings if one.alert is not None and one.alert.state is AlertState.FIRING}
    return BudgetView(
        key=budget.key, namespace=budget.metadata.namespace, name=budget.metadata.name, scope=scope_of(budget),
        per=budget.spec.repeats.every, timezone=budget.spec.repeats.timezone,
        limit=MoneyView.model_validate(status.limit), period=seen.span.id, window_start=status.window_start,
        window_end=status.window_end, spent=MoneyView.model_validate(status.spent),
        rate_per_hour=MoneyView.model_validate(status.rate_per_hour),
        projected_at_current_rate=MoneyView.model_validate(status.projected_at_current_rate),
        state=status.state.value, reached_at=status.reached_at, forecast=forecast_of(seen, now),
        firing=[one.id for one in budget.spec.thresholds if one.id in firing],
    )  # fmt: skip


def scope_of(budget: Budget) -> dict[str, str]:
    """As text: several namespaces and labels in one, with commas."""
    scope = budget.spec.scope
    labels = ",".join(f"{name}={value}" for name, value in sorted(scope.labels.items()))
    told = {
        "namespace": scope.namespace, "namespaces": ",".join(scope.namespaces or ()), "labels": labels,
        "rule": scope.rule,
    }  # fmt: skip
    return {name: value for name, value in told.items() if value}


def explained(budget: Budget, seen: Sight, standings: tuple[Standing, ...], now: datetime) -> BudgetExplanation:
    """Everything about one."""
    known, status = {one.threshold: one for one in standings}, seen.status
    forecast = forecast_of(seen, now)
    return BudgetExplanation(
        key=budget.key, asked_at=now, period=seen.span.id, period_start=seen.span.start, period_end=seen.span.end,
        limit=MoneyView.model_validate(status.limit), spent=MoneyView.model_validate(status.spent),
        counted=list(seen.tally.said),
        projected_at_current_rate=MoneyView.model_validate(status.projected_at_current_rate),
        reached_at=status.reached_at, state=status.state.value, forecast=forecast,
        no_forecast="" if forecast is not None else seen.outlook.why or "it does not reach the period's end",
        alerts_only=seen.doubt, width=seen.outlook.width(),
        thresholds=[_threshold(one, known.get(one.id), status.limit.currency) for one in budget.spec.thresholds],
    )  # fmt: skip


def forecast_of(seen: Sight, now: datetime) -> SpendForecastView | None:
    """What will have been spent at the period's end, and when the limit is used up; None where nobody can say."""
    limit: Money = seen.status.limit
    if seen.total is None or seen.outlook.forecast is None:
        return None
    dates = sums.exhausted(
        seen.outlook.forecast, float(limit.amount), start=now, end=seen.span.end,
        so_far=float(seen.status.spent.amount), per=HOUR,
    ).dates  # fmt: skip
    ends = {level: _money(value, limit.currency) for level, value in seen.total.quantiles.items()}
    return SpendForecastView(
        p10=ends[0.1], p50=ends[0.5], p90=ends[0.9], exhausted_p10=dates.get(0.1), exhausted_p50=dates.get(0.5),
        exhausted_p90=dates.get(0.9),
        probability_over=seen.total.probability_above(float(limit.amount)), fitted_at=seen.outlook.fitted_at,
        backtest_coverage80=seen.outlook.coverage80,
    )  # fmt: skip


def _threshold(threshold: BudgetThreshold, standing: Standing | None, currency: str) -> ThresholdView:
    alert = None if standing is None else standing.alert
    found = {} if standing is None else standing.deeds
    return ThresholdView(
        id=threshold.id, basis=threshold.basis, state="Ok" if alert is None else alert.state.value,
        since=None if alert is None else alert.since, reason="" if alert is None else alert.reason,
        notices=0 if alert is None else alert.notices,
        actions=[deed_view(name, deed, currency) for name, deed in found.items()],
    )  # fmt: skip


def deed_view(name: str, deed: Deed, currency: str) -> DeedView:
    """One action of one threshold."""

    def money(amount: object) -> MoneyView | None:
        return None if amount is None else _money(amount, currency)

    saving = SavingView(
        promised=money(deed.promised), realised=money(deed.realised), realised_p10=money(deed.realised_low),
        realised_p90=money(deed.realised_high),
    )  # fmt: skip
    return DeedView(
        action=name, state=deed.state, since=deed.since, reason=deed.reason, said=deed.said, digest=deed.digest,
        changes=[str(one) for one in deed.changes], expires_at=deed.expires_at, saving=saving, undo=_undo(deed),
        approved_by=[one.by for one in deed.yeses],
    )  # fmt: skip


def _undo(deed: Deed) -> str:
    if deed.state is DeedState.REVERTING:
        return "is being given back, replicas by a tenth a minute"
    if not deed.in_force:
        return "nothing stands of it"
    until = "" if deed.expires_at is None else f", by itself at {deed.expires_at:%Y-%m-%d %H:%M} UTC"
    return f"set the action's mode to observe, or take it out of the threshold's do: what was there comes back{until}"


def _money(amount: object, currency: str) -> MoneyView:
    rounded = Decimal(str(amount)).quantize(_GRAIN)
    return MoneyView.model_validate({"amount": rounded, "currency": currency})
