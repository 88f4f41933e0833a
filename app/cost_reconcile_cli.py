"""The options of ``foretide cost reconcile``; what it does stands in ``cost_reconcile``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def reconcile(
    bills: Annotated[list[Path], typer.Argument(metavar="BILL...", help="FOCUS files: CSV, CSV.gz, Parquet.")],
    model: Annotated[
        Path | None, typer.Option("--model", help="CSV of what nodes, volumes and load balancers should have cost.")
    ] = None,
    server: Annotated[
        str | None, typer.Option("--server", help="A running Foretide, whose own costs the bill is held against.")
    ] = None,
    token_file: Annotated[
        Path | None, typer.Option("--token-file", help="Its token; by default what FORETIDE_API_TOKEN says.")
    ] = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="Its prices as they are before its own bills are held against them.")
    ] = False,
    currency: Annotated[
        str | None, typer.Option("--currency", help="Of the sums; by default the one that most rows are in.")
    ] = None,
    rate: Annotated[
        list[str] | None,
        typer.Option("--rate", metavar="EUR=1.08", help="What one of another currency is worth; may be repeated."),
    ] = None,
    account: Annotated[
        str | None, typer.Option("--account", help="Leave out rows of another BillingAccountId.")
    ] = None,
    invoice: Annotated[
        list[str] | None,
        typer.Option("--invoice", metavar="ID=AMOUNT", help="What an invoice says it is; may be repeated."),
    ] = None,
    as_of: Annotated[
        str | None, typer.Option("--as-of", help="Billing periods that end later are provisional; by default now.")
    ] = None,
    provisional: Annotated[
        bool, typer.Option("--provisional", help="Take provisional charges in all the same.")
    ] = False,
    limit: Annotated[int, typer.Option("--limit", help="Lines of each list in the table.")] = 10,
    output: Annotated[str, typer.Option("--output", "-o", help="table, json, csv or prices (a PriceSheet).")] = "table",
) -> None:
    """Read a FOCUS bill, check it against itself, and hold a model of the costs against it. See docs/billing.md.

    Exit codes: 0 all holds, 1 a check fails or the model is too far off, 2 an option or a file, 4 no server.
    """
    from app.cost_reconcile import Asked, run

    asked = Asked(
        bills=tuple(bills), model=model, server=server, token_file=token_file, raw=raw, currency=currency,
        rates=tuple(rate or ()), account=account, invoices=tuple(invoice or ()), as_of=as_of, provisional=provisional,
        limit=limit, output=output,
    )  # fmt: skip
    raise typer.Exit(run(asked, sys.stdout))
