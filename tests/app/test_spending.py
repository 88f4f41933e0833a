"""What replicas cost since a budget's window began."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from app.spending import Spending
from cost import budgets
from domain.money import Money
from domain.scaling import Decision
from store.state import DecisionLedger, State
from tests.app.world import BUDGET, NOW, decision, rule_set


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    opened = State.open(f"sqlite:///{tmp_path / 'state.db'}")
    yield opened
    opened.close()


def record(state: State, *decisions: Decision) -> None:
    with state.transaction() as session:
        for one in decisions:
            DecisionLedger(session).append(one)


def spent(state: Spending, folder: Path, *, now: object = NOW) -> budgets.BudgetStatus:
    (budget,) = rule_set(folder, BUDGET).budgets
    return budgets.status(budget, state.on(budget, ["demo/shop"], now=now), now=now)  # type: ignore[arg-type]


def test_what_ran_is_paid_for_and_not_what_was_decided(state: State, tmp_path: Path) -> None:
    # 3 replicas would cost 0.30 an hour; 2 ran, for four minutes up to now.
    record(state, *(decision(n, at=NOW - timedelta(seconds=15 * (16 - n))) for n in range(17)))
    status = spent(Spending(state), tmp_path)
    assert round(status.spent.amount, 12) == round(Decimal("0.20") * 4 / 60, 12)
    assert status.rate_per_hour.amount == Decimal("0.20")


def test_looks_later_only_carry_on(state: State, tmp_path: Path) -> None:
    spending, now = Spending(state), NOW
    for number in range(40):
        now = NOW + timedelta(seconds=15 * number)
        record(state, decision(number, at=now, current_replicas=2 if number < 20 else 4))
        carried_on = spent(spending, tmp_path, now=now)
    assert carried_on == spent(Spending(state), tmp_path, now=now)
    due = (Decimal("0.20") * 300 + Decimal("0.40") * 285) / 3600
    assert round(carried_on.spent.amount, 12) == round(due, 12)


def test_a_price_that_stays_is_one_stretch(state: State, tmp_path: Path) -> None:
    record(state, *(decision(n, at=NOW - timedelta(seconds=15 * (400 - n))) for n in range(400)))
    (budget,) = rule_set(tmp_path, BUDGET).budgets
    assert len(Spending(state).on(budget, ["demo/shop"], now=NOW)) == 2


def test_nobody_pays_for_the_time_that_nobody_saw(state: State, tmp_path: Path) -> None:
    record(state, decision(1, at=NOW - timedelta(hours=2)), decision(2, at=NOW - timedelta(seconds=30)))
    status = spent(Spending(state), tmp_path)
    assert round(status.spent.amount, 12) == Decimal("0.005")


def test_a_new_window_begins_with_nothing(state: State, tmp_path: Path) -> None:
    record(state, *(decision(n, at=NOW - timedelta(seconds=15 * n)) for n in range(20)))
    spending = Spending(state)
    assert spent(spending, tmp_path).spent.amount > 0
    assert spent(spending, tmp_path, now=NOW + timedelta(days=1)).spent.amount == 0


def test_other_rules_and_other_currencies_do_not_count(state: State, tmp_path: Path) -> None:
    euros = Money(amount=Decimal(1), currency="EUR")
    at = NOW - timedelta(seconds=30)
    record(state, decision(1, at=at, cost_per_hour=euros), decision(2, at=at, rule="other/shop"))
    (budget,) = rule_set(tmp_path, BUDGET).budgets
    assert Spending(state).on(budget, ["demo/shop", "other/shop"], now=NOW) == []
