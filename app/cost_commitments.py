"""``foretide cost commitments``: how much to commit to, from the hours of a bill; advice, and never a purchase.

Without a bill, or with ``--server`` beside one, a running Foretide is asked: ``cost_commitments_asked``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TextIO

from app.cost_commitments_asked import live_advice, live_lines
from app.cost_reconcile_json import plain
from app.server_client import ServerError
from app.system_clock import SystemClock
from app.text_table import lines_of, printable
from cost.billing.charges import Bill
from cost.billing.read import read_bill
from cost.commitments.demand import HOURS_PER_WEEK, Pool, pools
from cost.commitments.newsvendor import Rates
from cost.commitments.plan import Plan, plan
from domain.errors import ForetideError, SettingsError

DEFAULT_SERVER: Final = "http://127.0.0.1:8080"
OUTPUTS: Final = ("table", "json")
HOURS_PER_MONTH: Final = 730
FEW_HOURS: Final = 4 * HOURS_PER_WEEK


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The options of the command."""

    bills: tuple[Path, ...]
    server: str | None = None
    token_file: Path | None = None
    discount: float | None = None
    kept: float | None = None
    useless: float = 0.0
    parts: int = 4
    output: str = "table"


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """Of one pool; ``plan`` is None where a price is not known, and ``notes`` say why, or what is doubtful."""

    pool: Pool
    rates: Rates | None
    plan: Plan | None
    notes: tuple[str, ...]


def run(asked: Asked, out: TextIO, *, now: datetime | None = None) -> int:
    """Print it; 0, 2 where an option or a file cannot be used, 4 where the server does not answer."""
    try:
        _refuse(asked)
        bill = read_bill(asked.bills) if asked.bills else None
        found = [_advice(one, asked, now or SystemClock().now()) for one in pools(() if bill is None else bill.charges)]
        live = None
        if bill is None or asked.server is not None:
            live = live_advice(
                asked.server or DEFAULT_SERVER, asked.token_file, discount=asked.discount, kept=asked.kept,
                useless=asked.useless, parts=asked.parts,
            )  # fmt: skip
    except ServerError as error:
        print(f"foretide: {error}", file=sys.stderr)
        return 4
    except ForetideError as error:
        print(f"foretide: {error}", file=sys.stderr)
        return 2
    if asked.output == "json":
        by_bill = None if bill is None else plain([_document(one, bill.currency) for one in found])
        document = by_bill if live is None else live if bill is None else {"bill": by_bill, "live": live}
        json.dump(document, out, indent=2, ensure_ascii=False)
        out.write("\n")
        return 0
    lines = [] if bill is None else [*_lines(found, bill.currency), *_doubts(bill)]
    if live is not None:
        lines += [*([""] if lines else []), *live_lines(live)]
    out.write("\n".join(map(printable, lines)) + "\n")
    return 0


def _doubts(bill: Bill) -> Iterator[str]:
    """That the bill has faults, and is not all of one account or currency: ``reconcile`` tells each."""
    faults = sum(bill.notes.counts.values())
    if faults:
        left_out = bill.refused_rows + len(bill.left_out)
        yield f"Data quality: {faults} lines, {left_out} rows left out; foretide cost reconcile tells each. For example"
        yield f"  {bill.notes.lines[0]}"


def _refuse(asked: Asked) -> None:
    if asked.output not in OUTPUTS:
        raise SettingsError(f"-o {asked.output}: expected one of {', '.join(OUTPUTS)}")
    if asked.discount is not None and not 0 < asked.discount < 1:
        raise SettingsError(f"--discount {asked.discount:g}: expected a share between 0 and 1, such as 0.37")
    if (asked.kept is not None and not 0 <= asked.kept <= 1) or not 0 <= asked.useless < 1 or asked.parts < 1:
        raise SettingsError("--kept is 0 to 1, --useless 0 to less than 1, --parts 1 or more")


