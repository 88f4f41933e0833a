"""``GET /api/v1/cost/spot``: which workloads stand an interruption, and how much of each pool could run on spot.

Commitments come first: spot takes only what is above what is owned and planned, and never a unit that is paid for.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from app.cost_commitments_live import Advice, LiveCommitments, Terms, as_capacity
from app.cost_prices import Amount, PriceParts
from app.cost_spot_objects import Found, Seen, read
from app.envelope import ERROR_RESPONSES, Ok, ok
from app.memo import Memo
from cost.commitments.spot import ASSUMED_INTERRUPTIONS_PER_HOUR, Check, SpotRates, mix, readiness
from cost.pricing.chain import price_node
from cost.pricing.sheet import HOURS_PER_MONTH
from domain.errors import KubeError
from kube import Connection

_KEPT_SECONDS: Final = 60.0
_MOST: Final = 1_000
Verdict = Literal["ready", "not ready", "not known"]


class CheckView(BaseModel):
    """One line of the checklist."""

    name: str
    passed: bool | None = Field(description="null: nobody can tell.")
    told: str


class WorkloadView(BaseModel):
    """One workload; ``not known`` counts as not ready."""

    namespace: str
    kind: str
    name: str
    verdict: Verdict
    by_annotation: bool = Field(description="foretide.dev/spot decided alone.")
    checks: list[CheckView]
    requested_cores: Amount


class MixView(BaseModel):
    """Mean machines of a pool in an hour by how they would be paid for; the three add up to demand."""

    name: str
    region: str
    committed: float
    idle_committed: float
    spot: float
    on_demand: float
    spot_capacity: float
    spot_price: Amount | None
    monthly_cost: Amount | None
    monthly_saving: Amount | None = Field(description="Against the same without spot.")
    notes: list[str]


class SpotView(BaseModel):
    """The checklist of every workload, and the mix of every pool."""

    currency: str
    eligible_ratio: float = Field(description="Share of all requested cores whose workloads are ready.")
    workloads: list[WorkloadView]
    workloads_total: int
    pools: list[MixView]
    assumptions: list[str]
    notes: list[str]


def router(parts: PriceParts, live: LiveCommitments, cluster: Connection | None) -> APIRouter:
    """The one route; ``cluster`` is whose objects are listed, None where there is none."""
    api = APIRouter(prefix="/cost", responses=ERROR_RESPONSES)
    memo = Memo(clock=parts.clock, keep_seconds=_KEPT_SECONDS)

    @api.get("/spot", operation_id="getSpot")
    def spot(
        namespace: Annotated[str | None, Query(description="Only workloads of this one; the mix is of all.")] = None,
        notice_seconds: Annotated[int, Query(ge=1, le=3600, description="The provider's; AWS 120, others 30.")] = 120,
        interruptions: Annotated[
            Decimal | None, Query(ge=0, le=60, description="Of one machine in an hour; default 0.02, an assumption.")
        ] = None,
        restart_cost: Annotated[Decimal, Query(ge=0, description="Of one interruption, in our currency.")] = Decimal(0),
        headroom: Annotated[
            float, Query(ge=0, description="Machines that may be missing; below five pools none may hold more.")
        ] = 1.0,
        discount: Annotated[Decimal | None, Query(gt=0, lt=1, description="As of /cost/commitments.")] = None,
        kept: Annotated[float | None, Query(ge=0, le=1, description="As of /cost/commitments.")] = None,
        limit: Annotated[int, Query(ge=1, le=_MOST, description="Workloads, by namespace and name.")] = _MOST,
    ) -> Ok[SpotView]:
        """What may run on spot, and what that would save; reads only."""
        try:
            seen = Seen(workloads=(), unseen=())
            if cluster is not None:
                seen = memo.get("objects", lambda: read(cluster))
        except KubeError as error:
            raise HTTPException(503, f"the API server does not list workloads: {error}") from error
        notice = timedelta(seconds=notice_seconds)
        every = [_workload(one, notice) for one in seen.workloads]
        eligible = _eligible(every)
        advice = live.of(Terms(discount=discount, kept=kept))
        rate = ASSUMED_INTERRUPTIONS_PER_HOUR if interruptions is None else interruptions
        pools = [
            _mix(one, parts, eligible=eligible, headroom=headroom, rate=rate, restart_cost=restart_cost)
            for one in advice.pools
        ]
        shown = [one for one in every if namespace in (None, one.namespace)]
        return ok(SpotView(
            currency=advice.currency, eligible_ratio=eligible, workloads=shown[:limit], workloads_total=len(shown),
            pools=pools, assumptions=_assumed(interruptions, restart_cost, headroom),
            notes=[*_notes(seen, has_cluster=cluster is not None), *advice.notes],
        ))  # fmt: skip

    return api


def _workload(one: Found, notice: timedelta) -> WorkloadView:
    checks = readiness(one.workload, notice=notice)
    override = one.workload.override
    return WorkloadView(
        namespace=one.namespace, kind=one.workload.kind, name=one.name, by_annotation=override is not None,
        verdict=_verdict(checks) if override is None else "ready" if override else "not ready",
        checks=[CheckView(name=check.name, passed=check.passed, told=check.told) for check in checks],
        requested_cores=one.requested_cores,
    )  # fmt: skip


def _verdict(checks: Sequence[Check]) -> Verdict:
    passed = {check.passed for check in checks}
    return "not ready" if False in passed else "not known" if None in passed else "ready"


def _eligible(workloads: Sequence[WorkloadView]) -> float:
    whole = sum((one.requested_cores for one in workloads), Decimal(0))
    ready = sum((one.requested_cores for one in workloads if one.verdict == "ready"), Decimal(0))
    return float(ready / whole) if whole else 0.0


def _mix(
    one: Advice, parts: PriceParts, *, eligible: float, headroom: float, rate: Decimal, restart_cost: Decimal
) -> MixView:
    pool = one.pool
    sources = parts.prices.at(parts.clock.now())
    priced = price_node(sources, as_capacity(pool.node, "spot"))
    own = price_node(sources.without_bill, pool.node) if one.rates is None else None
    on_demand = one.rates.on_demand if one.rates is not None else None if own is None else own.price.amount
    planned = 0 if one.plan is None else one.plan.quantity
    committed = one.owned_units + planned
    notes = [] if one.plan is not None else ["nothing is planned to be committed: " + "; ".join(one.notes)]
    mean = float((pool.demand + pool.spot).mean())
    if priced is None or not on_demand:
        return MixView(
            name=pool.name, region=pool.region, committed=min(committed, mean), idle_committed=max(committed - mean, 0),
            spot=0.0, on_demand=max(mean - committed, 0.0), spot_capacity=0.0, spot_price=None, monthly_cost=None,
            monthly_saving=None, notes=[*notes, "no price on spot or on demand"],
        )  # fmt: skip
    rates = SpotRates(spot=priced.price.amount, restart=restart_cost, interruptions_per_hour=rate)
    demand, committed_rate = pool.demand + pool.spot, Decimal(0) if one.rates is None else one.rates.committed
    found, without = (
        mix(
            demand, committed=committed, committed_rate=committed_rate, on_demand=on_demand, spot=rates,
            eligible=share, pools=max(pool.zones, 1), headroom=headroom,
        )
        for share in (eligible, 0.0)
    )  # fmt: skip
    if eligible and not found.spot_capacity:
        notes.append("spot is not cheaper here" if rates.expected >= on_demand else "nothing ready is left for spot")
    return MixView(
        name=pool.name, region=pool.region, committed=found.committed, idle_committed=found.idle, spot=found.spot,
        on_demand=found.on_demand, spot_capacity=found.spot_capacity, spot_price=priced.price.amount,
        monthly_cost=found.hourly_cost * HOURS_PER_MONTH,
        monthly_saving=(without.hourly_cost - found.hourly_cost) * HOURS_PER_MONTH, notes=notes,
    )  # fmt: skip


def _assumed(interruptions: Decimal | None, restart_cost: Decimal, headroom: float) -> list[str]:
    told = []
    if interruptions is None:
        told.append(f"{ASSUMED_INTERRUPTIONS_PER_HOUR} interruptions of a machine in an hour: an assumption")
    if not restart_cost:
        told.append("an interruption costs nothing, until --restart-cost says what it does")
    told.append(f"spot is spread over the zones that a pool has, and {headroom:g} machines may be missing of each")
    return told


def _notes(seen: Seen, *, has_cluster: bool) -> list[str]:
    if not has_cluster:
        return ["no cluster to list workloads of: the checklist needs cluster: kubernetes"]
    notes = [f"{kind} may not be listed: what they tell is not known" for kind in seen.unseen]
    return [*notes, "a single leader shows in no object: annotation foretide.dev/single-leader says it"]
