"""The options of ``foretide cost savings``; what it does stands in ``savings_command``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def savings(
    output: Annotated[str, typer.Option("--output", "-o", help="table, json or csv.")] = "table",
    server: Annotated[str, typer.Option("--server", help="Where Foretide runs.")] = "http://127.0.0.1:8080",
    token_file: Annotated[
        Path | None, typer.Option("--token-file", help="Its token; by default what FORETIDE_API_TOKEN says.")
    ] = None,
) -> None:
    """Say what applied changes were measured to save, and what Foretide costs itself. See docs/savings.md.

    Exit codes: 0 answered, 2 an option, 4 the server does not answer or refuses.
    """
    from app.savings_command import ask

    raise typer.Exit(ask(output=output, server=server, token_file=token_file, out=sys.stdout))
