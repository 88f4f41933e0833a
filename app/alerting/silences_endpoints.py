"""``/api/v1/silences``: the list, one, and making, changing and ending them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi import Path as InPath
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from alerts.routing.matchers import MatcherError, Matchers, parse
from alerts.routing.silences import MOST_MATCHERS, Silence, SilenceError, SilenceState
from app.alerting.silences import NoSuchSilenceError, SilenceDesk
from app.envelope import ERROR_RESPONSES, Ok, Page, ok, page_of
from domain.clock import Clock

PageNumber = Annotated[int, Query(ge=1, le=10_000, description="Counts from 1.")]
Limit = Annotated[int, Query(ge=1, le=200, description="Items per page.")]
Id = Annotated[str, InPath(pattern="^[0-9a-f-]{36}$", description="A UUID.")]


class SilenceView(BaseModel):
    """A silence and where it stands."""

    id: str
    matchers: list[str]
    starts_at: datetime
    ends_at: datetime
    created_by: str
    comment: str
    updated_at: datetime
    state: SilenceState


class SilenceRequest(BaseModel):
    """A silence to make, or with ``id`` to change."""

    model_config = ConfigDict(extra="forbid")

    id: Annotated[str, Field(pattern="^[0-9a-f-]{36}$")] | None = None
    matchers: Annotated[list[Annotated[str, Field(max_length=2000)]], Field(min_length=1, max_length=MOST_MATCHERS)]
    starts_at: AwareDatetime | None = None
    ends_at: AwareDatetime
    created_by: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    comment: Annotated[str, Field(min_length=1, max_length=2000)]


def router(desk: SilenceDesk, clock: Clock) -> APIRouter:
    """The routes."""
    api = APIRouter(prefix="/silences", responses=ERROR_RESPONSES, tags=["alerts"])

    @api.get("", operation_id="listSilences")
    def listed(
        state: Annotated[SilenceState | None, Query(description="Only what stands so.")] = None,
        page: PageNumber = 1,
        limit: Limit = 20,
    ) -> Page[SilenceView]:
        """Silences, the latest end first; those that are over are kept for five days."""
        now = clock.now()
        found = [one for one in desk.all() if state in (None, one.state(now))]
        shown = found[(page - 1) * limit : page * limit]
        return page_of([_view(one, now) for one in shown], page=page, limit=limit, total=len(found))

    @api.get("/{id}", operation_id="getSilence")
    def one(id: Id) -> Ok[SilenceView]:  # noqa: A002 - the name in the path
        """One silence."""
        try:
            return ok(_view(desk.get(id), clock.now()))
        except NoSuchSilenceError as error:
            raise HTTPException(404, str(error)) from error

    @api.post("", operation_id="putSilence")
    def put(body: SilenceRequest, request: Request) -> Ok[SilenceView]:
        """Make one; with ``id`` change that one, or expire it and make another where its matchers or start differ."""
        now, matchers = clock.now(), _matchers(body.matchers)
        try:
            starts_at = body.starts_at or (desk.get(body.id).starts_at if body.id else now)
            new = Silence(
                id=body.id or "", matchers=matchers, starts_at=starts_at, ends_at=body.ends_at,
                created_by=body.created_by or request.state.actor, comment=body.comment, updated_at=now,
            )  # fmt: skip
            return ok(_view(desk.put(new), clock.now()))
        except NoSuchSilenceError as error:
            raise HTTPException(404, str(error)) from error
        except SilenceError as error:
            raise HTTPException(422, str(error)) from error

    @api.delete("/{id}", operation_id="expireSilence")
    def expire(id: Id, request: Request) -> Ok[SilenceView]:  # noqa: A002
        """End one now; 409 where it is over already."""
        try:
            return ok(_view(desk.expire(id, request.state.actor), clock.now()))
        except NoSuchSilenceError as error:
            raise HTTPException(404, str(error)) from error
        except SilenceError as error:
            raise HTTPException(409, str(error)) from error

    return api


def _matchers(texts: list[str]) -> Matchers:
    try:
        return tuple(one for text in texts for one in parse(text))
    except MatcherError as error:
        raise HTTPException(422, str(error)) from error


def _view(one: Silence, now: datetime) -> SilenceView:
    return SilenceView(
        id=one.id, matchers=[str(matcher) for matcher in one.matchers], starts_at=one.starts_at, ends_at=one.ends_at,
        created_by=one.created_by, comment=one.comment, updated_at=one.updated_at, state=one.state(now),
    )  # fmt: skip
