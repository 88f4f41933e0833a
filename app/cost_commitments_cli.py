"""The options of ``foretide cost commitments``; what it does stands in ``cost_commitments``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def commitments(
    bills: Annotated[list[Path], typer.Argument(metavar="BILL...", help="FOCUS files: CSV, CSV.gz, Parquet.")],
    discount: Annotated[
        float | None,
        typer.Option("--discount", help="Of a commitment, 0 to 1, for machines that the bill has no commitment of."),
    ] = None,
    kept: Annotated[
        float, typer.Option("--kept", help="Share of demand that is left after right-sizing, 0 to 1.")
    ] = 1.0,
    useless: Annotated[
        float, typer.Option("--useless", help="Probability that the capacity becomes useless within the term.")
    ] = 0.0,
    parts: Annotated[int, typer.Option("--parts", help="Purchases, a month apart.")] = 4,
    output: Annotated[str, typer.Option("--output", "-o", help="table or json.")] = "table",
) -> None:
    """Say how much to commit to, of each kind of machine that a bill has the hours of; nothing is bought.

    See docs/commitments.md. Exit codes: 0 it was said, 2 an option or a file cannot be used.
    """
    from app.cost_commitments import Asked, run

    asked = Asked(
        bills=tuple(bills), discount=discount, kept=kept, useless=useless, parts=parts, output=output
    )  # fmt: skip
    raise typer.Exit(run(asked, sys.stdout))
