"""Checks FOCUS bills against themselves: ``python -m tests.conformance.focus FILE…``.

Of each file: every row is read, groups add up to the whole, commitments bought are used or unused, and held against a
model of two thirds of its hours at list price the difference is price plus quantity, all of it to the last digit. One
line for each failing check and, last, ``N passed, M failed, K skipped``; skipped is a commitment with one side only.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from cost.billing.charges import Bill, Charge
from cost.billing.exact import total
from cost.billing.identities import Verdict, commitments
from cost.billing.model import AssetKind, Modelled
from cost.billing.read import read_bill
from cost.billing.reconcile import reconcile
from cost.billing.summary import summary
from domain.errors import ForetideError

LATER = datetime(9999, 1, 1, tzinfo=UTC)
_OF_VERDICT = {Verdict.HOLDS: "passed", Verdict.DIFFERS: "failed", Verdict.OPEN: "skipped"}


def run(path: Path) -> Iterator[tuple[str, str]]:
    """Verdict (``passed``, ``failed``, ``skipped``) and message of every check of a file."""
    try:
        bill = read_bill([path])
    except ForetideError as error:
        yield "failed", str(error)
        return
    yield _checked(f"{bill.refused_rows} rows refused", bill.refused_rows == 0)
    found = summary(bill, as_of=LATER)
    for groups in (found.services, found.categories):
        yield _checked("billed cost by group", total(one.billed for one in groups) == found.whole.billed)
        yield _checked("effective cost by group", total(one.effective for one in groups) == found.whole.effective)
    for one in commitments(bill.charges):
        yield _OF_VERDICT[one.verdict], f"{one.commitment}: {one.reason}"
    yield from _held(bill)


def _held(bill: Bill) -> Iterator[tuple[str, str]]:
    modelled = [_two_thirds(one) for one in bill.charges if one.is_usage and one.resource and one.period]
    held = reconcile(bill, modelled, as_of=LATER)
    effective = total(one.effective_cost for one in bill.charges)
    yield _checked("lines of the reconciliation", total(held.buckets.values()) == effective)
    for one in held.differences:
        yield _checked(f"{one.names[0]}: price + quantity", one.price + one.quantity == one.delta)


def _two_thirds(one: Charge) -> Modelled:
    """What a model that saw a third too few hours would say, at list price."""
    assert one.period is not None
    start, end = one.period
    listed = one.effective_cost if one.list_cost is None else one.list_cost
    return Modelled(
        kind=AssetKind.VOLUME, id=one.resource, name=one.resource, start=start, end=end,
        hours=(one.hours or Decimal(1)) * 2 / 3, cost=abs(listed) * 2 / 3,
    )  # fmt: skip


def _checked(message: str, is_right: bool) -> tuple[str, str]:
    return ("passed" if is_right else "failed"), message


def main(paths: list[str]) -> int:
    """Run the files; 1 where a check fails, 2 without files."""
    if not paths:
        print("usage: python -m tests.conformance.focus FILE…", file=sys.stderr)
        return 2
    verdicts: Counter[str] = Counter()
    for path in paths:
        for verdict, message in run(Path(path)):
            verdicts[verdict] += 1
            if verdict != "passed":
                print(f"{Path(path).name}: {message}", file=sys.stdout if verdict == "failed" else sys.stderr)
    print(f"{verdicts['passed']} passed, {verdicts['failed']} failed, {verdicts['skipped']} skipped")
    return 1 if verdicts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
