"""The ``foretide`` command.

Heavy imports stand inside the commands that need them: ``foretide --help`` answers in a tenth of a second.
Exit codes: 0 ok · 1 a check says no · 2 usage or configuration.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

app = typer.Typer(
    name="foretide",
    help="Observability and autoscaling control plane for Kubernetes.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: importing rich takes longer than all the rest (0.1 s of 0.2 s)
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Entry point of the ``foretide`` script."""
    app()


def _version(wanted: bool) -> None:
    if wanted:
        from importlib import metadata

        typer.echo(f"foretide {metadata.version('foretide')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    del version


@app.command(short_help="Run everything: collector, forecaster, controller, dashboard.")
def up(
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="foretide.yaml; by default ./foretide.yaml if it is there.")
    ] = None,
    demo: Annotated[
        bool, typer.Option("--demo", help="Run the example shop beside it, as real processes with real traffic.")
    ] = False,
    end_with_parent: Annotated[
        bool, typer.Option("--end-with-parent", help="Stop when the process that started this one is gone.")
    ] = False,
) -> None:
    """Run everything in this process: collector, forecaster, controller, API and dashboard."""
    if demo and config is not None:
        _fail("--demo brings its own configuration; leave out --config or --demo", 2)
    # From the first moment a signal is an order to end, not an accident; the server takes over when it runs.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(0))
    from app.run import serve
    from domain.errors import ForetideError

    try:
        serve(config=config, demo=demo, end_with_parent=end_with_parent)
    except ForetideError as error:
        _fail(str(error), 2)


@app.command(short_help="Check rule documents, every mistake with its place.")
def check(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Rule files and folders of them.")],
) -> None:
    """Check rule documents: every mistake at once, each with file:line:col and what was expected."""
    from app.check import check_paths

    raise typer.Exit(check_paths(paths))


@app.command()
def forecast(
    data: Annotated[
        Path, typer.Option("--data", help="CSV, gzip or not: unique_id,ds,y or M4's wide format (id, then values).")
    ],
    horizon: Annotated[int, typer.Option("--horizon", help="Steps ahead.")],
    quantiles: Annotated[
        str, typer.Option("--quantiles", help="Levels between 0 and 1, separated by commas.")
    ] = "0.05,0.1,0.5,0.9,0.95,0.99",
    season: Annotated[
        str | None, typer.Option("--season", help="Steps (24) or a duration (1d); by default a day, week or year.")
    ] = None,
    output: Annotated[str, typer.Option("--output", "-o", help="csv, json or table.")] = "table",
    workers: Annotated[int, typer.Option("--workers", help="Processes; the result does not depend on it.")] = 1,
) -> None:
    """Forecast every series of a file."""
    from app.forecast_command import forecast_file

    code = forecast_file(
        data, horizon=horizon, quantiles=quantiles, season=season, output=output, workers=workers, out=sys.stdout
    )
    raise typer.Exit(code)


@app.command(short_help="Hold forecasts of earlier times against what came.")
def backtest(
    rule: Annotated[str | None, typer.Argument(metavar="RULE", help="Not yet: replaying a rule's decisions.")] = None,
    forecast_only: Annotated[
        bool, typer.Option("--forecast", help="Backtest the forecaster on the series of --data.")
    ] = False,
    data: Annotated[Path | None, typer.Option("--data", help="A file as `foretide forecast` takes it.")] = None,
    horizon: Annotated[int | None, typer.Option("--horizon", help="Steps ahead.")] = None,
    quantiles: Annotated[
        str, typer.Option("--quantiles", help="Levels between 0 and 1, separated by commas.")
    ] = "0.05,0.1,0.5,0.9,0.95,0.99",
    season: Annotated[
        str | None, typer.Option("--season", help="Steps (24) or a duration (1d); by default a day, week or year.")
    ] = None,
    origins: Annotated[int, typer.Option("--origins", help="Forecasts of each series, in its last third.")] = 8,
    output: Annotated[str, typer.Option("--output", "-o", help="table, json or csv.")] = "table",
    workers: Annotated[int, typer.Option("--workers", help="Processes; the result does not depend on it.")] = 1,
) -> None:
    """Forecast every series of a file from earlier origins, and tell how well that went by how far ahead."""
    if not forecast_only or rule is not None:
        _fail("a rule cannot be backtested yet; foretide backtest --forecast --data FILE --horizon H works now", 2)
    if data is None or horizon is None:
        _fail("backtest --forecast needs --data FILE and --horizon H", 2)
    from app.backtest_command import backtest_file

    code = backtest_file(
        data, horizon=horizon, quantiles=quantiles, season=season, origins=origins, output=output, workers=workers,
        out=sys.stdout,
    )  # fmt: skip
    raise typer.Exit(code)


