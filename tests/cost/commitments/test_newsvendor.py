"""How much to commit to: least cost over the whole mixture of demand, exactly at the break-even."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cost.commitments.newsvendor import Rates, hourly_cost, of_normal, quantity


def rates(committed: str, on_demand: str = "1", useless: str = "0") -> Rates:
    return Rates(on_demand=Decimal(on_demand), committed=Decimal(committed), useless=Decimal(useless))


DAY = np.repeat([10.0, 20.0, 30.0], 8)


@pytest.mark.parametrize(("committed", "units"), [("0.3", 30), ("0.6", 20), ("0.7", 10), ("1", 0), ("1.2", 0)])
def test_a_unit_is_bought_if_it_is_used_more_often_than_its_break_even(committed: str, units: float) -> None:
    assert quantity(DAY, rates(committed)) == units


def test_at_the_break_even_itself_the_smaller_quantity_is_taken() -> None:
    assert quantity(np.array([1.0, 2.0, 3.0]), rates("1", "3")) == 2.0
    assert quantity(np.array([1.0, 2.0]), rates("0.5")) == 1.0


def test_capacity_that_may_become_useless_must_be_used_more() -> None:
    assert quantity(DAY, rates("0.6", useless="0.2")) == 10.0
    with pytest.raises(ValueError, match="no rates"):
        rates("0.6", useless="1")


def test_an_unknown_hour_makes_no_purchase() -> None:
    assert quantity(np.array([np.nan, np.nan, 5.0]), rates("0.5")) == 0.0
    with pytest.raises(ValueError, match="no hour"):
        quantity(np.array([]), rates("0.5"))


def test_sampled_demand_comes_to_the_closed_form() -> None:
    drawn = np.random.default_rng(7).normal(100, 20, 200_000)
    best, cost = of_normal(100, 20, rates("0.0604", "0.096"))

    assert quantity(drawn, rates("0.0604", "0.096")) == pytest.approx(best, abs=0.2)
    assert float(hourly_cost(drawn, best, rates("0.0604", "0.096"))) == pytest.approx(float(cost), abs=0.01)
    assert of_normal(100, 20, rates("1")) == (0.0, Decimal(100))


hours = st.lists(st.integers(0, 30), min_size=1, max_size=12).map(lambda found: np.array(found, dtype=np.float64))
prices = st.decimals(Decimal("0.01"), Decimal(2), places=2)


@given(hours, prices, prices)
def test_no_other_quantity_costs_less(demand: np.ndarray, on_demand: Decimal, committed: Decimal) -> None:
    known = Rates(on_demand=on_demand, committed=committed)
    best = hourly_cost(demand, quantity(demand, known), known)

    assert best <= min(hourly_cost(demand, float(units), known) for units in range(31)) + Decimal("1e-9")
    assert best <= hourly_cost(demand, 0.0, known) + Decimal("1e-9")
