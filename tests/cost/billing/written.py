"""Small bills of our own, written as FOCUS spells them; a row names only what the test is about."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

USUAL: dict[str, Any] = {
    "BillingAccountId": "4711", "BillingAccountName": "prod", "BillingCurrency": "USD",
    "BillingPeriodStart": "2026-10-01T00:00:00Z", "BillingPeriodEnd": "2026-11-01T00:00:00Z",
    "ChargePeriodStart": "2026-10-05T10:00:00Z", "ChargePeriodEnd": "2026-10-05T11:00:00Z",
    "ChargeCategory": "Usage", "ChargeClass": "", "ChargeDescription": "", "InvoiceIssuerName": "Cloud",
    "ProviderName": "Cloud", "PublisherName": "Cloud", "ServiceCategory": "Compute", "ServiceName": "Machines",
    "PricingQuantity": "1", "PricingUnit": "Hours", "ListCost": "0.2", "ContractedCost": "0.2", "BilledCost": "0.2",
    "EffectiveCost": "0.2", "PricingCategory": "Standard", "ResourceId": "", "RegionId": "eu", "SkuId": "S-1",
    "CommitmentDiscountId": "", "CommitmentDiscountStatus": "", "InvoiceId": "", "Tags": "",
}  # fmt: skip
MODEL = ("kind", "id", "name", "start", "end", "hours", "cost", "currency", "sku", "capacity_type", "region")


def row(**cells: Any) -> dict[str, Any]:
    return USUAL | cells


def used(resource: str, cost: str, **cells: Any) -> dict[str, Any]:
    """An hour that a commitment paid for."""
    return row(
        ResourceId=resource, BilledCost="0", EffectiveCost=cost, PricingCategory="Committed",
        CommitmentDiscountId="ri-9", CommitmentDiscountStatus="Used", **cells,
    )  # fmt: skip


def unused(cost: str) -> dict[str, Any]:
    return used("ri-9", cost, ListCost="0", ContractedCost="0") | {"CommitmentDiscountStatus": "Unused"}


def purchase(cost: str, **cells: Any) -> dict[str, Any]:
    return row(ChargeCategory="Purchase", BilledCost=cost, EffectiveCost="0", CommitmentDiscountId="ri-9", **cells)


def bill(folder: Path, rows: list[dict[str, Any]], name: str = "bill.csv", without: tuple[str, ...] = ()) -> Path:
    path = folder / name
    columns = [column for column in {name: None for one in rows for name in one} if column not in without]
    with path.open("w", newline="", encoding="utf-8") as opened:
        writer = csv.DictWriter(opened, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return path


def model(folder: Path, rows: list[dict[str, Any]]) -> Path:
    """Nodes of one hour unless a row says otherwise."""
    usual = {"kind": "node", "start": "2026-10-05T10:00:00Z", "end": "2026-10-05T11:00:00Z", "cost": "0.2",
             "currency": "USD", "sku": "m.large", "capacity_type": "on-demand", "region": "eu"}  # fmt: skip
    path = folder / "model.csv"
    with path.open("w", newline="", encoding="utf-8") as opened:
        writer = csv.DictWriter(opened, MODEL)
        writer.writeheader()
        writer.writerows(usual | one for one in rows)
    return path
