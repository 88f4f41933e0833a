"""``foretide budget explain``, ``list``, ``wake``: ask a running Foretide where budgets stand, and wake what sleeps."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final, TextIO
from urllib.parse import quote

import typer

from app.system_clock import SystemClock
from domain.units import parse_duration

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
    _check(output)
    write(_ask(f"{_path(name)}/explanation", server, token_file), output, sys.stdout)


@app.command()
def wake(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A budget: namespace/name, or a name in default.")],
    for_: Annotated[str, typer.Option("--for", help="How long, such as 2h; a week at most.")] = "2h",
    server: Annotated[str, typer.Option("--server", help="Where Foretide runs.")] = "http://127.0.0.1:8080",
    token_file: Annotated[
        Path | None, typer.Option("--token-file", help="Its token; by default what FORETIDE_API_TOKEN says.")
    ] = None,
) -> None:
    """Wake what a budget lets sleep by the clock, for a while."""
    try:
        until = SystemClock().now() + parse_duration(for_)
    except (ValueError, OverflowError) as error:
        print(f"foretide: --for {for_}: {error}", file=sys.stderr)
        raise typer.Exit(2) from error
    woken = _ask(f"{_path(name)}/wake", server, token_file, method="POST", body={"until": until.isoformat()})
    for deed in woken:
        woke = len(deed["changes"])
        are = "1 workload is" if woke == 1 else f"{woke} workloads are"
        print(f"{deed['action']}: {are} awake until {until:%Y-%m-%d %H:%M} UTC")


@app.command("list")
def list_(
    output: Annotated[str, typer.Option("--output", "-o", help="table or json.")] = "table",
    server: Annotated[str, typer.Option("--server", help="Where Foretide runs.")] = "http://127.0.0.1:8080",
    token_file: Annotated[
        Path | None, typer.Option("--token-file", help="Its token; by default what FORETIDE_API_TOKEN says.")
    ] = None,
) -> None:
    """Tell of every budget what is spent of it in its period, and where that leads."""
    _check(output)
    write_list(_ask("/api/v1/budgets?limit=200", server, token_file), output, sys.stdout)


def _check(output: str) -> None:
    if output not in OUTPUTS:
        print(f"foretide: -o {output}: expected one of {', '.join(OUTPUTS)}", file=sys.stderr)
        raise typer.Exit(2)


def _path(name: str) -> str:
    namespace, _, rest = (name if "/" in name else f"default/{name}").partition("/")
    return f"/api/v1/budgets/{quote(namespace, safe='')}/{quote(rest, safe='')}"


def _ask(
    path: str, server: str, token_file: Path | None, *, method: str = "GET", body: dict[str, str] | None = None
) -> Any:
    from app.server_client import FailedError, Server, ServerError

    try:
        with Server(server, token_file) as asked:
            return asked.ask(method, path, body)
    except (ServerError, FailedError) as error:
        print(f"foretide: {error}", file=sys.stderr)
        raise typer.Exit(_code(error)) from error


def _code(error: Exception) -> int:
    if getattr(error, "unknown", False):
        return 5
    return 6 if getattr(error, "conflict", False) else 4


def write(found: dict[str, Any], output: str, out: TextIO) -> None:
    """As JSON, or for people."""
    text = json.dumps(found, indent=2, ensure_ascii=False) if output == "json" else "\n".join(_lines(found))
    out.write(text + "\n")


def write_list(found: list[dict[str, Any]], output: str, out: TextIO) -> None:
    """The same of a list: a row for each, with the forecast where one was asked for."""
    if output == "json":
        out.write(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
        return
    head = ["BUDGET", "PERIOD", "SPENT", "OF", "AT THIS RATE", "FORECAST P50", "P(OVER)", "STATE", "FIRING"]
    rows = [[
        one["key"], f"{one['per']} {one['period']}", _money(one["spent"]), _money(one["limit"]),
        _money(one["projected_at_current_rate"]), _money(one["forecast"]["p50"]) if one["forecast"] else "-",
        f"{one['forecast']['probability_over']:.2f}" if one["forecast"] else "-", one["state"],
        ", ".join(one["firing"]) or "-",
    ] for one in found]  # fmt: skip
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in (head, *rows):
        out.write("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() + "\n")


def _lines(found: dict[str, Any]) -> Iterator[str]:
    start, end = _at(found["period_start"]), _at(found["period_end"])
    yield f"budget {found['key']}, period {found['period']}: {start} to {end} UTC"
    yield f"  spent {_money(found['spent'])} of {_money(found['limit'])}"
    yield from (f"  {said}" for said in found["counted"])
    if forecast := found["forecast"]:
        ends = f"{_money(forecast['p50'])} (p10 {_money(forecast['p10'])}, p90 {_money(forecast['p90'])})"
        yield f"  at its end {ends}, over the limit with probability {forecast['probability_over']:.2f}"
        if forecast["exhausted_p10"]:
            yield f"  used up {_used_up(forecast)}"
        yield from (f"  {said}" for said in _said_of_the_band(found))
    else:
        yield f"  at the present rate {_money(found['projected_at_current_rate'])} at its end, {_reached(found)}"
        yield f"  no forecast: {found['no_forecast']}"
    if not found["thresholds"]:
        yield "  no thresholds: it is counted, and says nothing by itself"
    for threshold in found["thresholds"]:
        yield ""
        told = f", told {threshold['notices']}x" if threshold["notices"] else ""
        yield f"{threshold['id']} ({threshold['basis']}): {threshold['state']}{told}"
        yield f"  {threshold['reason'] or 'has not been looked at yet'}"
        for deed in threshold["actions"]:
            yield from _deed(deed)


def _used_up(forecast: dict[str, Any]) -> str:
    early = f"{_at(forecast['exhausted_p10'])} UTC on one path in ten"
    return f"about {_at(forecast['exhausted_p50'])} UTC, by {early}" if forecast["exhausted_p50"] else f"by {early}"


def _said_of_the_band(found: dict[str, Any]) -> Iterator[str]:
    if found["alerts_only"]:
        yield f"the forecast alerts only: {found['alerts_only']}"
    if found["width"]:
        yield f"of the forecast: {found['width']}"


def _reached(found: dict[str, Any]) -> str:
    if found["state"] == "exceeded":
        return "the limit is exceeded"
    return f"used up about {_at(found['reached_at'])} UTC" if found["reached_at"] else "below the limit"


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
        said = f"; yes so far: {', '.join(deed['approved_by'])}" if deed["approved_by"] else ""
        yield f"    approve with digest {deed['digest']}{said}"
    yield f"    undo: {deed['undo']}"


def _money(money: dict[str, str] | None) -> str:
    """Cents; of less than one unit hundredths of them, so that a small budget tells something."""
    if money is None:
        return "nobody knows"
    amount = float(money["amount"])
    return f"{amount:.{2 if abs(amount) >= 1 or not amount else 4}f} {money['currency']}"


def _at(text: str) -> str:
    return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M}"
