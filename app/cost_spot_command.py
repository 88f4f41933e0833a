"""``foretide cost spot``: asks a running Foretide which workloads may run on spot, and prints it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import urlencode

from app.server_client import FailedError, Server, ServerError
from app.text_table import lines_of, printable


def ask(question: Mapping[str, object], *, output: str, server: str, token_file: Path | None, out: TextIO) -> int:
    """Print the answer.

    Returns:
        The exit code: 0, 2 usage, 4 server unreachable or refused.
    """
    try:
        if output not in ("table", "json"):
            raise FailedError(f"-o {output}: expected table or json")
        asked = urlencode({name: value for name, value in question.items() if value is not None})
        with Server(server, token_file) as running:
            found = running.ask("GET", f"/api/v1/cost/spot?{asked}")
    except FailedError as error:
        print(f"foretide: {error}", file=sys.stderr)
        return 2
    except ServerError as error:
        print(f"foretide: {error}", file=sys.stderr)
        return 4
    if output == "json":
        json.dump(found, out, indent=2, ensure_ascii=False)
        out.write("\n")
    else:
        out.write("\n".join(map(printable, spot_lines(found))) + "\n")
    return 0


def spot_lines(found: Mapping[str, Any]) -> Iterator[str]:
    """As tables, with every assumption and note."""
    if found["workloads"]:
        rows = [[f"{one['namespace']}/{one['kind']}/{one['name']}", one["verdict"], _why(one)] for one in
                found["workloads"]]  # fmt: skip
        yield from lines_of([["workload", "spot", "why"], *rows], left=3)
        if found["workloads_total"] > len(found["workloads"]):
            yield f"  and {found['workloads_total'] - len(found['workloads'])} more"
        yield ""
    if found["pools"]:
        head = ["machines", "region", "committed", "idle", "spot", "on demand", "spot price", "a month", "saves"]
        yield from lines_of([head, *(_pool(one) for one in found["pools"])], left=2)
        yield ""
        share = 100 * found["eligible_ratio"]
        yield f"Mean machines in an hour; money in {found['currency']}, a month of 730 h."
        yield f"{share:.0f} % of all requested cores are of workloads that are ready. Nothing is moved."
        for one in found["pools"]:
            for note in one["notes"]:
                yield f"  {one['name'] or '(no type)'} {one['region']}: {note}"
    for assumption in found["assumptions"] if found["pools"] else ():
        yield f"assumed: {assumption}"
    for note in found["notes"]:
        yield f"note: {note}"


def _why(one: Mapping[str, Any]) -> str:
    if one["by_annotation"]:
        return "annotation foretide.dev/spot"
    failed = [check["told"] for check in one["checks"] if check["passed"] is False]
    unknown = [f"{check['name']} not known" for check in one["checks"] if check["passed"] is None]
    return "; ".join([*failed, *unknown])


def _pool(one: Mapping[str, Any]) -> list[str]:
    machines = [f"{one[name]:.1f}" for name in ("committed", "idle_committed", "spot", "on_demand")]
    price = "" if one["spot_price"] is None else f"{Decimal(one['spot_price']):.4f}"
    money = ["" if one[name] is None else f"{Decimal(one[name]):,.2f}" for name in ("monthly_cost", "monthly_saving")]
    return [one["name"] or "(no type)", one["region"], *machines, price, *money]