def _advice(pool: Pool, asked: Asked, now: datetime) -> Advice:
    notes: list[str] = []
    committed = pool.committed
    if committed is None and asked.discount is not None and pool.on_demand is not None:
        committed = pool.on_demand * (1 - Decimal(str(asked.discount)))
    if pool.on_demand is None:
        notes.append("no hour on demand: its price is not known")
    elif committed is None:
        notes.append("no commitment in the bill: say --discount")
    if not pool.is_by_the_hour:
        notes.append("charges of more than an hour: nights are hidden, the quantity is too high")
    if len(pool.demand) < FEW_HOURS:
        notes.append(f"{len(pool.demand)} h only: too few for a term")
    if pool.on_demand is None or committed is None:
        return Advice(pool=pool, rates=None, plan=None, notes=tuple(notes))
    rates = Rates(on_demand=pool.on_demand, committed=committed, useless=Decimal(str(asked.useless)))
    # A purchase is dated from today; what is owned is in the bill's hours already.
    kept = 1.0 if asked.kept is None else asked.kept
    made = plan(_sized(pool, kept), rates=rates, start=now, parts=asked.parts)
    return Advice(pool=pool, rates=rates, plan=made, notes=tuple(notes))


def _sized(pool: Pool, kept: float) -> Any:
    """Demand after right-sizing less what is owned: the share is of demand, not of what is missing."""
    return Pool(
        name=pool.name, region=pool.region, start=pool.start, demand=pool.demand * kept, owned=pool.owned,
        on_demand=pool.on_demand, committed=pool.committed, is_by_the_hour=pool.is_by_the_hour,
    ).missing  # fmt: skip


def _lines(found: list[Advice], currency: str) -> Iterator[str]:
    if not found:
        yield "The bill has no usage of resources in hours: nothing to commit to."
        return
    head = ["machines", "region", "mean", "owned", "on demand", "committed", "pays above", "buy", "saves a month",
            "regret p10", "p50", "p90"]  # fmt: skip
    yield from lines_of([head, *(_cells(one) for one in found)], left=2)
    yield ""
    yield f"Prices in {currency or 'no currency told'} per hour; saving and regret per month of {HOURS_PER_MONTH} h."
    yield "Demand is the bill's: growth is not in it, nor what right-sizing frees (--kept). Nothing is bought."
    for one in found:
        for part in one.plan.purchases if one.plan is not None else ():
            yield f"  {part.on}: {part.quantity} × {one.pool.name} {one.pool.region}".rstrip()
        for note in one.notes:
            yield f"  {f'{one.pool.name} {one.pool.region}'.rstrip()}: {note}"


def _cells(one: Advice) -> list[str]:
    pool, made = one.pool, one.plan
    cells = [pool.name, pool.region, f"{pool.demand.mean():.1f}", f"{pool.owned.mean():.1f}"]
    if made is None or one.rates is None:
        return [*cells, *[""] * 8]
    months = [f"{float(regret.hourly) * HOURS_PER_MONTH:,.2f}" for regret in made.regrets]
    return [
        *cells, f"{one.rates.on_demand:.4f}", f"{one.rates.committed:.4f}", f"{100 * made.break_even:.0f} %",
        str(made.quantity), f"{float(made.hourly_saving) * HOURS_PER_MONTH:,.2f}", *months,
    ]  # fmt: skip


def _document(one: Advice, currency: str) -> dict[str, Any]:
    pool, made = one.pool, one.plan
    return {
        "name": pool.name,
        "region": pool.region,
        "currency": currency,
        "start": pool.start,
        "hours": len(pool.demand),
        "mean_demand": round(float(pool.demand.mean()), 6),
        "mean_owned": round(float(pool.owned.mean()), 6),
        "on_demand": None if one.rates is None else one.rates.on_demand,
        "committed": None if one.rates is None else one.rates.committed,
        "plan": made,
        "hourly_saving": None if made is None else made.hourly_saving,
        "notes": one.notes,
    }
