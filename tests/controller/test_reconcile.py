"""A tick from the rules to the ledger: who acts, what is recorded, asked, timed and told."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from domain.money import Money
from domain.pods import PodState
from domain.scaling import ActionResult, Outcome, Reason
from rules.schema import ScalingRule
from tests.controller.reconciling import SHOP, TICK, Bench, rule, two_rules
from tests.fakes.cluster import FakeCluster


def test_an_enforced_rule_acts_and_both_are_recorded(bench: Bench, now: datetime) -> None:
    bench.reconciler.tick(now)
    decision, action = bench.last("shop")
    assert (decision.desired_replicas, decision.outcome, decision.at) == (6, Outcome.SCALE_UP, now)
    assert action is not None
    assert (action.from_replicas, action.to_replicas, action.result, action.decision_id) == (
        4, 6, ActionResult.DONE, decision.id,
    )  # fmt: skip
    assert bench.cluster.workload(SHOP).current_replicas == 6


def test_the_decision_says_what_it_costs(bench: Bench, now: datetime) -> None:
    bench.reconciler.tick(now)
    decision, _ = bench.last("shop")
    assert decision.cost_per_hour == Money(amount=Decimal("0.06"), currency="EUR")
    assert decision.cost_change_per_hour == Money(amount=Decimal("0.02"), currency="EUR")


@pytest.mark.parametrize(
    "quiet", [rule(mode="observe"), rule(mode="recommend"), rule(mode="approve"), rule(actuate={"with": "none"})]
)
def test_every_other_mode_only_records(bench: Bench, now: datetime, quiet: ScalingRule) -> None:
    bench.rules = [quiet]
    bench.reconciler.tick(now)
    decision, action = bench.last("shop")
    assert (decision.outcome, action) == (Outcome.SCALE_UP, None)
    assert bench.cluster.asked == []


def test_a_hold_does_nothing(bench: Bench, now: datetime) -> None:
    bench.answers["shop_rps"] = 40.0
    bench.reconciler.tick(now)
    assert bench.last("shop")[0].outcome is Outcome.HOLD
    assert bench.cluster.asked == []


def test_two_rules_with_one_question_ask_once(now: datetime) -> None:
    bench = two_rules()
    bench.rules = [rule(), rule("cart", query="shop_rps")]
    bench.reconciler.tick(now)
    assert bench.asked == ["shop_rps"]


def test_resource_triggers_read_the_clusters_usage(now: datetime) -> None:
    bench = Bench(
        cluster=FakeCluster.of(SHOP, 4, requests={"cpu": 0.5}),
        rules=[rule(triggers=[{"name": "cpu", "resource": {"name": "cpu", "utilization": 50}}])],
        answers={'usage{workload="shop", resource="cpu"}': 1.9},
    )
    bench.reconciler.tick(now)
    assert bench.last("shop")[0].desired_replicas == 8


def test_scale_down_waits_for_the_window_over_ticks(bench: Bench, now: datetime) -> None:
    bench.answers["shop_rps"] = 10.0
    for number in range(20):
        bench.reconciler.tick(now + number * TICK)
        assert bench.cluster.workload(SHOP).current_replicas == 4, number
    bench.reconciler.tick(now + timedelta(minutes=5))
    assert bench.cluster.workload(SHOP).current_replicas == 1


def test_steps_are_timed_and_traced(bench: Bench, now: datetime) -> None:
    bench.reconciler.tick(now)
    names = [span.name for span in bench.spans.get_finished_spans()]
    steps = ["load_rules", "read_signals", "evaluate", "guard", "shadow", "act", "record"]
    assert names == [*(f"controller.{step}" for step in steps), "controller.tick"]
    root = bench.spans.get_finished_spans()[-1]
    assert all(
        span.parent is not None and root.context is not None and span.parent.span_id == root.context.span_id
        for span in bench.spans.get_finished_spans()[:-1]
    )
    for step in steps:
        assert bench.metric("foretide_controller_step_duration_seconds_count", step=step) == 1
    assert bench.metric("foretide_decisions_total", outcome="scale_up", reason="DesiredWithinRange") == 1
    assert bench.metric("foretide_actions_total", result="done") == 1


def test_only_a_change_of_outcome_is_news(bench: Bench, now: datetime, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="controller.reconcile")
    for number in range(4):
        bench.reconciler.tick(now + number * TICK)
    news = [record for record in caplog.records if record.message == "decided"]
    assert [record.__dict__["outcome"] for record in news] == ["scale_up", "hold"]
    assert news[0].__dict__["rule"] == "demo/shop"


def test_what_is_remembered_of_a_rule_goes_with_it(bench: Bench, now: datetime) -> None:
    bench.reconciler.tick(now)
    bench.rules = []
    bench.reconciler.tick(now + TICK)
    bench.rules, bench.answers["shop_rps"] = [rule()], 10.0
    bench.reconciler.tick(now + timedelta(minutes=10))
    assert bench.last("shop")[0].reason is Reason.SCALE_DOWN_STABILIZED


def test_usage_is_taken_pod_by_pod_where_the_cluster_knows_its_pods_else_by_the_sum(now: datetime) -> None:
    cpu = {"name": "cpu", "resource": {"name": "cpu", "utilization": 50}}
    bench = Bench(
        cluster=FakeCluster.of(SHOP, 2, requests={"cpu": 0.5}), rules=[rule(triggers=[cpu], mode="observe")],
        answers={'usage{workload="shop", resource="cpu"}': 0.8}, by_pod={"shop-0": 0.4, "shop-1": 0.5, "cart-0": 9.0},
    )  # fmt: skip
    bench.reconciler.tick(now)
    assert bench.last("shop")[0].proposals[0].reason == "cpu 80 % of the request, summed over 2 ready ÷ 50 % → 4"
    ready = PodState(age_seconds=900, ready_seconds=800)
    bench.cluster.states[SHOP] = {"shop-0": ready, "shop-1": ready}
    bench.asked.clear()
    bench.reconciler.tick(now + TICK)
    proposal = bench.last("shop")[0].proposals[0]
    assert proposal.reason == "cpu 90 % of the request on average over 2 of 2 pods ÷ 50 % → 4"
    assert bench.asked == ["usage_of_pods_cpu"]
    bench.by_pod = {"cart-0": 9.0}
    bench.reconciler.tick(now + 2 * TICK)
    proposal = bench.last("shop")[0].proposals[0]
    assert (proposal.missing, proposal.reason) == (True, "cpu: no pod of Deployment demo/shop has a sample of its cpu")
