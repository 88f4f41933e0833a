"""``GET /api/v1/cost/commitments``: what this Foretide would commit to, pool by pool; nothing is bought."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from app.cost_commitments_live import Advice, LiveCommitments, Terms
from app.cost_prices import Amount
from app.envelope import ERROR_RESPONSES, Ok, ok
from cost.commitments.plan import Plan
from cost.pricing.sheet import HOURS_PER_MONTH


class PurchaseView(BaseModel):
    """One part of a plan."""

    on: date
    quantity: int


class RegretView(BaseModel):
    """What an hour costs more than with the quantity that would have been right, at a level of demand."""

    level: float
    best: float
    hourly: Amount


class PlanView(BaseModel):
    """What to buy for one pool."""

    quantity: int
    unconstrained: int = Field(description="What demand alone says; more where too few paths would use it.")
    break_even: float
    hourly_now: Amount
    hourly_then: Amount
    hourly_saving: Amount
    monthly_saving: Amount
    purchases: list[PurchaseView]
    regrets: list[RegretView]


class PoolView(BaseModel):
    """Machines of one type in one region."""

    name: str
    region: str
    hours: int
    mean_demand: float = Field(description="On demand or committed; spot is left out.")
    mean_spot: float
    owned: float
    owned_ids: list[str]
    paths: int = Field(description="Weeks of history and of forecast paths that the plan stands on.")
    on_demand: Amount | None
    committed: Amount | None
    plan: PlanView | None
    notes: list[str]


class CommitmentsView(BaseModel):
    """All pools, the largest first."""

    start: datetime
    end: datetime
    currency: str
    pools: list[PoolView]
    notes: list[str]


def router(live: LiveCommitments) -> APIRouter:
    """The one route."""
    api = APIRouter(prefix="/cost", responses=ERROR_RESPONSES)

    @api.get("/commitments", operation_id="getCommitments")
    def commitments(
        discount: Annotated[
            Decimal | None, Query(gt=0, lt=1, description="Of a commitment, where none is stated or billed.")
        ] = None,
        kept: Annotated[
            float | None, Query(ge=0, le=1, description="Share of demand that is left after right-sizing.")
        ] = None,
        useless: Annotated[
            Decimal, Query(ge=0, lt=1, description="Probability that the capacity becomes useless within the term.")
        ] = Decimal(0),
        parts: Annotated[int, Query(ge=1, le=24, description="Purchases, a month apart.")] = 4,
    ) -> Ok[CommitmentsView]:
        """How much to commit to, from nodes of four weeks and their forecast; reads only."""
        found = live.of(Terms(discount=discount, kept=kept, useless=useless, parts=parts))
        return ok(CommitmentsView(
            start=found.start, end=found.end, currency=found.currency, pools=[_pool(one) for one in found.pools],
            notes=list(found.notes),
        ))  # fmt: skip

    return api


def _pool(one: Advice) -> PoolView:
    pool = one.pool
    return PoolView(
        name=pool.name, region=pool.region, hours=len(pool.demand), mean_demand=round(float(pool.demand.mean()), 6),
        mean_spot=round(float(pool.spot.mean()), 6), owned=one.owned_units, owned_ids=[own.id for own in one.owned],
        paths=len(one.paths), on_demand=None if one.rates is None else one.rates.on_demand,
        committed=None if one.rates is None else one.rates.committed,
        plan=None if one.plan is None else _plan(one.plan), notes=list(one.notes),
    )  # fmt: skip


def _plan(made: Plan) -> PlanView:
    return PlanView(
        quantity=made.quantity, unconstrained=made.unconstrained, break_even=made.break_even,
        hourly_now=made.hourly_now, hourly_then=made.hourly_then, hourly_saving=made.hourly_saving,
        monthly_saving=made.hourly_saving * HOURS_PER_MONTH,
        purchases=[PurchaseView(on=part.on, quantity=part.quantity) for part in made.purchases],
        regrets=[RegretView(level=one.level, best=one.best, hourly=one.hourly) for one in made.regrets],
    )  # fmt: skip
