"""``foretide slo``: asks a running Foretide how SLOs stand, or makes a rule file of documents without any server."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, TextIO

from alerts.objectives.burn_rules import by_source, in_days
from alerts.rule_file.write import text_of
from app.check import check_query
from app.server_client import FailedError, Server, ServerError
from app.text_table import lines_of, printable
from domain.errors import RuleDocumentError
from rules import load_paths, source_texts
from rules import render as render_mistakes

_AT_ONCE: Final = 200


def render(paths: Sequence[Path], out: TextIO) -> int:
    """Print the alerts of all SLO documents below ``paths``; the exit code."""
    try:
        found = load_paths(paths, check_query=check_query)
    except RuleDocumentError as error:
        print(render_mistakes(error.mistakes, source_texts(error.mistakes)), file=sys.stderr)
        return 1
    if not found.slos:
        print("foretide: no SLO document there", file=sys.stderr)
        return 1
    groups = by_source(found.slos)
    for source, mine in groups.items():
        where = "the default source" if source is None else f"source {source}"
        print(f"# {len(mine)} groups ask {where}", file=out)
    print(text_of(group for mine in groups.values() for group in mine), end="", file=out)
    return 0


def run(*, output: str, server: str, token_file: Path | None, out: TextIO) -> int:
    """Print how all stand; the exit code."""
    if output not in ("table", "json"):
        print(f"foretide: -o {output}: expected table or json", file=sys.stderr)
        return 2
    try:
        with Server(server, token_file) as found:
            slos = _all(found)
    except (FailedError, ServerError) as error:
        print(f"foretide: {error}", file=sys.stderr)
        return 4
    lines = json.dumps(slos, indent=2).splitlines() if output == "json" else _table(slos)
    for line in lines:
        print(printable(line), file=out)
    return 0


def _all(found: Server) -> list[dict[str, Any]]:
    slos: list[dict[str, Any]] = []
    while True:
        page = found.ask("GET", f"/api/v1/slos?page={len(slos) // _AT_ONCE + 1}&limit={_AT_ONCE}")
        slos += page
        if len(page) < _AT_ONCE:
            return slos


def _table(slos: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not slos:
        yield "  no SLO documents run"
        return
    windows = sorted({rate["window_seconds"] for one in slos for rate in one["burn_rates"]})
    head = ["slo", "objective", "window", "budget left", "state", *(_window(each) for each in windows)]
    yield from lines_of([head, *(_row(one, windows) for one in slos)])
    yield from (f"note: {one['namespace']}/{one['name']}: {one['problem']}" for one in slos if one["problem"])


def _row(one: Mapping[str, Any], windows: Sequence[float]) -> list[str]:
    rates = {rate["window_seconds"]: rate["burn_rate"] for rate in one["burn_rates"]}
    left, now = one["error_budget_left"], [_rate(rates.get(each)) for each in windows]
    return [
        f"{one['namespace']}/{one['name']}", f"{100 * one['objective_ratio']:.6g}%", _window(one["window_seconds"]),
        "unknown" if left is None else f"{100 * left:.1f}%", one["state"], *now,
    ]  # fmt: skip


def _window(seconds: float) -> str:
    return in_days(timedelta(seconds=seconds))


def _rate(rate: float | None) -> str:
    return "-" if rate is None else f"{rate:.3g}"
