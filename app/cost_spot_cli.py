"""The options of ``foretide cost spot``; what it does stands in ``cost_spot_command``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def spot(
    namespace: Annotated[
        str | None, typer.Option("--namespace", "-n", help="Only workloads of this one; the mix is of all.")
    ] = None,
    notice: Annotated[int, typer.Option("--notice", help="Seconds that the provider gives: AWS 120, others 30.")] = 120,
    interruptions: Annotated[
        float | None, typer.Option("--interruptions", help="Of one machine in an hour; default 0.02, an assumption.")
    ] = None,
    restart_cost: Annotated[float, typer.Option("--restart-cost", help="Of one interruption, in our currency.")] = 0.0,
    headroom: Annotated[
        float, typer.Option("--headroom", help="Machines that may be missing; below five zones none may hold more.")
    ] = 1.0,
    discount: Annotated[
        float | None, typer.Option("--discount", help="Of a commitment, where none is stated or billed.")
    ] = None,
    kept: Annotated[
        float | None, typer.Option("--kept", help="Share of demand that is left after right-sizing.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", help="Workloads, at most 1000.")] = 1_000,
    output: Annotated[str, typer.Option("--output", "-o", help="table or json.")] = "table",
    server: Annotated[str, typer.Option("--server", help="Where Foretide runs.")] = "http://127.0.0.1:8080",
    token_file: Annotated[
        Path | None, typer.Option("--token-file", help="Its token; by default what FORETIDE_API_TOKEN says.")
    ] = None,
) -> None:
    """Say which workloads stand an interruption, and how much of each pool could run on spot; nothing is moved.

    See docs/commitments.md. Exit codes: 0 it was said, 2 an option, 4 no server.
    """
    from app.cost_spot_command import ask

    question = {
        "namespace": namespace, "notice_seconds": notice, "interruptions": interruptions, "restart_cost": restart_cost,
        "headroom": headroom, "discount": discount, "kept": kept, "limit": limit,
    }  # fmt: skip
    raise typer.Exit(ask(question, output=output, server=server, token_file=token_file, out=sys.stdout))
