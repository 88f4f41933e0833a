from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from dashboard import wording
from domain.money import Money
from tests.fakes.clock import ManualClock


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"), (float("nan"), "–"), (0, "0"), (0.0042, "4.2e-03"), (0.42, "0.42"), (12.34, "12.3"),
        (2356.4, "2,356"), (1_250_000, "1.25M"),
    ],
)  # fmt: skip
def test_numbers(value: float | None, text: str) -> None:
    assert wording.number(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.131, ("131", "ms")), (1.254, ("1.25", "s")), (0.0004, ("0.4", "ms")), (None, ("–", ""))]
)
def test_short_durations(value: float | None, text: tuple[str, str]) -> None:
    assert wording.seconds(value) == text


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        ("41.856", "USD", "$41.86"), ("0.124", "EUR", "€0.124"), ("0.0412", "USD", "$0.0412"), ("0", "USD", "$0.00"),
        ("-3", "USD", "−$3.00"), ("1234.5", "CHF", "1,234.50 CHF"),
    ],
)  # fmt: skip
def test_money(amount: str, currency: str, text: str) -> None:
    assert wording.money(Money(amount=Decimal(amount), currency=currency)) == text


def test_ages_look_both_ways(clock: ManualClock) -> None:
    now = clock.now()
    assert wording.age(now - timedelta(seconds=40), now) == "40 s ago"
    assert wording.age(now + timedelta(minutes=7), now) == "in 7 min"
    assert wording.stamp(now) == "2026-11-21 12:00:00 UTC"
