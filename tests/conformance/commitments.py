"""Checks how much to commit to: ``python -m tests.conformance.commitments FILE…``.

Two tables in a file: ``cases`` with normal demand (``mu``, ``sigma``) and ``empirical`` with the demand of each hour.
Asserted are quantity, cost and cost without a commitment: of one hour for a normal demand, of all the hours for an
empirical one; to half of the last digit that the file's longest value has. One line for each failing value and, last,
``N passed, M failed, K skipped``.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from cost.commitments.newsvendor import Rates, hourly_cost, of_normal, quantity

ASSERTED = ("Q", "cost", "onDemandOnly")
FLOATS_OFF = Decimal("1e-9")
"""What a sum of floats may be off beside the rounding of the file."""


def run(path: Path) -> Iterator[tuple[str, str]]:
    """Verdict (``passed``, ``failed``, ``skipped``) and message of every asserted value of a file."""
    table = json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    cases = [
        (f"{path.name}: {name} {number}", case)
        for name in ("cases", "empirical")
        for number, case in enumerate(table.get(name) or [], start=1)
    ]
    digits = max((_decimals(case[key]) for _, case in cases for key in ASSERTED if key in case), default=0)
    for name, case in cases:
        yield from _case(name, case, Decimal(1).scaleb(-digits) / 2 + FLOATS_OFF)


def _case(name: str, case: dict[str, Any], most_off: Decimal) -> Iterator[tuple[str, str]]:
    if not ({"mu", "sigma"} <= case.keys() or "demand" in case):
        yield "skipped", f"{name}: neither mu and sigma nor demand"
        return
    try:
        found = _found(case)
    except Exception as error:  # a crash is a failing case, not the end of the run
        yield "failed", f"{name}: crashed with {type(error).__name__}: {error}"
        return
    for key in ASSERTED:
        if key in case:
            is_right = abs(found[key] - Decimal(case[key])) <= most_off
            yield "passed" if is_right else "failed", f"{name}: {key} is {found[key]:.6f}, expected {case[key]}"


def _found(case: dict[str, Any]) -> dict[str, Decimal]:
    rates = Rates(on_demand=Decimal(case["p"]), committed=Decimal(case["r"]))
    if "demand" not in case:
        best, cost = of_normal(float(case["mu"]), float(case["sigma"]), rates)
        return {"Q": Decimal(best), "cost": cost, "onDemandOnly": rates.on_demand * Decimal(case["mu"])}
    demand = np.array([float(one) for one in case["demand"]])
    hours = len(demand)
    best = quantity(demand, rates)
    return {
        "Q": Decimal(best),
        "cost": hourly_cost(demand, best, rates) * hours,
        "onDemandOnly": hourly_cost(demand, 0.0, rates) * hours,
    }


def _decimals(value: Any) -> int:
    exponent = Decimal(value).normalize().as_tuple().exponent
    assert isinstance(exponent, int)
    return max(-exponent, 0)


def main(paths: list[str]) -> int:
    """Run the files; 1 where a value fails, 2 without files."""
    if not paths:
        print("usage: python -m tests.conformance.commitments FILE…", file=sys.stderr)
        return 2
    verdicts: Counter[str] = Counter()
    for path in paths:
        for verdict, message in run(Path(path)):
            verdicts[verdict] += 1
            if verdict != "passed":
                print(message, file=sys.stdout if verdict == "failed" else sys.stderr)
    print(f"{verdicts['passed']} passed, {verdicts['failed']} failed, {verdicts['skipped']} skipped")
    return 1 if verdicts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
