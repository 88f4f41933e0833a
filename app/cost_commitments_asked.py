"""A running Foretide's advice on commitments, asked and printed by ``foretide cost commitments``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from app.server_client import Server
from app.text_table import lines_of
from cost.pricing.sheet import HOURS_PER_MONTH


def live_advice(server: str, token_file: Path | None, **terms: float | int | None) -> dict[str, Any]:
    """The answer of ``GET /api/v1/cost/commitments``.

    Raises:
        ServerError: It does not answer.
        FailedError: It refuses a term.
    """
    asked = urlencode({name: value for name, value in terms.items() if value is not None})
    with Server(server, token_file) as found:
        answer: dict[str, Any] = found.ask("GET", f"/api/v1/cost/commitments?{asked}")
    return answer


def live_lines(found: Mapping[str, Any]) -> Iterator[str]:
    """As a table, with every note."""
    pools = found["pools"]
    if pools:
        head = ["machines", "region", "mean", "spot", "owned", "on demand", "committed", "pays above", "buy",
                "saves a month", "regret p10", "p50", "p90"]  # fmt: skip
        yield from lines_of([head, *(_cells(one) for one in pools)], left=2)
        yield ""
        yield (
            f"Prices in {found['currency']} per hour; saving and regret per month of {HOURS_PER_MONTH} h. "
            f"Nodes since {found['start'][:16]}."
        )
        yield "Nothing is bought."
    for one in pools:
        name = _name(one)
        for part in one["plan"]["purchases"] if one["plan"] is not None else ():
            yield f"  {part['on']}: {part['quantity']} × {name}"
        for note in one["notes"]:
            yield f"  {name}: {note}"
    for note in found["notes"]:
        yield f"note: {note}"


def _name(one: Mapping[str, Any]) -> str:
    return f"{one['name'] or '(no type)'} {one['region']}".strip()


def _cells(one: Mapping[str, Any]) -> list[str]:
    cells = [one["name"] or "(no type)", one["region"], f"{one['mean_demand']:.1f}", f"{one['mean_spot']:.1f}",
             f"{one['owned']:g}"]  # fmt: skip
    plan = one["plan"]
    if plan is None:
        return [*cells, *[""] * 8]
    months = [f"{Decimal(regret['hourly']) * HOURS_PER_MONTH:,.2f}" for regret in plan["regrets"]]
    return [
        *cells, f"{Decimal(one['on_demand']):.4f}", f"{Decimal(one['committed']):.4f}",
        f"{100 * plan['break_even']:.0f} %", str(plan["quantity"]), f"{Decimal(plan['monthly_saving']):,.2f}", *months,
    ]  # fmt: skip
