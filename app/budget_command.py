"""``foretide budget explain``: asks a running Foretide where a budget stands and what it does about it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final, TextIO
from urllib.parse import quote

import typer

OUTPUTS: Final = ("table", "json")

app = typer.Typer(no_args_is_help=True, help="Budgets: where they stand, and what they do.")


@app.callback()
def _commands() -> None:
    """Budgets: where they stand, and what they do."""


@app.command()
def explain(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A budget: namespace/name, or a name in default.")],
    output: Annotated[str, typer.Option("--output", "-o", help="table or json.")] = "table",
    server: Annotated[str, typer.Option("--server", help="Where Foretide runs.")] = "http://127.0.0.1:8080",
    token_file: Annotated[
        Path | None, typer.Option("--token-file", help="Its token; by default what FORETIDE_API_TOKEN says.")
    ] = None,
) -> None:
    """Tell where a budget stands, why, what it does or would do, what that waits for, and how it is undone."""
    from app.server_client import FailedError, Server, ServerError

    if output not in OUTPUTS:
        print(f"foretide: -o {output}: expected one of {', '.join(OUTPUTS)}", file=sys.stderr)
        raise typer.Exit(2)
    key = name if "/" in name else f"default/{name}"
    namespace, _, rest = key.partition("/")
    try:
        with Server(server, token_file) as asked:
            path = f"/api/v1/budgets/{quote(namespace, safe='')}/{quote(rest, safe='')}/explanation"
            found = asked.ask("GET", path)
    except (ServerError, FailedError) as error:
        print(f"foretide: {error}", file=sys.stderr)
        raise typer.Exit(5 if getattr(error, "unknown", False) else 4) from error
    write(found, output, sys.stdout)


def write(found: dict[str, Any], output: str, out: TextIO) -> None:
    """As JSON, or for people."""
    text = json.dumps(found, indent=2, ensure_ascii=False) if output == "json" else "\n".join(_lines(found))
    out.write(text + "\n")


def _lines(found: dict[str, Any]) -> Iterator[str]:
    start, end = _at(found["period_start"]), _at(found["period_end"])
    yield f"budget {found['key']}, period {found['period']}: {start} to {end} UTC"
    yield f"  spent {_money(found['spent'])} of {_money(found['limit'])}"
    if forecast := found["forecast"]:
        ends = f"{_money(forecast['p50'])} (p10 {_money(forecast['p10'])}, p90 {_money(forecast['p90'])})"
        yield f"  at its end {ends}, over the limit with probability {forecast['probability_over']:.2f}"
        if forecast["exhausted_p50"]:
            yield f"  used up about {_at(forecast['exhausted_p50'])} UTC"
    if found["alerts_only"]:
        yield f"  the forecast alerts only: {found['alerts_only']}"
    for threshold in found["thresholds"]:
        yield ""
        told = f", told {threshold['notices']}x" if threshold["notices"] else ""
        yield f"{threshold['id']} ({threshold['basis']}): {threshold['state']}{told}"
        yield f"  {threshold['reason'] or 'has not been looked at yet'}"
        for deed in threshold["actions"]:
            yield from _deed(deed)


def _deed(deed: dict[str, Any]) -> Iterator[str]:
    yield f"  {deed['action']}: {deed['state']}"
    yield f"    {deed['reason'] or 'its threshold does not fire'}"
    yield from (f"    {change}" for change in deed["changes"])
    if deed["said"]:
        yield f"    {deed['said']}"
    saving = deed["saving"]
    if saving["realised"]:
        interval = f"{_money(saving['realised_p10'])} to {_money(saving['realised_p90'])}"
        yield f"    saved so far {_money(saving['realised'])} ({interval}), promised {_money(saving['promised'])}"
    if deed["state"] == "AwaitingApproval":
        yield f"    approve with digest {deed['digest']}"
    yield f"    undo: {deed['undo']}"


def _money(money: dict[str, str] | None) -> str:
    return "nobody knows" if money is None else f"{float(money['amount']):.2f} {money['currency']}"


def _at(text: str) -> str:
    return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M}"
