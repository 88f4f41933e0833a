"""The ``foretide`` command.

Heavy imports stand inside the commands that need them: ``foretide --help`` answers in a tenth of a second.
Exit codes: 0 ok · 1 a check says no · 2 usage or configuration · 4 server unreachable or refused · 5 not found.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from app import backtest_cli, budget_command, cost_cli, doctor_cli, doors_cli, reap_cli, rings_cli, slo_cli

app = typer.Typer(
    name="foretide",
    help="Observability and autoscaling control plane for Kubernetes.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: importing rich takes longer than all the rest (0.1 s of 0.2 s)
    context_settings={"help_option_names": ["-h", "--help"]},
)

# How `assess` and `discover` reach a server.
SourceName = Annotated[str | None, typer.Option("--source", help="Or a source of foretide.yaml, with its login.")]
ConfigForSource = Annotated[Path | None, typer.Option("--config", "-c", help="foretide.yaml, for --source.")]
MaxLoad = Annotated[float, typer.Option("--max-load", help="Percent of the server's cores to take at most.")]
TokenFile = Annotated[Path | None, typer.Option("--token-file", help="File with a bearer token.")]
Username = Annotated[str | None, typer.Option("--username", help="For basic authentication.")]
PasswordFile = Annotated[Path | None, typer.Option("--password-file", help="File with its password.")]
Tenant = Annotated[str | None, typer.Option("--tenant", help="X-Scope-OrgID, for Mimir and Cortex.")]
CaFile = Annotated[Path | None, typer.Option("--ca-file", help="Certificates of the server's authority.")]
Insecure = Annotated[bool, typer.Option("--insecure", help="Do not check the server's certificate.")]


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
    effective: Annotated[
        bool, typer.Option("--effective", help="Print every field of every rule, and where it came from.")
    ] = False,
    workloads: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="What policies choose from: kubectl get deploy,sts,ns -A -o yaml (or json)."),
    ] = None,
    lint_fatal: Annotated[bool, typer.Option("--lint-fatal", help="Exit with 3 where there are warnings.")] = False,
) -> None:
    """Check rule documents and Prometheus' rule files: every mistake with file:line:col and what was expected."""
    from app.check import check_paths
    from app.effective_command import print_effective

    code = check_paths(paths, lint_fatal=lint_fatal)
    if code == 0 and (effective or workloads is not None):
        code = print_effective(paths, workloads)
    raise typer.Exit(code)


@app.command(name="test", short_help="Run tables of decisions that rules are expected to make.")
def rule_tests(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Test files, and folders of *_test.yaml.")],
    output: Annotated[str, typer.Option("--output", "-o", help="table or json.")] = "table",
    junit: Annotated[Path | None, typer.Option("--junit", help="Write JUnit's XML to this file, too.")] = None,
    as_diff: Annotated[bool, typer.Option("--diff", help="Show what the files would have to say instead.")] = False,
) -> None:
    """Run tests of rules: series in, decisions out, by the code that decides live. See docs/testing-rules.md."""
    from app.rule_tests.command import test_paths

    raise typer.Exit(test_paths(paths, output=output, junit=junit, as_diff=as_diff, out=sys.stdout))


@app.command(short_help="Ask a running Foretide why a rule decided as it did.")
def explain(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A rule: namespace/name, or its name alone.")],
    at: Annotated[
        str | None, typer.Option("--at", help="A time (2026-11-21T12:00:00Z) or how long ago (2h); by default now.")
    ] = None,
    output: Annotated[str, typer.Option("--output", "-o", help="table or json.")] = "table",
    server: Annotated[str, typer.Option("--server", help="Where Foretide runs.")] = "http://127.0.0.1:8080",
    token_file: Annotated[
        Path | None, typer.Option("--token-file", help="Its token; by default what FORETIDE_API_TOKEN says.")
    ] = None,
) -> None:
    """Tell the chain from signal to number, of the decision that was in force at a time."""
    from app.explain_command import explain_on_server

    code = explain_on_server(name, at=at, output=output, server=server, token_file=token_file, out=sys.stdout)
    raise typer.Exit(code)


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
    workers: Annotated[int, typer.Option("--workers", help="Processes; any number, the same result.")] = 1,
) -> None:
    """Forecast every series of a file."""
    from app.forecast_command import forecast_file

    code = forecast_file(
        data, horizon=horizon, quantiles=quantiles, season=season, output=output, workers=workers, out=sys.stdout
    )
    raise typer.Exit(code)


app.command(short_help="Replay a rule on recorded traffic before it acts.")(backtest_cli.backtest)


@app.command(short_help="What a Prometheus' recordings say about its autoscalers; nothing is installed or changed.")
def assess(
    prometheus: Annotated[str | None, typer.Option("--prometheus", help="Base URL of the server.")] = None,
    source: SourceName = None,
    config: ConfigForSource = None,
    days: Annotated[float, typer.Option("--days", help="How far back.")] = 30.0,
    from_: Annotated[str | None, typer.Option("--from", help="Or a date or time, UTC unless it says.")] = None,
    to: Annotated[str | None, typer.Option("--to", help="Until then; by default now.")] = None,
    namespace: Annotated[str | None, typer.Option("--namespace", "-n", help="Only this one.")] = None,
    allow: Annotated[str, typer.Option("--allow", help="Share of time that may be violated.")] = "0.3%",
    max_load: MaxLoad = 2.0,
    prices: Annotated[Path | None, typer.Option("--prices", help="File with a PriceSheet: costs in money.")] = None,
    kubernetes: Annotated[str | None, typer.Option("--kubernetes", help="Version (1.33), if nodes tell none.")] = None,
    token_file: TokenFile = None,
    username: Username = None,
    password_file: PasswordFile = None,
    tenant: Tenant = None,
    ca_file: CaFile = None,
    insecure: Insecure = False,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Keep nothing of what is read.")] = False,
    output: Annotated[str, typer.Option("--output", "-o", help="table, json, csv or html.")] = "table",
    patches: Annotated[
        Path | None, typer.Option("--patches", metavar="FOLDER", help="Write the patches as files, for a pull request.")
    ] = None,
    workers: Annotated[int | None, typer.Option("--workers", help="Processes; any number, the same result.")] = None,
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
        max_load=max_load, prices=prices, kubernetes=kubernetes, cache=not no_cache, workers=workers, patches=patches,
    )  # fmt: skip
    raise typer.Exit(run(asked, sys.stdout))


