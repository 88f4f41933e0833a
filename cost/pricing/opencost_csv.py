"""OpenCost's file of prices: one row for each node, GPU type, volume or storage class.

A row that cannot be used is told with its row and column, and the others are read. Prices of nodes and GPUs add up.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Final

from cost.pricing.sheet import Costs
from cost.pricing.split import split_node_price
from cost.pricing.things import NodeFacts, VolumeFacts
from domain.errors import Mistake

_COLUMNS: Final = ("EndTimestamp", "InstanceID", "Region", "AssetClass", "InstanceIDField", "InstanceType",
                   "MarketPriceHourly")  # fmt: skip
_CLASSES: Final = ("node", "gpu", "pv")
_LABELS: Final = "metadata.labels."
_LINKED: Final = re.compile(r"<[^|>]*\|([^>]*)>")
"""What a chat makes of a label that looks like an address."""
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_HIGHEST: Final = Decimal(10) ** 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One price: of what, by which field it is found, where, and until when it was seen."""

    asset: str
    field: str
    value: str
    region: str
    instance_type: str
    hourly: Decimal
    as_of: date | None
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceFile:
    """The rows that can be used, and what is wrong with the others."""

    file: str
    rows: tuple[Row, ...]
    mistakes: tuple[Mistake, ...]

    def node(self, node: NodeFacts, ratio: tuple[Decimal, Decimal, Decimal]) -> tuple[Costs, Row] | None:
        """What a node costs: by its own row, with the price of its GPUs where they have one."""
        own = self._row("node", node)
        if own is None:
            return None
        parts = split_node_price(own.hourly, cpus=node.cpu_cores, gib=node.memory_gib, gpus=Decimal(0), ratio=ratio)
        gpu = self._row("gpu", node)
        each = Decimal(0) if gpu is None else gpu.hourly * node.gpus
        if node.gpus and gpu is None:  # GPUs are part of the machine then
            parts = split_node_price(own.hourly, cpus=node.cpu_cores, gib=node.memory_gib, gpus=node.gpus, ratio=ratio)
            each = parts[2]
        return Costs(parts=(parts[0], parts[1], each)), own

    def volume_hourly(self, volume: VolumeFacts) -> tuple[Decimal, Row] | None:
        """What a volume costs in an hour: rows of volumes are prices of a GiB."""
        fields = {"metadata.name": volume.name, "spec.storageClassName": volume.storage_class}
        for region in (volume.region, ""):
            for row in self.rows:
                if row.asset == "pv" and row.region == region and _same(row.value, fields.get(row.field, "")):
                    return row.hourly * volume.gib, row
        return None

    def _row(self, asset: str, node: NodeFacts) -> Row | None:
        """The row of the node's region, else one that names none."""
        for region in dict.fromkeys((node.selectors.get("region", ""), "")):
            for row in self.rows:
                if row.asset == asset and row.region == region and _is_of(row, node):
                    return row
        return None


def read(lines: Iterable[str], *, file: str) -> PriceFile:
    """Read the file; what is wrong with it stands in ``mistakes``, never in an exception."""
    reader = csv.reader(lines)
    try:
        head = [name.strip().lstrip("\ufeff") for name in next(reader, [])]
        if missing := [name for name in _COLUMNS if name not in head]:
            said = f"missing column {', '.join(missing)}"
            return PriceFile(file=file, rows=(), mistakes=(_mistake(file, 1, 1, "", said),))
        return _rows(reader, head, file)
    except csv.Error as error:
        return PriceFile(file=file, rows=(), mistakes=(_mistake(file, reader.line_num, 1, "", f"not CSV: {error}"),))


def _rows(reader: Iterable[list[str]], head: list[str], file: str) -> PriceFile:
    rows: dict[tuple[str, str, str, str], Row] = {}
    mistakes: list[Mistake] = []
    at = {name: head.index(name) for name in _COLUMNS}
    for line, cells in enumerate(reader, start=2):
        if not any(cells):
            continue
        values = {name: cells[place].strip() if place < len(cells) else "" for name, place in at.items()}
        row, wrong = _row(values, line)
        for name, said in wrong:
            mistakes.append(_mistake(file, line, at[name] + 1, name, said))
        if row is None:
            continue
        key = (row.asset, row.field, row.value.lower(), row.region)
        first = rows.setdefault(key, row)
        if first is not row and first.hourly != row.hourly:
            said = f"row {first.line} has another price of the same; that one counts"
            mistakes.append(_mistake(file, line, at["MarketPriceHourly"] + 1, "MarketPriceHourly", said))
    # Of several rows that fit a node, the one that names it counts, then the first of a label.
    ordered = sorted(rows.values(), key=lambda row: row.field.startswith(_LABELS))
    return PriceFile(file=file, rows=tuple(ordered), mistakes=tuple(mistakes))


def _row(values: Mapping[str, str], line: int) -> tuple[Row | None, list[tuple[str, str]]]:
    """The row, or None, and what is wrong by column; a date that cannot be read costs only the date."""
    wrong: list[tuple[str, str]] = []
    asset = values["AssetClass"].lower()
    if asset not in _CLASSES:
        wrong.append(("AssetClass", f'expected one of node, gpu, pv; found "{values["AssetClass"]}"'))
    for name in ("InstanceID", "InstanceIDField"):
        if not values[name]:
            wrong.append((name, "is empty; the row is left out"))
    hourly = _hourly(values["MarketPriceHourly"])
    if isinstance(hourly, str):
        wrong.append(("MarketPriceHourly", hourly))
    if wrong or isinstance(hourly, str):
        return None, wrong
    day = _DAY.match(values["EndTimestamp"])
    try:
        as_of = date.fromisoformat(day[0]) if day else None
    except ValueError:
        as_of = None
    if as_of is None:
        wrong.append(("EndTimestamp", "expected a time such as 2026-10-01 00:00:00 UTC; the price has no date"))
    made = Row(
        asset=asset, field=_LINKED.sub(r"\1", values["InstanceIDField"]), value=values["InstanceID"],
        region=values["Region"], instance_type=values["InstanceType"], hourly=hourly, as_of=as_of, line=line,
    )  # fmt: skip
    return made, wrong


def _hourly(text: str) -> Decimal | str:
    """The price, or why there is none."""
    try:
        price = Decimal(text)
    except InvalidOperation:
        return f'expected a price such as 0.1337; found "{text}"'
    if not price.is_finite() or price < 0 or price > _HIGHEST:
        return f'expected a price above 0; found "{text}"'
    return price if price else "a price of 0 is none; the row is left out"


def _is_of(row: Row, node: NodeFacts) -> bool:
    if row.field == "metadata.name":
        return _same(row.value, node.name)
    if row.field == "spec.providerID":
        return _same(row.value, node.provider_id) or node.provider_id.lower().endswith(f"/{row.value.lower()}")
    return _same(row.value, node.labels.get(row.field.removeprefix(_LABELS), ""))


def _same(one: str, other: str) -> bool:
    """Clouds do not agree with themselves on upper and lower case of their ids."""
    return bool(other) and one.lower() == other.lower()


def _mistake(file: str, line: int, column: int, field: str, message: str) -> Mistake:
    return Mistake(file=file, line=line, column=column, field=field, message=message)
