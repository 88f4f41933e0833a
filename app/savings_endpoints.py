"""`GET /api/v1/cost/savings`: what applied changes and rules were measured to save, and what Foretide costs itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Final

from fastapi import APIRouter
from pydantic import BaseModel, Field

from app.cost_endpoints import Amount
from app.envelope import ERROR_RESPONSES, Ok, ok
from app.own_cost import OwnCost, OwnCosts
from app.savings import ChangeSaving, Savings
from app.savings_rules import RuleSaving
from cost.verified.interval import Measured
from cost.verified.verdict import monthly
from domain.clock import Clock

RULE: Final = "scalingRule"
EMPTY: Final = (
    "no change is applied and no rule is in enforce: accept one of `foretide cost recommendations`, or let a rule act"
)
LEDGER: Final = "ledger"


class SavingLineView(BaseModel):
    """One applied change or one rule; money in a month of 730 hours, below 0 where it cost more."""

    id: str = Field(description="Of the recommendation; namespace/name of a rule.")
    kind: str
    target: str
    state: str = Field(description="applied or verified; enforce of a rule.")
    since: datetime | None
    promised: Amount | None
    measured: Amount | None
    p10: Amount | None
    p90: Amount | None
    currency: str | None
    method: str | None = Field(description="beforeAfter, beforeAfterByDemand, twin or ledger.")
    days: int
    why: str = Field(description="Why nothing is measured; empty where it is.")
    advice: str = Field(description="What to do about it; empty: nothing.")


class TotalView(BaseModel):
    """Of one currency: everything that is measured."""

    currency: str
    measured: Amount
    promised: Amount = Field(description="Of the changes among them; rules promise nothing.")


class OwnCostView(BaseModel):
    """What Foretide's process and its workers use, and what that costs in a month."""

    since: datetime | None
    cpu_cores: float | None
    memory_bytes: float | None
    monthly: Amount | None
    currency: str | None
    source: str | None = Field(description="Of the price.")
    why: str


class SavingsView(BaseModel):
    """All of it."""

    at: datetime
    items: list[SavingLineView]
    totals: list[TotalView]
    own: OwnCostView
    why: str = Field(description="Why there is no line; empty where there are some.")


def router(savings: Savings, own: OwnCosts, clock: Clock) -> APIRouter:
    """The one route."""
    api = APIRouter(prefix="/cost/savings", responses=ERROR_RESPONSES, tags=["cost"])

    @api.get("", operation_id="getCostSavings")
    def measured() -> Ok[SavingsView]:
        """What applied changes and rules were measured to save, with intervals, beside what Foretide costs."""
        now = clock.now()
        lines = [*map(_change, savings.changes(now)), *map(_rule, savings.rules())]
        return ok(SavingsView(
            at=now, items=lines, totals=list(_totals(lines)), own=_own(own.now(now)), why="" if lines else EMPTY,
        ))  # fmt: skip

    return api


def _change(one: ChangeSaving) -> SavingLineView:
    advised, found = one.kept.advice, one.verdict
    return SavingLineView(
        id=one.kept.id, kind=advised.kind.value, target=str(advised.target), state=one.kept.standing.state.value,
        since=one.changed_at, promised=advised.saving.monthly if found is None else found.promised,
        measured=None if found is None else found.saving, p10=None if found is None else found.p10,
        p90=None if found is None else found.p90,
        currency=advised.saving.currency if found is None else found.currency,
        method=None if found is None else found.method, days=0 if found is None else found.days, why=one.why,
        advice=one.advice,
    )  # fmt: skip


def _rule(one: RuleSaving) -> SavingLineView:
    found = one.measured if isinstance(one.measured, Measured) else None
    return SavingLineView(
        id=one.rule, kind=RULE, target=one.rule, state="enforce",
        since=None if one.since is None else datetime.combine(one.since, time(), UTC), promised=None,
        measured=None if found is None else monthly(found.saving), p10=None if found is None else monthly(found.p10),
        p90=None if found is None else monthly(found.p90), currency=one.currency or None,
        method=None if found is None else LEDGER, days=0 if found is None else found.days,
        why="" if isinstance(one.measured, Measured) else one.measured.why, advice="",
    )  # fmt: skip


def _totals(lines: list[SavingLineView]) -> Iterator[TotalView]:
    """Amounts of two currencies never add up."""
    measured: dict[str, Decimal] = defaultdict(Decimal)
    promised: dict[str, Decimal] = defaultdict(Decimal)
    for one in lines:
        if one.measured is not None and one.currency is not None:
            measured[one.currency] += one.measured
            promised[one.currency] += one.promised or Decimal(0)
    yield from (TotalView(currency=name, measured=measured[name], promised=promised[name]) for name in sorted(measured))


def _own(one: OwnCost) -> OwnCostView:
    use = one.use
    return OwnCostView(
        since=None if use is None else use.since, cpu_cores=None if use is None else round(use.cpu_cores, 4),
        memory_bytes=None if use is None else round(use.memory_bytes), monthly=one.monthly,
        currency=one.currency or None, source=one.source or None, why=one.why,
    )  # fmt: skip
