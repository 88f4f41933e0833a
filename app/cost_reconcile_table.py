"""The report of ``foretide cost reconcile`` for people: what the bill says, what holds, and why we said otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO

from app.text_table import lines_of, printable
from cost.billing.buckets import Bucket
from cost.billing.differences import by_cause
from cost.billing.exact import total
from cost.billing.identities import CommitmentIdentity, InvoiceSum, Verdict
from cost.billing.quality import Notes
from cost.billing.reconcile import Reconciliation
from cost.billing.summary import Group

if TYPE_CHECKING:
    from app.cost_reconcile import Report

_LARGE: Final = 100
"""From here on a bill is shown to the cent; below, to a hundredth of a cent."""
_LINES: Final = {
    Bucket.OUT_OF_CLUSTER: "out of cluster",
    Bucket.BESIDE_NODES: "of nodes, not their hours",
    Bucket.OUT_OF_TIME: "hours the model has not",
    Bucket.UNUSED_COMMITMENT: "__commitment_unused__",
    Bucket.PURCHASE: "purchases",
    Bucket.TAX: "tax",
    Bucket.CREDIT: "credits",
    Bucket.ADJUSTMENT: "adjustments",
    Bucket.UNKNOWN: "of no known category",
    Bucket.PROVISIONAL: "provisional",
}


def as_table(report: Report, out: TextIO, *, limit: int) -> None:
    """Print it; ``limit`` lines of each list."""
    money = _Money(report.summary.whole)
    sections = [
        _bill(report, money, limit), _checks(report, money, limit), _quality(report.bill.notes, limit),
        _model(report, money), _causes(report.found, money), _differences(report.found, money, limit),
        _factors(report.found, limit),
    ]  # fmt: skip
    out.write("\n\n".join("\n".join(map(printable, lines)) for lines in map(list, sections) if lines) + "\n")
    if report.failures:
        out.write(f"\n{printable('Look at this first: ' + '; '.join(report.failures))}.\n")


class _Money:
    """Amounts of one bill, all with the same decimals."""

    def __init__(self, whole: Group) -> None:
        self._digits = 2 if max(abs(whole.billed), abs(whole.effective)) >= _LARGE else 4

    def __call__(self, amount: Decimal | None, *, signed: bool = False) -> str:
        if amount is None:
            return ""
        return f"{amount:+,.{self._digits}f}" if signed else f"{amount:,.{self._digits}f}"


def _bill(report: Report, money: _Money, limit: int) -> Iterator[str]:
    bill, found = report.bill, report.summary
    when = f"{_day(found.start)} to {_day(found.end)}" if found.start and found.end else "no readable period"
    yield f"{', '.join(bill.files)}: {len(bill.charges):,} rows, {bill.currency or 'no currency told'}, {when}"
    if found.provisional_after is not None:
        yield f"Provisional: a billing period ends {_day(found.provisional_after)}, and its numbers may still change."
    if bill.refused_rows or bill.left_out:
        yield f"Left out: {bill.refused_rows} unreadable rows, {len(bill.left_out)} of another currency or account."
    yield ""
    rows = [_group(one, money) for one in found.services[:limit]]
    if len(found.services) > limit:
        rest = found.services[limit:]
        billed, effective = total(one.billed for one in rest), total(one.effective for one in rest)
        rows.append(
            [f"{len(rest)} more", f"{sum(one.rows for one in rest):,}", money(billed), money(effective), "", ""]
        )
    whole = _group(found.whole, money)
    head = ["service", "rows", "billed", "effective", "list", "list ÷ effective"]
    yield from lines_of([head, *rows, ["total", *whole[1:]]])
    if found.capacity:
        yield ""
        yield from lines_of([["usage", *head[1:]], *(_group(one, money) for one in found.capacity)])


def _group(one: Group, money: _Money) -> list[str]:
    times = one.list_to_effective
    return [one.name, f"{one.rows:,}", money(one.billed), money(one.effective), money(one.listed),
            "" if times is None else f"{times:.2f}"]  # fmt: skip


def _checks(report: Report, money: _Money, limit: int) -> Iterator[str]:
    lines = [_commitment(one, money) for one in _worst_first(report.commitments)]
    lines += [_invoice(one, money) for one in report.invoices]
    if lines:
        yield "Checks"
        yield from lines[:limit]
        if len(lines) > limit:
            yield f"  … and {len(lines) - limit} more (-o json has them)"


def _worst_first(found: Iterable[CommitmentIdentity]) -> list[CommitmentIdentity]:
    order = [Verdict.DIFFERS, Verdict.OPEN, Verdict.HOLDS]
    return sorted(found, key=lambda one: (order.index(one.verdict), one.commitment))


def _commitment(one: CommitmentIdentity, money: _Money) -> str:
    sums = f"bought {money(one.purchased)}, used {money(one.used)}, unused {money(one.unused)}"
    return f"  {one.verdict:<8} {one.commitment}: {sums}" + (f" ({one.reason})" if one.reason else "")


def _invoice(one: InvoiceSum, money: _Money) -> str:
    if one.expected is None:
        return (
            f"  {one.verdict:<8} invoice {one.invoice}: {money(one.billed)} (--invoice {one.invoice}=AMOUNT checks it)"
        )
    return f"  {one.verdict:<8} invoice {one.invoice}: {money(one.billed)} billed, {money(one.expected)} on the invoice"


def _quality(notes: Notes, limit: int) -> Iterator[str]:
    """Kinds of faults, the most frequent first, each with where it is first seen."""
    if not notes.counts:
        return
    yield f"Data quality: {sum(notes.counts.values()):,} lines"
    kinds = sorted(notes.counts.items(), key=lambda pair: (-pair[1], pair[0]))
    first = {(one.problem, one.column, one.effect): one for one in reversed(notes.lines)}
    for key, count in kinds[:limit]:
        problem, column, effect = key
        where = first.get(key)
        told = "" if where is None else f"; {Path(where.file).name}:{where.row}: {where.message}"
        yield f"  {count:>6,} × {problem} {column} ({effect}){told}"
    if len(kinds) > limit:
        yield f"  … and {len(kinds) - limit} more kinds (-o json has every line)"


def _model(report: Report, money: _Money) -> Iterator[str]:
    found, whole = report.found, report.summary.whole
    if found is None:
        return
    if found.window is None:
        yield f"Against {report.model}: the bill and the model have no hour in common."
        yield from report.model_notes
        return
    yield f"Against {report.model}, {_minute(found.window.start)} to {_minute(found.window.end)} UTC"
    rows = [
        ["", "modelled", money(found.modelled)],
        ["+", "other prices", money(found.price, signed=True)],
        ["+", "other hours", money(found.quantity, signed=True)],
        ["=", "matched", money(found.effective)],
    ]
    for bucket, name in _LINES.items():
        if bucket in found.buckets:
            rows.append(["+", name, money(found.buckets[bucket], signed=True)])
    rows.append(["=", "effective cost of the bill", money(whole.effective)])
    rows.append(["+", "paid for other times", money(whole.billed - whole.effective, signed=True)])
    rows.append(["=", "billed", money(whole.billed)])
    yield from lines_of(rows, left=2)
    yield ""
    yield (
        f"coverage {_percent(found.coverage)} of the bill's usage, {_percent(found.model_coverage)} of the model · "
        f"bias {_percent(found.bias, signed=True)} · MAPE per day {_percent(found.mape)}"
    )
    yield from report.model_notes
    if found.like_nodes:
        yield f"Out of cluster, but tagged as a cluster's: {money(found.like_nodes)}. The model may not have seen them."
    if found.modelled_outside:
        yield f"Modelled for hours that the bill does not speak of, and left aside: {money(found.modelled_outside)}."


def _causes(found: Reconciliation | None, money: _Money) -> Iterator[str]:
    sums = () if found is None else by_cause(found.differences)
    if sums:
        yield "Why (each asset by its first cause)"
        head = ["cause", "assets", "difference", "price", "hours"]
        yield from lines_of([head, *([
            one.cause or "too small for one", f"{one.assets:,}", money(one.price + one.quantity, signed=True),
            money(one.price, signed=True), money(one.quantity, signed=True),
        ] for one in sums)])  # fmt: skip


def _differences(found: Reconciliation | None, money: _Money, limit: int) -> Iterator[str]:
    shown = [] if found is None else [one for one in found.differences if one.delta][:limit]
    if shown:
        yield "Largest differences (bill less model)"
        head = ["what", "modelled", "billed", "difference", "price", "hours", "why"]
        yield from lines_of([head, *([
            _names(one.names), money(one.modelled), money(one.effective), money(one.delta, signed=True),
            money(one.price, signed=True), money(one.quantity, signed=True), ", ".join(one.causes),
        ] for one in shown)], last_is_text=True)  # fmt: skip


def _factors(found: Reconciliation | None, limit: int) -> Iterator[str]:
    if found is None or not found.factors:
        return
    yield "Calibration: what our prices should be multiplied with"
    head = ["sku", "paid as", "region", "hours", "raw", "factor"]
    yield from lines_of([head, *([
        one.key.sku, one.key.capacity_type, one.key.region, f"{one.hours:,.1f}", f"{one.raw:.4f}", f"{one.shrunk:.4f}",
    ] for one in found.factors[:limit])], left=3)  # fmt: skip


def _names(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


def _percent(share: Decimal | None, *, signed: bool = False) -> str:
    if share is None:
        return "unknown"
    return f"{100 * share:+.1f} %" if signed else f"{100 * share:.1f} %"


def _day(when: datetime) -> str:
    return f"{when:%Y-%m-%d}"


def _minute(when: datetime) -> str:
    return f"{when:%Y-%m-%d %H:%M}"
