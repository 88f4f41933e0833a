"""`GET /api/v1/cost/allocation`: what a window cost, by any grouping."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel, PlainSerializer
from starlette.exceptions import HTTPException

from app.cost_allocation import Allocated, Allocations
from app.envelope import ERROR_RESPONSES, Ok, ok
from app.written_times import usable
from cost.allocation.distribute import ShareIdle, Split
from cost.allocation.ledger import COMPONENTS, Basis, exact_sum
from cost.allocation.report import Asked, Row
from cost.allocation.subject import Condition, dimensions
from cost.pricing.things import Confidence
from domain.clock import Clock

Amount = Annotated[Decimal, PlainSerializer(lambda amount: f"{amount:f}", return_type=str, when_used="json")]
_CONDITION: Final = re.compile(r"(label:[^:,]+|[A-Za-z]+):(eq|ne|in):([^,]*)")
_DEFAULT_WINDOW: Final = timedelta(days=1)


class RowView(BaseModel):
    """What one group cost: its own by component, and its parts of idle, shared costs and overhead."""

    key: dict[str, str]
    cost: Amount
    components: dict[str, Amount]
    idle: Amount
    shared: Amount
    overhead: Amount
    requested_unused: Amount
    cpu_efficiency_ratio: float | None
    memory_efficiency_ratio: float | None
    efficiency_ratio: float | None


class PriceView(BaseModel):
    """Where prices come from: of how many nodes, volumes and load balancers, and what these cost in an hour."""

    source: str
    as_of: str | None
    confidence: Confidence
    nodes: int
    volumes: int
    load_balancers: int
    hourly: Amount


class AllocationView(BaseModel):
    """Rows, idle by cluster, lines, what the filter keeps out and what ``limit`` leaves out add up to the total."""

    start: datetime
    end: datetime
    step_seconds: float
    currency: str
    basis: Basis
    by: list[str]
    rows: list[RowView]
    rows_total: int
    left_out: Amount
    idle: dict[str, Amount]
    lines: dict[str, Amount]
    filtered: Amount
    system_reserved: Amount
    total: Amount
    prices: list[PriceView]
    notes: list[str]


def router(allocations: Allocations, clock: Clock) -> APIRouter:
    """The one route."""
    api = APIRouter(prefix="/cost", responses=ERROR_RESPONSES)

    @api.get("/allocation", operation_id="getCostAllocation")
    def allocation(
        start: Annotated[datetime | None, Query(alias="from", description="With an offset; default a day ago.")] = None,
        end: Annotated[datetime | None, Query(alias="to", description="With an offset; default now.")] = None,
        by: Annotated[
            str, Query(description="Dimensions, comma-separated: namespace, owner, label:team …")
        ] = "namespace",
        only: Annotated[str, Query(alias="filter", description="dimension:eq|ne|in:value, comma is AND.")] = "",
        share: Annotated[list[str] | None, Query(description="Filters of costs that the others share.")] = None,
        split: Annotated[Split, Query(description="How shared costs are split.")] = "weighted",
        share_idle: Annotated[ShareIdle, Query(description="Whether and how idle is.")] = "none",
        share_overhead: Annotated[bool, Query(description="Whether overhead is.")] = False,
        basis: Annotated[
            Basis, Query(description="opencost: as OpenCost reckons, idle may be negative.")
        ] = "conserving",
        limit: Annotated[int, Query(ge=1, le=10_000, description="Rows, dearest first.")] = 1_000,
    ) -> Ok[AllocationView]:
        """What nodes cost in a window, and who caused it."""
        until = _with_offset(end, "to") or clock.now()
        since = _with_offset(start, "from") or until - _DEFAULT_WINDOW
        try:
            asked = Asked(
                by=dimensions(by.split(",")), only=conditions(only), split=split, share_idle=share_idle,
                shared=tuple(conditions(one) for one in share or ()), share_overhead=share_overhead,
            )  # fmt: skip
            found = allocations.of(since, until, asked, basis)
        except ValueError as error:
            raise HTTPException(422, str(error)) from error
        return ok(view(found, asked.by, limit))

    return api


def conditions(text: str) -> tuple[Condition, ...]:
    """``namespace:eq:shop,label:team:in:a|b``; ``ValueError`` with a sentence for anything else."""
    found = []
    for part in filter(None, text.split(",")):
        match = _CONDITION.fullmatch(part)
        if match is None:
            raise ValueError(f'"{part}" is no filter: write dimension:eq:value, dimension:ne:value or dimension:in:a|b')
        name, op, value = match.groups()
        values = frozenset(value.split("|") if op == "in" else [value])
        found.append(Condition(dimension=dimensions([name])[0], values=values, negated=op == "ne"))
    return tuple(found)


def view(found: Allocated, by: Sequence[str], limit: int) -> AllocationView:
    """The answer, dearest rows first."""
    made = found.report
    ordered = sorted(made.rows, key=lambda row: (-row.cost, row.key))
    return AllocationView(
        start=found.window.start, end=found.window.end, step_seconds=found.window.step.total_seconds(),
        currency=made.currency, basis=found.basis, by=list(by), rows=[_row(row, by) for row in ordered[:limit]],
        rows_total=len(ordered), left_out=exact_sum(row.cost for row in ordered[limit:]), idle=dict(made.idle),
        lines=dict(made.lines), filtered=made.filtered, system_reserved=made.system_reserved, total=made.total,
        prices=_prices(found), notes=list(made.notes),
    )  # fmt: skip


def _row(row: Row, by: Sequence[str]) -> RowView:
    names = by if len(row.key) == len(by) else by[:1]  # what has none of them is __unallocated__ as a whole
    ratios = row.efficiency
    return RowView(
        key=dict(zip(names, row.key, strict=True)), cost=row.cost, idle=row.idle, shared=row.shared,
        components=dict(zip(COMPONENTS, row.costs, strict=True)), overhead=row.overhead, requested_unused=row.unused,
        cpu_efficiency_ratio=None if ratios is None else ratios.cpu,
        memory_efficiency_ratio=None if ratios is None else ratios.memory,
        efficiency_ratio=None if ratios is None else ratios.total,
    )  # fmt: skip


def _prices(found: Allocated) -> list[PriceView]:
    every = {"nodes": found.prices, "volumes": found.volumes, "load_balancers": found.balancers}
    by_source: dict[tuple[str, date | None, Confidence], Counter[str]] = defaultdict(Counter)
    hourly: dict[tuple[str, date | None, Confidence], list[Decimal]] = defaultdict(list)
    for kind, prices in every.items():
        for price in prices:
            source = price.source, price.as_of, price.confidence
            by_source[source][kind] += 1
            hourly[source].append(price.amount)
    return [
        PriceView(
            source=name, as_of=None if as_of is None else as_of.isoformat(), confidence=confidence,
            nodes=counts["nodes"], volumes=counts["volumes"], load_balancers=counts["load_balancers"],
            hourly=exact_sum(hourly[name, as_of, confidence]),
        )
        for (name, as_of, confidence), counts in sorted(by_source.items(), key=lambda one: (one[0][0], str(one[0][1])))
    ]  # fmt: skip


def _with_offset(moment: datetime | None, name: str) -> datetime | None:
    try:
        return None if moment is None else usable(name, moment)
    except ValueError as error:
        raise HTTPException(422, str(error)) from error
