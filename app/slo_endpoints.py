"""``GET /api/v1/slos``: error budgets left, burn rates, and what would be told of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from app.envelope import ERROR_RESPONSES, Page, page_of
from app.slos import SloDesk, SloStanding
from rules import RuleSet
from rules.burn_rates import Pair
from rules.schema import SLO


class BurnRateView(BaseModel):
    """1 uses the budget up just at the end of the objective's window; null: there are no data."""

    window_seconds: float
    burn_rate: float | None


class BurnAlertView(BaseModel):
    """A pair of windows that is told when both burn at ``burn_rate`` or faster."""

    severity: Literal["page", "ticket"]
    long_window_seconds: float
    short_window_seconds: float
    burn_rate: float
    burning: bool | None = Field(description="Null: nobody knows.")


class SloView(BaseModel):
    """One objective, as it stood at ``at``."""

    namespace: str
    name: str
    service: str | None
    objective_ratio: float
    window_seconds: float
    at: datetime
    state: Literal["ok", "ticket", "page", "unknown"]
    error_ratio: float | None = Field(description="Over the window, as far as samples go back.")
    error_budget_left: float | None = Field(description="Share of the budget; below 0 it is overdrawn.")
    burn_rates: list[BurnRateView]
    alerts: list[BurnAlertView]
    problem: str = Field(description="What a query said that gave no number.")


def router(desk: SloDesk, rules: Callable[[], RuleSet]) -> APIRouter:
    """The route."""
    api = APIRouter(responses=ERROR_RESPONSES)

    @api.get("/slos", operation_id="listSlos")
    def slos(
        page: Annotated[int, Query(ge=1, le=10_000, description="Counts from 1.")] = 1,
        limit: Annotated[int, Query(ge=1, le=200, description="Items per page.")] = 20,
    ) -> Page[SloView]:
        """Every SLO document by key: what is left of its budget, and how fast it burns."""
        every = sorted(rules().slos, key=lambda one: one.key)
        views = [_view(one, desk.look(one)) for one in every[(page - 1) * limit : page * limit]]
        return page_of(views, page=page, limit=limit, total=len(every))

    return api


def _view(slo: SLO, standing: SloStanding) -> SloView:
    rates = [
        BurnRateView(window_seconds=window.total_seconds(), burn_rate=rate) for window, rate in standing.rates.items()
    ]
    return SloView.model_validate(
        {
            "namespace": slo.metadata.namespace, "name": slo.metadata.name, "service": slo.spec.service,
            "objective_ratio": slo.spec.objective / 100, "window_seconds": slo.spec.window.total_seconds(),
            "at": standing.at, "state": standing.state, "error_ratio": standing.error_ratio,
            "error_budget_left": standing.budget_left, "burn_rates": rates, "problem": standing.why,
            "alerts": [_alert(pair, standing) for pair in standing.pairs],
        }
    )  # fmt: skip


def _alert(pair: Pair, standing: SloStanding) -> BurnAlertView:
    return BurnAlertView(
        severity=pair.severity.value, burn_rate=pair.burn_rate, burning=pair.reached(standing.rates),
        long_window_seconds=pair.long.total_seconds(), short_window_seconds=pair.short.total_seconds(),
    )  # fmt: skip
