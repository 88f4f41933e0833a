"""HPA's numbers where they surprise; the golden stories play them through."""

from __future__ import annotations

from datetime import timedelta

import pytest

from controller import hpa
from controller.memory import Recommendation, ScaleEvent
from rules.schema import Behavior, ScalingRules
from tests.controller.stories import START


def rules(**given: object) -> ScalingRules:
    return ScalingRules.model_validate(given)


def policy(kind: str, value: int, seconds: int = 60) -> dict[str, object]:
    return {"type": kind, "value": value, "periodSeconds": seconds}


def ago(seconds: float, change: int) -> ScaleEvent:
    return ScaleEvent(at=START - timedelta(seconds=seconds), change=change)


def test_ceil_saturates_where_older_controllers_wrapped_to_the_minimum() -> None:
    assert hpa.ceil32(float("inf")) == hpa.MAX_INT32
    assert hpa.ceil32(2.0**40) == hpa.MAX_INT32
    assert hpa.ceil32(7.000001) == 8


@pytest.mark.parametrize(("ratio", "held"), [(1.1, True), (1.1000001, False), (0.9, True), (0.8999999, False)])
def test_tolerance_holds_at_its_edge(ratio: float, held: bool) -> None:
    assert hpa.within_tolerance(ratio, Behavior()) is held


@pytest.mark.parametrize(
    ("current", "given", "limit"),
    [
        (10, policy("Percent", 90), 0),  # 10 × (1 − 0.9) = 0.9999999999999998, truncated
        (100, policy("Pods", 20), 80),
        (10, policy("Pods", 100), -90),
    ],
)
def test_scale_down_limit(current: int, given: dict[str, object], limit: int) -> None:
    assert hpa.scale_down_limit(current, (), rules=rules(policies=[given]), now=START) == limit


@pytest.mark.parametrize(
    ("current", "given", "limit"),
    [
        (7, policy("Percent", 10), 8),  # 7.700000000000001, up
        (10, policy("Pods", 30), 40),
        (100, policy("Percent", 1), 101),
    ],
)
def test_scale_up_limit(current: int, given: dict[str, object], limit: int) -> None:
    assert hpa.scale_up_limit(current, (), rules=rules(policies=[given]), now=START) == limit


def test_events_within_the_period_count_and_older_ones_do_not() -> None:
    allowed = rules(policies=[policy("Pods", 150, 120)])
    inside, outside = [ago(60, 1), ago(60, 5), ago(119, 9)], [ago(120, 1), ago(500, 9)]
    assert hpa.scale_up_limit(100, inside, rules=allowed, now=START) == 235
    assert hpa.scale_up_limit(100, outside, rules=allowed, now=START) == 250


def test_events_of_the_other_direction_give_room_back() -> None:
    allowed = rules(policies=[policy("Pods", 10)])
    assert hpa.scale_up_limit(100, [ago(5, -4)], rules=allowed, now=START) == 114


def test_no_event_makes_a_scale_up_limit_a_scale_down() -> None:
    assert hpa.scale_up_limit(100, [ago(5, 60)], rules=rules(policies=[policy("Pods", 5)]), now=START) == 100


def test_stabilisation_uses_both_windows() -> None:
    behavior = Behavior.model_validate(
        {"scaleUp": {"stabilizationWindowSeconds": 60}, "scaleDown": {"stabilizationWindowSeconds": 300}}
    )
    past = [Recommendation(at=START - timedelta(seconds=30), replicas=6),
            Recommendation(at=START - timedelta(seconds=200), replicas=9)]  # fmt: skip
    assert hpa.stabilize(20, 4, past, behavior=behavior, now=START) == 6
    assert hpa.stabilize(2, 12, past, behavior=behavior, now=START) == 9
    assert hpa.stabilize(2, 7, past, behavior=behavior, now=START) == 7
