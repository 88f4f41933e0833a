"""The report of ``foretide cost reconcile`` for programs: JSON, every figure an exact decimal in quotes, or CSV."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from dataclasses import asdict, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, TextIO

from cost.billing.differences import Difference, by_cause
from cost.billing.exact import ratio
from cost.billing.reconcile import Reconciliation
from cost.billing.summary import Group

if TYPE_CHECKING:
    from app.cost_reconcile import Report


_DIFFERENCE_HEAD: Final = (
    "kind", "names", "resources", "sku", "capacity_types", "region", "effective", "modelled", "delta", "price",
    "quantity", "hours_billed", "hours_modelled", "causes",
)  # fmt: skip


def as_json(report: Report, out: TextIO) -> None:
    """Everything there is, quality lines one by one."""
    json.dump(plain(_document(report)), out, indent=2, ensure_ascii=False)
    out.write("\n")


def _document(report: Report) -> dict[str, Any]:
    bill, notes = report.bill, report.bill.notes
    return {
        "files": bill.files,
        "currency": bill.currency,
        "rows": len(bill.charges),
        "rows_left_out": len(bill.left_out),
        "rows_refused": bill.refused_rows,
        "start": report.summary.start,
        "end": report.summary.end,
        "provisional_after": report.summary.provisional_after,
        "total": _group(report.summary.whole),
        "services": [_group(one) for one in report.summary.services],
        "categories": [_group(one) for one in report.summary.categories],
        "capacity_types": [_group(one) for one in report.summary.capacity],
        "commitments": report.commitments,
        "invoices": [{**asdict(one), "verdict": one.verdict} for one in report.invoices],
        "effective_prices": report.prices,
        "quality": notes.lines,
        "quality_lines": sum(notes.counts.values()),
        "model": report.model,
        "model_notes": report.model_notes,
        "reconciliation": None if report.found is None else _reconciliation(report.found),
        "failures": report.failures,
    }


def _group(one: Group) -> dict[str, Any]:
    return {**asdict(one), "list_to_effective": one.list_to_effective}


def _reconciliation(found: Reconciliation) -> dict[str, Any]:
    return {
        "window": found.window,
        "modelled": found.modelled,
        "modelled_outside": found.modelled_outside,
        "effective": found.effective,
        "delta": found.effective - found.modelled,
        "price": found.price,
        "quantity": found.quantity,
        "buckets": found.buckets,
        "rows": found.rows,
        "out_of_cluster_tagged": found.like_nodes,
        "coverage_ratio": found.coverage,
        "model_coverage_ratio": found.model_coverage,
        "bias_ratio": found.bias,
        "mape_ratio": found.mape,
        "days": found.days,
        "causes": by_cause(found.differences),
        "differences": [{**asdict(one), "delta": one.delta} for one in found.differences],
        "calibration": found.factors,
    }


def as_csv(report: Report, out: TextIO) -> None:
    """One row for each difference from the model; for each service of the bill where there is no model."""
    writer = csv.writer(out, lineterminator="\n")
    if report.found is not None:
        writer.writerow(_DIFFERENCE_HEAD)
        writer.writerows(_cells(one) for one in report.found.differences)
        return
    writer.writerow(("service", "rows", "billed", "effective", "list", "contracted", "share"))
    whole = report.summary.whole.effective
    writer.writerows(
        (one.name, one.rows, one.billed, one.effective, one.listed, one.contracted, ratio(one.effective, whole))
        for one in report.summary.services
    )


def _cells(one: Difference) -> Iterable[Any]:
    return (
        one.kind.value, " ".join(one.names), " ".join(one.resources), one.sku, " ".join(one.capacity_types), one.region,
        one.effective, one.modelled, one.delta, one.price, one.quantity, one.hours_billed, one.hours_modelled,
        " ".join(one.causes),
    )  # fmt: skip


def plain(value: Any) -> Any:
    """What JSON has; decimals as text, without an exponent."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime | date):
        return value.isoformat().replace("+00:00", "Z")
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, dict):
        return {str(plain(key)): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    return value
