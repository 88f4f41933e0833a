"""The options of ``foretide cost`` itself; what it does stands in ``cost_allocation_command``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def allocation(
    context: typer.Context,
    by: Annotated[
        str, typer.Option("--by", help="Comma-separated: cluster, nodePool, node, namespace, owner, pod, label:NAME.")
    ] = "namespace",
    start: Annotated[
        str | None, typer.Option("--from", help="A time, or how long ago (24h); by default a day.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="A time, or how long ago; by default now.")] = None,
    only: Annotated[str, typer.Option("--filter", help="dimension:eq|ne|in:value; a comma is AND.")] = "",
    share: Annotated[list[str] | None, typer.Option("--share", help="A filter of costs that the others share.")] = None,
    split: Annotated[str, typer.Option("--split", help="How these are: weighted or even.")] = "weighted",
    share_idle: Annotated[str, typer.Option("--share-idle", help="none, weighted or even.")] = "none",
    share_overhead: Annotated[bool, typer.Option("--share-overhead", help="Split overhead over the rows.")] = False,
    basis: Annotated[str, typer.Option("--basis", help="conserving, or opencost.")] = "conserving",
    output: Annotated[str, typer.Option("--output", "-o", help="table, json, csv or focus (a bill's rows).")] = "table",
    every: Annotated[str, typer.Option("--every", help="Rows of focus by the day, or by the hour.")] = "day",
    server: Annotated[str, typer.Option("--server", help="Where Foretide runs.")] = "http://127.0.0.1:8080",
    token_file: Annotated[
        Path | None, typer.Option("--token-file", help="Its token; by default what FORETIDE_API_TOKEN says.")
    ] = None,
) -> None:
    """Say what a running Foretide's nodes cost, and who caused it. See docs/cost.md."""
    if context.invoked_subcommand is not None:
        return
    from app.cost_allocation_command import Question, ask

    question = Question(
        by=by, start=start, end=end, only=only, share=tuple(share or ()), split=split, share_idle=share_idle,
        share_overhead=share_overhead, basis=basis, every=every,
    )  # fmt: skip
    raise typer.Exit(ask(question, output=output, server=server, token_file=token_file, out=sys.stdout))
