"""The best plain settings are chosen on one half only, keep the allowance there, and read as a patch."""

from __future__ import annotations

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.simulate import loop, peers, plain_patch, plain_search, plans, replay
from controller.simulate.loop import World
from controller.simulate.plain_search import Written
from tests.controller.simulate import worlds

PERCENT = Written(per_unit=0.01, whole=True)


@pytest.fixture(scope="module")
def days() -> World:
    return worlds.world(worlds.load(4.0, noise=0.05))


def test_a_target_that_is_far_too_low_is_raised_and_saves(days: World) -> None:
    found = plain_search.search(days, peers.hpa_cpu(0.3), written=PERCENT, free_share=0.001)

    assert found.changed
    assert found.best.target > 0.4
    assert found.saving > 0.2
    assert found.best_first.violated_share <= 0.001


def test_the_choice_misses_no_more_than_now_on_the_half_it_was_chosen_on(days: World) -> None:
    found = plain_search.search(days, peers.hpa_cpu(0.7), written=PERCENT)

    assert found.best_first.violated_share <= found.now_first.violated_share
    assert found.best_first.mean_replicas <= found.now_first.mean_replicas


def test_an_allowance_buys_fewer_replicas(days: World) -> None:
    strict = plain_search.search(days, peers.hpa_cpu(0.6), allowed_share=0.002)
    loose = plain_search.search(days, peers.hpa_cpu(0.6), allowed_share=0.05)

    assert loose.best_first.mean_replicas < strict.best_first.mean_replicas
    assert strict.best_first.violated_share <= 0.002


def test_what_cannot_keep_the_allowance_stays_as_it_is(days: World) -> None:
    never = days._replace(load_rps=days.load_rps * 1e6, load_before=days.load_before * 1e6)
    found = plain_search.search(never, peers.hpa_cpu(0.6)._replace(max_replicas=3), allowed_share=0.0)

    assert not found.changed
    assert not found.holds


def test_a_workload_at_its_lower_bound_is_left_alone(days: World) -> None:
    idle = days._replace(load_rps=days.load_rps * 1e-3, load_before=days.load_before * 1e-3)
    found = plain_search.search(idle, peers.hpa_cpu(0.5), written=PERCENT)

    assert not found.changed
    assert found.replays <= 4


def test_the_second_half_has_no_say(days: World) -> None:
    half = len(days.load_rps) // 2
    load = days.load_rps.copy()
    load[half:] = load[half:][::-1] * 3
    other = days._replace(load_rps=load, load_before=np.concatenate([[0.0], np.cumsum(load)]))

    here, there = (plain_search.search(world, peers.hpa_cpu(0.5), written=PERCENT) for world in (days, other))

    assert here.best.target == there.best.target
    assert here.best_first == there.best_first
    assert here.best_second != there.best_second


def test_before_1_33_no_tolerance_is_offered(days: World) -> None:
    found = plain_search.search(days, peers.hpa_cpu(0.5), written=PERCENT, tolerances=())

    assert found.best.tolerance_up == found.best.tolerance_down == 0.1


@settings(max_examples=8, deadline=None)
@given(target=st.integers(25, 80), seed=st.integers(0, 50), peak=st.floats(3, 40))
def test_the_pruned_search_is_as_good_as_every_target_in_turn(target: int, seed: int, peak: float) -> None:
    world = worlds.world(worlds.load(1.0, peak_replicas=peak, seed=seed))
    present = peers.hpa_cpu(target / 100)
    found = plain_search.search(world, present, written=PERCENT, tolerances=())

    half = plain_search.first_half(world)
    careful = half._replace(largest_utilization_ratio=half.largest_utilization_ratio * (1 - plain_search.MARGIN))
    for percent in range(20, 85, 5):
        record = replay.replay(careful, present._replace(target=percent / 100), plans.no_plan())
        score = plain_search.scored(record, slice(None), tick_seconds=15.0)
        if score.violated_share <= found.now_first.violated_share:
            # A replay is monotone in the target but for its noise: two targets' worth of cost may be left lying.
            assert found.best_first.mean_replicas <= score.mean_replicas * 1.06


@pytest.mark.parametrize(("asked", "number"), [(0.6349, 63.0), (0.63, 63.0), (0.001, 1.0)])
def test_percent_are_whole_and_rounded_down(asked: float, number: float) -> None:
    assert PERCENT.number(asked) == number


@pytest.mark.parametrize(("asked", "number"), [(123.9, 123.0), (0.012349, 0.0123), (70.0, 70.0), (1.0, 1.0)])
def test_values_keep_three_figures(asked: float, number: float) -> None:
    assert Written().number(asked) == pytest.approx(number)


def test_a_patch_holds_what_differs_and_nothing_else() -> None:
    now = peers.hpa_cpu(0.5)
    slow = np.array([(1, 10, 4)], dtype=np.int64)
    best = now._replace(target=0.63, tolerance_up=0.02, tolerance_down=0.02, down_ticks=40, down_policies=slow)

    spec = plain_patch.fields(now, best, tick_seconds=15.0, metric=plain_patch.resource("cpu", 63))
    text = plain_patch.text(spec, namespace="shop", name="checkout")

    assert text.startswith("# kubectl -n shop patch hpa checkout --patch-file checkout.yaml\n")
    assert yaml.safe_load(text) == {
        "spec": {
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 63}},
                }
            ],
            "behavior": {
                "scaleUp": {"tolerance": "20m"},
                "scaleDown": {
                    "stabilizationWindowSeconds": 600,
                    "selectPolicy": "Max",
                    "policies": [{"type": "Percent", "value": 10, "periodSeconds": 60}],
                    "tolerance": "20m",
                },
            },
        }
    }


def test_the_same_settings_are_no_patch() -> None:
    now = peers.reactive(metric=loop.CPU, target=0.5, window_seconds=30)

    assert plain_patch.fields(now, now, tick_seconds=15.0, metric=plain_patch.resource("cpu", 50)) == {}
    assert plain_patch.text({}, namespace="shop", name="checkout") == ""
