"""FOCUS' columns, by name and never by position; what we do not know is ignored, what is missing is said once.

The 21 mandatory ones are the same in 1.0, 1.1 and 1.2. Of the others only those stand here that something is done with.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final


class Kind(Enum):
    """How a cell is read."""

    MONEY = auto()
    QUANTITY = auto()
    TIME = auto()
    TEXT = auto()
    JSON = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One of them; ``field`` is of ``Charge``, ``may_be_null`` what FOCUS 1.2 allows."""

    name: str
    field: str
    kind: Kind
    mandatory: bool = False
    may_be_null: bool = True


def _column(name: str, field: str, kind: Kind, *, mandatory: bool = False, may_be_null: bool | None = None) -> Column:
    null = not mandatory if may_be_null is None else may_be_null
    return Column(name=name, field=field, kind=kind, mandatory=mandatory, may_be_null=null)


COLUMNS: Final = (
    _column("BilledCost", "billed_cost", Kind.MONEY, mandatory=True),
    _column("EffectiveCost", "effective_cost", Kind.MONEY, mandatory=True),
    _column("ListCost", "list_cost", Kind.MONEY, mandatory=True),
    _column("ContractedCost", "contracted_cost", Kind.MONEY, mandatory=True),
    _column("BillingCurrency", "currency", Kind.TEXT, mandatory=True),
    _column("BillingAccountId", "billing_account", Kind.TEXT, mandatory=True),
    _column("BillingPeriodStart", "billing_period_start", Kind.TIME, mandatory=True),
    _column("BillingPeriodEnd", "billing_period_end", Kind.TIME, mandatory=True),
    _column("ChargePeriodStart", "charge_period_start", Kind.TIME, mandatory=True),
    _column("ChargePeriodEnd", "charge_period_end", Kind.TIME, mandatory=True),
    _column("ChargeCategory", "category", Kind.TEXT, mandatory=True),
    _column("ChargeClass", "charge_class", Kind.TEXT, mandatory=True, may_be_null=True),
    _column("ChargeDescription", "description", Kind.TEXT, mandatory=True, may_be_null=True),
    _column("PricingQuantity", "pricing_quantity", Kind.QUANTITY, mandatory=True, may_be_null=True),
    _column("PricingUnit", "pricing_unit", Kind.TEXT, mandatory=True, may_be_null=True),
    _column("ProviderName", "provider", Kind.TEXT, mandatory=True),
    _column("ServiceCategory", "service_category", Kind.TEXT, mandatory=True),
    _column("ServiceName", "service", Kind.TEXT, mandatory=True),
    _column("ListUnitPrice", "list_unit_price", Kind.MONEY),
    _column("ContractedUnitPrice", "contracted_unit_price", Kind.MONEY),
    _column("ConsumedQuantity", "consumed_quantity", Kind.QUANTITY),
    _column("ConsumedUnit", "consumed_unit", Kind.TEXT),
    _column("SubAccountId", "sub_account", Kind.TEXT),
    _column("InvoiceId", "invoice", Kind.TEXT),
    _column("ResourceId", "resource", Kind.TEXT),
    _column("ResourceType", "resource_type", Kind.TEXT),
    _column("RegionId", "region", Kind.TEXT),
    _column("SkuId", "sku", Kind.TEXT),
    _column("SkuPriceDetails", "sku_price_details", Kind.JSON),
    _column("PricingCategory", "pricing_category", Kind.TEXT),
    _column("CommitmentDiscountId", "commitment", Kind.TEXT),
    _column("CommitmentDiscountStatus", "commitment_status", Kind.TEXT),
    _column("Tags", "tags", Kind.JSON),
)
NOT_READ: Final = ("BillingAccountName", "InvoiceIssuerName", "PublisherName")
"""Mandatory, and nothing of ours needs them; that they are missing is said all the same."""
MONEY_COLUMNS: Final = ("BilledCost", "EffectiveCost")
"""One of them must be there: without both, a file is no bill."""
_BY_LOWER_NAME: Final = {column.name.lower(): column for column in COLUMNS}


def found(header: list[str]) -> list[tuple[int, Column]]:
    """Position and column of those that we know; compared without case, the first of a name counts."""
    seen: set[str] = set()
    known: list[tuple[int, Column]] = []
    for position, name in enumerate(header):
        column = _BY_LOWER_NAME.get(name.strip().lower())
        if column is not None and column.name not in seen:
            seen.add(column.name)
            known.append((position, column))
    return known


def missing(header: list[str]) -> list[str]:
    """Mandatory ones that are not there, in FOCUS' spelling."""
    names = {name.strip().lower() for name in header}
    mandatory = [column.name for column in COLUMNS if column.mandatory]
    return [name for name in (*mandatory, *NOT_READ) if name.lower() not in names]
