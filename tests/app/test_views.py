"""What the API's views write out."""

from __future__ import annotations

from decimal import Decimal

import pytest

from app.views import MoneyView


@pytest.mark.parametrize(
    ("amount", "written"),
    [
        (Decimal("2.50"), "2.50"),
        (Decimal("0.000401532041330000000000"), "0.00040153204133"),
        (Decimal("0E-8"), "0.00"),
        (Decimal("3.000000"), "3.00"),
        (Decimal("12"), "12"),
        (Decimal("-0.0100"), "-0.01"),
        (Decimal("1E+3"), "1000"),
    ],
)
def test_an_amount_is_written_out_without_the_zeros_of_exact_arithmetic(amount: Decimal, written: str) -> None:
    assert MoneyView(amount=amount, currency="USD").model_dump(mode="json")["amount"] == written
