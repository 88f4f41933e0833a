"""The options of ``foretide cost resizings``; what it does stands in ``resizing_command``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def resizings(
    stop: Annotated[str | None, typer.Option("--stop", metavar="ID", help="Give this one back.")] = None,
    reason: Annotated[str, typer.Option("--reason", help="Why; has to be said with --stop.")] = "",
    output: Annotated[str, typer.Option("--output", "-o", help="table or json.")] = "table",
    server: Annotated[str, typer.Option("--server", help="Where Foretide runs.")] = "http://127.0.0.1:8080",
    token_file: Annotated[
        Path | None, typer.Option("--token-file", help="Its token; by default what FORETIDE_API_TOKEN says.")
    ] = None,
) -> None:
    """How far accepted right-sizings are; with --stop one is given back.

    Exit codes: 0 answered, 2 an option, 4 the server does not answer or refuses, 5 no such one.
    """
    from app.resizing_command import run

    code = run(stop=stop, reason=reason, output=output, server=server, token_file=token_file, out=sys.stdout)
    raise typer.Exit(code)
