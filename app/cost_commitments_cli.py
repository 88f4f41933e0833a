"""The options of ``foretide cost commitments``; what it does stands in ``cost_commitments``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def commitments(
    bills: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[BILL...]", help="FOCUS files; without any a running Foretide is asked."),
    ] = None,
    server: Annotated[
        str | None,
        typer.Option("--server", help="The running Foretide; with a BILL it is asked, too. Default the local one."),
    ] = None,
    token_file: Annotated[
        Path | None, typer.Option("--token-file", help="Its token; by default what FORETIDE_API_TOKEN says.")
    ] = None,
    discount: Annotated[
        float | None,
        typer.Option("--discount", help="Of a commitment, 0 to 1, for machines that the bill has no commitment of."),
    ] = None,
    kept: Annotated[
        float | None, typer.Option("--kept", help="Share of demand that is left after right-sizing; default 1.")
    ] = None,
    useless: Annotated[
        float, typer.Option("--useless", help="Probability that the capacity becomes useless within the term.")
    ] = 0.0,
    parts: Annotated[int, typer.Option("--parts", help="Purchases, a month apart.")] = 4,
    output: Annotated[str, typer.Option("--output", "-o", help="table or json.")] = "table",
) -> None:
    """Say how much to commit to, of each kind of machine that a bill or a running Foretide has; nothing is bought.

    See docs/commitments.md. Exit codes: 0 it was said, 2 an option or a file cannot be used, 4 no server.
    """
    from app.cost_commitments import Asked, run

    asked = Asked(
        bills=tuple(bills or ()), server=server, token_file=token_file, discount=discount, kept=kept, useless=useless,
        parts=parts, output=output,
    )  # fmt: skip
    raise typer.Exit(run(asked, sys.stdout))
