"""The prices of a bill as a PriceSheet: machines by type, capacity type and region, at what they really cost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Context, Decimal, localcontext
from typing import TYPE_CHECKING, Final, TextIO

import yaml

from app.text_table import printable
from cost.billing.charges import CapacityType
from cost.billing.effective import EffectivePrice
from cost.billing.exact import EXACT_DIGITS

if TYPE_CHECKING:
    from app.cost_reconcile import Report

_HOURS: Final = frozenset({"hour", "hours", "hrs", "hr", "h"})
_DIGITS: Final = Decimal("1e-8")
"""Where a mean price is cut: a hundred millionth is 88 cents in a year over ten thousand machines."""
Machine = tuple[str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mean:
    hourly: Decimal
    hours: Decimal
    skus: int
    as_of: datetime


def as_price_sheet(report: Report, out: TextIO) -> None:
    """Print it; what cannot stand in it is a comment."""
    prices = [one for one in report.prices if one.instance_type and one.unit.lower() in _HOURS]
    means = dict(_means(prices))
    out.write("\n".join(_lines(report, means)) + "\n")


def _means(prices: Iterable[EffectivePrice]) -> Iterator[tuple[Machine, _Mean]]:
    """By machine, over its SKUs: nodes' labels do not tell them apart."""
    found: dict[Machine, list[EffectivePrice]] = {}
    for one in prices:
        found.setdefault((one.instance_type, one.region, one.capacity_type), []).append(one)
    with localcontext(Context(prec=EXACT_DIGITS)):
        for machine in sorted(found):
            rows = found[machine]
            hours = sum((one.quantity for one in rows), Decimal(0))
            hourly = (sum((one.amount * one.quantity for one in rows), Decimal(0)) / hours).quantize(_DIGITS)
            as_of = max(one.as_of for one in rows)
            yield machine, _Mean(hourly=hourly.normalize(), hours=hours, skus=len(rows), as_of=as_of)


def _lines(report: Report, means: dict[Machine, _Mean]) -> Iterator[str]:
    yield printable(f"# What machines really cost, by {', '.join(report.bill.files)}: effective cost over hours.")
    rules = {machine: mean for machine, mean in means.items() if machine[2] != CapacityType.RESERVED and mean.hourly}
    for (kind, region, capacity), mean in means.items():
        where = f"{kind} {region}".strip()
        if mean.skus > 1:
            yield printable(f"# {where} {capacity}: the mean of {mean.skus} SKUs, which labels do not tell apart.")
        if capacity == CapacityType.RESERVED:
            told = f"{mean.hourly:f} an hour where committed. Labels do not show that: state it in spec.commitments."
            yield printable(f"# {where}: {told}")
    if not rules or not report.bill.currency:
        yield "# No machine here has a type, hours and a currency: give --model, whose nodes tell the types."
        return
    spec = {
        "currency": report.bill.currency,
        "asOf": max(mean.as_of for mean in rules.values()).date(),
        "rules": [_rule(machine, mean) for machine, mean in rules.items()],
    }
    document = {
        "apiVersion": "foretide.dev/v1alpha1", "kind": "PriceSheet", "metadata": {"name": "by-the-bill"}, "spec": spec,
    }  # fmt: skip
    yield yaml.safe_dump(document, sort_keys=False).rstrip()


def _rule(machine: Machine, mean: _Mean) -> dict[str, object]:
    kind, region, capacity = machine
    match = {"instanceType": kind} | ({"region": region} if region else {}) | {"capacityType": capacity}
    return {"match": match, "hourly": f"{mean.hourly:f}"}
