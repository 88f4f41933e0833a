"""The options of ``foretide slo``; what it does stands in ``slo_command``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def slo(
    paths: Annotated[list[Path] | None, typer.Argument(metavar="[FILE...]", help="Documents, for --rules.")] = None,
    rules: Annotated[bool, typer.Option("--rules", help="Print alerts of FILE... as a rule file.")] = False,
    output: Annotated[str, typer.Option("--output", "-o", help="table or json.")] = "table",
    server: Annotated[str, typer.Option("--server", help="Where Foretide runs.")] = "http://127.0.0.1:8080",
    token_file: Annotated[
        Path | None, typer.Option("--token-file", help="Its token; by default FORETIDE_API_TOKEN's.")
    ] = None,
) -> None:
    """What is left of each error budget and how fast it burns, or with --rules the alerts as a rule file.

    Exit codes: 0 answered, 1 documents have mistakes, 2 an option, 4 the server does not answer or refuses.
    """
    from app.slo_command import render, run

    if rules != bool(paths):
        print("foretide: --rules and FILE... go together", file=sys.stderr)
        raise typer.Exit(2)
    if paths:
        raise typer.Exit(render(paths, sys.stdout))
    raise typer.Exit(run(output=output, server=server, token_file=token_file, out=sys.stdout))
