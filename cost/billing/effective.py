"""Prices as they were really paid: the bill's effective cost over its quantity, by SKU, capacity type and region.

The best offline source of prices there is: discounts, commitments and spot are in it, list prices are several times it
for some. A price of zero, a correction, and what nobody used are no prices.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Context, Decimal, localcontext

from cost.billing.charges import Charge
from cost.billing.exact import EXACT_DIGITS, GRAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectivePrice:
    """What one unit cost.

    Attributes:
        sku: SkuId of the bill.
        instance_type: The machine's type, where the bill or a match with our nodes tells it; else empty.
        capacity_type: ``on-demand``, ``spot`` or ``reserved``.
        unit: As the bill has it, e.g. ``Hours``.
        amount: Effective cost of one unit.
        list_amount: What the list price would have been; None where a row does not tell.
        quantity: Units it was paid for: how far it can be trusted.
        as_of: End of the last charge in it.
        source: File it comes from.
    """

    sku: str
    instance_type: str
    capacity_type: str
    region: str
    unit: str
    amount: Decimal
    list_amount: Decimal | None
    currency: str
    quantity: Decimal
    as_of: datetime
    source: str


@dataclass(slots=True)
class _Sums:
    cost: Decimal = Decimal(0)
    listed: Decimal | None = Decimal(0)
    quantity: Decimal = Decimal(0)
    as_of: datetime | None = None
    sources: set[str] = field(default_factory=set)


def effective_prices(
    charges: Iterable[Charge], instance_types: Mapping[str, str] | None = None
) -> tuple[EffectivePrice, ...]:
    """Prices of a bill, by SKU, capacity type and region.

    Args:
        charges: Final ones, of one currency.
        instance_types: By ResourceId, as nodes' labels have them; where neither they nor the bill tell a type, a
            price has only its SKU.
    """
    sums: dict[tuple[str, str, str, str, str, str], _Sums] = {}
    with localcontext(Context(prec=EXACT_DIGITS)):
        for one in charges:
            kind = (instance_types or {}).get(one.resource) or one.instance_type
            if (one.sku or kind) and _is_a_price(one):
                key = (one.sku, kind, one.capacity_type.value, one.region, one.pricing_unit, one.currency)
                _add(sums.setdefault(key, _Sums()), one)
        return tuple(_price(key, sums[key]) for key in sorted(sums))


def _is_a_price(one: Charge) -> bool:
    quantity = one.pricing_quantity
    is_paid = one.is_usage and not one.is_unused_commitment and not one.is_correction and one.effective_cost > 0
    return is_paid and quantity is not None and quantity > 0 and one.period is not None


def _add(into: _Sums, one: Charge) -> None:
    assert one.pricing_quantity is not None
    assert one.period is not None
    into.cost += one.effective_cost
    into.quantity += one.pricing_quantity
    into.listed = None if into.listed is None or one.list_cost is None else into.listed + one.list_cost
    into.as_of = max(into.as_of or one.period[1], one.period[1])
    into.sources.add(one.file)


def _price(key: tuple[str, str, str, str, str, str], sums: _Sums) -> EffectivePrice:
    sku, kind, capacity, region, unit, currency = key
    assert sums.as_of is not None
    listed = None if sums.listed is None else (sums.listed / sums.quantity).quantize(GRAIN)
    return EffectivePrice(
        sku=sku, instance_type=kind, capacity_type=capacity, region=region, unit=unit, currency=currency,
        amount=(sums.cost / sums.quantity).quantize(GRAIN), list_amount=listed or None, quantity=sums.quantity,
        as_of=sums.as_of, source=", ".join(sorted(sums.sources)),
    )  # fmt: skip
