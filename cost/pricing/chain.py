"""The price of a node or a volume from the surest source that has one, with what it stands on.

In this order: the sheet, the operator's file in OpenCost's form, OpenCost's metrics, defaults. What the bill says of
such a machine moves that price, or stands alone where there is none, and the price counts as billed then. A source in
another currency is left out and told: nothing is converted, nothing is guessed silently.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal

from cost.pricing import defaults
from cost.pricing.billed import BilledPrice, ByBill
from cost.pricing.covered import cover
from cost.pricing.opencost_csv import PriceFile
from cost.pricing.opencost_metrics import Reported
from cost.pricing.sheet import Costs, node_costs, volume_hourly
from cost.pricing.split import split_node_price
from cost.pricing.things import Confidence, NodeFacts, Price, VolumeFacts
from rules.price_sheet import PriceSheet, SplitRatio


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Everything that prices may come from.

    Attributes:
        currency: Of every amount that comes out.
        sheet: The operator's.
        file: The operator's, in OpenCost's form; it names no currency and counts as being in ours.
        reported: OpenCost's metrics; the same.
        bill: What a bill says of machines of a kind.
    """

    currency: str
    sheet: PriceSheet | None = None
    file: PriceFile | None = None
    reported: Reported | None = None
    bill: ByBill = field(default_factory=ByBill)

    @property
    def split_ratio(self) -> tuple[Decimal, Decimal, Decimal]:
        """How prices of whole nodes are split."""
        ratio = SplitRatio() if self.sheet is None else self.sheet.spec.split_ratio
        return ratio.cpu, ratio.mem, ratio.gpu

    @property
    def without_bill(self) -> Sources:
        """The same prices as they are before a bill is held against them."""
        return replace(self, bill=ByBill())


@dataclass(frozen=True, slots=True, kw_only=True)
class PricedNode:
    """A node's hourly costs of CPU, memory and GPUs; together ``price``."""

    parts: tuple[Decimal, Decimal, Decimal]
    price: Price
    note: str = ""


def price_node(sources: Sources, node: NodeFacts) -> PricedNode | None:
    """What the node costs in an hour; None where no source in our currency has a price of it."""
    factor, billed = sources.bill.factor(node), sources.bill.price(node)
    for costs, source, as_of, confidence in _of_node(sources, node):
        if factor is not None:
            costs, as_of, confidence = costs.times(factor), sources.bill.at, Confidence.BILLED
            source = f"{source}, times {factor.normalize():f} by the bill"
        elif billed is not None and confidence is not Confidence.ESTIMATE:
            return _by_bill(sources, node, billed, billed.with_ours(costs.total))
        elif billed is not None:  # a default price says less of this machine than one hour of its bill
            break
        price = Price(amount=costs.total, currency=sources.currency, source=source, as_of=as_of, confidence=confidence)
        return PricedNode(parts=costs.parts, price=price, note=costs.note)
    return None if billed is None else _by_bill(sources, node, billed, billed.hourly)


def price_nodes(sources: Sources, nodes: Sequence[NodeFacts], today: date) -> tuple[dict[str, PricedNode], Decimal]:
    """Every node that has a price, by name, and what unused commitments cost in an hour; committed nodes cost that."""
    priced = {node.name: found for node in nodes if (found := price_node(sources, node)) is not None}
    sheet = sources.sheet
    if sheet is None or sheet.spec.currency != sources.currency:
        return priced, Decimal(0)
    covered = cover(nodes, sheet.spec.commitments, today)
    for node in nodes:
        if (hourly := covered.hourly.get(node.name)) is not None:
            priced[node.name] = committed_node(sources, node, hourly)
    return priced, covered.unused_hourly


def committed_node(sources: Sources, node: NodeFacts, hourly: Decimal) -> PricedNode:
    """A node that a commitment of the sheet pays for."""
    parts = split_node_price(
        hourly, cpus=node.cpu_cores, gib=node.memory_gib, gpus=node.gpus, ratio=sources.split_ratio
    )
    sheet = sources.sheet
    source, as_of = ("", None) if sheet is None else (f"commitment in PriceSheet {sheet.key}", sheet.spec.as_of)
    return PricedNode(parts=parts, price=_price(sources, hourly, source, as_of, Confidence.STATED))


