"""When a level reaches a limit."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import NoDataError
from domain.forecasts import Dependence
from forecaster import capacity
from tests.forecaster.handmade import NOON, normal

DAY = timedelta(days=1)
GROWING = normal(np.arange(101.0, 131), 2.0, dependence=Dependence(lasting=1.0, echo=0.0))


def test_a_disk_fills_on_a_date_with_a_width() -> None:
    found = capacity.reached(GROWING, {"disk": 115.0}, now=100)["disk"]

    assert found.dates[0.5] == NOON + 15 * DAY
    assert found.dates[0.1] == NOON + 13 * DAY  # 115 − 1.28·2 = 112.4
    assert found.dates[0.9] == NOON + 18 * DAY
    assert (found.already, found.probability, found.until) == (False, 1.0, NOON + 30 * DAY)


def test_a_limit_beyond_the_horizon_has_a_probability_and_no_date() -> None:
    found = capacity.reached(GROWING, {"near": 130.0, "far": 200.0, "none": float("inf")}, now=100)

    assert found["near"].probability == pytest.approx(0.5, abs=0.01)
    assert found["near"].dates[0.1] is not None
    assert found["near"].dates[0.9] is None
    for name in ("far", "none"):
        assert (found[name].probability, set(found[name].dates.values())) == (0.0, {None})


def test_a_limit_that_is_reached_already_has_no_date() -> None:
    found = capacity.reached(GROWING, {"disk": 100.0}, now=100)["disk"]

    assert (found.already, found.probability, set(found.dates.values())) == (True, 1.0, {None})
    assert not capacity.reached(GROWING, {"disk": 100.0}, now=float("nan"))["disk"].already


def test_a_limit_may_fall_to_meet_the_level() -> None:
    falling = np.linspace(200, 110, 30)

    found = capacity.reached(GROWING, {"quota": falling}, now=100)["quota"]

    assert found.dates[0.5] == NOON + 26 * DAY  # 126 ≥ 200 − 25·3.10, and 125 < 200 − 24·3.10


def test_an_unknown_limit_takes_the_one_before() -> None:
    gaps = np.array([np.nan, 115.0, *[np.nan] * 28])

    assert capacity.reached(GROWING, {"quota": gaps})["quota"] == capacity.reached(GROWING, {"quota": 115.0})["quota"]
    with pytest.raises(NoDataError, match=r"shop/spend/daily: the limit has no value"):
        capacity.reached(GROWING, {"quota": float("nan")})


def test_steps_that_err_alone_arrive_earlier_than_steps_that_err_together() -> None:
    flat = np.full(30, 100.0)
    together = normal(flat, 5.0, dependence=Dependence(lasting=1.0, echo=0.0))
    alone = normal(flat, 5.0, dependence=Dependence(lasting=0.0, echo=0.0))

    chances = [capacity.reached(one, {"limit": 108.0})["limit"].probability for one in (together, alone)]

    assert chances[0] == pytest.approx(0.055, abs=0.01)
    assert chances[1] == pytest.approx(1 - (1 - 0.055) ** 30, abs=0.03)


def test_the_highest_replica_count_carries_so_much_demand() -> None:
    assert capacity.demand_at_most(40, 120) == 4800


@settings(max_examples=40, deadline=None)
@given(low=st.floats(90, 140), more=st.floats(0, 40))
def test_a_higher_limit_is_never_reached_sooner_or_more_surely(low: float, more: float) -> None:
    found = capacity.reached(GROWING, {"low": low, "high": low + more})

    assert found["low"].probability >= found["high"].probability
    for level in capacity.LEVELS:
        sooner, later = found["low"].dates[level], found["high"].dates[level]
        assert later is None or (sooner is not None and sooner <= later)
