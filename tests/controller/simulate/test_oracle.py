import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.simulate import loop, oracle, peers, plans, protocol, replay
from tests.controller.simulate import worlds


@given(st.lists(st.integers(1, 6), min_size=1, max_size=40), st.integers(0, 5))
def test_closing_fills_exactly_the_dips_that_are_too_short(counts: list[int], longest: int) -> None:
    closed = oracle.closed(np.array(counts, dtype=np.int64), longest).tolist()

    for level in range(1, 7):
        above = [k for k, count in enumerate(counts) if count >= level]
        kept = set(above)
        for left, right in zip(above, above[1:], strict=False):
            if right - left - 1 <= longest:
                kept |= set(range(left, right))
        assert [count >= level for count in closed] == [k in kept for k in range(len(counts))]


@given(st.integers(0, 50), st.sampled_from([0.4, 0.6, 0.8]))
def test_nobody_who_never_misses_is_cheaper_than_the_oracle(seed: int, target: float) -> None:
    world = worlds.world(worlds.load(0.5, noise=0.05, seed=seed))
    made = replay.replay(world, peers.keda(target, capacity_rps=world.capacity_rps), plans.no_plan())
    bill = oracle.bill(world, min_replicas=2)

    needed = oracle.demand(world, min_replicas=2)
    assert (oracle.closed(needed, 10) >= needed).all()
    if not made.late.any():
        assert made.billed.sum() >= bill.sum()


def test_perfect_foresight_never_misses_and_scores_95_or_more() -> None:
    load = worlds.load(4)
    world = worlds.world(load)
    plan = plans.perfect(load, lead_ticks=13, safe_rps=worlds.SERVICE.safe_rps)
    nothing = peers.reactive(metric=loop.NOTHING, target=1.0, window_seconds=30, down_seconds=15)
    made = replay.replay(world, nothing, plan)
    result = protocol.judge(world, made, oracle.bill(world, min_replicas=2), slice(100, len(load)))

    assert result.violated_pct == 0
    assert 1 <= result.cost_ratio < 1.05
    assert protocol.hypervolume([(result.cost_ratio, result.violated_pct)]) > 0.95


def test_hypervolume_is_one_for_the_ideal_and_nothing_for_who_costs_twice() -> None:
    assert protocol.hypervolume([(1.0, 0.0)]) == pytest.approx(1)
    assert protocol.hypervolume([(2.0, 0.0)]) == 0
    assert protocol.hypervolume([(1.2, 0.1)]) == pytest.approx(0.8 * 2 / 3)
    assert protocol.hypervolume([(1.2, 0.1), (1.5, 0.5)]) == pytest.approx(0.8 * 2 / 3)


def test_cost_at_a_class_lies_between_the_points_around_it() -> None:
    assert protocol.cost_at([(1.1, 1.0), (1.3, 0.01)], 0.1) == pytest.approx(1.2)
    assert protocol.cost_at([(1.1, 1.0)], 0.1) == float("inf")
