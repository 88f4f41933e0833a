"""``foretide cost reconcile``: reads a bill, checks it, and holds a model against it where there is one.

It asks no server and writes nothing: the bill stays where it is.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Final, TextIO

from app.cost_price_sheet import as_price_sheet
from app.cost_reconcile_json import as_csv, as_json
from app.cost_reconcile_table import as_table
from app.system_clock import SystemClock
from cost.billing import cells
from cost.billing.charges import Bill
from cost.billing.effective import EffectivePrice, effective_prices
from cost.billing.identities import CommitmentIdentity, InvoiceSum, Verdict, commitments, invoices
from cost.billing.model import AssetKind, Modelled, read_model
from cost.billing.read import read_bill
from cost.billing.reconcile import Reconciliation, reconcile
from cost.billing.summary import Summary, is_provisional, summary
from domain.errors import ForetideError, SettingsError

OUTPUTS: Final = ("table", "json", "csv", "prices")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The options of the command."""

    bills: tuple[Path, ...]
    model: Path | None = None
    currency: str | None = None
    rates: tuple[str, ...] = ()
    account: str | None = None
    invoices: tuple[str, ...] = ()
    as_of: str | None = None
    provisional: bool = False
    limit: int = 10
    output: str = "table"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that is told."""

    bill: Bill
    summary: Summary
    commitments: tuple[CommitmentIdentity, ...]
    invoices: tuple[InvoiceSum, ...]
    prices: tuple[EffectivePrice, ...]
    model: str | None
    found: Reconciliation | None

    @property
    def failures(self) -> tuple[str, ...]:
        """What should not be; the exit code is 1 where there is one."""
        wrong = [f"{one.commitment}: {one.reason}" for one in self.commitments if one.verdict is Verdict.DIFFERS]
        wrong += [
            f"invoice {one.invoice} says {one.expected}, the bill {one.billed}"
            for one in self.invoices
            if one.verdict is Verdict.DIFFERS
        ]
        return (*wrong, *(() if self.found is None else self.found.alerts))


def run(asked: Asked, out: TextIO) -> int:
    """Print the report.

    Returns:
        The exit code: 0 all holds, 1 something does not, 2 an option or a file cannot be used.
    """
    try:
        if asked.output not in OUTPUTS:
            raise SettingsError(f"-o {asked.output}: expected one of {', '.join(OUTPUTS)}")
        report = made(asked, now=SystemClock().now())
    except ForetideError as error:
        print(f"foretide: {error}", file=sys.stderr)
        return 2
    if asked.output == "json":
        as_json(report, out)
    elif asked.output == "csv":
        as_csv(report, out)
    elif asked.output == "prices":
        as_price_sheet(report, out)
    else:
        as_table(report, out, limit=asked.limit)
    return 1 if report.failures else 0


def made(asked: Asked, *, now: datetime) -> Report:
    """The report.

    Raises:
        ForetideError: An option or a file cannot be used.
    """
    if len({path.resolve() for path in asked.bills}) < len(asked.bills):
        raise SettingsError("a bill is given twice: its charges would count twice")
    as_of = now if asked.as_of is None else _instant(asked.as_of)
    bill = read_bill(asked.bills, currency=asked.currency, account=asked.account, rates=_amounts("--rate", asked.rates))
    expected = _amounts("--invoice", asked.invoices)
    modelled = None if asked.model is None else read_model(asked.model, bill.notes)
    found = None if modelled is None else reconcile(bill, modelled, as_of=as_of, with_provisional=asked.provisional)
    final = [one for one in bill.charges if asked.provisional or not is_provisional(one, as_of)]
    return Report(
        bill=bill, summary=summary(bill, as_of=as_of), commitments=commitments(bill.charges),
        invoices=invoices(bill.charges, expected), model=None if asked.model is None else str(asked.model),
        prices=effective_prices(final, _types(found, modelled or ())), found=found,
    )  # fmt: skip


def _types(found: Reconciliation | None, modelled: Iterable[Modelled]) -> dict[str, str]:
    """Machine types by ResourceId, as the model's nodes have them."""
    if found is None:
        return {}
    skus = {one.name: one.sku for one in modelled if one.kind is AssetKind.NODE}
    return {
        resource: skus[one.names[0]]
        for one in found.differences
        if one.kind is AssetKind.NODE and skus.get(one.names[0])
        for resource in one.resources
    }


def _amounts(option: str, pairs: Iterable[str]) -> dict[str, Decimal]:
    amounts: dict[str, Decimal] = {}
    for pair in pairs:
        name, _, number = pair.rpartition("=")
        try:
            amounts[name] = cells.number(number)[0]
        except cells.CellError:
            name = ""
        if not name or amounts[name] <= 0:
            raise SettingsError(f"{option} {pair}: expected NAME=AMOUNT, the amount above zero")
    return amounts


def _instant(text: str) -> datetime:
    try:
        made_of = datetime.fromisoformat(text)
    except ValueError:
        raise SettingsError(f"--as-of {text}: expected a date or a time such as 2026-11-01T00:00:00Z") from None
    return made_of.replace(tzinfo=UTC) if made_of.tzinfo is None else made_of