@app.command(short_help="Policies for most of a fleet, from the load that a server already knows.")
def discover(
    prometheus: Annotated[
        str | None, typer.Option("--prometheus", help="Base URL of the server; by default a Foretide on this machine.")
    ] = None,
    source: SourceName = None,
    config: ConfigForSource = None,
    days: Annotated[float, typer.Option("--days", help="How far back replicas are looked at.")] = 7.0,
    namespace: Annotated[str | None, typer.Option("--namespace", "-n", help="Only this one.")] = None,
    most: Annotated[int, typer.Option("--most", help="Policies at most.")] = 10,
    trigger_source: Annotated[
        str | None, typer.Option("--trigger-source", help="Name of the source, written into each query.")
    ] = None,
    max_load: MaxLoad = 2.0,
    token_file: TokenFile = None,
    username: Username = None,
    password_file: PasswordFile = None,
    tenant: Tenant = None,
    ca_file: CaFile = None,
    insecure: Insecure = False,
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


app.add_typer(budget_command.app, name="budget", short_help="Where a budget stands, and what it does.")
app.add_typer(cost_cli.cost, name="cost")
app.command(short_help="Give back what a controller that is gone has left behind.")(reap_cli.reap)
app.command(short_help="Give back every bound that Foretide has set.")(reap_cli.restore)
app.command(short_help="Stop every write to the cluster, or to one HPA.")(reap_cli.freeze)
app.command(short_help="Tell how far what is new has come, and let it go on.")(rings_cli.rings)
app.command(short_help="What is left of error budgets, or their alerts as a rule file.")(slo_cli.slo)
app.command(short_help="Look at a cluster before rules act in it: who would undo us, rights, versions.")(
    doctor_cli.doctor
)


app.command(short_help="Forecasts as external metrics, for HPAs.")(doors_cli.adapter)
app.command(name="keda-scaler", short_help="Forecasts as a trigger of KEDA's ScaledObjects.")(doors_cli.keda_scaler)


@app.command(short_help="The validation webhook of documents in a cluster.")
def webhook(
    cert: Annotated[Path, typer.Option("--cert", help="Certificate, PEM; renewed in place, it is taken into use.")],
    key: Annotated[Path, typer.Option("--key", help="Its key, PEM.")],
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "0.0.0.0",  # noqa: S104 (a pod's door)
    port: Annotated[int, typer.Option("--port", help="Port to listen on.")] = 9443,
    context: reap_cli.Context = None,
    kubeconfig: reap_cli.Kubeconfig = None,
    in_cluster: reap_cli.InCluster = False,
) -> None:
    """Answer an API server's AdmissionReviews of our documents with what `foretide check` says of them."""
    from app.webhook_command import Door, serve
    from domain.errors import ForetideError

    try:
        access = None
        if in_cluster or context is not None:
            from kube import Access

            access = Access(kubeconfig=kubeconfig, context=context, in_cluster=in_cluster)
        serve(Door(host=host, port=port, certificate=cert, key=key, access=access))
    except ForetideError as error:
        _fail(str(error), 2)


@app.command(name="import", short_help="KEDA's ScaledObjects, or HPAs, as rules and policies.")
def import_(
    kind: Annotated[str, typer.Argument(metavar="keda|hpa", help="What is read.")],
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="[FILE...]", help="kubectl get … -o yaml (or json); - is stdin.")
    ] = None,
    context: Annotated[
        str | None, typer.Option("--context", help="Read a cluster: a context of the kubeconfig.")
    ] = None,
    kubeconfig: Annotated[Path | None, typer.Option("--kubeconfig", help="By default where kubectl looks.")] = None,
    namespace: Annotated[str | None, typer.Option("--namespace", "-n", help="Only this one.")] = None,
    trigger_source: Annotated[
        str | None, typer.Option("--trigger-source", help="Name of the source, written into each query.")
    ] = None,
    to: Annotated[Path | None, typer.Option("--to", help="Folder: one new file for each document.")] = None,
) -> None:
    """Print rules in mode observe that say the same, and what has no equal; nothing is applied. See docs/import.md."""
    if kind not in ("keda", "hpa"):
        _fail(f"import reads keda or hpa, not {kind}", 2)
    from app.import_command import Asked, run

    asked = Asked(
        kind="keda" if kind == "keda" else "hpa", files=tuple(files or ()), context=context, kubeconfig=kubeconfig,
        namespace=namespace, trigger_source=trigger_source, to=to,
    )  # fmt: skip
    raise typer.Exit(run(asked, sys.stdout, sys.stderr))


def _fail(message: str, code: int) -> NoReturn:
    print(f"foretide: {message}", file=sys.stderr)
    raise typer.Exit(code)
