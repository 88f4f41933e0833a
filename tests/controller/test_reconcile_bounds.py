"""Bounds on somebody's autoscaler: what is written, refused, held, and told when it ends."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from controller.actuation.limits import Limits
from controller.actuation.shares import Granted
from controller.slo import WINDOWS
from domain.errors import ConflictError, ForbiddenError, RefusedError, RightsError
from domain.scaling import ActionResult, Outcome, Reason, Workload
from tests.controller.reconciling import CART, SHOP, SLO_DOCUMENT, TICK, Bench, rule, two_rules

BOUNDS = {"with": "bounds", "hpa": "shop"}
HPA = ("HorizontalPodAutoscaler", "demo", "shop")


def test_bounds_are_looked_at_on_every_pass_and_an_action_is_a_change(bench: Bench, now: datetime) -> None:
    bench.rules = [rule(actuate=BOUNDS)]
    bench.cluster.autoscalers[HPA] = Limits(low=1, high=20)
    bench.reconciler.tick(now)
    decision, action = bench.last("shop")
    assert (bench.cluster.autoscalers[HPA], bench.cluster.asked) == (Limits(low=5, high=20), [])
    assert bench.cluster.begun == [["demo/shop"]]
    assert action is not None
    assert (action.from_replicas, action.to_replicas, action.result) == (1, 5, ActionResult.DONE)
    assert (decision.trace[-1].stage, decision.trace[-1].message) == ("actuate", "1..20 → 5..20")
    bench.cluster.workloads[SHOP] = Workload(ref=SHOP, current_replicas=6, ready_replicas=6, source="fake")
    bench.answers["shop_rps"] = 50.0
    bench.reconciler.tick(now + TICK)
    decision, action = bench.last("shop")
    assert action is None
    assert decision.trace[-1].stage == "actuate"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (RefusedError("the HPA has another owner"), "nothing was written: the HPA has another owner"),
        (ConflictError("somebody was faster"), "left to the next pass: somebody was faster"),
    ],
)
def test_a_refusal_is_a_sentence_and_no_action(bench: Bench, now: datetime, error: Exception, said: str) -> None:
    bench.rules, bench.cluster.failing[SHOP] = [rule(actuate=BOUNDS)], error
    bench.reconciler.tick(now)
    decision, action = bench.last("shop")
    assert (decision.trace[-1].message, action) == (said, None)


def test_a_floor_of_an_earlier_life_is_not_let_go_at_once(bench: Bench, now: datetime) -> None:
    bench.rules = [rule(actuate=BOUNDS)]
    bench.cluster.autoscalers[HPA] = Limits(low=15, high=20)
    bench.cluster.workloads[SHOP] = replace(bench.cluster.workload(SHOP), floor=15)
    bench.reconciler.tick(now)
    assert bench.cluster.autoscalers[HPA] == Limits(low=15, high=20)
    for tick in range(1, 22):
        bench.reconciler.tick(now + tick * TICK)
    assert bench.cluster.autoscalers[HPA].low < 15


def test_two_rules_on_one_autoscaler_do_nothing(now: datetime) -> None:
    bench = two_rules()
    bench.rules = [rule(actuate=BOUNDS), rule("cart", query="cart_rps", actuate=BOUNDS)]
    bench.cluster.autoscalers[HPA] = Limits(low=1, high=20)
    bench.reconciler.tick(now)
    assert bench.cluster.autoscalers[HPA] == Limits(low=1, high=20)
    for name in ("shop", "cart"):
        held, action = bench.last(name)
        assert (held.outcome, held.reason, action) == (Outcome.HOLD, Reason.INACTIVE, None)
        assert held.message.startswith("two rules set the bounds of HorizontalPodAutoscaler demo/shop")


def test_who_acts_no_more_is_told_at_the_end_of_the_pass(now: datetime) -> None:
    bench = two_rules()
    bench.reconciler.tick(now)
    bench.gate = lambda one: "no backtest" if one.key == "demo/cart" else ""
    bench.reconciler.tick(now + TICK)
    assert bench.cluster.settled == [{"demo/shop", "demo/cart"}, {"demo/shop"}]


def test_a_namespace_without_rights_is_tried_once_a_minute_and_acts_within_one_when_they_are_back(
    now: datetime,
) -> None:
    bench = two_rules()
    for ref in (SHOP, CART):
        bench.cluster.failing[ref] = RightsError("patch is forbidden")
    for tick in range(9):
        bench.reconciler.tick(now + tick * TICK)
    assert [ref for ref, _ in bench.cluster.asked] == [SHOP] * 3
    bench.cluster.failing.clear()
    for tick in range(9, 13):
        bench.reconciler.tick(now + tick * TICK)
    assert [ref for ref, _ in bench.cluster.asked] == [SHOP] * 4 + [CART]


def test_what_an_admission_refuses_slows_down_that_target_only(now: datetime) -> None:
    bench = two_rules()
    bench.cluster.failing[SHOP] = ForbiddenError("denied by a policy")
    for tick in range(9):
        bench.reconciler.tick(now + tick * TICK)
    assert [ref for ref, _ in bench.cluster.asked if ref == SHOP] == [SHOP] * 3  # after 30 s, 1 minute
    assert bench.cluster.workload(CART).current_replicas == 5


def test_what_the_cluster_holds_is_held(bench: Bench, now: datetime) -> None:
    bench.cluster.workloads[SHOP] = replace(bench.cluster.workload(SHOP), freeze="by the kill switch: INC-1")
    bench.reconciler.tick(now)
    held, action = bench.last("shop")
    assert (held.reason, held.desired_replicas, action) == (Reason.FROZEN, 4, None)
    assert held.message.startswith("held at 4: frozen, by the kill switch: INC-1")


AT_ONCE = {"stabilizationWindowSeconds": 0, "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}]}


def burning(bench: Bench, ratio: float) -> None:
    """The share of bad ones in all windows."""
    for window in WINDOWS:
        bench.answers[SLO_DOCUMENT.error_ratio_query(window).expr] = ratio


@pytest.mark.parametrize("actuate", [BOUNDS, {"with": "scale"}, {"with": "hpa"}])
def test_when_the_slo_burns_soon_after_capacity_was_taken_it_comes_back(
    bench: Bench, now: datetime, actuate: dict[str, str]
) -> None:
    bench.cluster.actuations = ("scale", "bounds", "hpa")
    bench.rules = [rule(actuate=actuate, guard={"slo": "errors"}, behavior={"scaleDown": AT_ONCE})]
    bench.slos["demo/errors"] = SLO_DOCUMENT
    bench.cluster.autoscalers[HPA] = Limits(low=12, high=20)
    bench.cluster.workloads[SHOP] = Workload(ref=SHOP, current_replicas=12, ready_replicas=12, source="fake")
    burning(bench, 0.0)
    bench.reconciler.tick(now)
    low = min(bench.cluster.autoscalers[HPA].low, bench.cluster.workload(SHOP).current_replicas or 0)
    assert low < 12
    burning(bench, 0.5)
    bench.reconciler.tick(now + timedelta(minutes=5))
    decision, action = bench.last("shop")
    assert action is not None
    assert action.to_replicas == 12
    assert "rolled back to at least 12" in decision.trace[-1].message
    assert ["rolled back" in one for one in bench.cluster.told] == [True]
    burning(bench, 0.0)
    bench.reconciler.tick(now + timedelta(minutes=50))
    assert bench.last("shop")[1] is None
    bench.reconciler.tick(now + timedelta(minutes=66))
    assert bench.last("shop")[1] is not None


def test_replicas_go_as_far_as_there_is_room_and_say_why_no_further(bench: Bench, now: datetime) -> None:
    bench.cluster.room = {"demo/shop": Granted(low=2, why="the quota leaves none")}
    bench.reconciler.tick(now)
    decision, action = bench.last("shop")
    assert (decision.desired_replicas, action, bench.cluster.asked) == (6, None, [])
    assert decision.trace[-1].message == "6 replicas are held at 4: the quota leaves none"  # four run
    bench.cluster.room.clear()
    bench.reconciler.tick(now + TICK)
    assert bench.cluster.asked == [(SHOP, 6)]
