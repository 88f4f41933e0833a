"""Writes what we allocate, and what we expect it to come to, as FOCUS 1.2 rows with columns of our own (``x_…``).

An allocation is no invoice: ``BilledCost`` is 0 and ``EffectiveCost`` the allocated cost, so that our rows beside the
provider's never add to what is to be paid. List and contracted cost must not be empty in FOCUS; they repeat it.
Forecast rows have the mean as their cost, and speak of time that allocated rows do not.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, TextIO

from cost.allocation.ledger import COMPONENTS
from cost.allocation.report import IDLE, Report, Row

MANDATORY: Final = (
    "BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency", "BillingPeriodStart", "BillingPeriodEnd",
    "ChargeCategory", "ChargeClass", "ChargeDescription", "ChargePeriodStart", "ChargePeriodEnd", "ContractedCost",
    "EffectiveCost", "InvoiceIssuerName", "ListCost", "PricingQuantity", "PricingUnit", "ProviderName", "PublisherName",
    "ServiceCategory", "ServiceName",
)  # fmt: skip
OURS: Final = ("ResourceId", "ResourceType", "Tags", "x_Component", "x_Basis")
FORECAST: Final = ("x_ForecastP10", "x_ForecastP50", "x_ForecastP90", "x_ForecastMethod", "x_ForecastMadeAt")
_NAME: Final = "Foretide"
_CATEGORIES: Final = {"volume": "Storage", "network": "Networking", "loadBalancer": "Networking"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """What the rows are of; ``account`` stands where a provider writes its own, e.g. the cluster's name."""

    start: datetime
    end: datetime
    account: str
    basis: str = "conserving"

    @property
    def billing(self) -> tuple[datetime, datetime]:
        """The calendar months (UTC) around it."""
        first = self.start.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        last = self.end.astimezone(UTC)
        whole = last.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        return first, whole if whole == last and whole > first else _next_month(whole)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a group is expected to come to in a period.

    Attributes:
        group: Values by dimension.
        p10: That it comes to less than this has a probability of a tenth; taken from sampled paths of the sum, never a
            sum of quantiles.
        mean: Of the sums: means add up over groups, quantiles do not.
        made_at: Time of the last sample that it knows.
    """

    group: Mapping[str, str]
    p10: Decimal
    p50: Decimal
    p90: Decimal
    mean: Decimal
    method: str
    made_at: datetime


def allocation_rows(report: Report, by: tuple[str, ...], period: Period) -> Iterator[dict[str, str]]:
    """One for each group and component that cost something, each line of nobody, and idle.

    Their ``EffectiveCost`` adds up to the report's total less what its conditions keep out, exactly.

    Args:
        report: Grouped.
        by: Its dimensions.
        period: Its time.
    """
    for row in report.rows:
        group = dict(zip(by, row.key, strict=False))
        for component, cost in _components(row):
            if cost:
                yield _row(group, component, cost, report.currency, period)
    for cluster, cost in report.idle.items():
        yield _row({"cluster": cluster}, IDLE, cost, report.currency, period)
    for name, cost in report.lines.items():
        yield _row({}, name, cost, report.currency, period)


def _components(row: Row) -> Iterator[tuple[str, Decimal]]:
    yield from zip(COMPONENTS, row.costs, strict=True)
    yield from (("idle", row.idle), ("shared", row.shared), ("overhead", row.overhead))


def spent_rows(
    spent: Mapping[tuple[str, ...], Decimal], by: tuple[str, ...], currency: str, period: Period
) -> Iterator[dict[str, str]]:
    """What each group cost in the period, all components together."""
    for key, cost in spent.items():
        yield _row(dict(zip(by, key, strict=False)), "spent", cost, currency, period)


def forecast_rows(expected: Iterable[Expected], currency: str, period: Period) -> Iterator[dict[str, str]]:
    """One for each group; ``EffectiveCost`` is the mean, so that rows add up to what all are expected to come to."""
    for one in expected:
        yield _row(one.group, "forecast", one.mean, currency, period) | {
            "x_ForecastP10": f"{one.p10:f}",
            "x_ForecastP50": f"{one.p50:f}",
            "x_ForecastP90": f"{one.p90:f}",
            "x_ForecastMethod": one.method,
            "x_ForecastMadeAt": _instant(one.made_at),
        }


def write(rows: Iterable[Mapping[str, str]], out: TextIO, *, with_forecast: bool = False) -> None:
    """A CSV with a header, also where there is no row."""
    columns = (*MANDATORY, *OURS, *(FORECAST if with_forecast else ()))
    writer = csv.DictWriter(out, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def _row(group: Mapping[str, str], component: str, cost: Decimal, currency: str, period: Period) -> dict[str, str]:
    name = "/".join(value or "(none)" for value in group.values()) or component
    start, end = period.billing
    amount = f"{cost:f}"
    return {
        "BilledCost": "0", "EffectiveCost": amount, "ListCost": amount, "ContractedCost": amount,
        "BillingAccountId": period.account, "BillingAccountName": period.account, "BillingCurrency": currency,
        "BillingPeriodStart": _instant(start), "BillingPeriodEnd": _instant(end),
        "ChargePeriodStart": _instant(period.start), "ChargePeriodEnd": _instant(period.end),
        "ChargeCategory": "Usage", "ChargeDescription": f"{component} of {name}",
        "InvoiceIssuerName": _NAME, "ProviderName": _NAME, "PublisherName": _NAME,
        "ServiceCategory": _CATEGORIES.get(component, "Compute"), "ServiceName": "Kubernetes",
        "ResourceId": name, "ResourceType": "/".join(group) or "line",
        "Tags": json.dumps(dict(group), ensure_ascii=False), "x_Component": component, "x_Basis": period.basis,
    }  # fmt: skip


def _instant(when: datetime) -> str:
    return when.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _next_month(first: datetime) -> datetime:
    return first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
