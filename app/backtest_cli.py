"""The options of `foretide backtest`; heavy imports wait for the command that needs them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

SERVER = "http://127.0.0.1:8080"


def backtest(
    rule: Annotated[str | None, typer.Argument(metavar="RULE", help="The rule to replay, namespace/name.")] = None,
    rules: Annotated[
        list[Path] | None, typer.Option("--rules", help="Rule files and folders: replay --data, without a server.")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", help="CSV, gzip or not: timestamp, a column per trigger, replicas, violated."),
    ] = None,
    since: Annotated[
        str | None, typer.Option("--from", help="Start: 2026-11-01T00:00:00Z, or 14d for so long ago.")
    ] = None,
    until: Annotated[str | None, typer.Option("--to", help="End; by default now, or the end of the file.")] = None,
    server: Annotated[str, typer.Option("--server", help="A running Foretide.")] = SERVER,
    token_file: Annotated[Path | None, typer.Option("--token-file", help="Holds the server's API token.")] = None,
    present: Annotated[
        Path | None, typer.Option("--present", help="What runs now: an HPA's manifest or a rule; default: found out.")
    ] = None,
    sweep: Annotated[bool, typer.Option("--sweep", help="Replay variants around the rule, too.")] = False,
    capacity: Annotated[
        float | None, typer.Option("--capacity", help="Load that one replica carries within the objective.")
    ] = None,
    startup: Annotated[str | None, typer.Option("--startup", help="Of a pod: 90s, or 60s-180s.")] = None,
    delay: Annotated[str | None, typer.Option("--metric-delay", help="From load to decision; default 30s.")] = None,
    slo: Annotated[str | None, typer.Option("--slo", help="Latency objective, 300ms, for a column latency.")] = None,
    request: Annotated[
        list[str] | None, typer.Option("--request", help="Of one replica: cpu=500m, memory=1Gi; for costs and cpu.")
    ] = None,
    limit: Annotated[
        list[str] | None, typer.Option("--limit", help="The same of its limits, for triggers with of: limit.")
    ] = None,
    usage: Annotated[
        list[str] | None, typer.Option("--usage-per-load", help="cpu=0.01: cores that one request per second takes.")
    ] = None,
    node: Annotated[
        list[str] | None, typer.Option("--node", help="A pool: slots=10,price=0.4,boot=90s,max=100.")
    ] = None,
    violated_minute: Annotated[
        float | None, typer.Option("--violated-minute", help="What a missed minute is worth, in replica-minutes.")
    ] = None,
    incident: Annotated[
        str | None, typer.Option("--incident", help="FROM..TO: replay the server's ledger, line by line.")
    ] = None,
    keep: Annotated[
        Path | None, typer.Option("--keep", help="With --incident: write it as a test, FILE_test.yaml.")
    ] = None,
    output: Annotated[str, typer.Option("--output", "-o", help="table, json or html; csv with --forecast.")] = "table",
    forecast_only: Annotated[
        bool, typer.Option("--forecast", help="Backtest the forecaster on the series of --data instead.")
    ] = False,
    horizon: Annotated[int | None, typer.Option("--horizon", help="With --forecast: steps ahead.")] = None,
    quantiles: Annotated[
        str, typer.Option("--quantiles", help="With --forecast: levels between 0 and 1, separated by commas.")
    ] = "0.05,0.1,0.5,0.9,0.95,0.99",
    season: Annotated[
        str | None, typer.Option("--season", help="With --forecast: steps (24) or a duration (1d).")
    ] = None,
    origins: Annotated[int, typer.Option("--origins", help="With --forecast: forecasts of each series.")] = 8,
    workers: Annotated[int, typer.Option("--workers", help="With --forecast: processes.")] = 1,
) -> None:
    """Replay a rule on what was recorded: cost, missed objective, and whether it beats what runs now.

    Exit codes: 0 better or as good, 1 worse, not credible or not proven, 2 an option or a file cannot be used,
    4 the server does not answer or refuses, 5 it does not know the rule.
    """
    if forecast_only:
        _forecasts(rule, data, horizon, quantiles, season, origins, output, workers)
    if rule is None:
        _fail("backtest needs a RULE (namespace/name), or --forecast --data FILE --horizon H for the forecaster")
    if keep is not None and incident is None:
        _fail("--keep goes with --incident FROM..TO")
    if bool(rules) != (data is not None):
        _fail("--rules and --data go together; without both a running Foretide is asked")
    from app.backtest_rule_command import Asked, run

    asked = Asked(
        rule=rule, rules=tuple(rules or ()), data=data, since=since, until=until, server=server, token_file=token_file,
        present=present, sweep=sweep, capacity=capacity, startup=startup, delay=delay, slo=slo,
        requests=tuple(request or ()), limits=tuple(limit or ()), usage=tuple(usage or ()), nodes=tuple(node or ()),
        violated_minute=violated_minute, incident=incident, keep=keep, output=output,
    )  # fmt: skip
    raise typer.Exit(run(asked, sys.stdout))


def _forecasts(
    rule: str | None, data: Path | None, horizon: int | None, quantiles: str, season: str | None, origins: int,
    output: str, workers: int,
) -> NoReturn:  # fmt: skip
    if rule is not None:
        _fail("--forecast takes a file of series, not a rule; leave RULE or --forecast out")
    if data is None or horizon is None:
        _fail("backtest --forecast needs --data FILE and --horizon H")
    from app.backtest_command import backtest_file

    raise typer.Exit(
        backtest_file(
            data, horizon=horizon, quantiles=quantiles, season=season, origins=origins, output=output, workers=workers,
            out=sys.stdout,
        )
    )  # fmt: skip


def _fail(message: str) -> NoReturn:
    print(f"foretide: {message}", file=sys.stderr)
    raise typer.Exit(2)
