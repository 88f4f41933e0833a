"""What a PriceSheet says that something costs: the one function for nodes, and for replicas on a node that nobody
knows.

Among the rules that fit, the one with most selectors counts; ``foretide check`` refuses sheets in which two could
tie. A discount is taken off what the same machine would cost on demand, unless a rule prices its capacity type
itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Final

from cost.pricing.split import split_node_price
from cost.pricing.things import NodeFacts, VolumeFacts
from rules.price_sheet import PriceRule, PriceSheetSpec, UnitPrices

HOURS_PER_MONTH: Final = 730
"""The clouds' own: a year in hours by twelve, as in every price list that has both."""
EXACT_DIGITS: Final = 60
"""A byte in GiB has 30 decimal places: with the usual 28 digits a product with a price would round."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What CPU, memory and GPUs of one thing cost in an hour; ``note`` says what of it has no price."""

    parts: tuple[Decimal, Decimal, Decimal]
    note: str = ""

    @property
    def total(self) -> Decimal:
        """All three."""
        with localcontext() as context:
            context.prec = 2 * EXACT_DIGITS
            return sum(self.parts, Decimal(0))

    def times(self, factor: Decimal) -> Costs:
        """The same, dearer or cheaper."""
        with localcontext() as context:
            context.prec = 2 * EXACT_DIGITS
            cpu, memory, gpu = (part * factor for part in self.parts)
        return Costs(parts=(cpu, memory, gpu), note=self.note)


def node_costs(spec: PriceSheetSpec, node: NodeFacts) -> Costs | None:
    """What a node costs in an hour by the sheet; None where it says nothing about it.

    Args:
        spec: The sheet.
        node: The machine, or the requests of a replica without a name and labels: then only what is said of every node
            counts.
    """
    selectors = node.selectors if node.labels or node.name else {}
    rules = spec.rules or ()
    discount = _most_specific([rule for rule in rules if rule.discount_from_on_demand is not None], selectors)
    prices = [rule for rule in rules if rule.discount_from_on_demand is None and not _is_of_volumes(rule)]
    own = _most_specific(prices, selectors)
    if discount is None or (own is not None and own.match.capacity_type is not None):
        return _of_rule(spec, own, node)
    on_demand = _most_specific(prices, selectors | {"capacityType": "on-demand"})
    base = _of_rule(spec, on_demand, node)
    return None if base is None else base.times(1 - (discount.discount_from_on_demand or Decimal(0)))


def volume_hourly(spec: PriceSheetSpec, volume: VolumeFacts) -> Decimal | None:
    """What a volume costs in an hour by the sheet; None where it says nothing about it."""
    selectors = {"storageClass": volume.storage_class, "region": volume.region}
    rule = _most_specific([rule for rule in spec.rules or () if _is_of_volumes(rule)], selectors)
    if rule is None or rule.per_unit is None or rule.per_unit.gib_month is None:
        return None if rule is None else rule.hourly
    with localcontext() as context:
        context.prec = EXACT_DIGITS
        return volume.gib * rule.per_unit.gib_month / HOURS_PER_MONTH


def fits(match: Mapping[str, str], selectors: Mapping[str, str]) -> bool:
    """Whether every selector has the value asked for."""
    return all(selectors.get(name) == value for name, value in match.items())


def _most_specific(rules: Sequence[PriceRule], selectors: Mapping[str, str]) -> PriceRule | None:
    fitting = [rule for rule in rules if fits(rule.match.selectors, selectors)]
    return max(fitting, key=lambda rule: len(rule.match.selectors), default=None)


def _of_rule(spec: PriceSheetSpec, rule: PriceRule | None, node: NodeFacts) -> Costs | None:
    if rule is not None and rule.hourly is not None:
        if not node.name:  # the price of a machine says nothing about a replica somewhere
            return None
        ratio = spec.split_ratio
        parts = split_node_price(
            rule.hourly,
            cpus=node.cpu_cores,
            gib=node.memory_gib,
            gpus=node.gpus,
            ratio=(ratio.cpu, ratio.mem, ratio.gpu),
        )
        return Costs(parts=parts)
    if rule is not None and rule.per_unit is not None:
        return _of_units(rule.per_unit, node)
    if spec.cpu_core_hour is None:
        return None
    return _of_units(UnitPrices(cpu_core_hour=spec.cpu_core_hour, memGiBHour=spec.memory_gib_hour), node)


def _of_units(units: UnitPrices, node: NodeFacts) -> Costs:
    amounts = (node.cpu_cores, node.memory_gib, node.gpus)
    prices = (units.cpu_core_hour, units.mem_gib_hour, units.gpu_hour)
    with localcontext() as context:
        context.prec = EXACT_DIGITS
        cpu, memory, gpu = (amount * (price or Decimal(0)) for amount, price in zip(amounts, prices, strict=True))
    named = zip(("CPU", "memory", "GPUs"), amounts, prices, strict=True)
    missing = [name for name, amount, price in named if amount and price is None]
    return Costs(parts=(cpu, memory, gpu), note=f"no price of {' and '.join(missing)}" if missing else "")


def _is_of_volumes(rule: PriceRule) -> bool:
    return rule.match.storage_class is not None or (rule.per_unit is not None and rule.per_unit.gib_month is not None)
