"""The options of ``foretide cost forecast``; what it does stands in ``cost_forecast_command``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def forecast(
    by: Annotated[
        str, typer.Option("--by", help="Comma-separated: cluster, nodePool, namespace, owner, service, label:NAME.")
    ] = "namespace",
    only: Annotated[str, typer.Option("--filter", help="dimension:eq|ne|in:value; a comma is AND.")] = "",
    period: Annotated[str, typer.Option("--period", help="day, week, month or quarter, around now.")] = "month",
    until: Annotated[str | None, typer.Option("--until", help="A time to come, in place of a period's end.")] = None,
    timezone: Annotated[str, typer.Option("--timezone", help="Of the period.")] = "UTC",
    limit: Annotated[str | None, typer.Option("--limit", help="An amount: when is it passed, how likely?")] = None,
    output: Annotated[str, typer.Option("--output", "-o", help="table, json, csv or focus.")] = "table",
    server: Annotated[str, typer.Option("--server", help="Where Foretide runs.")] = "http://127.0.0.1:8080",
    token_file: Annotated[
        Path | None, typer.Option("--token-file", help="Its token; by default what FORETIDE_API_TOKEN says.")
    ] = None,
) -> None:
    """Say what a period comes to, by any grouping, and when an amount is passed. See docs/cost.md."""
    from app.cost_forecast_command import Asked, ask

    asked = Asked(by=by, only=only, period=period, until=until, timezone=timezone, limit=limit)
    raise typer.Exit(ask(asked, output=output, server=server, token_file=token_file, out=sys.stdout))
