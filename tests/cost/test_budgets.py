from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cost import periods
from cost.budgets import BudgetState, CostInterval, in_scope, status
from domain.money import Money
from rules.schema import Budget, BudgetSpec, Period

NOON = datetime(2026, 11, 18, 12, 0, tzinfo=UTC)  # a Wednesday


def budget(amount: str = "120", per: str = "day", scope: dict[str, object] | None = None) -> Budget:
    document = {
        "apiVersion": "foretide.dev/v1alpha1", "kind": "Budget", "metadata": {"name": "media", "namespace": "media"},
        "spec": {"limit": {"amount": amount, "currency": "EUR", "per": per}, "scope": scope or {}},
    }  # fmt: skip
    return Budget.model_validate(document)


def window(per: str, now: datetime) -> tuple[datetime, datetime]:
    span = periods.around(Period.model_validate({"every": per}), now)
    return span.start, span.end


def euros(amount: str) -> Money:
    return Money(amount=Decimal(amount), currency="EUR")


def interval(start_hours: float, end_hours: float | None, per_hour: str) -> CostInterval:
    end = None if end_hours is None else NOON + timedelta(hours=end_hours)
    return CostInterval(start=NOON + timedelta(hours=start_hours), end=end, cost_per_hour=euros(per_hour))


@pytest.mark.parametrize(
    ("per", "start", "end"),
    [
        ("hour", datetime(2026, 11, 18, 12, tzinfo=UTC), datetime(2026, 11, 18, 13, tzinfo=UTC)),
        ("day", datetime(2026, 11, 18, tzinfo=UTC), datetime(2026, 11, 19, tzinfo=UTC)),
        ("week", datetime(2026, 11, 16, tzinfo=UTC), datetime(2026, 11, 23, tzinfo=UTC)),
        ("month", datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)),
    ],
)
def test_windows(per: str, start: datetime, end: datetime) -> None:
    assert window(per, NOON + timedelta(minutes=59, microseconds=7)) == (start, end)


@pytest.mark.parametrize(
    ("moment", "end"),
    [
        (datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)),
        (datetime(2028, 2, 29, tzinfo=UTC), datetime(2028, 3, 1, tzinfo=UTC)),
        (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)),
    ],
)
def test_months_end_where_they_do(moment: datetime, end: datetime) -> None:
    assert window("month", moment)[1] == end


@given(st.integers(0, 3_155_760_000_000_000), st.sampled_from(["hour", "day", "week", "month"]))
def test_windows_tile_the_time(microseconds: int, per: str) -> None:
    moment = datetime(2000, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
    start, end = window(per, moment)
    assert start <= moment < end
    assert window(per, end)[0] == end
    assert window(per, start - timedelta(microseconds=1))[1] == start


def test_spent_rate_and_projection() -> None:
    found = status(budget(), [interval(-20, -6, "3"), interval(-6, None, "5"), interval(-1, None, "0.5")], now=NOON)
    # 6 h × 3 since midnight, 6 h × 5, 1 h × 0.5; then 12 h × 5.5
    assert (found.spent, found.rate_per_hour) == (euros("48.5"), euros("5.5"))
    assert found.projected_at_current_rate == euros("114.5")
    assert (found.state, found.reached_at) == (BudgetState.OK, None)


def test_at_risk_says_when_the_limit_is_reached() -> None:
    found = status(budget("60"), [interval(-6, None, "5")], now=NOON)
    assert (found.state, found.reached_at) == (BudgetState.AT_RISK, NOON + timedelta(hours=6))


def test_exceeded_only_above_the_limit() -> None:
    assert status(budget("30"), [interval(-6, 0, "5")], now=NOON).state is BudgetState.OK
    assert status(budget("29.99"), [interval(-6, 0, "5")], now=NOON).state is BudgetState.EXCEEDED


def test_the_future_and_the_past_window_do_not_count() -> None:
    found = status(budget(), [interval(-40, -13, "7"), interval(1, None, "9")], now=NOON)
    assert (found.spent, found.rate_per_hour) == (euros("0"), euros("0"))


def test_thirds_do_not_drift() -> None:
    ticks = [interval(-n / 240, -(n - 1) / 240, "0.1") for n in range(240, 0, -1)]  # an hour of 15 s ticks
    assert status(budget(per="day"), ticks, now=NOON).spent.amount.quantize(Decimal("1e-20")) == Decimal("0.1")


def test_two_currencies_never_add_up() -> None:
    dollars = CostInterval(start=NOON, end=None, cost_per_hour=Money(amount=Decimal(1), currency="USD"))
    with pytest.raises(ValueError, match="cannot add USD to EUR"):
        status(budget(), [dollars], now=NOON)


@pytest.mark.parametrize(
    ("scope", "rule", "counts"),
    [
        ({}, "shop/checkout", True),
        ({"namespace": "shop"}, "shop/checkout", True),
        ({"namespace": "media"}, "shop/checkout", False),
        ({"rule": "shop/checkout"}, "shop/checkout", True),
        ({"rule": "shop/cart"}, "shop/checkout", False),
    ],
)
def test_scope(scope: dict[str, str], rule: str, counts: bool) -> None:
    assert in_scope(budget(scope=scope), rule) is counts


@pytest.mark.parametrize(
    ("scope", "labels", "counts"),
    [
        ({"labels": {"team": "search"}}, {"team": "search", "tier": "batch"}, True),
        ({"labels": {"team": "search"}}, {"team": "media"}, False),
        ({"namespaces": ["shop", "media"], "labels": {"team": "search"}}, {"team": "search"}, True),
        ({"namespaces": ["media"], "labels": {"team": "search"}}, {"team": "search"}, False),
    ],
)
def test_scopes_of_namespaces_and_labels(scope: dict[str, object], labels: dict[str, str], counts: bool) -> None:
    assert in_scope(budget(scope=scope), "shop/checkout", labels) is counts


def test_a_first_period_that_begins_late_has_its_part_of_the_limit() -> None:
    """November of 2026 from the 16th on: half of the days, and by weekdays 11 + 4 x 0.3 of 21 + 9 x 0.3."""
    monthly = {"amount": {"limit": 300, "currency": "EUR"}}
    for profile, limit in (("even", "150"), ("weekday", "154.4304")):
        period = {"every": "month", "starts": "2026-11-16", "profile": profile, "timezone": "Europe/Berlin"}
        late = budget().model_copy(update={"spec": BudgetSpec.model_validate({**monthly, "period": period})})
        spent = [interval(-24 * 10, None, "1")]  # since the 8th; what lies before the 16th does not count
        found = status(late, spent, now=NOON)
        assert (found.limit, found.spent.amount) == (euros(limit), Decimal(61))
        assert found.window_start == datetime(2026, 11, 15, 23, tzinfo=UTC)
        assert status(late, spent, now=NOON - timedelta(days=40)).window_start == found.window_start
        assert status(late, spent, now=NOON - timedelta(days=40)).spent == euros("0")
        december = status(late, spent, now=NOON + timedelta(days=20))
        assert (december.limit, december.window_start) == (euros("300"), datetime(2026, 11, 30, 23, tzinfo=UTC))


def test_a_period_that_starts_on_its_anchor_is_whole() -> None:
    period = Period.model_validate({"every": "month", "starts": "2026-11-01"})
    assert periods.part(period, periods.around(period, NOON)) == 1
