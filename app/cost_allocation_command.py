"""``foretide cost``: asks a running Foretide for the allocation of a window and prints it."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TextIO
from urllib.parse import urlencode

from rich.console import Console
from rich.table import Table

from app.cost_attached import count
from app.cost_focus import export, pieces
from app.server_client import FailedError, Server, ServerError
from app.system_clock import SystemClock
from app.written_times import moment

_MOST_ROWS: Final = 10_000
_A_DAY: Final = timedelta(days=1)
_MONEY: Final = ("cost", "idle", "shared", "overhead", "requested_unused")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked, as it was written."""

    by: str = "namespace"
    start: str | None = None
    end: str | None = None
    only: str = ""
    share: tuple[str, ...] = ()
    split: str = "weighted"
    share_idle: str = "none"
    share_overhead: bool = False
    basis: str = "conserving"
    every: str = "day"

    def window(self, now: datetime) -> tuple[datetime, datetime]:
        """From when to when; ``ValueError`` for a time that is none."""
        end = now if self.end is None else moment("--to", self.end, now)
        return end - _A_DAY if self.start is None else moment("--from", self.start, now), end

    def path(self, now: datetime) -> str:
        """The address with its query; ``ValueError`` for a time that is none."""
        pairs: list[tuple[str, object]] = [
            ("by", self.by), ("filter", self.only), ("split", self.split), ("share_idle", self.share_idle),
            ("share_overhead", str(self.share_overhead).lower()), ("basis", self.basis), ("limit", _MOST_ROWS),
            *(("share", one) for one in self.share),
        ]  # fmt: skip
        for name, written in (("from", self.start), ("to", self.end)):
            if written is not None:
                pairs.append((name, moment(f"--{name}", written, now).isoformat()))
        return f"/api/v1/cost/allocation?{urlencode(pairs)}"


def ask(question: Question, *, output: str, server: str, token_file: Path | None, out: TextIO) -> int:
    """Print the answer.

    Returns:
        The exit code: 0, 2 usage, 4 server unreachable or refused.
    """
    printers = {"table": _table, "json": _json, "csv": _csv}
    try:
        if output not in (*printers, "focus"):
            raise ValueError(f"-o {output}: expected {', '.join(printers)} or focus")
        now = SystemClock().now()
        path = question.path(now)
        with Server(server, token_file) as asked:
            if output == "focus":
                return _focus(question, asked, now, out)
            found = asked.ask("GET", path)
    except (ValueError, FailedError) as error:
        print(f"foretide: {error}", file=sys.stderr)
        return 2
    except ServerError as error:
        print(f"foretide: {error}", file=sys.stderr)
        return 4
    printers[output](found, out)
    return 0


def _focus(question: Question, asked: Server, now: datetime, out: TextIO) -> int:
    def answer(start: datetime, end: datetime) -> Mapping[str, Any]:
        piece = replace(question, start=start.isoformat(), end=end.isoformat())
        found: Mapping[str, Any] = asked.ask("GET", piece.path(now))
        return found

    export(pieces(*question.window(now), question.every), answer, out)
    return 0


def _json(found: Mapping[str, Any], out: TextIO) -> None:
    json.dump(found, out, indent=2, ensure_ascii=False)
    out.write("\n")


def _csv(found: Mapping[str, Any], out: TextIO) -> None:
    """One line for each row and for each amount that is in none, so that the column ``cost`` adds up to the total."""
    rows = csv.writer(out, lineterminator="\n")
    components = list(found["rows"][0]["components"]) if found["rows"] else []
    rows.writerow([*found["by"], "currency", *_MONEY, *components, "efficiency_ratio"])
    for row in found["rows"]:
        keys = [row["key"].get(name, "") for name in found["by"]]
        money = [row[name] for name in _MONEY]
        parts = [row["components"][name] for name in components]
        rows.writerow([*keys, found["currency"], *money, *parts, row["efficiency_ratio"]])
    for name, amount in _apart(found):
        rows.writerow([name, *[""] * (len(found["by"]) - 1), found["currency"], amount])


def _table(found: Mapping[str, Any], out: TextIO) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in found["by"] or ["all"]:
        table.add_column(name, no_wrap=True)
    beside = _beside(found)
    for name in ("cost", "cpu", "memory", *map(_words, beside), "idle", "shared", "unused", "efficiency"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in found["rows"]:
        parts = {name: Decimal(value) for name, value in row["components"].items()}
        shared = Decimal(row["shared"]) + Decimal(row["overhead"])
        amounts = (
            row["cost"], parts["cpu"], parts["memory"], *(parts[name] for name in beside), row["idle"], shared,
            row["requested_unused"],
        )  # fmt: skip
        keys = [row["key"].get(name, "") for name in found["by"]] or [""]
        table.add_row(*keys, *map(_short, amounts), _percent(row["efficiency_ratio"]))
    for name, amount in _apart(found):
        table.add_row(name, *[""] * (len(found["by"] or ["all"]) - 1), _short(amount))
    table.add_row("total", *[""] * (len(found["by"] or ["all"]) - 1), _short(found["total"]))
    console = Console(file=out, width=None if out.isatty() else 160, highlight=False)
    start, end = (datetime.fromisoformat(found[name]).strftime("%Y-%m-%d %H:%M:%S") for name in ("start", "end"))
    console.print(f"{start} to {end} UTC, in {found['currency']}, basis {found['basis']}")
    console.print(table)
    for price in found["prices"]:
        dated = f" of {price['as_of']}" if price["as_of"] else ""
        console.print(f"{_priced(price)} by {price['source']}{dated} ({price['confidence']})", soft_wrap=True)
    for note in found["notes"]:
        console.print(f"note: {note}", soft_wrap=True, markup=False)


def _beside(found: Mapping[str, Any]) -> list[str]:
    """Components besides CPU and memory that cost anything."""
    names = dict.fromkeys(name for row in found["rows"] for name in row["components"])
    costs = ((name, row["components"][name]) for row in found["rows"] for name in names)
    some = {name for name, cost in costs if Decimal(cost)}
    return [name for name in names if name in some - {"cpu", "memory"}]


def _words(name: str) -> str:
    """``loadBalancer`` as a heading."""
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name)


def _priced(price: Mapping[str, Any]) -> str:
    """Of what: ``3 nodes, 1 volume``."""
    kinds = (("nodes", "node"), ("volumes", "volume"), ("load_balancers", "load balancer"))
    return ", ".join(count(price[field], of) for field, of in kinds if price[field])


def _apart(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Names and amounts of what is in no row."""
    lines = [(f"__idle__ {cluster}", amount) for cluster, amount in found["idle"].items()]
    lines += list(found["lines"].items())
    lines += [("__filtered__", found["filtered"]), ("__left_out__", found["left_out"])]
    return [(name, amount) for name, amount in lines if Decimal(amount)]


def _percent(ratio: float | None) -> str:
    return "" if ratio is None else f"{100 * ratio:.0f}%"


def _short(amount: Any) -> str:
    return f"{Decimal(amount):,.4f}"
