"""A bill: its charges as FOCUS names them, one frozen row each, money exact.

Names are interned and equal numbers shared while a bill is read, so that a row is little more than its references.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from cost.billing.exact import share
from cost.billing.quality import Notes

_MICROSECONDS_PER_HOUR: Final = Decimal(3_600_000_000)
_HOURS: Final = frozenset({"hour", "hours", "hrs", "hr", "h", "1 hour"})


class ChargeCategory(StrEnum):
    """FOCUS' five, and one for what is none of them."""

    USAGE = "Usage"
    PURCHASE = "Purchase"
    TAX = "Tax"
    CREDIT = "Credit"
    ADJUSTMENT = "Adjustment"
    UNKNOWN = "Unknown"


class CapacityType(StrEnum):
    """How capacity is paid for, in the words of Karpenter's label ``karpenter.sh/capacity-type``."""

    ON_DEMAND = "on-demand"
    SPOT = "spot"
    RESERVED = "reserved"


_CAPACITY: Final = {"Dynamic": CapacityType.SPOT, "Committed": CapacityType.RESERVED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """One row; an empty text and None mean that the bill does not say.

    Attributes:
        tags: JSON text as the bill has it; ``tag`` reads it.
        sku_price_details: The same, of SkuPriceDetails.
    """

    file: str
    row: int
    billed_cost: Decimal
    effective_cost: Decimal
    list_cost: Decimal | None = None
    contracted_cost: Decimal | None = None
    list_unit_price: Decimal | None = None
    contracted_unit_price: Decimal | None = None
    pricing_quantity: Decimal | None = None
    pricing_unit: str = ""
    consumed_quantity: Decimal | None = None
    consumed_unit: str = ""
    currency: str = ""
    category: ChargeCategory = ChargeCategory.USAGE
    charge_class: str = ""
    description: str = ""
    charge_period_start: datetime | None = None
    charge_period_end: datetime | None = None
    billing_period_start: datetime | None = None
    billing_period_end: datetime | None = None
    billing_account: str = ""
    sub_account: str = ""
    invoice: str = ""
    provider: str = ""
    service_category: str = ""
    service: str = ""
    resource: str = ""
    resource_type: str = ""
    region: str = ""
    sku: str = ""
    sku_price_details: str = ""
    pricing_category: str = ""
    commitment: str = ""
    commitment_status: str = ""
    tags: str = ""

    @property
    def is_usage(self) -> bool:
        """Of capacity that somebody used, or that a commitment paid for and nobody used."""
        return self.category is ChargeCategory.USAGE

    @property
    def is_correction(self) -> bool:
        """Of something that an earlier bill said otherwise; its numbers may be negative."""
        return self.charge_class == "Correction"

    @property
    def is_unused_commitment(self) -> bool:
        """Paid for by a commitment, and used by nothing."""
        return self.is_usage and self.commitment_status == "Unused"

    @property
    def capacity_type(self) -> CapacityType:
        """On-demand where the bill does not say otherwise."""
        return _CAPACITY.get(self.pricing_category, CapacityType.ON_DEMAND)

    @property
    def period(self) -> tuple[datetime, datetime] | None:
        """When it was incurred, end exclusive; the billing period where the bill's own is not readable."""
        start, end = self.charge_period_start, self.charge_period_end
        if start is None or end is None or end <= start:
            start, end = self.billing_period_start, self.billing_period_end
        return None if start is None or end is None or end <= start else (start, end)

    @property
    def hours(self) -> Decimal | None:
        """Of one machine or disk: by the quantity where that is in hours, else by the clock; None without a period."""
        for quantity, unit in (
            (self.consumed_quantity, self.consumed_unit),
            (self.pricing_quantity, self.pricing_unit),
        ):
            if quantity is not None and unit.lower() in _HOURS:
                return quantity
        period = self.period
        return None if period is None else hours(period[1] - period[0])

    @property
    def instance_type(self) -> str:
        """The machine's type where SkuPriceDetails tells it (FOCUS 1.2: ``InstanceType``; some write ``x_``)."""
        details = _object(self.sku_price_details)
        return str(details.get("InstanceType") or details.get("x_InstanceType") or "")

    def tag(self, key: str) -> str | None:
        """The value of a tag; None where there is none."""
        value = _object(self.tags).get(key)
        return None if value is None else str(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """What was read.

    Attributes:
        charges: In the order of the files, all of one currency.
        left_out: Readable rows that do not belong: another currency without a rate, another account.
        refused_rows: Rows whose money could not be read.
        currency: Of ``charges``; empty where the bill does not name one.
    """

    files: tuple[str, ...]
    charges: tuple[Charge, ...]
    left_out: tuple[Charge, ...]
    refused_rows: int
    currency: str
    notes: Notes


def hours(duration: timedelta) -> Decimal:
    """To 1e-12 of an hour."""
    return share(Decimal(1), Decimal(duration // timedelta(microseconds=1)), _MICROSECONDS_PER_HOUR)


def _object(text: str) -> Mapping[str, Any]:
    if not text:
        return {}
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
