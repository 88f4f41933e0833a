"""Runs OpenCost's aggregation tables: ``python -m tests.conformance.allocation FILE…``.

One line for each failing value and, last, ``N passed, M failed, K skipped``; one count is one asserted value. A case
asserts what stands under ``exact``, where it has that, else under ``upstream``: the one differs where upstream's test
asserts what its own comment calls wrong. A row that nobody asserted is a failing value too. A case with an option
that nobody knows is skipped, with the reason, as many times as it asserts values.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from cost.allocation.distribute import OVERHEAD
from cost.allocation.ledger import Idle, Item, Ledger, Line, ledger
from cost.allocation.report import IDLE, Asked, report
from cost.allocation.subject import Condition, Subject
from cost.pricing.split import split_node_price

_FIELDS = ("cluster", "node", "namespace", "pod", "container")
_COSTS = ("cpu", "ram", "gpu", "pv", "net", "lb")
_NOT_LABELS = {*_FIELDS, *_COSTS, "controller", "controllerKind", "service", "services", "labels", "name"}
_BY = {name: name for name in _FIELDS} | {"controller": "owner", "controllerKind": "ownerKind", "service": "service"}
_KNOWN = {"name", "by", "shareIdle", "splitIdle", "share", "split", "overhead", "filter", "upstream", "exact",
          "KNOWN_DEFECT", "comment", "SOURCE"}  # fmt: skip
Verdict = tuple[str, str]


class Skip(Exception):
    """A case asks for what the runner does not know."""


def run(path: Path) -> Iterator[Verdict]:
    """Verdict (``passed``, ``failed``, ``skipped``) and message of every asserted value of a file."""
    table = json.loads(path.read_text(encoding="utf-8"))
    for case in table.get("cases", ()):
        for verdict, message in _case(table, case):
            yield verdict, f"{path.name}: {case.get('name')}: {message}"
    for number, case in enumerate(table.get("normalise", ()), start=1):
        for verdict, message in _normalise(case):
            yield verdict, f"{path.name}: normalise {number}: {message}"


def _case(table: dict[str, Any], case: dict[str, Any]) -> Iterator[Verdict]:
    expected: dict[str, float] = case.get("exact") or case["upstream"]
    try:
        found = _rows(_ledger(table, case), case)
    except Skip as reason:
        yield from (("skipped", f"{name}: {reason}") for name in expected)
        return
    wanted = {_plain(name): value for name, value in expected.items()}
    for name in sorted({*wanted, *found}):
        yield _compared(name, wanted.get(name), found.get(name))


def _compared(name: str, wanted: float | None, found: Decimal | None) -> Verdict:
    if wanted is None:
        return "failed", f"{name}: {found} is not among the asserted rows"
    if found is None:
        return "failed", f"{name}: expected {wanted}, found no such row"
    digits = max(2, len(repr(wanted).partition(".")[2]))
    near = abs(found - Decimal(repr(wanted))) <= Decimal("0.5001").scaleb(-digits)
    return "passed" if near else "failed", f"{name}: expected {wanted}, found {found}"


def _rows(books: Ledger, case: dict[str, Any]) -> dict[str, Decimal]:
    if unknown := set(case) - _KNOWN:
        raise Skip(f"unknown option {', '.join(sorted(unknown))}")
    named = case.get("by") or []
    asked = Asked(
        by=tuple(_dimension(name, books) for name in (named.split(",") if isinstance(named, str) else named)),
        only=_conditions(case.get("filter"), books),
        shared=tuple((one,) for one in _conditions(case.get("share"), books)),
        split="even" if case.get("split") == "even" else "weighted",
        share_idle="weighted" if case.get("shareIdle") in (True, "weighted") else "none",
        share_overhead="overhead" in case,
    )
    made = report(books, asked)
    rows = {"/".join(row.key): row.cost for row in made.rows} | dict(made.lines)
    if case.get("splitIdle"):
        return rows | {f"{cluster}/{IDLE}": cost for cluster, cost in made.idle.items()}
    idle = sum(made.idle.values(), Decimal(0))
    return rows | ({IDLE: idle} if idle else {})


def _ledger(table: dict[str, Any], case: dict[str, Any]) -> Ledger:
    idle = [
        Idle(
            subject=Subject(cluster=cluster),
            unallocated=tuple(_money(costs.get(name)) for name in ("cpu", "ram", "gpu")),
        )
        for cluster, costs in table.get("idle", {}).items()
    ]
    lines = [Line(name=OVERHEAD, subject=Subject(), cost=_money(case["overhead"]))] if "overhead" in case else []
    return ledger("USD", items=map(_item, table["allocations"]), idle=idle, lines=lines)


def _item(row: dict[str, Any]) -> Item:
    controller = str(row.get("controller") or "")
    kind = row.get("controllerKind") or controller.rstrip("0123456789")
    services = row.get("services") or ([row["service"]] if row.get("service") else [])
    subject = Subject(
        **{name: row.get(name) or "" for name in _FIELDS},
        owner=controller,
        owner_kind=kind,
        services=tuple(services),
        labels={name: str(value) for name, value in row.items() if name not in _NOT_LABELS and value is not None}
        | (row.get("labels") or {}),
    )
    return Item(subject=subject, costs=tuple(_money(row.get(name)) for name in _COSTS))


def _dimension(name: str, books: Ledger) -> str:
    name = name.strip()
    if name.startswith("label:") or name in _BY:
        return _BY.get(name, name)
    if any(name in item.subject.labels for item in books.items):
        return f"label:{name}"
    raise Skip(f"unknown dimension {name}")


def _conditions(written: dict[str, Any] | None, books: Ledger) -> tuple[Condition, ...]:
    return tuple(
        Condition(
            dimension=_dimension(name, books),
            values=frozenset(map(str, value if isinstance(value, list) else [value])),
        )
        for name, value in (written or {}).items()
    )


def _plain(name: str) -> str:
    """``app=app1`` and ``deployment:deployment1``, as OpenCost writes them, in our words."""
    return "/".join(part.rpartition("=")[2].replace(":", "/") for part in name.split("/"))


def _normalise(case: dict[str, Any]) -> Iterator[Verdict]:
    costs = split_node_price(
        _money(case["node"]), cpus=_money(case["cpus"]), gib=_money(case["gib"]), gpus=_money(case["gpus"]),
        ratio=(_money(case["cpu"]), _money(case["ram"]), _money(case["gpu"])),
    )  # fmt: skip
    units = [
        cost / _money(case[amount]) if case[amount] else cost
        for cost, amount in zip(costs, ("cpus", "gib", "gpus"), strict=True)
    ]
    for name, wanted, found in zip(("cpu", "ram", "gpu"), case["expect"], units, strict=True):
        yield _compared(name, wanted, found)


def _money(value: float | None) -> Decimal:
    return Decimal(repr(value or 0))


def main(paths: list[str]) -> int:
    """Run the files; 1 where a value fails, 2 without files."""
    if not paths:
        print("usage: python -m tests.conformance.allocation FILE…", file=sys.stderr)
        return 2
    counts: Counter[str] = Counter()
    for path in paths:
        for verdict, message in run(Path(path)):
            counts[verdict] += 1
            if verdict == "failed":
                print(message)
    print(f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped")
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
