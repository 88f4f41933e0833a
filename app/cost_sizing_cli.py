"""The options of ``foretide cost sizing``; what it does stands in ``cost_sizing_command``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def sizing(
    engine: Annotated[str, typer.Option("--engine", help="vpa, krr or forecast.")] = "forecast",
    namespace: Annotated[str | None, typer.Option("--namespace", "-n", help="Only of this one.")] = None,
    days: Annotated[int, typer.Option("--days", help="History that is looked at, 1 to 21.")] = 8,
    patches: Annotated[
        bool, typer.Option("--patches", help="Print commands to paste instead, of what may be tried now.")
    ] = False,
    output: Annotated[str, typer.Option("--output", "-o", help="table, json or csv.")] = "table",
    server: Annotated[str, typer.Option("--server", help="Where Foretide runs.")] = "http://127.0.0.1:8080",
    token_file: Annotated[
        Path | None, typer.Option("--token-file", help="Its token; by default what FORETIDE_API_TOKEN says.")
    ] = None,
) -> None:
    """What containers should ask for, from what a running Foretide has seen. Nothing is applied.

    Exit codes: 0 answered, 2 an option, 4 the server does not answer or refuses.
    """
    from app.cost_sizing_command import Asked, run

    asked = Asked(engine=engine, namespace=namespace, days=days, patches=patches, output=output)
    raise typer.Exit(run(asked, server=server, token_file=token_file, out=sys.stdout))
