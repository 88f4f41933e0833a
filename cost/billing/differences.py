"""One thing on both sides: what the bill took, what we said, and why they differ, exactly by price and by quantity.

``price = (p_bill − p_model) · h_model`` and ``quantity = p_bill · (h_bill − h_model)`` add up to the difference. Where
``p_bill`` has no end as a decimal, its product with ``h_model`` is cut at 1e-12, once, and both use that number.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final

from cost.billing.charges import CapacityType, Charge
from cost.billing.exact import share, total
from cost.billing.model import AssetKind

SAME_PRICE: Final = Decimal("0.005")
"""A price within half a percent is the same: bills round to the cent or to six digits. A guess."""


class Cause(StrEnum):
    """Why a bill and a model differ."""

    UNKNOWN_SKU = "UnknownSku"
    SPOT_NOT_MODELLED = "SpotNotModelled"
    SPOT_NOT_BILLED = "SpotNotBilled"
    COMMITMENT_USED = "CommitmentUsed"
    NEGOTIATED_PRICE = "NegotiatedPrice"
    PRICE_DIFFERS = "PriceDiffers"
    ONLY_IN_MODEL = "OnlyInModel"
    HOURS_DIFFER = "HoursDiffer"
    CORRECTION = "Correction"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One asset, or the assets that one resource of the bill stands for.

    Attributes:
        names: As Kubernetes knows them.
        resources: As the bill does; empty where only the model has it.
        price: Part of ``delta`` that another price makes.
        quantity: Part of it that other hours make.
        causes: What made it, the most telling first.
    """

    kind: AssetKind
    names: tuple[str, ...]
    resources: tuple[str, ...]
    sku: str
    capacity_types: tuple[str, ...]
    region: str
    effective: Decimal
    modelled: Decimal
    hours_billed: Decimal
    hours_modelled: Decimal
    price: Decimal
    quantity: Decimal
    causes: tuple[Cause, ...]

    @property
    def delta(self) -> Decimal:
        """``effective − modelled``: above zero, the bill took more than we said."""
        return self.effective - self.modelled


def split(
    *, effective: Decimal, modelled: Decimal, hours_billed: Decimal, hours_modelled: Decimal
) -> tuple[Decimal, Decimal]:
    """Price and quantity of ``effective − modelled``, which they add up to exactly.

    Without billed hours there is no price of the bill: what it took all the same (a fee) is price, and what it did not
    take is quantity.
    """
    if hours_billed <= 0:
        delta = effective - modelled
        return (delta, Decimal(0)) if effective else (Decimal(0), delta)
    at_our_hours = share(effective, hours_modelled, hours_billed)
    return at_our_hours - modelled, effective - at_our_hours


def causes(
    charges: Iterable[Charge], *, difference: tuple[Decimal, Decimal], effective: Decimal, modelled: Decimal,
    capacity_type: str, sku: str,
) -> tuple[Cause, ...]:  # fmt: skip
    """Why.

    Args:
        charges: Of the bill.
        difference: Price and quantity.
        effective: Of the bill.
        modelled: Of the model.
        capacity_type: As the model has it.
        sku: As the model has it; empty where it had no price of its own.
    """
    rows = list(charges)
    price, quantity = difference
    found: list[Cause] = []
    if not rows:
        return (Cause.ONLY_IN_MODEL,)
    if any(one.is_correction for one in rows):
        found.append(Cause.CORRECTION)
    if abs(price) > SAME_PRICE * max(effective, modelled):
        found += _of_price(rows, capacity_type, sku)
    if abs(quantity) > SAME_PRICE * max(effective, modelled):
        found.append(Cause.HOURS_DIFFER)
    return tuple(found)


def _of_price(rows: list[Charge], capacity_type: str, sku: str) -> list[Cause]:
    billed = {one.capacity_type for one in rows}
    found: list[Cause] = []
    if CapacityType.RESERVED in billed and capacity_type != CapacityType.RESERVED:
        found.append(Cause.COMMITMENT_USED)
    if CapacityType.SPOT in billed and capacity_type != CapacityType.SPOT:
        found.append(Cause.SPOT_NOT_MODELLED)
    if CapacityType.SPOT not in billed and capacity_type == CapacityType.SPOT:
        found.append(Cause.SPOT_NOT_BILLED)
    if not sku:
        found.append(Cause.UNKNOWN_SKU)
    if not found and any(
        one.list_cost is not None and one.contracted_cost is not None and one.contracted_cost < one.list_cost
        for one in rows
    ):
        found.append(Cause.NEGOTIATED_PRICE)
    return found or [Cause.PRICE_DIFFERS]


@dataclass(frozen=True, slots=True, kw_only=True)
class CauseSum:
    """Differences whose most telling cause is the same; ``cause`` is None where they are too small to have one."""

    cause: Cause | None
    assets: int
    price: Decimal
    quantity: Decimal


def by_cause(found: Iterable[Difference]) -> tuple[CauseSum, ...]:
    """Every difference once, the causes that make most first."""
    groups: dict[Cause | None, list[Difference]] = {}
    for one in found:
        if one.delta or one.price:
            groups.setdefault(one.causes[0] if one.causes else None, []).append(one)
    sums = [
        CauseSum(
            cause=cause, assets=sum(len(one.names) for one in rows), price=total(one.price for one in rows),
            quantity=total(one.quantity for one in rows),
        )
        for cause, rows in groups.items()
    ]  # fmt: skip
    return tuple(sorted(sums, key=lambda one: (-abs(one.price + one.quantity), one.cause or "")))
