"""``/api/v1/deliveries`` and ``/api/v1/receivers``: what was told to whom, what was not, and again; never a secret."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Query, Request
from fastapi import Path as InPath
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from app.alerting.deliveries import DeliveryParts, NoSuchDeliveryError, NotOverError, ReceiverState
from app.envelope import ERROR_RESPONSES, Failure, Ok, Page, ok, page_of
from rules.receiver import Email, PagerDuty, Receiver, Slack
from store.state import DeliveryStatus, KeptMessage

PageNumber = Annotated[int, Query(ge=1, le=10_000, description="Counts from 1.")]
Limit = Annotated[int, Query(ge=1, le=200, description="Items per page.")]
Id = Annotated[str, InPath(max_length=64, description="Of a delivery, which is the webhook-id.")]
Word = Annotated[str, InPath(max_length=253)]


class DeliveryView(BaseModel):
    """One message to one receiver."""

    id: str
    receiver: str
    group_key: str
    status: DeliveryStatus
    tells: str
    attempts: int
    last_error: str
    created_at: datetime
    next_attempt_at: datetime | None
    ended_at: datetime | None


class ReceiverView(BaseModel):
    """One receiver: where it is as far as that is no secret, and how it does."""

    namespace: str
    name: str
    kind: str
    target: str
    signed: bool
    source: str
    state: str
    problem: str
    failing_since: datetime | None
    next_attempt_at: datetime | None
    last_heartbeat_at: datetime | None


def router(parts: DeliveryParts) -> APIRouter:
    """The routes."""
    api = APIRouter(responses={**ERROR_RESPONSES, 409: {"model": Failure}}, tags=["alerts"])

    @api.get("/deliveries", operation_id="listDeliveries")
    def deliveries(
        receiver: Annotated[str | None, Query(max_length=320, description="Only to this one, namespace/name.")] = None,
        status: Annotated[DeliveryStatus | None, Query(description="Only those that stand so.")] = None,
        page: PageNumber = 1,
        limit: Limit = 20,
    ) -> Page[DeliveryView]:
        """What was sent, waits, or was given up, newest first."""
        statuses = [] if status is None else [status]
        found, total = parts.page(page=page, limit=limit, receiver=receiver, statuses=statuses)
        return page_of([_view(one) for one in found], page=page, limit=limit, total=total)

    @api.post("/deliveries/{id}/replay", operation_id="replayDelivery")
    def replay(id: Id) -> Ok[DeliveryView]:  # noqa: A002 - the name in the path
        """Send one that has ended again, with the same id; 409 where it still waits."""
        try:
            return ok(_view(parts.replay(id)))
        except NoSuchDeliveryError as error:
            raise HTTPException(404, str(error)) from error
        except NotOverError as error:
            raise HTTPException(409, str(error)) from error

    @api.get("/receivers", operation_id="listReceivers")
    def receivers(page: PageNumber = 1, limit: Limit = 20) -> Page[ReceiverView]:
        """Who may be told, and whether that works."""
        found = parts.receivers()
        shown = found[(page - 1) * limit : page * limit]
        return page_of([_receiver_view(one) for one in shown], page=page, limit=limit, total=len(found))

    @api.post("/receivers/{namespace}/{name}/enable", operation_id="enableReceiver")
    def enable(namespace: Word, name: Word, request: Request) -> Ok[ReceiverView]:
        """Tell a receiver again that answered 410; what waits for it is sent."""
        try:
            return ok(_receiver_view(parts.enable(f"{namespace}/{name}", by=request.state.actor)))
        except NoSuchDeliveryError as error:
            raise HTTPException(404, str(error)) from error

    return api


def _view(one: KeptMessage) -> DeliveryView:
    waits = one.status is DeliveryStatus.PENDING
    return DeliveryView(
        id=one.id, receiver=one.receiver, group_key=one.group_key, status=one.status, attempts=one.attempts,
        tells="resolved" if one.resolved else "firing", last_error=one.error, created_at=one.created_at,
        next_attempt_at=one.next_at if waits else None, ended_at=one.ended_at,
    )  # fmt: skip


def _receiver_view(one: ReceiverState) -> ReceiverView:
    metadata, way = one.receiver.metadata, one.receiver.spec.way
    state = "failing" if one.failing_since is not None or one.problem else "ok"
    return ReceiverView(
        namespace=metadata.namespace, name=metadata.name, kind=_kind(one.receiver), target=_target(one.receiver),
        signed=bool(getattr(way, "secrets", ())), source=one.source,
        state="disabled" if one.disabled_at is not None else state,
        problem=one.disabled_reason or one.problem, failing_since=one.failing_since,
        next_attempt_at=one.next_attempt_at, last_heartbeat_at=one.last_heartbeat_at,
    )  # fmt: skip


def _kind(receiver: Receiver) -> str:
    way = receiver.spec.way
    if isinstance(way, Email | PagerDuty | Slack):
        return {"Email": "email", "PagerDuty": "pagerDuty", "Slack": "slack"}[type(way).__name__]
    return f"webhook ({way.format})"


def _target(receiver: Receiver) -> str:
    """Scheme and host: a path may be a secret."""
    way = receiver.spec.way
    if isinstance(way, Email):
        return f"{way.host}:{way.port}"
    url = None if isinstance(way, Slack) else way.url
    if url is None:
        return "(secret)"
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")
