"""What this Foretide says that nodes cost, stretch by stretch: the other side of a bill.

Prices are those of now: nobody keeps what a sheet said last month. A node is one row as long as it is there at one
price; commitments of the sheet are laid over the nodes hour by hour.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final

from app.cost_node_hours import NodeHours, SeenNode
from cost.billing.charges import hours
from cost.billing.exact import GRAIN
from cost.billing.model import ESTIMATE, UNKNOWN, AssetKind, Modelled
from cost.pricing.chain import Sources, price_node
from cost.pricing.covered import cover
from cost.pricing.things import INSTANCE_TYPES, REGIONS, SPOT_LABELS, Confidence

LONGEST: Final = timedelta(days=31)
_HOUR: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """What a node costs in an hour, and by which source."""

    hourly: Decimal
    source: str
    is_committed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """Of a window; rows by node and time."""

    start: datetime
    end: datetime
    currency: str
    rows: tuple[Modelled, ...]
    notes: tuple[str, ...]


class CostModel:
    """Makes it from what nodes were seen and what they cost."""

    def __init__(self, seen: NodeHours, sources: Callable[[datetime], Sources]) -> None:
        """``sources`` are those of a moment, with what a bill says."""
        self._seen, self._sources = seen, sources

    def of(self, start: datetime, end: datetime, *, raw: bool = False) -> Model:
        """What nodes cost from ``start`` to ``end``.

        Args:
            start: Aware.
            end: After it, at most ``LONGEST``.
            raw: Without what a bill says: what a bill is held against to calibrate prices.

        Raises:
            ValueError: The window is empty or too long.
            QueryError: It is more than one query may touch.
        """
        if end <= start:
            raise ValueError("from must lie before to, and before now")
        if end - start > LONGEST:
            raise ValueError(f"at most {LONGEST.days} days at once")
        sources = self._sources(end)
        return modelled(
            self._seen.between(start, end, label_names(sources)), sources.without_bill if raw else sources,
            start=start, end=end,
        )  # fmt: skip


def modelled(nodes: Sequence[SeenNode], sources: Sources, *, start: datetime, end: datetime) -> Model:
    """Rows of nodes that were seen."""
    rates = {node.key: _rate(sources, node) for node in nodes}
    committed = _committed(nodes, sources)
    rows = [row for node in nodes for row in _rows(node, rates[node.key], committed, sources.currency)]
    notes = ["prices of sheets, files and bills are those of now"]
    unpriced = [node for node in nodes if rates[node.key].source == UNKNOWN]
    if unpriced:
        notes.append(f"no price in {sources.currency} of {len(unpriced)} nodes: they cost 0 here")
    if not nodes:
        notes.append("no node was seen in this time")
    elif (first := min(span[0] for node in nodes for span in node.stretches)) - start > _HOUR:
        notes.append(f"no node is known before {first:%Y-%m-%d %H:%M} UTC")
    return Model(start=start, end=end, currency=sources.currency, rows=tuple(rows), notes=tuple(notes))


def label_names(sources: Sources) -> set[str]:
    """Every label that a price may ask for."""
    own = {*INSTANCE_TYPES, *REGIONS, *SPOT_LABELS}
    if sources.file is not None:
        own |= {row.field.removeprefix("metadata.labels.") for row in sources.file.rows}
    if sources.sheet is None:
        return own
    spec = sources.sheet.spec
    matches = [*(rule.match for rule in spec.rules or ()), *(one.match for one in spec.commitments)]
    return own | {name for match in matches for name in match.node_labels}


def _rate(sources: Sources, node: SeenNode) -> Rate:
    found = price_node(sources, node.facts)
    if found is None:
        return Rate(hourly=Decimal(0), source=UNKNOWN)
    sure = found.price.confidence is not Confidence.ESTIMATE
    return Rate(hourly=found.price.amount, source=found.price.source if sure else ESTIMATE)


Committed = Mapping[str, Mapping[datetime, Rate]]
"""By node and hour, what a commitment makes of it."""


def _committed(nodes: Sequence[SeenNode], sources: Sources) -> Committed:
    sheet = sources.sheet
    if sheet is None or not sheet.spec.commitments or sheet.spec.currency != sources.currency:
        return {}
    found: dict[str, dict[datetime, Rate]] = {}
    there: dict[datetime, list[SeenNode]] = {}
    for node in nodes:
        for hour in _hours(node):
            there.setdefault(hour, []).append(node)
    known: dict[tuple[tuple[str, ...], date], Mapping[str, Decimal]] = {}
    for hour, alive in there.items():
        key = tuple(node.key for node in alive), hour.date()
        if key not in known:
            named = [replace(node.facts, name=node.key) for node in alive]
            known[key] = cover(named, sheet.spec.commitments, hour.date()).hourly
        for name, hourly in known[key].items():
            source = f"commitment in PriceSheet {sheet.key}"
            found.setdefault(name, {})[hour] = Rate(hourly=hourly, source=source, is_committed=True)
    return found


def _rows(node: SeenNode, own: Rate, committed: Committed, currency: str) -> Iterator[Modelled]:
    by_hour = committed.get(node.key, {})
    for begin, until in node.stretches:
        at = begin
        while at < until:
            rate = by_hour.get(_hour_of(at), own)
            stop = min(_hour_of(at) + _HOUR, until)
            while stop < until and (not by_hour or by_hour.get(stop, own) == rate):
                stop = until if not by_hour else min(stop + _HOUR, until)
            yield _row(node, at, stop, rate, currency)
            at = stop


def _row(node: SeenNode, start: datetime, end: datetime, rate: Rate, currency: str) -> Modelled:
    selectors = node.facts.selectors
    lasted = hours(end - start)
    return Modelled(
        kind=AssetKind.NODE, id=node.key, name=node.facts.name, start=start, end=end, hours=lasted,
        cost=(rate.hourly * lasted).quantize(GRAIN), currency=currency, sku=selectors.get("instanceType", ""),
        capacity_type="reserved" if rate.is_committed else selectors["capacityType"],
        region=selectors.get("region", ""), price_source=rate.source,
    )  # fmt: skip


def _hours(node: SeenNode) -> Iterator[datetime]:
    for begin, until in node.stretches:
        hour = _hour_of(begin)
        while hour < until:
            yield hour
            hour += _HOUR


def _hour_of(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
