"""``foretide cost reconcile``: reads a bill, checks it, and holds a model against it where there is one.

It writes nothing, and asks no server but the one that is named: the bill stays where it is.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Final, TextIO

from app.cost_bill_prices import node_types
from app.cost_price_sheet import as_price_sheet
from app.cost_reconcile_json import as_csv, as_json
from app.cost_reconcile_table import as_table
from app.server_client import Server, ServerError
from app.system_clock import SystemClock
from cost.billing import cells
from cost.billing.charges import Bill
from cost.billing.effective import EffectivePrice, effective_prices
from cost.billing.identities import CommitmentIdentity, InvoiceSum, Verdict, commitments, invoices
from cost.billing.model import Modelled, read_model
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
    server: str | None = None
    token_file: Path | None = None
    raw: bool = False
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
    model_notes: tuple[str, ...] = ()

    @property
    def failures(self) -> tuple[str, ...]:
        """What should not be; the exit code is 1 where there is one."""
        foreign = self.bill.left_out and not self.bill.charges
        wrong = ["every row is of another account or currency, and left out"] if foreign else []
        wrong += [f"{one.commitment}: {one.reason}" for one in self.commitments if one.verdict is Verdict.DIFFERS]
        wrong += [
            f"invoice {one.invoice} says {one.expected}, the bill {one.billed}"
            for one in self.invoices
            if one.verdict is Verdict.DIFFERS
        ]
        return (*wrong, *(() if self.found is None else self.found.alerts))


def run(asked: Asked, out: TextIO) -> int:
    """Print the report.

    Returns:
        The exit code: 0 all holds, 1 something does not, 2 an option or a file cannot be used, 4 no server answers.
    """
    try:
        if asked.output not in OUTPUTS:
            raise SettingsError(f"-o {asked.output}: expected one of {', '.join(OUTPUTS)}")
        report = made(asked, now=SystemClock().now())
    except ServerError as error:
        print(f"foretide: {error}", file=sys.stderr)
        return 4
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
    modelled, name, notes = _model(asked, bill, now)
    found = None if modelled is None else reconcile(bill, modelled, as_of=as_of, with_provisional=asked.provisional)
    final = [one for one in bill.charges if asked.provisional or not is_provisional(one, as_of)]
    return Report(
        bill=bill, summary=summary(bill, as_of=as_of), commitments=commitments(bill.charges),
        invoices=invoices(bill.charges, expected), model=name,
        prices=effective_prices(final, {} if found is None else node_types(found, modelled or ())), found=found,
        model_notes=tuple(notes),
    )  # fmt: skip


def _model(asked: Asked, bill: Bill, now: datetime) -> tuple[Sequence[Modelled] | None, str | None, Sequence[str]]:
    """What the bill is held against: a file, a running Foretide, or nothing."""
    if asked.model is not None and asked.server is not None:
        raise SettingsError("--model and --server: one of them is held against the bill")
    if asked.raw and asked.server is None:
        raise SettingsError("--raw goes with --server")
    if asked.model is not None:
        return read_model(asked.model, bill.notes), str(asked.model), ()
    if asked.server is None:
        return None, None, ()
    with Server(asked.server, asked.token_file) as server:
        from app.cost_model_endpoint import asked_model  # seconds of imports, for --server alone

        rows, notes = asked_model(server, bill, now=now, raw=asked.raw)
    return rows, asked.server, notes


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