def price_volume(sources: Sources, volume: VolumeFacts) -> Price | None:
    """What the volume costs in an hour."""
    sheet = sources.sheet
    if sheet is not None and sheet.spec.currency == sources.currency:
        amount = volume_hourly(sheet.spec, volume)
        if amount is not None:
            return _price(sources, amount, f"PriceSheet {sheet.key}", sheet.spec.as_of, Confidence.STATED)
    if sources.file is not None and (found := sources.file.volume_hourly(volume)) is not None:
        where = f"{sources.file.file}:{found[1].line}"
        return _price(sources, found[0], where, found[1].as_of, Confidence.STATED)
    if sources.reported is not None and (hourly := sources.reported.volume_hourly(volume)) is not None:
        return _price(sources, hourly, "OpenCost's metrics", None, Confidence.REPORTED)
    if sources.currency != defaults.SHEET.currency:
        return None
    amount = volume.gib * defaults.STORAGE_GIB_HOUR
    return _price(sources, amount, "default prices", defaults.AS_OF, Confidence.ESTIMATE)


def notes_on(sources: Sources, prices: Iterable[Price], today: date) -> list[str]:
    """What should be known of the prices that were used: another currency, old ones, how much is an estimate."""
    notes: list[str] = []
    used = list(prices)
    if sources.sheet is not None and sources.sheet.spec.currency != sources.currency:
        notes.append(
            f"PriceSheet {sources.sheet.key} is in {sources.sheet.spec.currency}, not {sources.currency}: left out"
        )
    if sources.sheet is not None:
        over = sorted(one.id for one in sources.sheet.spec.commitments if one.ends < today)
        notes += [f"commitment {name} of PriceSheet {sources.sheet.key} has ended" for name in over]
    for source in sorted({price.source for price in used if price.is_stale(today)}):
        notes.append(f"prices of {source} are older than 90 days")
    whole = sum((price.amount for price in used), Decimal(0))
    estimated = sum((price.amount for price in used if price.confidence is Confidence.ESTIMATE), Decimal(0))
    if estimated and whole:
        notes.append(f"{100 * estimated / whole:.0f}% of the hourly cost is an estimate, by default prices")
    return notes


def _of_node(sources: Sources, node: NodeFacts) -> Iterable[tuple[Costs, str, date | None, Confidence]]:
    """Every source that has a price, surest first."""
    sheet = sources.sheet
    if sheet is not None and sheet.spec.currency == sources.currency:
        costs = node_costs(sheet.spec, node)
        if costs is not None:
            yield costs, f"PriceSheet {sheet.key}", sheet.spec.as_of, Confidence.STATED
    if sources.file is not None and (found := sources.file.node(node, sources.split_ratio)) is not None:
        yield found[0], f"{sources.file.file}:{found[1].line}", found[1].as_of, Confidence.STATED
    if sources.reported is not None:
        costs = sources.reported.node(node, sources.split_ratio)
        if costs is not None:
            yield costs, "OpenCost's metrics", None, Confidence.REPORTED
    if sources.currency == defaults.SHEET.currency:
        costs = node_costs(defaults.SHEET, node)
        if costs is not None:
            yield costs, "default prices", defaults.AS_OF, Confidence.ESTIMATE


def _by_bill(sources: Sources, node: NodeFacts, billed: BilledPrice, hourly: Decimal) -> PricedNode:
    parts = split_node_price(
        hourly, cpus=node.cpu_cores, gib=node.memory_gib, gpus=node.gpus, ratio=sources.split_ratio
    )
    price = _price(sources, hourly, f"bill {billed.source}", billed.as_of, Confidence.BILLED)
    return PricedNode(parts=parts, price=price)


def _price(sources: Sources, amount: Decimal, source: str, as_of: date | None, confidence: Confidence) -> Price:
    return Price(amount=amount, currency=sources.currency, source=source, as_of=as_of, confidence=confidence)
