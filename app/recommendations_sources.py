"""Items from everything but workloads' use: what is unused, nodes that are not needed, commitments that nobody uses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final

from app.cost_attached import count
from app.recommendations_present import HOURS_PER_MONTH, Today
from cost.recommendations.effects import Candidate, Consolidate, DropThing, DropWorkload, Effect, Nothing
from cost.recommendations.fleet import Fleet
from cost.recommendations.present import Present, grain
from cost.unused.finding import Finding, Kind
from domain.recommendations import Change, Patch, Recommendation, RecommendationKind, Saving, Target

NOTHING: Final = Decimal(0)
_SURE: Final = {
    Kind.ABANDONED_WORKLOAD: 0.5, Kind.UNUSED_PVC: 0.7, Kind.RELEASED_PV: 0.8, Kind.ORPHAN_LB: 0.8,
    Kind.OVERSIZED_PV: 0.4, Kind.FINISHED_JOBS: 0.9, Kind.EMPTY_NAMESPACE: 0.7, Kind.HPA_PINNED_AT_MAX: 0.5,
    Kind.REQUESTS_MISSING: 0.6,
}  # fmt: skip
"""That its owner says it may go: guesses, by how often such a thing turns out to be wanted."""
_GONE_FOR_GOOD: Final = {Kind.UNUSED_PVC, Kind.RELEASED_PV, Kind.OVERSIZED_PV, Kind.ABANDONED_WORKLOAD}
_THINGS: Final = {Kind.UNUSED_PVC, Kind.RELEASED_PV, Kind.ORPHAN_LB, Kind.OVERSIZED_PV}


def with_things(today: Today, findings: Sequence[Finding]) -> Present:
    """The present with volumes and load balancers: those of findings one by one, what else is seen of them as a sum."""
    things: dict[str, Decimal] = {}
    for one in findings:
        if one.kind in _THINGS and one.monthly is not None:
            things[str(one.target)] = max(things.get(str(one.target), NOTHING), grain(one.monthly))
    rest = max(NOTHING, today.attached - sum(things.values(), NOTHING))
    return replace(today.present, things=things, other=today.present.other + rest)


def unused(findings: Sequence[Finding], currency: str) -> Iterator[Candidate]:
    """One for each finding; deletions are somebody's to do."""
    for one in findings:
        kind = Kind(one.kind)
        target = Target(namespace=one.target.namespace, kind=one.target.kind, name=one.target.name)
        since = () if one.since is None else (("since", f"{one.since:%Y-%m-%d %H:%M} UTC"),)
        yield Candidate(
            advice=Recommendation(
                kind=RecommendationKind(kind.value), target=target, changes=(), advice=one.advice,
                patches=(Patch(object=f"{target.kind}/{target.name}", command=one.command),) if one.command else (),
                saving=Saving(monthly=NOTHING, currency=currency), evidence=(*one.evidence, *since),
                risk="medium" if kind in _GONE_FOR_GOOD else "low", confidence=_SURE[kind], effort=2, undo=one.undo,
            ),
            effect=_effect(kind, one),
        )  # fmt: skip


def _effect(kind: Kind, one: Finding) -> Effect:
    if kind is Kind.ABANDONED_WORKLOAD:
        return DropWorkload(workload=str(one.target))
    if kind in _THINGS:
        part = one.monthly if kind is Kind.OVERSIZED_PV else None
        return DropThing(thing=str(one.target), monthly=part)
    return Nothing()


def node_pools(present: Present) -> Iterator[Candidate]:
    """Pools with nodes that today's pods do not need; what the items before free is in those items already."""
    fleet = Fleet.of(present)
    for name, pool in fleet.pools.items():
        nodes = fleet.nodes[name]
        if pool.slack <= 0 or len(nodes) < 2:
            continue
        yield Candidate(
            advice=Recommendation(
                kind=RecommendationKind.RIGHT_SIZE_NODE_POOL, target=Target(namespace="", kind="NodePool", name=name),
                changes=(Change(path="nodes", before=str(len(nodes)), after=str(max(1, pool.used))),), patches=(),
                saving=Saving(monthly=NOTHING, currency=present.currency),
                advice=f"Let {name} shrink from {len(nodes)} to {count(max(1, pool.used), 'node')}, all that its pods "
                       "need: by the autoscaler's consolidation, or by its maximum.",
                evidence=(
                    ("packed by", "requests of CPU and memory, pods per node, DaemonSets on every node"),
                    ("not looked at", "affinities, taints, disruption budgets, volumes of a zone"),
                    ("largest pod", _largest(present, name)),
                ),
                risk="medium", confidence=0.6, effort=3, undo="the pool's size before",
            ),
            effect=Consolidate(pool=name),
        )  # fmt: skip


def _largest(present: Present, pool: str) -> str:
    mine = [one for one in present.loads if one.pool == pool and one.pods]
    if not mine:
        return "none"
    cpu, memory = max(one.cpu_millicores for one in mine), max(one.memory_bytes for one in mine)
    return f"{cpu}m, {memory / 1024**3:.1f}Gi"


def idle_commitments(today: Today) -> Iterator[Candidate]:
    """Commitments that are paid for and that no node uses: nothing is saved before they end."""
    for one, quantity in today.unused:
        monthly = one.hourly * quantity * HOURS_PER_MONTH
        yield Candidate(
            advice=Recommendation(
                kind=RecommendationKind.COMMITMENT_IDLE, target=Target(namespace="", kind="Commitment", name=one.id),
                changes=(), patches=(),
                saving=Saving(monthly=NOTHING, currency=today.present.currency),
                advice=f"Run on machines that {one.id} pays for until {one.ends:%Y-%m-%d}, and let it end then.",
                evidence=(("unused", f"{quantity.normalize():f} of {one.quantity.normalize():f}"),
                          ("costs a month", f"{monthly:.2f} {today.present.currency}"),
                          ("matches", ", ".join(f"{k}={v}" for k, v in sorted(one.match.selectors.items())))),
                risk="none", confidence=0.9, effort=3, undo="nothing is done",
            ),
            effect=Nothing(),
        )  # fmt: skip
