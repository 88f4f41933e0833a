"""Prices for who has given none: OpenCost's own defaults, which are list prices of one cloud in one region. An
estimate.

The numbers are those of OpenCost's ``configs/default.json`` (USD, "GCP us-central1"). That file carries no date; ours
is the day on which they were looked up, and what they are of may well be older.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Final

from rules.price_sheet import NetworkPrices, PriceMatch, PriceRule, PriceSheetSpec, UnitPrices

AS_OF: Final = date(2026, 11, 22)
STORAGE_GIB_HOUR: Final = Decimal("0.00005479452")
SHEET: Final = PriceSheetSpec(
    currency="USD", as_of=AS_OF,
    rules=(
        PriceRule(per_unit=UnitPrices(
            cpu_core_hour=Decimal("0.031611"), memGiBHour=Decimal("0.004237"), gpu_hour=Decimal("0.95"))),
        PriceRule(match=PriceMatch(capacity_type="spot"), per_unit=UnitPrices(
            cpu_core_hour=Decimal("0.006655"), memGiBHour=Decimal("0.000892"), gpu_hour=Decimal("0.95"))),
    ),
    network=NetworkPrices(
        interZoneGiB=Decimal("0.01"), interRegionGiB=Decimal("0.01"), internetGiB=Decimal("0.12")),
    load_balancer_hourly=Decimal("0.025"),
)  # fmt: skip