@app.command(short_help="What a Prometheus' recordings say about its autoscalers; nothing is installed or changed.")
def assess(
    prometheus: Annotated[str | None, typer.Option("--prometheus", help="Base URL of the server.")] = None,
    source: Annotated[
        str | None, typer.Option("--source", help="Or a source of foretide.yaml, with its login.")
    ] = None,
    config: Annotated[Path | None, typer.Option("--config", "-c", help="foretide.yaml, for --source.")] = None,
    days: Annotated[float, typer.Option("--days", help="How far back.")] = 30.0,
    from_: Annotated[str | None, typer.Option("--from", help="Or a date or time, UTC unless it says.")] = None,
    to: Annotated[str | None, typer.Option("--to", help="Until then; by default now.")] = None,
    namespace: Annotated[str | None, typer.Option("--namespace", "-n", help="Only this one.")] = None,
    allow: Annotated[str, typer.Option("--allow", help="Share of time that may be violated.")] = "0.3%",
    max_load: Annotated[float, typer.Option("--max-load", help="Percent of the server's cores to take at most.")] = 2.0,
    prices: Annotated[Path | None, typer.Option("--prices", help="File with a PriceSheet: costs in money.")] = None,
    kubernetes: Annotated[str | None, typer.Option("--kubernetes", help="Version (1.33), if nodes tell none.")] = None,
    token_file: Annotated[Path | None, typer.Option("--token-file", help="File with a bearer token.")] = None,
    username: Annotated[str | None, typer.Option("--username", help="For basic authentication.")] = None,
    password_file: Annotated[Path | None, typer.Option("--password-file", help="File with its password.")] = None,
    tenant: Annotated[str | None, typer.Option("--tenant", help="X-Scope-OrgID, for Mimir and Cortex.")] = None,
    ca_file: Annotated[Path | None, typer.Option("--ca-file", help="Certificates of the server's authority.")] = None,
    insecure: Annotated[bool, typer.Option("--insecure", help="Do not check the server's certificate.")] = False,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Keep nothing of what is read.")] = False,
    output: Annotated[str, typer.Option("--output", "-o", help="table, json, csv or html.")] = "table",
    workers: Annotated[int | None, typer.Option("--workers", help="Processes; the result does not depend.")] = None,
) -> None:
    """Read the past of every HorizontalPodAutoscaler from Prometheus, replay it, and say what could be better."""
    from app.assess_command import Asked, run
    from app.fleet_source import Access

    access = Access(
        url=prometheus, source=source, config=config, token_file=token_file, username=username,
        password_file=password_file, tenant=tenant, ca_file=ca_file, insecure=insecure,
    )  # fmt: skip
    asked = Asked(
        access=access, days=days, start=from_, end=to, namespace=namespace, output=output, allow=allow,
        max_load=max_load, prices=prices, kubernetes=kubernetes, cache=not no_cache, workers=workers,
    )  # fmt: skip
    raise typer.Exit(run(asked, sys.stdout))


@app.command(short_help="Policies for most of a fleet, from the load that a server already knows.")
def discover(
    prometheus: Annotated[
        str | None, typer.Option("--prometheus", help="Base URL of the server; by default a Foretide on this machine.")
    ] = None,
    source: Annotated[
        str | None, typer.Option("--source", help="Or a source of foretide.yaml, with its login.")
    ] = None,
    config: Annotated[Path | None, typer.Option("--config", "-c", help="foretide.yaml, for --source.")] = None,
    days: Annotated[float, typer.Option("--days", help="How far back replicas are looked at.")] = 7.0,
    namespace: Annotated[str | None, typer.Option("--namespace", "-n", help="Only this one.")] = None,
    most: Annotated[int, typer.Option("--most", help="Policies at most.")] = 10,
    trigger_source: Annotated[
        str | None, typer.Option("--trigger-source", help="Name of the source, written into each query.")
    ] = None,
    max_load: Annotated[float, typer.Option("--max-load", help="Percent of the server's cores to take at most.")] = 2.0,
    token_file: Annotated[Path | None, typer.Option("--token-file", help="File with a bearer token.")] = None,
    username: Annotated[str | None, typer.Option("--username", help="For basic authentication.")] = None,
    password_file: Annotated[Path | None, typer.Option("--password-file", help="File with its password.")] = None,
    tenant: Annotated[str | None, typer.Option("--tenant", help="X-Scope-OrgID, for Mimir and Cortex.")] = None,
    ca_file: Annotated[Path | None, typer.Option("--ca-file", help="Certificates of the server's authority.")] = None,
    insecure: Annotated[bool, typer.Option("--insecure", help="Do not check the server's certificate.")] = False,
) -> None:
    """Find metrics of offered load and print ScalingPolicy documents in mode observe; nothing is applied."""
    from app.discover_command import HERE, Asked, run
    from app.fleet_source import Access

    access = Access(
        url=prometheus if prometheus or source else HERE, source=source, config=config, token_file=token_file,
        username=username, password_file=password_file, tenant=tenant, ca_file=ca_file, insecure=insecure,
    )  # fmt: skip
    asked = Asked(
        access=access, days=days, namespace=namespace, max_load=max_load, most=most, trigger_source=trigger_source
    )
    raise typer.Exit(run(asked, sys.stdout))


def _fail(message: str, code: int) -> NoReturn:
    print(f"foretide: {message}", file=sys.stderr)
    raise typer.Exit(code)
