"""``foretide cost savings``: asks a running Foretide what was saved and prints it."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TextIO

from app.server_client import FailedError, Server, ServerError
from app.text_table import lines_of, printable

_COLUMNS: Final = (
    "id", "kind", "target", "state", "since", "promised", "measured", "p10", "p90", "currency", "method", "days",
    "why", "advice",
)  # fmt: skip
_HEAD: Final = ("kind", "target", "promised", "measured", "p10", "p90", "days", "method")
_OUTPUTS: Final = ("table", "json", "csv")


def ask(*, output: str, server: str, token_file: Path | None, out: TextIO) -> int:
    """Print the answer.

    Returns:
        The exit code: 0, 2 usage, 4 server unreachable or refused.
    """
    if output not in _OUTPUTS:
        print(f"foretide: -o {output}: expected {', '.join(_OUTPUTS)}", file=sys.stderr)
        return 2
    try:
        with Server(server, token_file) as running:
            found = running.ask("GET", "/api/v1/cost/savings")
    except (FailedError, ServerError) as error:
        print(f"foretide: {error}", file=sys.stderr)
        return 2 if isinstance(error, FailedError) else 4
    write(found, output, out)
    return 0


def write(found: Mapping[str, Any], output: str, out: TextIO) -> None:
    """In the wanted form."""
    if output == "json":
        out.write(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
    elif output == "csv":
        rows = csv.writer(out, lineterminator="\n")
        rows.writerow(_COLUMNS)
        rows.writerows([one[name] for name in _COLUMNS] for one in found["items"])
    else:
        out.writelines(f"{printable(line)}\n" for line in _table(found))


def _table(found: Mapping[str, Any]) -> Iterator[str]:
    if found["items"]:
        yield from lines_of([_HEAD, *map(_cells, found["items"])], left=2, last_is_text=True)
    for one in found["totals"]:
        yield f"measured in all: {_money(one['measured'], one['currency'])} a month{_promised(one)}"
    if found["why"]:
        yield f"nothing is measured: {found['why']}"
    yield _own(found["own"])
    yield from (f"note: {one['target']} {one['advice']}" for one in found["items"] if one["advice"])


def _cells(one: Mapping[str, Any]) -> list[str]:
    amounts = [_short(one[name]) for name in ("promised", "measured", "p10", "p90")]
    days = str(one["days"]) if one["days"] else ""
    return [one["kind"], one["target"], *amounts, days, one["method"] or one["why"]]


def _promised(total: Mapping[str, Any]) -> str:
    return f", promised {_money(total['promised'], total['currency'])}" if Decimal(total["promised"]) else ""


def _own(own: Mapping[str, Any]) -> str:
    if own["cpu_cores"] is None:
        return f"Foretide itself: {own['why']}"
    used = f"{own['cpu_cores']:.2f} cores and {own['memory_bytes'] / 2**20:,.0f} MiB since {_day(own['since'])}"
    if own["monthly"] is None:
        return f"Foretide itself: {used}; no price: {own['why']}"
    return f"Foretide itself: {_money(own['monthly'], own['currency'])} a month, by {used} and {own['source']}"


def _money(amount: str, currency: str) -> str:
    return f"{Decimal(amount):,.2f} {currency}"


def _short(amount: str | None) -> str:
    return "" if amount is None else f"{Decimal(amount):,.2f}"


def _day(written: str) -> str:
    return f"{datetime.fromisoformat(written):%Y-%m-%d %H:%M} UTC"
