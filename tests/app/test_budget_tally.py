"""What counts against a budget: all pods of its scope by the allocation, the newest minutes too; else the replicas."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from app.budget_allocation import ScopeCosts
from app.budget_outlook import Outlooks
from app.budget_seen import Sight, besides, sight
from app.budget_tally import Tallies
from app.cost_allocation import Books
from app.cost_hours import HourlyCosts
from app.cost_live import LiveCosts
from cost.allocation.ledger import NOTHING, Item, ledger
from cost.allocation.nodes import Window
from cost.allocation.subject import Subject
from rules.schema import Budget
from store.state import State
from tests.app.test_budget_seen import SHOP, budget, flat
from tests.app.test_budgets_act import Costs, fitted

HOUR = timedelta(hours=1)
NOW = datetime(2026, 11, 18, 12, 30, tzinfo=UTC)
TODAY = datetime(2026, 11, 18, tzinfo=UTC)


class Cluster:
    """Two namespaces: ``demo`` for ``rate`` an hour from ``since`` on, the other for always 1."""

    def __init__(self, since: datetime) -> None:
        self.since, self.rate, self.currency, self.away_after = since, Decimal(6), "USD", NOW + 99 * HOUR

    def books(self, start: datetime, end: datetime) -> Books:
        hours = Decimal((end - start) // timedelta(minutes=1)) / 60
        rates = {"demo": self.rate if start >= self.since else Decimal(0), "other": Decimal(1)}
        items = [
            Item(subject=Subject(namespace=name), costs=(rate * hours, *NOTHING[1:])) for name, rate in rates.items()
        ]
        seen = 1.0 if end <= self.away_after else 0.0
        return Books(
            window=Window(start=start, steps=60), ledger=ledger(self.currency, items=items), prices=(), seen=seen
        )  # fmt: skip


class World:
    """What counts at one time, with a database; the rule's replicas cost 2 an hour, from midnight on."""

    def __init__(self, state: State, cluster: Cluster) -> None:
        self.cluster, self.hours = cluster, HourlyCosts(cluster.books, state)
        self.live = LiveCosts(cluster.books, wanted=lambda: True)
        self.spending = Costs([flat("2", TODAY + n * HOUR, TODAY + (n + 1) * HOUR) for n in range(40)])
        allocated = ScopeCosts(self.hours, self.live, wanted=list)
        self.tallies = Tallies(self.spending, allocated.of, by_default=True)  # type: ignore[arg-type]

    def tick(self, now: datetime) -> None:
        self.hours.tick(now)
        self.live.tick(now)

    def sight(self, wanted: Budget, now: datetime = NOW) -> Sight:
        return sight(
            wanted, [SHOP], spending=self.spending, outlooks=Outlooks(fitted), now=now, tallies=self.tallies,  # type: ignore[arg-type]
        )  # fmt: skip

    def spent(self, wanted: Budget, now: datetime = NOW) -> Decimal:
        return round(self.sight(wanted, now).status.spent.amount, 9)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    opened = State.open(f"sqlite:///{tmp_path / 'state.db'}")
    yield opened
    opened.close()


def daily(of: str | None = None, **scope: object) -> Budget:
    amount = {"limit": 100, "currency": "USD"} | ({} if of is None else {"of": of})
    return budget(limit=None, amount=amount, period={"every": "day"}, scope=scope or {"namespace": "demo"})


def test_all_pods_count_up_to_the_minute(state: State) -> None:
    world = World(state, Cluster(TODAY - 20 * HOUR))
    world.tick(NOW)
    # 12 hours that are written, 28 minutes that are live, and the same rate for the two since.
    found = world.sight(daily())
    assert (world.spent(daily()), found.status.rate_per_hour.amount) == (75, 6)
    assert found.tally.said == ("counted is what every pod of namespace demo costs (allocation)",)
    assert world.spent(daily("rules")) == 25
    assert world.spent(daily(rule="demo/shop")) == 25
    assert world.spent(budget(scope={}, limit={"amount": 100, "currency": "USD", "per": "day"})) == Decimal("87.5")
    assert world.sight(daily("rules")).tally.said == ("counted is what the replicas of 1 rule requested",)


def test_a_runaway_is_seen_before_its_hour_is_over_and_the_written_hour_takes_its_place(state: State) -> None:
    world = World(state, Cluster(TODAY - 20 * HOUR))
    world.tick(NOW)
    world.cluster.rate = Decimal(60)
    world.tick(NOW + timedelta(minutes=5))
    found = world.sight(daily(), NOW + timedelta(minutes=7))
    assert found.status.rate_per_hour.amount == 60
    assert round(found.status.spent.amount, 9) == 72 + 6 * 28 / Decimal(60) + 9
    world.cluster.rate = Decimal(6)
    world.tick(NOW + HOUR)
    assert world.spent(daily(), NOW + HOUR) == 81


def test_before_the_first_hour_of_the_scope_the_replicas_count(state: State) -> None:
    world = World(state, Cluster(TODAY + 6 * HOUR))
    assert world.spent(daily()) == 25
    assert world.sight(daily()).tally.said[1] == (
        "the allocation knows no hour yet in which the scope cost any USD: then that counts"
    )
    world.tick(NOW)
    found = world.sight(daily())
    assert world.spent(daily()) == 6 * 2 + Decimal("6.5") * 6
    assert found.tally.said[0].endswith(", until 2026-11-18 06:00 UTC what the rules' replicas requested")
    world.cluster.away_after = NOW
    # From noon the newest rate for an hour and a half, then the replicas again, until the hours are there.
    assert world.spent(daily(), NOW + 4 * HOUR) == 12 + 36 + 9 + 3 * 2


def test_another_currency_counts_nothing(state: State) -> None:
    world = World(state, Cluster(TODAY - 20 * HOUR))
    world.cluster.currency = "EUR"
    world.tick(NOW)
    assert world.spent(daily()) == 25


def test_what_is_beside_a_rule_is_the_scope_less_its_replicas(state: State) -> None:
    world = World(state, Cluster(TODAY - 20 * HOUR))
    world.tick(NOW)
    world.tick(NOW)
    others = besides("demo/shop", world.sight(daily()), now=NOW)
    assert others is not None
    assert np.allclose(others.cost[-13:], [6] + [4] * 12)  # before midnight there was no rule
    assert besides("demo/shop", world.sight(daily("rules")), now=NOW) is None


def test_an_hour_that_is_reckoned_anew_counts_anew(state: State) -> None:
    world = World(state, Cluster(TODAY - 20 * HOUR))
    world.tick(NOW)
    assert world.spent(daily()) == 75
    world.cluster.rate = Decimal(0)
    HourlyCosts(world.cluster.books, state)._write(TODAY, NOW + timedelta(minutes=5))
    assert world.spent(daily()) == 69
