"""`/api/v1/cost/resizings`: accepted right-sizings, how far each is, and somebody's no to one that is under way."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from app.envelope import ERROR_RESPONSES, Ok, Page, ok, page_of
from app.recommendations_endpoints import PRINTED
from controller.resizing.case import Case, Stage
from controller.resizing.records import from_json
from cost.recommendations import states
from cost.recommendations.states import IllegalStateError
from domain.clock import Clock
from store.state import Recommendations, ResizingCases, State

Id = Annotated[str, Path(pattern="^[0-9a-f]{12}$", description="Of the recommendation.")]


class StopRequest(BaseModel):
    """A no, with a reason."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, Field(min_length=1, max_length=500, pattern=PRINTED)]


class ChangedView(BaseModel):
    """One value: what stood there, and what is written."""

    path: str = Field(description="As in the recommendation.")
    before: str | None
    after: str


class ResizingView(BaseModel):
    """One of them."""

    id: str
    target: str
    stage: Stage
    reason: str
    since: datetime
    accepted_by: str
    accepted_at: datetime
    began_at: datetime | None = Field(description="When the first pod, or the template, had the new size.")
    applied_at: datetime | None = Field(description="When all of it stood.")
    canary: str | None = Field(description="The pod that went first.")
    changes: list[ChangedView]


def router(state: State, clock: Clock) -> APIRouter:
    """The routes."""
    api = APIRouter(prefix="/cost/resizings", responses=ERROR_RESPONSES, tags=["cost"])

    @api.get("", operation_id="listResizings")
    def resizings(
        page: Annotated[int, Query(ge=1, le=10_000, description="Counts from 1.")] = 1,
        limit: Annotated[int, Query(ge=1, le=200, description="Items per page.")] = 20,
    ) -> Page[ResizingView]:
        """Those under way first, the newest change of a stage first."""
        cases = sorted(_all(state).values(), key=lambda one: (one.over, -one.since.timestamp(), one.id))
        shown = [view(one) for one in cases[(page - 1) * limit : page * limit]]
        return page_of(shown, page=page, limit=limit, total=len(cases))

    @api.post("/{id}/stop", operation_id="stopResizing", status_code=202)
    def stop(id: Id, body: StopRequest, request: Request) -> Ok[ResizingView]:  # noqa: A002 - the name in the path
        """Say no to one that waits or is under way: within a minute it is given back; 409 where it is over."""
        case = _all(state).get(id)
        if case is None:
            raise HTTPException(404, f"no right-sizing {id}")
        if case.over:
            raise HTTPException(409, f"{id} is {case.stage}: the size is the workload's own")
        with state.transaction() as session:
            kept = Recommendations(session).get(id, to_change=True)
            try:
                if kept is not None:
                    stopped = states.undo(kept, by=request.state.actor, now=clock.now(), reason=body.reason)
                    Recommendations(session).put(stopped)
            except IllegalStateError as error:
                raise HTTPException(409, str(error)) from error
        return ok(view(case))

    return api


def view(case: Case) -> ResizingView:
    """As it is answered."""
    fields = [ChangedView(path=f"containers[{one.container}].{one.part}.{one.resource}", before=one.before,
                          after=one.after) for one in case.patch.fields]  # fmt: skip
    targets = [ChangedView(path=f"hpa[{one.hpa}].target.{one.resource}", before=str(one.before), after=str(one.after))
               for one in case.patch.targets]  # fmt: skip
    ref = case.patch.ref
    return ResizingView(
        id=case.id, target=f"{ref.namespace}/{ref.kind}/{ref.name}", stage=case.stage, reason=case.reason,
        since=case.since, accepted_by=case.by, accepted_at=case.accepted_at, began_at=case.began_at,
        applied_at=case.applied_at, canary=None if case.canary is None else case.canary.name,
        changes=fields + targets,
    )  # fmt: skip


def _all(state: State) -> dict[str, Case]:
    with state.transaction() as session:
        cases = ResizingCases(session)
        bodies = cases.all(over=True) | cases.all(over=False)
    return {id_: from_json(body) for id_, body in bodies.items()}
