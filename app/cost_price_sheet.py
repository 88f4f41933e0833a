"""The prices of a bill as a PriceSheet: machines by type, capacity type and region, at what they really cost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, TextIO

import yaml

from app.text_table import printable
from cost.billing.charges import CapacityType
from cost.billing.machines import Machine, Mean, means

if TYPE_CHECKING:
    from app.cost_reconcile import Report


def as_price_sheet(report: Report, out: TextIO) -> None:
    """Print it; what cannot stand in it is a comment."""
    out.write("\n".join(_lines(report, means(report.prices))) + "\n")


def _lines(report: Report, found: dict[Machine, Mean]) -> Iterator[str]:
    yield printable(f"# What machines really cost, by {', '.join(report.bill.files)}: effective cost over hours.")
    rules = {machine: mean for machine, mean in found.items() if machine[1] != CapacityType.RESERVED and mean.hourly}
    for (kind, capacity, region), mean in found.items():
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


def _rule(machine: Machine, mean: Mean) -> dict[str, object]:
    kind, capacity, region = machine
    match = {"instanceType": kind} | ({"region": region} if region else {}) | {"capacityType": capacity}
    return {"match": match, "hourly": f"{mean.hourly:f}"}
