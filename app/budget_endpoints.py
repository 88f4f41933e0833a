"""`/api/v1/budgets/{namespace}/{name}/explanation` says where a budget stands and what it does.

`…/approvals` takes somebody's yes to one exact patch.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from app.budget_loop import Budgets, NoSuchDeedError
from app.budget_outlook import HOUR
from app.budget_seen import Sight
from app.envelope import ERROR_RESPONSES, Ok, ok
from app.views import MoneyView
from controller.budgets.deeds import Deed, DeedState
from controller.budgets.records import Standing
from domain.clock import Clock
from domain.money import Money
from forecaster import sums
from rules import RuleSet
from rules.schema import Budget, BudgetThreshold
from rules.wording import quote, suggestion


class ApprovalRequest(BaseModel):
    """A yes to one patch, by its digest."""

    model_config = ConfigDict(extra="forbid")

    threshold: Annotated[str, Field(max_length=63)]
    action: Annotated[str, Field(max_length=63)]
    digest: Annotated[str, Field(pattern="^[0-9a-f]{16}$", description="Of the patch that was read.")]


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
    approved_by: str | None
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
    exhausted_p50: datetime | None
    exhausted_p90: datetime | None
    fitted_at: datetime
    backtest_coverage80: float | None


class BudgetExplanation(BaseModel):
    """One budget: where it stands, why, what it does or would do, what that waits for, how it is undone."""

    key: str
    asked_at: datetime
    period: str
    period_start: datetime
    period_end: datetime
    limit: MoneyView
    spent: MoneyView
    forecast: SpendForecastView | None
    alerts_only: str = Field(description="Why nothing is done on the forecast; empty: it may be.")
    thresholds: list[ThresholdView]


def router(budgets: Budgets, rules: Callable[[], RuleSet], clock: Clock) -> APIRouter:
    """The routes of one budget."""
    api = APIRouter(responses=ERROR_RESPONSES)

    @api.get("/budgets/{namespace}/{name}/explanation", operation_id="explainBudget")
    def explanation(namespace: str, name: str) -> Ok[BudgetExplanation]:
        """Where a budget stands, what it does or would do, what that waits for, and how it is undone."""
        return ok(_explained(_budget(rules(), f"{namespace}/{name}"), budgets, clock.now()))

    @api.post("/budgets/{namespace}/{name}/approvals", operation_id="approveBudgetAction", status_code=202)
    def approve(namespace: str, name: str, body: ApprovalRequest, request: Request) -> Ok[DeedView]:
        """Say yes to exactly the patch with this digest; 409 where it is another by now, or nothing waits."""
        budget = _budget(rules(), f"{namespace}/{name}")
        try:
            deed = budgets.approve(
                budget.key, body.threshold, body.action, digest=body.digest, by=request.state.actor, now=clock.now()
            )
        except NoSuchDeedError as error:
            raise HTTPException(404, str(error)) from error
        except ValueError as error:
            raise HTTPException(409, str(error)) from error
        return ok(_deed(body.action, deed, budget.spec.currency))

    return api


def _budget(running: RuleSet, key: str) -> Budget:
    found = running.budget(key)
    if found is None:
        raise HTTPException(404, f"no budget {quote(key)}{suggestion(key, [one.key for one in running.budgets])}")
    return found


def _explained(budget: Budget, budgets: Budgets, now: datetime) -> BudgetExplanation:
    held = budgets.held(budget.key)
    if held.sight is None:
        why = "has not been looked at yet" if budget.spec.thresholds else "has no thresholds: it is counted, no more"
        raise HTTPException(404, f"budget {budget.key} {why}")
    seen, standings = held.sight, {one.threshold: one for one in held.standings}
    limit = Money(amount=budget.spec.total, currency=budget.spec.currency)
    return BudgetExplanation(
        key=budget.key, asked_at=now, period=seen.span.id, period_start=seen.span.start, period_end=seen.span.end,
        limit=MoneyView.model_validate(limit), spent=MoneyView.model_validate(seen.status.spent),
        forecast=_forecast(seen, limit, now), alerts_only=seen.doubt,
        thresholds=[_threshold(one, standings.get(one.id), limit.currency) for one in budget.spec.thresholds],
    )  # fmt: skip


def _forecast(seen: Sight, limit: Money, now: datetime) -> SpendForecastView | None:
    if seen.total is None or seen.outlook.forecast is None:
        return None
    dates = sums.exhausted(
        seen.outlook.forecast, float(limit.amount), start=now, end=seen.span.end,
        so_far=float(seen.status.spent.amount), per=HOUR,
    ).dates  # fmt: skip
    ends = {level: _money(value, limit.currency) for level, value in seen.total.quantiles.items()}
    return SpendForecastView(
        p10=ends[0.1], p50=ends[0.5], p90=ends[0.9], exhausted_p50=dates.get(0.5), exhausted_p90=dates.get(0.9),
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
        actions=[_deed(name, deed, currency) for name, deed in found.items()],
    )  # fmt: skip


def _deed(name: str, deed: Deed, currency: str) -> DeedView:
    def money(amount: object) -> MoneyView | None:
        return None if amount is None else _money(amount, currency)

    saving = SavingView(
        promised=money(deed.promised), realised=money(deed.realised), realised_p10=money(deed.realised_low),
        realised_p90=money(deed.realised_high),
    )  # fmt: skip
    return DeedView(
        action=name, state=deed.state, since=deed.since, reason=deed.reason, said=deed.said, digest=deed.digest,
        changes=[str(one) for one in deed.changes], expires_at=deed.expires_at, saving=saving, undo=_undo(deed),
        approved_by=None if deed.approval is None else deed.approval.by,
    )  # fmt: skip


def _undo(deed: Deed) -> str:
    if deed.state is DeedState.REVERTING:
        return "is being given back, a tenth of the replicas a minute"
    if not deed.in_force:
        return "nothing stands of it"
    until = "" if deed.expires_at is None else f", by itself at {deed.expires_at:%Y-%m-%d %H:%M} UTC"
    return f"set the action's mode to observe, or take it out of the threshold's do: replicas come back{until}"


def _money(amount: object, currency: str) -> MoneyView:
    cents = Decimal(str(amount)).quantize(Decimal("0.01"))
    return MoneyView.model_validate({"amount": cents, "currency": currency})
