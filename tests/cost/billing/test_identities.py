"""Commitments: what was bought is what was used and wasted; and the sums of a bill add up."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cost.billing.charges import Charge
from cost.billing.exact import total
from cost.billing.identities import CommitmentIdentity, Verdict, commitments, invoices
from cost.billing.read import read_bill
from cost.billing.summary import summary
from tests.cost.billing import written
from tests.cost.billing.written import purchase, row, unused, used


def identity(folder: Path, rows: list[dict[str, Any]]) -> CommitmentIdentity:
    (found,) = commitments(read_bill([written.bill(folder, rows)]).charges)
    return found


def test_a_commitment_whose_purchase_is_used_and_unused_holds(tmp_path: Path) -> None:
    found = identity(tmp_path, [used("i-1", "0.121"), unused("0.121"), purchase("0.242"), row()])

    assert (found.purchased, found.used, found.unused) == (Decimal("0.242"), Decimal("0.121"), Decimal("0.121"))
    assert (found.verdict, found.difference) == (Verdict.HOLDS, 0)


YEAR = {"ChargePeriodStart": "2026-10-01T00:00:00Z", "ChargePeriodEnd": "2027-10-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("rows", "verdict", "reason"),
    [
        ([used("i-1", "1"), purchase("3")], Verdict.DIFFERS, "-2"),
        ([used("i-1", "1")], Verdict.OPEN, "purchase is not in this bill"),
        ([purchase("1")], Verdict.OPEN, "usage is not in this bill"),
        ([used("i-1", "1"), purchase("8760", **YEAR)], Verdict.OPEN, "bought for 8760 h, usage in the bill for 1 h"),
        ([used("i-1", "1"), purchase("1") | {"EffectiveCost": "1"}], Verdict.DIFFERS, "beside that of its usage"),
        ([used("i-1", "1") | {"CommitmentDiscountStatus": ""}, purchase("1")], Verdict.DIFFERS, "neither"),
    ],
)
def test_what_does_not_hold_differs_only_over_the_same_time(
    tmp_path: Path, rows: list[dict[str, Any]], verdict: Verdict, reason: str
) -> None:
    found = identity(tmp_path, rows)

    assert found.verdict is verdict
    assert reason in found.reason


def test_an_invoice_is_held_against_what_it_says(tmp_path: Path) -> None:
    charges = read_bill([written.bill(tmp_path, [row(InvoiceId="A"), row(InvoiceId="A"), row(InvoiceId="B")])]).charges
    found = invoices(charges, {"A": Decimal("0.4"), "C": Decimal(1)})

    assert [(one.invoice, one.billed, one.verdict) for one in found] == [
        ("A", Decimal("0.4"), Verdict.HOLDS),
        ("B", Decimal("0.2"), Verdict.OPEN),
        ("C", Decimal(0), Verdict.DIFFERS),
    ]


def test_groups_add_up_and_list_prices_are_held_against_usage_alone(tmp_path: Path) -> None:
    rows = [used("i-1", "0.1"), purchase("0.1"), row(ServiceName="Disks"), row(ChargeCategory="Tax", ListCost="")]
    found = summary(read_bill([written.bill(tmp_path, rows)]), as_of=datetime(2026, 12, 1, tzinfo=UTC))

    for groups in (found.services, found.categories):
        assert total(one.effective for one in groups) == found.whole.effective
        assert total(one.billed for one in groups) == found.whole.billed
    assert found.whole.listed == Decimal("0.4")
    assert round(found.whole.list_to_effective or 0, 2) == Decimal("1.33")
    assert found.provisional_after is None


def test_a_sum_never_rounds() -> None:
    assert total([Decimal("1e30"), Decimal("1e-30"), Decimal("-1e30")]) == Decimal("1e-30")
    assert Charge(file="", row=1, billed_cost=Decimal(0), effective_cost=Decimal(0)).period is None
