"""``GET /api/v1/cost/model``: what nodes should have cost, for a bill to be held against; and how a command asks it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from app.cost_model import LONGEST, CostModel, Model
from app.cost_prices import Amount
from app.envelope import ERROR_RESPONSES, Ok, ok
from app.memo import Memo
from app.server_client import Server, ServerError
from app.written_times import usable
from cost.billing.charges import Bill
from cost.billing.model import AssetKind, Modelled
from domain.clock import Clock

_KEPT_SECONDS: Final = 300.0
"""So that the pages of one question are of one answer."""
_MOST: Final = 1_000


class ModelRow(BaseModel):
    """One node over one stretch of time at one price."""

    kind: Literal["node"] = "node"
    id: str = Field(description="spec.providerID, else cluster/name.")
    name: str
    start: datetime
    end: datetime
    hours: Amount
    cost: Amount
    sku: str
    capacity_type: str
    region: str
    price_source: str = Field(description="A sheet or file, else estimate, or unknown: then it costs 0 here.")


class ModelView(BaseModel):
    """A page of the model; all pages of a window are of one answer for five minutes."""

    start: datetime
    end: datetime
    currency: str
    rows: list[ModelRow]
    page: int
    rows_total: int
    notes: list[str]


def router(models: CostModel, clock: Clock) -> APIRouter:
    """The one route."""
    api = APIRouter(prefix="/cost", responses=ERROR_RESPONSES)
    memo = Memo(clock=clock, keep_seconds=_KEPT_SECONDS)

    @api.get("/model", operation_id="getCostModel")
    def model(
        start: Annotated[datetime | None, Query(alias="from", description="With an offset; default a day ago.")] = None,
        end: Annotated[datetime | None, Query(alias="to", description="With an offset; default now.")] = None,
        raw: Annotated[bool, Query(description="Prices as they are before a bill is held against them.")] = False,
        page: Annotated[int, Query(ge=1, le=10_000, description="Counts from 1.")] = 1,
        limit: Annotated[int, Query(ge=1, le=_MOST, description="Rows per page.")] = _MOST,
    ) -> Ok[ModelView]:
        """What nodes cost by our prices, as long as each was there; at most 31 days."""
        now = clock.now()
        # Without a time that is given, pages of this minute are of one answer.
        try:
            until = min(now if end is None else usable("to", end), now.replace(second=0, microsecond=0))
            since = until - timedelta(days=1) if start is None else usable("from", start)
            found: Model = memo.get((since, until, raw), lambda: models.of(since, until, raw=raw))
        except ValueError as error:
            raise HTTPException(422, str(error)) from error
        rows = found.rows[(page - 1) * limit : page * limit]
        return ok(ModelView(
            start=found.start, end=found.end, currency=found.currency, rows=[_row(one) for one in rows], page=page,
            rows_total=len(found.rows), notes=list(found.notes),
        ))  # fmt: skip

    return api


def _row(one: Modelled) -> ModelRow:
    return ModelRow(
        id=one.id, name=one.name, start=one.start, end=one.end, hours=one.hours, cost=one.cost, sku=one.sku,
        capacity_type=one.capacity_type, region=one.region, price_source=one.price_source,
    )  # fmt: skip


def asked_model(
    server: Server, bill: Bill, *, now: datetime, raw: bool, limit: int = _MOST
) -> tuple[tuple[Modelled, ...], list[str]]:
    """The model of a running Foretide over the time of a bill's usage, and what it says beside it.

    Raises:
        ServerError: It does not answer.
        FailedError: It refuses the window.
    """
    spans = [one.period for one in bill.charges if one.is_usage and one.period is not None]
    if not spans:
        return (), ["the bill has no usage with a time"]
    at, end = min(start for start, _ in spans), min(max(until for _, until in spans), now)
    rows: list[Modelled] = []
    notes: list[str] = []
    while at < end:
        until = min(at + LONGEST, end)
        for found in _pages(server, at, until, raw=raw, limit=limit):
            rows += [_read(one, found["currency"]) for one in found["rows"]]
            notes += [note for note in found["notes"] if note not in notes]
        at = until
    return tuple(rows), notes


def _pages(server: Server, start: datetime, end: datetime, *, raw: bool, limit: int) -> Iterator[dict[str, Any]]:
    page, seen, total = 1, 0, 1
    while seen < total:
        times = {"from": start.astimezone(UTC).isoformat(), "to": end.astimezone(UTC).isoformat()}
        asked = urlencode({**times, "raw": str(raw).lower(), "page": page, "limit": limit})
        found = server.ask("GET", f"/api/v1/cost/model?{asked}")
        if not isinstance(found, dict) or not isinstance(found.get("rows"), list):
            raise ServerError("the server has no model of costs: it is an older Foretide")
        yield found
        seen, total, page = seen + len(found["rows"]), found["rows_total"] if found["rows"] else 0, page + 1


def _read(row: dict[str, Any], currency: str) -> Modelled:
    return Modelled(
        kind=AssetKind(row["kind"]), id=row["id"], name=row["name"], start=datetime.fromisoformat(row["start"]),
        end=datetime.fromisoformat(row["end"]), hours=Decimal(row["hours"]), cost=Decimal(row["cost"]),
        currency=currency, sku=row["sku"], capacity_type=row["capacity_type"], region=row["region"],
        price_source=row["price_source"],
    )  # fmt: skip
