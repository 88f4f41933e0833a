"""``/api/v1/recommendations``: the list, one item, and somebody's yes, no or not now."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from fastapi import Path as InPath
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from app.envelope import ERROR_RESPONSES, Ok, Page, ok, page_of
from app.recommendations import NoSuchRecommendationError, RecommendationDesk
from app.written_times import usable
from cost.recommendations import states
from cost.recommendations.states import IllegalStateError
from domain.clock import Clock
from domain.recommendations import KeptRecommendation, RecommendationKind, RecommendationState

PRINTED: Final = r"^[^\x00]+$"
"""PostgreSQL keeps no NUL in a text."""


def near(until: datetime) -> datetime:
    """A time that a database and every time zone can hold."""
    return usable("until", until)


PageNumber = Annotated[int, Query(ge=1, le=10_000, description="Counts from 1.")]
Limit = Annotated[int, Query(ge=1, le=200, description="Items per page.")]
Id = Annotated[str, InPath(pattern="^[0-9a-f]{12}$", description="12 hex digits.")]
Reason = Annotated[str, Field(min_length=1, max_length=500, pattern=PRINTED)]
Until = Annotated[AwareDatetime, AfterValidator(near)]
Step = Callable[[KeptRecommendation], KeptRecommendation]
BASIS = "marginalEffective"


class TargetView(BaseModel):
    """An object; ``namespace`` is empty for what has none."""

    namespace: str
    kind: str
    name: str


class ChangeView(BaseModel):
    """One field; null is one that is not there."""

    path: str
    before: str | None = Field(serialization_alias="from")
    after: str | None = Field(serialization_alias="to")


class PatchView(BaseModel):
    """What a human would paste: kubectl's command, and its patch where it takes one."""

    object: str
    command: str
    patch: Any


class SavingView(BaseModel):
    """Money in a month, after everything before it in the sequence."""

    monthly: str
    currency: str
    p10: str | None
    p50: str | None
    p90: str | None
    basis: str
    realised_when: str


class FreedView(BaseModel):
    """Requests that nobody makes any more: room, and money only once whole nodes go."""

    cpu_millicores: int
    memory_bytes: int


class EvidenceView(BaseModel):
    """One thing that was looked at."""

    name: str
    value: str


class RecommendationView(BaseModel):
    """One item and where it stands."""

    id: str
    kind: RecommendationKind
    target: TargetView
    advice: str
    changes: list[ChangeView]
    patches: list[PatchView]
    digest: str
    saving: SavingView
    freed: FreedView
    evidence: list[EvidenceView]
    risk: str
    confidence: float
    effort: int
    conflicts: list[str]
    together: list[str]
    supersedes: list[str]
    undo: str
    state: RecommendationState
    since: datetime
    by: str
    reason: str
    until: datetime | None
    seen_at: datetime


class SummaryView(BaseModel):
    """All open items together; amounts are null before the first pass."""

    computed_at: datetime | None
    currency: str | None
    current_monthly: str | None
    saving_monthly: str | None
    shown: int
    hidden: int
    notes: list[str]


class AcceptRequest(BaseModel):
    """A yes to one patch, by its digest."""

    model_config = ConfigDict(extra="forbid")

    digest: Annotated[str, Field(pattern="^[0-9a-f]{16}$", description="Of the item that was read.")]


class RejectRequest(BaseModel):
    """A no, for ever or until a day."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason
    until: Until | None = None


class SnoozeRequest(BaseModel):
    """Not now."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason
    until: Until


def router(desk: RecommendationDesk, clock: Clock) -> APIRouter:
    """The routes."""
    api = APIRouter(prefix="/recommendations", responses=ERROR_RESPONSES, tags=["cost"])

    @api.get("", operation_id="listRecommendations")
    def recommendations(
        kind: Annotated[RecommendationKind | None, Query(description="Only of this kind.")] = None,
        namespace: Annotated[str | None, Query(max_length=63, description="Only in this one.")] = None,
        state: Annotated[RecommendationState | None, Query(description="Only what stands so.")] = None,
        every: Annotated[
            bool, Query(alias="all", description="Small, snoozed, rejected and finished ones, too.")
        ] = False,
        page: PageNumber = 1,
        limit: Limit = 20,
    ) -> Page[RecommendationView]:
        """Items, best first: by saving, times the chance that it comes, by effort."""
        found = [
            one for one in desk.items(every=every, wanted=() if state is None else {state})
            if kind in (None, one.advice.kind) and namespace in (None, one.advice.target.namespace)
        ]  # fmt: skip
        shown = found[(page - 1) * limit : page * limit]
        return page_of([view(one) for one in shown], page=page, limit=limit, total=len(found))

    @api.get("/summary", operation_id="getRecommendationSummary")
    def summary() -> Ok[SummaryView]:
        """What all open items save together, of which bill, and what was not looked at."""
        return ok(_summary(desk))

    @api.get("/{id}", operation_id="getRecommendation")
    def recommendation(id: Id) -> Ok[RecommendationView]:  # noqa: A002 - the name in the path
        """One item."""
        try:
            return ok(view(desk.get(id)))
        except NoSuchRecommendationError as error:
            raise HTTPException(404, str(error)) from error

    _add_answers(api, desk, clock)
    return api


