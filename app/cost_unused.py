"""``GET /api/v1/cost/unused``: what a cluster has and nobody uses, with what a human could do about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field, PlainSerializer

from app.cost_unused_activity import Figures
from app.cost_unused_read import ClusterReader
from app.envelope import ERROR_RESPONSES, Ok, ok
from app.memo import Memo
from app.queries import Queries
from cost.pricing.chain import Sources, price_nodes
from cost.unused.finding import Finding, Kind, Target
from cost.unused.prices import NOTHING, Prices
from cost.unused.snapshot import Snapshot
from cost.unused.survey import NotKnown, Survey, survey
from domain.clock import Clock
from kube import Connection

Amount = Annotated[Decimal, PlainSerializer(lambda amount: f"{amount:f}", return_type=str, when_used="json")]
KEEP_SECONDS: Final = 300.0
"""Every kind of the cluster is listed for an answer, and the rules look at weeks."""
NO_CLUSTER: Final = (
    "this Foretide is connected to no Kubernetes cluster (cluster: kubernetes in foretide.yaml): nothing can be listed"
)


class TargetView(BaseModel):
    """An object; ``namespace`` is empty of what has none."""

    namespace: str
    kind: str
    name: str


class FindingView(BaseModel):
    """One thing that nobody seems to use."""

    kind: Kind
    target: TargetView
    monthly: Amount | None = Field(description="No longer paid in 730 hours once it is gone; null: no price is known.")
    since: datetime | None
    evidence: dict[str, str]
    advice: str
    command: str = Field(description="What a human could run; Foretide never does.")
    undo: str


class KeptView(BaseModel):
    """What somebody keeps by the annotation ``foretide.dev/keep``."""

    kind: Kind
    target: TargetView
    reason: str


class NotKnownView(BaseModel):
    """What nobody can say; ``objects`` 0 is all of the kind."""

    kind: Kind
    why: str
    objects: int


class UnusedView(BaseModel):
    """Findings dearest first, those without a price last; ``monthly`` is of all of them, beyond ``limit``, too."""

    read_at: datetime | None
    currency: str
    monthly: Amount
    findings: list[FindingView]
    findings_total: int
    kept: list[KeptView]
    not_known: list[NotKnownView]
    notes: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Surveyed:
    """A survey, and when the cluster was read."""

    at: datetime | None
    survey: Survey


class Unused:
    """Looks for them when it is asked, at most every five minutes."""

    def __init__(
        self, connection: Connection | None, queries: Queries, sources: Callable[[datetime], Sources], clock: Clock
    ) -> None:
        """Nothing is asked yet.

        Args:
            connection: The cluster; None where there is none.
            queries: What was measured.
            sources: Where prices of a moment come from.
            clock: The only one.
        """
        self._connection, self._figures = connection, Figures(queries)
        self._sources, self._clock = sources, clock
        self._memo = Memo(clock=clock, keep_seconds=KEEP_SECONDS)

    def surveyed(self) -> Surveyed:
        """The whole cluster."""
        if self._connection is None:
            told = tuple(NotKnown(kind=kind, why=NO_CLUSTER) for kind in Kind)
            currency = self._sources(self._clock.now()).currency
            return Surveyed(
                at=None, survey=Survey(currency=currency, findings=(), kept=(), not_known=told, notes=())
            )  # fmt: skip
        return self._memo.get("cluster", self._survey)

    def _survey(self) -> Surveyed:
        assert self._connection is not None
        now = self._clock.now()
        snapshot = ClusterReader(self._connection).snapshot(now)
        made = survey(snapshot, self._figures.measured(snapshot), prices_of(snapshot, self._sources(now)))
        return Surveyed(at=now, survey=made)


def prices_of(snapshot: Snapshot, sources: Sources) -> Prices:
    """Of what a snapshot holds, with its nodes' own."""
    priced, _ = price_nodes(sources, snapshot.nodes, snapshot.at.date())
    return Prices(sources=sources, nodes={node.name: node for node in snapshot.nodes}, priced=priced)


def router(unused: Unused) -> APIRouter:
    """The one route."""
    api = APIRouter(prefix="/cost", tags=["cost"], responses=ERROR_RESPONSES)

    @api.get("/unused", operation_id="getUnused")
    def found(
        namespace: Annotated[
            str | None, Query(pattern="^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", description="Only of this one.")
        ] = None,
        kind: Annotated[Kind | None, Query(description="Only of this one.")] = None,
        limit: Annotated[int, Query(ge=1, le=10_000, description="Findings, dearest first.")] = 1_000,
    ) -> Ok[UnusedView]:
        """What nobody uses; reads only. The cluster is listed at most every five minutes."""
        return ok(view(unused.surveyed(), namespace=namespace or "", kind=kind, limit=limit))

    return api


def view(found: Surveyed, *, namespace: str = "", kind: Kind | None = None, limit: int = 1_000) -> UnusedView:
    """The answer; what is not known of a kind is told whatever the namespace is."""
    made = found.survey
    mine = [one for one in made.findings if _is_asked(one.kind, one.target, namespace, kind)]
    kept = [one for one in made.kept if _is_asked(one.kind, one.target, namespace, kind)]
    return UnusedView(
        read_at=found.at, currency=made.currency, monthly=sum((one.monthly or NOTHING for one in mine), NOTHING),
        findings=[_view(one) for one in mine[:limit]], findings_total=len(mine),
        kept=[KeptView(kind=Kind(one.kind), target=_target(one.target), reason=one.reason) for one in kept],
        not_known=[NotKnownView(kind=one.kind, why=one.why, objects=one.objects) for one in made.not_known
                   if kind in (None, one.kind)],
        notes=list(made.notes),
    )  # fmt: skip


def _is_asked(kind: str, target: Target, namespace: str, wanted: Kind | None) -> bool:
    place = target.namespace or (target.name if target.kind == "Namespace" else "")
    return namespace in ("", place) and wanted in (None, kind)


def _view(one: Finding) -> FindingView:
    return FindingView(
        kind=Kind(one.kind), target=_target(one.target), monthly=one.monthly, since=one.since,
        evidence=dict(one.evidence), advice=one.advice, command=one.command, undo=one.undo,
    )  # fmt: skip


def _target(one: Target) -> TargetView:
    return TargetView(namespace=one.namespace, kind=one.kind, name=one.name)
