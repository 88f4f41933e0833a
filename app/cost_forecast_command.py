"""``foretide cost forecast``: asks a running Foretide where cost is heading and prints it."""

from __future__ import annotations

import csv
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TextIO
from urllib.parse import urlencode

from app.cost_focus import NOBODY
from app.server_client import FailedError, Server, ServerError
from app.text_table import lines_of, printable
from cost.billing.export import Expected, Period, forecast_rows, spent_rows, write

LOOKS: Final = 600
"""Half a second apart: a forecast of 14 groups takes ten seconds, the queue before it may take longer."""
_HALF_A_SECOND: Final = 0.5
_AMOUNTS: Final = ("spent", "hourly", "run_rate")
_ENDS: Final = ("p10", "p50", "p90", "mean")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked, as it was written."""

    by: str = "namespace"
    only: str = ""
    period: str = "month"
    until: str | None = None
    timezone: str = "UTC"
    limit: str | None = None

    @property
    def path(self) -> str:
        """The address with its query."""
        pairs = {"by": self.by, "filter": self.only, "until": self.until or f"{self.period}-end",
                 "timezone": self.timezone, "limit": self.limit}  # fmt: skip
        return f"/api/v1/cost/forecast?{urlencode({name: said for name, said in pairs.items() if said is not None})}"


def ask(
    asked: Asked, *, output: str, server: str, token_file: Path | None, out: TextIO,
    wait: Callable[[float], None] = time.sleep,
) -> int:  # fmt: skip
    """Print the answer.

    Returns:
        The exit code: 0, 2 usage, 4 server unreachable or refused.
    """
    printers = {"table": _table, "json": _json, "csv": _csv, "focus": _focus}
    try:
        if output not in printers:
            raise ValueError(f"-o {output}: expected {', '.join(printers)}")
        path = asked.path
        with Server(server, token_file) as running:
            found = answer(lambda: running.ask("GET", path), wait)
    except (ValueError, FailedError) as error:
        print(f"foretide: {error}", file=sys.stderr)
        return 2
    except ServerError as error:
        print(f"foretide: {error}", file=sys.stderr)
        return 4
    printers[output](found, out)
    return 0


def answer(look: Callable[[], Mapping[str, Any]], wait: Callable[[float], None]) -> Mapping[str, Any]:
    """What ``look`` finds once it is ready."""
    for _ in range(LOOKS):
        found = look()
        if found["state"] == "ready":
            return found
        wait(_HALF_A_SECOND)
    raise ServerError("the forecast is still being made; ask again")


def _json(found: Mapping[str, Any], out: TextIO) -> None:
    json.dump(found, out, indent=2, ensure_ascii=False)
    out.write("\n")


def _csv(found: Mapping[str, Any], out: TextIO) -> None:
    """A line for each group; the columns but the quantiles add up to the total."""
    rows = csv.writer(out, lineterminator="\n")
    by = found["by"] or ["all"]
    rows.writerow([*by, "currency", *_AMOUNTS, *_ENDS])
    for row in found["groups"]:
        ends = [(row["end"] or {}).get(name, "") for name in _ENDS]
        rows.writerow([*(row["key"].get(name, "") for name in by), found["currency"], *_of(row, _AMOUNTS), *ends])


def _of(row: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    return [row[name] for name in names]


def _table(found: Mapping[str, Any], out: TextIO) -> None:
    out.write("".join(f"{printable(line)}\n" for line in _lines(found)))


def _lines(found: Mapping[str, Any]) -> list[str]:
    start, end = _day(found["start"]), _day(found["end"])
    if found["total"] is None:
        return [f"{start} to {end}: {found['why']}"]
    lines = [f"{start} to {end}, in {found['currency']}, known to {_day(found['as_of'])}"]
    by = found["by"] or ["all"]
    sampled = found["total"]["end"] is not None
    head = [*by, "spent", "per hour", *(("p10", "p50", "p90") if sampled else ()), "at this rate"]
    rows = [head, *(_cells(row, by, sampled) for row in found["groups"])]
    rows.append(["total", *[""] * (len(by) - 1), *_cells(found["total"], [], sampled)])
    lines += list(lines_of(rows, left=len(by)))
    if not sampled:
        lines.append(f"no distribution: {found['why']}")
        lines.append("at this rate: the rest of the period as the last day was; that is no forecast")
    elif found["backtest_coverage80"] is not None:
        share = f"{100 * found['backtest_coverage80']:.0f}% of its sums of {found['backtest_hours']} h"
        lines.append(f"by {found['history_hours'] / 24:.0f} days of hours; the back-test's 80% band held {share}")
    lines += _limit(found["limit"], found["currency"])
    return lines + [f"note: {note}" for note in found["notes"]]


def _cells(row: Mapping[str, Any], by: Sequence[str], sampled: bool) -> list[str]:
    ends = [_short(row["end"][name]) for name in _ENDS[:3]] if sampled else []
    keys = [row["key"].get(name, "") for name in by]
    return [*keys, _short(row["spent"]), _short(row["hourly"], digits=4), *ends, _short(row["run_rate"])]


def _limit(limit: Mapping[str, Any] | None, currency: str) -> list[str]:
    if limit is None:
        return []
    amount = f"{_short(limit['amount'])} {currency}"
    if limit["already"]:
        return [f"{amount} are spent already"]
    if limit["probability"] is None:
        return [f"{amount}: nobody can say how likely, for there is no distribution"]
    dates = ", ".join(
        f"{name} {_day(at) if (at := limit[f'exhausted_{name}']) else 'not in this period'}" for name in _ENDS[:3]
    )
    return [f"{amount} are passed with a probability of {100 * limit['probability']:.0f}%: {dates}"]


def _focus(found: Mapping[str, Any], out: TextIO) -> None:
    """What was spent, and what is to come from the newest known hour on: together the expected end, by group."""
    if found["total"] is None:
        write((), out, with_forecast=True)
        return
    start, end, cutoff = (datetime.fromisoformat(found[name]) for name in ("start", "end", "as_of"))
    currency, by = found["currency"], found["by"]
    passed = Period(start=start, end=max(min(cutoff, end), start), account=NOBODY)
    spent = {tuple(row["key"].get(name, "") for name in by): Decimal(row["spent"]) for row in found["groups"]}
    rows = list(spent_rows(spent, tuple(by), currency, passed)) if passed.end > passed.start else []
    if found["total"]["end"] is not None:
        ahead = Period(start=max(cutoff, start), end=end, account=NOBODY)
        rows += forecast_rows([_expected(row, found) for row in found["groups"]], currency, ahead)
    write(rows, out, with_forecast=True)


def _expected(row: Mapping[str, Any], found: Mapping[str, Any]) -> Expected:
    p10, p50, p90, mean = (Decimal(row["end"][name]) - Decimal(row["spent"]) for name in _ENDS)
    return Expected(
        group=row["key"], p10=p10, p50=p50, p90=p90, mean=mean, method=found["method"],
        made_at=datetime.fromisoformat(found["as_of"]),
    )  # fmt: skip


def _day(written: str) -> str:
    return datetime.fromisoformat(written).strftime("%Y-%m-%d %H:%M")


def _short(amount: str, *, digits: int = 2) -> str:
    return f"{Decimal(amount):,.{digits}f}"