def _add_answers(api: APIRouter, desk: RecommendationDesk, clock: Clock) -> None:
    @api.post("/{id}/accept", operation_id="acceptRecommendation")
    def accept(id: Id, body: AcceptRequest, request: Request) -> Ok[RecommendationView]:  # noqa: A002
        """Say yes to exactly the patch with this digest; 409 where it is another by now, or nothing waits."""
        by, now = request.state.actor, clock.now()
        return _made(desk, id, lambda one: states.accept(one, digest=body.digest, by=by, now=now))

    @api.post("/{id}/reject", operation_id="rejectRecommendation")
    def reject(id: Id, body: RejectRequest, request: Request) -> Ok[RecommendationView]:  # noqa: A002
        """Say no, with a reason; with ``until`` it comes back then."""
        by, now = request.state.actor, clock.now()
        return _made(desk, id, lambda one: states.reject(one, reason=body.reason, until=body.until, by=by, now=now))

    @api.post("/{id}/snooze", operation_id="snoozeRecommendation")
    def snooze(id: Id, body: SnoozeRequest, request: Request) -> Ok[RecommendationView]:  # noqa: A002
        """Say not now; it comes back at ``until``."""
        by, now = request.state.actor, clock.now()
        return _made(desk, id, lambda one: states.snooze(one, reason=body.reason, until=body.until, by=by, now=now))

    @api.post("/{id}/reopen", operation_id="reopenRecommendation")
    def reopen(id: Id, request: Request) -> Ok[RecommendationView]:  # noqa: A002
        """Take back a yes that is not applied yet, a no, or a not now."""
        by, now = request.state.actor, clock.now()
        return _made(desk, id, lambda one: states.reopen(one, by=by, now=now))


def _made(desk: RecommendationDesk, id_: str, step: Step) -> Ok[RecommendationView]:
    try:
        return ok(view(desk.change(id_, step)))
    except NoSuchRecommendationError as error:
        raise HTTPException(404, str(error)) from error
    except IllegalStateError as error:
        raise HTTPException(409, str(error)) from error


def view(one: KeptRecommendation) -> RecommendationView:
    """As it is answered."""
    advice, standing, saving = one.advice, one.standing, one.advice.saving
    target = advice.target
    return RecommendationView(
        id=one.id, kind=advice.kind, advice=advice.advice, digest=advice.digest,
        target=TargetView(namespace=target.namespace, kind=target.kind, name=target.name),
        changes=[ChangeView(path=each.path, before=each.before, after=each.after) for each in advice.changes],
        patches=[PatchView(object=each.object, command=each.command, patch=each.patch) for each in advice.patches],
        saving=SavingView(
            monthly=_exact(saving.monthly), currency=saving.currency, p10=_known(saving.p10), p50=_known(saving.p50),
            p90=_known(saving.p90), basis=BASIS, realised_when=saving.realised_when,
        ),
        freed=FreedView(cpu_millicores=advice.freed.cpu_millicores, memory_bytes=advice.freed.memory_bytes),
        evidence=[EvidenceView(name=name, value=value) for name, value in advice.evidence], risk=advice.risk,
        confidence=advice.confidence, effort=advice.effort, conflicts=list(advice.conflicts),
        together=list(advice.together), supersedes=list(advice.supersedes), undo=advice.undo, state=standing.state,
        since=standing.since, by=standing.by, reason=standing.reason, until=standing.until, seen_at=one.seen_at,
    )  # fmt: skip


def _summary(desk: RecommendationDesk) -> SummaryView:
    last, shown = desk.last, len(desk.items())
    hidden = len(desk.items(every=True)) - shown
    if last is None:
        why = "nothing is computed yet: the first pass needs a node with a price"
        return SummaryView(computed_at=None, currency=None, current_monthly=None, saving_monthly=None, shown=shown,
                           hidden=hidden, notes=[why])  # fmt: skip
    return SummaryView(
        computed_at=last.at, currency=last.currency, current_monthly=_exact(last.before),
        saving_monthly=_exact(last.total), shown=shown, hidden=hidden, notes=list(last.notes),
    )  # fmt: skip


def _known(amount: Decimal | None) -> str | None:
    return None if amount is None else _exact(amount)


def _exact(amount: Decimal) -> str:
    return f"{amount:f}"
