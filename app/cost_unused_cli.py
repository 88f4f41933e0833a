"""The options of ``foretide cost unused``; what it does stands in ``cost_unused_command``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def unused(
    context: Annotated[
        str | None, typer.Option("--context", help="Read this context's cluster, in place of asking a server.")
    ] = None,
    kubeconfig: Annotated[Path | None, typer.Option("--kubeconfig", help="By default where kubectl looks.")] = None,
    namespace: Annotated[str | None, typer.Option("--namespace", "-n", help="Only of this one.")] = None,
    kind: Annotated[str | None, typer.Option("--kind", help="Only such findings: unusedPVC, releasedPV …")] = None,
    prices: Annotated[
        Path | None, typer.Option("--prices", help="With --context: a file or folder with a PriceSheet.")
    ] = None,
    commands: Annotated[
        bool, typer.Option("--commands", help="Print what a human could run instead; read it first.")
    ] = False,
    output: Annotated[str, typer.Option("--output", "-o", help="table, json or csv.")] = "table",
    server: Annotated[
        str | None, typer.Option("--server", help="Where Foretide runs, by default http://127.0.0.1:8080.")
    ] = None,
    token_file: Annotated[
        Path | None, typer.Option("--token-file", help="Its token; by default what FORETIDE_API_TOKEN says.")
    ] = None,
) -> None:
    """What a cluster has and nobody uses, and what it costs. Reads only; nothing is ever deleted.

    Exit codes: 0 answered, 2 an option, 4 the server or the cluster does not answer or refuses.
    """
    from app.cost_unused_command import Asked, run

    asked = Asked(
        context=context, kubeconfig=kubeconfig, namespace=namespace, kind=kind, prices=prices, commands=commands,
        output=output, server=server, token_file=token_file,
    )  # fmt: skip
    raise typer.Exit(run(asked, sys.stdout))
