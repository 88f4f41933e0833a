"""The price rule and the envelope of writes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller import price
from controller.simulate import envelope, peers, plans, replay
from domain.load_ahead import LoadAhead
from tests.controller.simulate import worlds

LOWEST, STEP = -6.0, 0.05
POINTS = LOWEST + STEP * np.arange(401)
TAIL = np.clip(0.5 - POINTS / 6, 0, 1)
"""Errors spread evenly between three scales below and above."""


def ahead(loads: list[float], scale: float) -> LoadAhead:
    count = len(loads)
    return LoadAhead(
        centre=np.log(loads), scale=np.full(count, scale), tails=TAIL[None], row=np.zeros(count, dtype=np.int64),
        lowest=LOWEST, step=STEP, offset=1e-9,
    )  # fmt: skip


def test_a_calmer_plan_adds_a_little_more_and_keeps_a_little_more_of_large_workloads_only() -> None:
    asked = np.array([[2, 19, 20, 40]])
    plan = plans.no_plan()._replace(raise_below=asked, raise_to=asked, lower_above=asked, lower_to=asked)

    calmer = plans.calmer(plan)

    assert calmer.raise_to.tolist() == [[2, 19, 21, 42]]
    assert calmer.lower_above.tolist() == [[2, 19, 22, 44]]
    assert (calmer.raise_below == asked).all()
    assert (calmer.lower_to == asked).all()


def test_miss_share_interpolates_and_ends_at_one_and_zero() -> None:
    tail = np.array([1.0, 0.5, 0.1])

    assert price.miss_share(-2.0, tail, -1.0, 1.0) == 1
    assert price.miss_share(-0.5, tail, -1.0, 1.0) == pytest.approx(0.75)
    assert price.miss_share(1.0, tail, -1.0, 1.0) == 0


@given(st.floats(100, 3000), st.floats(0.02, 0.4), st.floats(1, 3000))
def test_the_price_rule_finds_the_smallest_price(load: float, scale: float, missed: float) -> None:
    rooms = np.log(np.arange(400) * 70.0 + 1e-9)
    best = price.cheapest(np.log(load), scale, TAIL, LOWEST, STEP, rooms, 1, missed)

    prices = [
        count + missed * price.miss_share((rooms[count] - np.log(load)) / scale, TAIL, LOWEST, STEP)
        for count in range(1, 400)
    ]
    assert prices[best - 1] <= min(min(prices), 1 + missed) + 1e-9


@given(st.lists(st.floats(50, 3000), min_size=1, max_size=20), st.floats(0.02, 0.4))
@settings(deadline=None)
def test_dearer_misses_never_ask_for_fewer_replicas(loads: list[float], scale: float) -> None:
    of = ahead(loads, scale)
    asked = [plans.floors(of, safe_rps=70.0, missed=missed) for missed in (50.0, 200.0, 800.0)]

    assert (asked[0] <= asked[1]).all()
    assert (asked[1] <= asked[2]).all()


@given(st.lists(st.floats(50, 3000), min_size=1, max_size=20), st.floats(0.02, 0.4), st.floats(10, 1000))
@settings(deadline=None)
def test_compiled_and_plain_prices_are_equal(loads: list[float], scale: float, missed: float) -> None:
    of = ahead(loads, scale)
    fast = plans.floors(of, safe_rps=70.0, missed=missed, by=replay.engine().price)

    assert fast.tolist() == plans.floors(of, safe_rps=70.0, missed=missed).tolist()


def test_what_is_added_is_not_given_back_before_it_is_ready() -> None:
    plan = plans.following(ahead([900.0], 0.1), ahead([100.0], 0.1), safe_rps=70.0, missed=[50.0])

    assert plan.lower_above[0, 0] >= plan.raise_to[0, 0]


@given(st.lists(st.integers(1, 60), min_size=1, max_size=200), st.integers(1, 30))
def test_an_envelope_is_never_far_below_the_decisions(wanted: list[int], window: int) -> None:
    floor = np.zeros(len(wanted), dtype=np.int64)
    writes = envelope.follow(np.array(wanted), 0.15, 0.25, window, floor)

    assert writes == np.count_nonzero(np.diff(floor, prepend=wanted[0]))
    for need, bound in zip(wanted, floor.tolist(), strict=True):
        assert need <= max(np.ceil(bound * 1.15), bound + 1)


def test_an_envelope_comes_down_after_its_window() -> None:
    wanted = np.array([20] * 5 + [5] * 40)
    floor = np.zeros(45, dtype=np.int64)

    assert envelope.follow(wanted, 0.15, 0.25, 10, floor) == 1
    assert floor.tolist() == [20] * 14 + [5] * 31


@pytest.mark.parametrize("peer", [peers.phpa_linear, peers.aws_like])
def test_predictive_peers_ask_for_more_where_the_target_is_lower(peer) -> None:
    world = worlds.world(worlds.load(3))
    low, high = (peer(world, utilization=one).raise_to for one in (0.4, 0.8))

    assert (low >= high).all()
    assert low.shape == (1, len(world.load_rps))


def test_holt_winters_learns_a_day() -> None:
    world = worlds.world(worlds.load(3, noise=0.0))
    plan = peers.phpa_holt_winters(world, utilization=0.6, smoothing=(0.3, 0.05, 0.3))
    needed = np.ceil(world.load_rps / (0.6 * world.capacity_rps))

    assert np.median(np.abs(plan.raise_to[0] - needed)[-5760:]) <= 1
