"""From a bill to prices of ours: factors for machines that it names among our nodes, effective prices for others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from cost.billing.calibration import Factor, by_machine
from cost.billing.charges import Bill, CapacityType, Charge
from cost.billing.effective import effective_prices
from cost.billing.machines import Machine, Mean, as_labels_show
from cost.billing.machines import means as means_apart
from cost.billing.model import AssetKind, Modelled
from cost.billing.reconcile import Reconciliation, reconcile
from cost.billing.summary import is_provisional
from cost.pricing.billed import BilledPrice, ByBill

LONGEST: Final = timedelta(days=62)
"""Of the bill's end, that nodes are looked up in: two months. Older charges still make effective prices."""
ENOUGH_HOURS: Final = Decimal(240)
"""Ten days of matched hours carry nine tenths of a correction; with fewer, a mean over more hours of the bill goes
before a factor."""
_MODEL_AT_ONCE: Final = timedelta(days=31)


@dataclass(frozen=True, slots=True, kw_only=True)
class BillPrices:
    """What bills say about prices; empty where nothing was read.

    Attributes:
        by_bill: As ``cost.pricing`` takes it.
        means: Effective prices as the bill has them, committed hours apart from those on demand.
        factors: Of machines whose charges name nodes of ours.
        why_not: Why none of it can be used; empty: it can.
        told: What is good to know.
    """

    currency: str = ""
    by_bill: ByBill = field(default_factory=ByBill)
    means: Mapping[Machine, Mean] = field(default_factory=dict)
    factors: tuple[Factor, ...] = ()
    why_not: str = ""
    told: tuple[str, ...] = ()


def bill_prices(
    bill: Bill,
    model: Callable[[datetime, datetime], Sequence[Modelled]],
    *,
    now: datetime,
    provisional: bool,
    committed_apart: bool,
) -> BillPrices:
    """What a bill says of prices in its currency.

    Args:
        bill: Of the currency that prices are in.
        model: What nodes cost between two moments, before any bill.
        now: Billing periods that end later are open.
        provisional: Take their charges in all the same.
        committed_apart: Whether a PriceSheet states which machines are committed.
    """
    final = [one for one in bill.charges if provisional or not is_provisional(one, now)]
    if not final:
        return BillPrices(why_not=_nothing(bill, provisional=provisional))
    held = _held(bill, final, model, now=now, provisional=provisional)
    found = None if held is None else held[0]
    types = {} if held is None else node_types(*held)
    effective = effective_prices(final, types)
    means = as_labels_show(effective, committed_apart=committed_apart)
    factors = () if found is None else tuple(one for one in found.factors if one.key.sku)
    seen = _hours(factors)
    priced = {
        machine: factor for machine, factor in by_machine(factors).items()
        if machine not in means or seen[machine] >= min(means[machine].hours, ENOUGH_HOURS)
    }  # fmt: skip
    prices = {machine: _billed(mean) for machine, mean in means.items() if machine not in priced}
    if not priced and not prices:
        why = "no charge names a node of ours, nor a machine's type with its hours: nothing to price by"
        return BillPrices(why_not=f"{', '.join(bill.files)}: {why}")
    last = max(one.period[1] for one in final if one.period is not None)
    told = [f"{len(final)} charges in {bill.currency} until {last:%Y-%m-%d}"]
    if bill.refused_rows or bill.left_out:
        told.append(f"{bill.refused_rows + len(bill.left_out)} rows left out")
    if len(final) < len(bill.charges):
        told.append(f"{len(bill.charges) - len(final)} charges of an open billing period left aside")
    told.append(f"{len(priced)} factors of machines that name our nodes, {len(prices)} effective prices")
    return BillPrices(
        currency=bill.currency, factors=factors, told=tuple(told), means=means_apart(effective),
        by_bill=ByBill(factors=priced, at=last.date(), prices=prices),
    )  # fmt: skip


def node_types(found: Reconciliation, modelled: Sequence[Modelled]) -> dict[str, str]:
    """Machine types by ResourceId, as the model's nodes have them."""
    skus = {one.name: one.sku for one in modelled if one.kind is AssetKind.NODE}
    return {
        resource: skus[one.names[0]]
        for one in found.differences
        if one.kind is AssetKind.NODE and skus.get(one.names[0])
        for resource in one.resources
    }


def _held(
    bill: Bill,
    final: Sequence[Charge],
    model: Callable[[datetime, datetime], Sequence[Modelled]],
    *,
    now: datetime,
    provisional: bool,
) -> tuple[Reconciliation, list[Modelled]] | None:
    """The bill against the nodes of its time; None where none were seen."""
    spans = [one.period for one in final if one.period is not None and one.resource]
    if not spans:
        return None
    end = min(max(until for _, until in spans), now)
    at = max(min(begin for begin, _ in spans), end - LONGEST)
    rows: list[Modelled] = []
    while at < end:
        until = min(at + _MODEL_AT_ONCE, end)
        rows += model(at, until)
        at = until
    return (reconcile(bill, rows, as_of=now, with_provisional=provisional), rows) if rows else None


def _hours(factors: Sequence[Factor]) -> dict[Machine, Decimal]:
    """That a factor of a machine stands on; committed ones count with those on demand, as ``by_machine`` does."""
    seen: dict[Machine, Decimal] = defaultdict(Decimal)
    for one in factors:
        kinds = {one.key.capacity_type}
        if one.key.capacity_type == CapacityType.RESERVED:
            kinds.add(CapacityType.ON_DEMAND.value)
        for kind in kinds:
            seen[one.key.sku, kind, one.key.region] += one.hours
    return seen


def _billed(mean: Mean) -> BilledPrice:
    return BilledPrice(hourly=mean.hourly, hours=mean.hours, as_of=mean.as_of.date(), source=mean.source)


def _nothing(bill: Bill, *, provisional: bool) -> str:
    files = ", ".join(bill.files)
    if bill.charges and not provisional:
        return f"{files}: every charge is of a billing period that is still open: prices.provisional takes them in"
    foreign = sorted({one.currency for one in bill.left_out if one.currency})
    if foreign:
        told = f"{files}: {len(bill.left_out)} rows in {', '.join(foreign)} are left out, for prices are in"
        return f"{told} {bill.currency} and prices.rates has no rate, or for prices.account is another"
    return f"{files}: no row can be used"
