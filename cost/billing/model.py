"""What we say that things cost: the other side of a bill, one row for each stretch of a node, volume or load balancer.

A file of it is a CSV with a header; a row that cannot be read has its line, as in a bill, and is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from cost.billing import cells
from cost.billing.charges import hours
from cost.billing.quality import Effect, Notes, Problem
from cost.billing.tables import BillError, open_table

NEEDED: Final = ("kind", "id", "start", "end", "cost")
OPTIONAL: Final = ("name", "hours", "currency", "sku", "capacity_type", "region", "price_source")


ESTIMATE: Final = "estimate"
UNKNOWN: Final = "unknown"
"""Of ``price_source``: the price is a default, or there was none and the asset costs 0; no price of its own either
way."""


class AssetKind(StrEnum):
    """What a bill has a resource for."""

    NODE = "node"
    VOLUME = "volume"
    LOAD_BALANCER = "loadBalancer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Modelled:
    """One asset over one stretch of time.

    Attributes:
        id: A node's ``spec.providerID``, a volume's ``volumeHandle``, a load balancer's hostname or address.
        hours: It existed within ``[start, end)``.
        cost: Of that stretch.
        sku: Instance type or storage class; empty where the model had no price of its own for it.
        capacity_type: ``on-demand``, ``spot`` or ``reserved``, as the node's labels say; empty where they do not.
        price_source: Where the price came from: a sheet or file, else ``estimate`` or ``unknown``.
    """

    kind: AssetKind
    id: str
    name: str
    start: datetime
    end: datetime
    hours: Decimal
    cost: Decimal
    currency: str = ""
    sku: str = ""
    capacity_type: str = ""
    region: str = ""
    price_source: str = ""


def read_model(path: Path, notes: Notes) -> tuple[Modelled, ...]:
    """The assets of a file.

    Raises:
        BillError: It cannot be read, or lacks a column that is needed.
    """
    table = open_table(path)
    names = [name.strip().lower() for name in table.header]
    lacking = [name for name in NEEDED if name not in names]
    if lacking:
        raise BillError(f"{path}: a model needs the columns {', '.join(NEEDED)}; missing: {', '.join(lacking)}")
    at = {name: names.index(name) for name in (*NEEDED, *OPTIONAL) if name in names}
    found: list[Modelled] = []
    for number, row in table.rows:
        try:
            found.append(_row({name: row[position] for name, position in at.items() if position < len(row)}))
        except _RowError as error:
            notes.add(str(path), number, error.column, error.problem, Effect.ROW_LEFT_OUT, str(error))
    return tuple(found)


class _RowError(ValueError):
    def __init__(self, column: str, problem: Problem, message: str) -> None:
        super().__init__(message)
        self.column, self.problem = column, problem


def _row(row: dict[str, Any]) -> Modelled:
    start, end = _time(row, "start"), _time(row, "end")
    if end <= start:
        raise _RowError("end", Problem.BAD_TIME, "not after start")
    lasted = hours(end - start)
    own = lasted if cells.is_null(row.get("hours")) else _amount(row, "hours")
    if own > lasted:
        raise _RowError("hours", Problem.BAD_NUMBER, f"{own} in a stretch of {lasted}")
    texts = {name: cells.text(row.get(name)) for name in ("currency", "sku", "capacity_type", "region", "price_source")}
    return Modelled(
        kind=_kind(row), id=cells.text(row.get("id")), name=cells.text(row.get("name")) or cells.text(row.get("id")),
        start=start, end=end, hours=own, cost=_amount(row, "cost"), **texts,
    )  # fmt: skip


def _kind(row: dict[str, Any]) -> AssetKind:
    try:
        return AssetKind(cells.text(row.get("kind")))
    except ValueError:
        message = f"{cells.text(row.get('kind'))!r} is none of {', '.join(AssetKind)}"
        raise _RowError("kind", Problem.BAD_VALUE, message) from None


def _time(row: dict[str, Any], column: str) -> datetime:
    try:
        return cells.instant(row.get(column))[0]
    except cells.CellError as error:
        raise _RowError(column, Problem.BAD_TIME, str(error)) from None


def _amount(row: dict[str, Any], column: str) -> Decimal:
    try:
        value = cells.number(row.get(column))[0]
    except cells.CellError as error:
        raise _RowError(column, Problem.BAD_NUMBER, str(error)) from None
    if value < 0:
        raise _RowError(column, Problem.NEGATIVE_COST, f"{value}: a model has no negative {column}")
    return value
