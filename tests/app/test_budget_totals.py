"""A quarter's spend outlives the decisions that told it, and a restart."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from app.budget_allocation import ScopeCosts
from app.budget_tally import Tallies
from app.budget_totals import Totals
from app.cost_hours import HourlyCosts
from app.cost_live import LiveCosts
from app.spending import Spending
from rules.schema import Budget
from store.state import CostHour, CostHours, DecisionLedger, State
from tests.app.test_budget_seen import budget
from tests.app.world import decision

DAY = timedelta(days=1)
START = datetime(2026, 10, 1, tzinfo=UTC)
KEPT = timedelta(days=30)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    opened = State.open(f"sqlite:///{tmp_path / 'state.db'}")
    yield opened
    opened.close()


def quarterly(every: str = "quarter", **scope: object) -> Budget:
    amount = {"limit": 100, "currency": "USD"}
    return budget(limit=None, amount=amount, period={"every": every}, scope=scope or {"namespace": "demo"})


def ran(state: State, day: int) -> None:
    """One decision a day: 0.20 an hour, for a minute."""
    with state.transaction() as session:
        DecisionLedger(session).append(decision(day, at=START + day * DAY))
        DecisionLedger(session).forget_before(START + day * DAY - KEPT)


def spent(state: State, wanted: Budget, day: int, tallies: Tallies | None = None) -> Decimal:
    """Of minutes at 0.20 an hour; without ``tallies`` as after a restart."""
    now = START + day * DAY + timedelta(minutes=5)
    counting = tallies or Tallies(Spending(state), totals=Totals(state, decisions_kept=KEPT))
    return round(counting.of(wanted, ["demo/shop"], now=now).status(wanted, now).spent.amount * 300, 6)


def test_a_quarter_is_whole_after_a_restart_and_after_every_restart(state: State) -> None:
    wanted = quarterly()
    running = Tallies(Spending(state), totals=Totals(state, decisions_kept=KEPT))
    for day in range(70):
        ran(state, day)
        assert spent(state, wanted, day, running if day < 40 else None) == day + 1
    without = Tallies(Spending(state))
    assert spent(state, wanted, 69, without) == 31
    assert spent(state, wanted, 92) == 0  # another quarter


def test_another_scope_is_counted_from_what_is_left_and_another_limit_changes_nothing(state: State) -> None:
    for day in range(50):
        ran(state, day)
        spent(state, quarterly(), day)
    edited = quarterly()
    dearer = edited.model_copy(update={"spec": edited.spec.model_copy(update={
        "amount": edited.spec.amount.model_copy(update={"limit": Decimal(7)})  # type: ignore[union-attr]
    })})  # fmt: skip
    assert spent(state, dearer, 49) == 50
    assert spent(state, quarterly(namespaces=["demo", "other"]), 49) == 31


def test_hours_of_the_allocation_are_put_away_before_they_are_forgotten(state: State) -> None:
    wanted, unasked = quarterly("year"), HourlyCosts(lambda *_: pytest.fail("asked"), state)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for day in range(0, 200, 10):
        now = start + day * DAY + timedelta(hours=1)
        hour = CostHour(
            start=now - timedelta(hours=1), currency="USD", seen=1.0, made_at=now, costs={'{"namespace":"demo"}': "2"}
        )
        with state.transaction() as session:
            CostHours(session).put(hour)
            CostHours(session).forget_before(now - timedelta(days=93))
        live = LiveCosts(lambda *_: pytest.fail("asked"), wanted=lambda: False)
        allocated = ScopeCosts(unasked, live, wanted=list).of
        totals = Totals(state, decisions_kept=KEPT)
        counting = Tallies(Spending(state), allocated, by_default=True, totals=totals)
        assert counting.of(wanted, [], now=now).status(wanted, now).spent.amount == 2 * (day // 10 + 1)
