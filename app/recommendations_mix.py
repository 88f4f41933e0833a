"""Items about how nodes are paid for: workloads that stand interruptions, commitments for what always runs."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from app.cost_commitments_live import Advice, LiveAdvice
from app.cost_spot_objects import Found, Seen
from cost.commitments.spot import ASSUMED_INTERRUPTIONS_PER_HOUR, SPREAD_POOLS, is_ready, readiness
from cost.recommendations.effects import Candidate, Commit, ToSpot
from cost.recommendations.present import Present
from domain.recommendations import Change, Recommendation, RecommendationKind, Saving, Target

_NOTHING: Final = Decimal(0)
_SURE_SPOT: Final = 0.6
_SURE_COMMIT: Final = 0.8
"""Guesses: a checklist is no trial, and demand may fall within the term."""


def to_spot(present: Present, seen: Seen) -> Iterator[Candidate]:
    """Workloads that are ready, in pools whose machines have a price on spot."""
    pools: dict[str, set[str]] = {}
    for load in present.loads:
        if load.pool in present.spot_ratio:
            pools.setdefault(load.workload, set()).add(load.pool)
    for one in seen.workloads:
        key = f"{one.namespace}/{one.workload.kind}/{one.name}"
        if key in pools and is_ready(one.workload):
            yield Candidate(advice=_spot(one, present, sorted(pools[key])), effect=ToSpot(workload=key))


def _spot(one: Found, present: Present, pools: list[str]) -> Recommendation:
    ratios = ", ".join(f"{present.spot_ratio[pool]:.2f} of the price on demand in {pool}" for pool in pools)
    checks = ", ".join(check.name for check in readiness(one.workload) if check.passed)
    by = "annotation foretide.dev/spot" if one.workload.override is not None else checks
    return Recommendation(
        kind=RecommendationKind.SPOT_MOVE,
        target=Target(namespace=one.namespace, kind=one.workload.kind, name=one.name),
        changes=(Change(path="capacityType", before="on-demand", after="spot"),), patches=(),
        saving=Saving(monthly=_NOTHING, currency=present.currency), risk="medium", confidence=_SURE_SPOT, effort=3,
        advice=f"Let {one.name} run on spot, spread over at least {SPREAD_POOLS} pools of type and zone, with nodes on "
               "demand to fall back to.",
        evidence=(
            ("passed", by), ("spot", ratios),
            ("interruptions", f"{ASSUMED_INTERRUPTIONS_PER_HOUR} an hour assumed, each at no cost"),
        ),
        undo="node affinity as before; pods move back as they are replaced",
    )  # fmt: skip


def to_commit(live: LiveAdvice) -> Iterator[Candidate]:
    """What the plan would buy; the sequence takes no more of it than always runs after everything before."""
    for one in live.pools:
        if one.plan is not None and one.rates is not None and one.plan.quantity > 0:
            ratio = min(Decimal(1), one.rates.committed / one.rates.on_demand)
            yield Candidate(
                advice=_commit(one, live.currency),
                effect=Commit(machine=machine(one.pool.name, one.pool.region), quantity=one.plan.quantity, ratio=ratio),
            )  # fmt: skip


def machine(kind: str, region: str) -> str:
    """What a commitment is for."""
    return f"{kind} {region}".strip()


def _commit(one: Advice, currency: str) -> Recommendation:
    assert one.plan is not None
    assert one.rates is not None
    plan, rates, name = one.plan, one.rates, machine(one.pool.name, one.pool.region)
    parts = ", ".join(f"{part.quantity} on {part.on:%Y-%m-%d}" for part in plan.purchases)
    owned = f"{one.owned_units:g}"
    return Recommendation(
        kind=RecommendationKind.COMMITMENT_BUY, target=Target(namespace="", kind="Machine", name=name),
        changes=(Change(path="committed", before=owned, after=f"{one.owned_units + plan.quantity:g}"),), patches=(),
        saving=Saving(monthly=_NOTHING, currency=currency), risk="medium", confidence=_SURE_COMMIT, effort=3,
        advice=f"Commit to {plan.quantity} more of {name}, in parts ({parts}), after everything before it here.",
        evidence=(
            ("price", f"{rates.committed:f} committed, {rates.on_demand:f} on demand, an hour"),
            ("pays from", f"{plan.break_even:.0%} use"),
            ("mean demand", f"{float(one.pool.demand.mean()):.1f} machines"),
            *(("doubt", note) for note in one.notes),
        ),
        undo="none before its term ends",
    )  # fmt: skip
