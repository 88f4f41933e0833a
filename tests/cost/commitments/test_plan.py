"""A plan buys what is missing after sizing and beside what is owned, in parts, and tells what it would regret."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from cost.commitments.newsvendor import Rates
from cost.commitments.plan import Owned, Plan, Purchase, ladder, plan, residual

START = datetime(2026, 1, 31, tzinfo=UTC)
HALF = Rates(on_demand=Decimal(1), committed=Decimal("0.5"))
STEADY = np.full((20, 48), 10.0)


def planned(paths: np.ndarray, **asked: Any) -> Plan:
    return plan(paths, rates=HALF, start=START, **asked)


def test_steady_demand_is_committed_to_and_saves_the_discount() -> None:
    found = planned(STEADY)

    assert (found.quantity, found.hourly_now, found.hourly_then, found.hourly_saving) == (10, 10, 5, 5)
    assert [one.hourly for one in found.regrets] == [0, 0, 0]


def test_sizing_comes_first_and_what_is_owned_is_not_bought_again() -> None:
    year = Owned(id="ri-9", quantity=3, ends=START + timedelta(days=365))
    soon = Owned(id="ri-8", quantity=3, ends=START + timedelta(hours=12))

    assert planned(STEADY, kept=0.7).quantity == 7
    assert planned(STEADY, owned=[year]).quantity == 7
    assert planned(STEADY, kept=0.7, owned=[year]).quantity == 4
    assert planned(STEADY, owned=[soon]).quantity == 10
    assert residual(STEADY, [soon, year], start=START, step=timedelta(hours=1))[0, [0, 11, 12]].tolist() == [4, 4, 7]


def test_parts_are_a_month_apart_and_add_up() -> None:
    assert ladder(10, start=START.date(), parts=4) == (
        Purchase(on=date(2026, 1, 31), quantity=3),
        Purchase(on=date(2026, 2, 28), quantity=2),
        Purchase(on=date(2026, 3, 31), quantity=3),
        Purchase(on=date(2026, 4, 30), quantity=2),
    )
    assert [one.on.month for one in ladder(2, start=date(2026, 12, 1), parts=4)] == [12, 2]
    assert ladder(0, start=START.date(), parts=4) == ()


def test_a_purchase_that_many_futures_would_not_use_is_cut() -> None:
    """Half of the paths fall to a fifth: the mixture alone would still commit to most of it."""
    paths = np.vstack([np.full((10, 24), 10.0), np.full((10, 24), 2.0)])
    cheap = Rates(on_demand=Decimal(1), committed=Decimal("0.4"))
    found = plan(paths, rates=cheap, start=START)

    assert (found.unconstrained, found.quantity) == (10, 5)
    assert [(one.level, one.best) for one in found.regrets] == [(0.1, 2), (0.5, 10), (0.9, 10)]
    assert all(one.hourly > 0 for one in found.regrets)


def test_a_plan_never_costs_more_than_none() -> None:
    drawn = np.random.default_rng(3).gamma(2.0, 5.0, (50, 100))
    found = planned(drawn)

    assert 0 < found.quantity <= found.unconstrained
    assert found.hourly_saving >= 0
    with pytest.raises(ValueError, match="paths of one term"):
        planned(STEADY, kept=1.1)
