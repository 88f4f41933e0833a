"""What bounds a decision from outside: the gate, SLOs, ceilings, budgets, sleep."""

from __future__ import annotations

from datetime import datetime

import pytest

from controller.guardrails import Ceiling
from controller.slo import WINDOWS
from domain.errors import NoNumberError, StoreError
from domain.scaling import Outcome, Reason
from tests.controller.reconciling import SHOP, SLO_DOCUMENT, TICK, Bench, rule, two_rules
from tests.fakes.cluster import FakeCluster


def test_a_rule_that_the_gate_refuses_decides_says_so_and_changes_nothing(bench: Bench, now: datetime) -> None:
    bench.gate = lambda rule: "enforce is refused, there is no backtest of this rule: run foretide backtest demo/shop"
    bench.answers["shop_rps"] = 95.0
    bench.reconciler.tick(now)
    decision, action = bench.ledger[0]
    assert action is None
    assert decision.outcome is Outcome.SCALE_UP
    assert decision.trace[-1].stage == "gate"
    assert "run foretide backtest demo/shop" in decision.trace[-1].message
    assert decision.message.endswith(decision.trace[-1].message)
    bench.gate = lambda rule: ""
    bench.reconciler.tick(now + TICK)
    assert bench.ledger[1][1] is not None


def test_a_guard_reads_its_slo_once_a_minute_for_all_rules(now: datetime) -> None:
    bench = two_rules()
    guard = {"slo": "demo/errors"}
    bench.rules = [rule(guard=guard), rule("cart", query="cart_rps", guard=guard)]
    bench.slos["demo/errors"] = SLO_DOCUMENT
    for window in WINDOWS:
        bench.answers[SLO_DOCUMENT.error_ratio_query(window).expr] = 0.2
    for number in range(5):
        bench.reconciler.tick(now + number * TICK)
    assert sum("bad_total" in expr for expr in bench.asked) == 8
    burns = next(one for one in bench.last("shop")[0].trace if one.stage == "slo")
    assert burns.message == "the SLO demo/errors burns (burn rate 20 over 1h and 20 over 5m, burning from 13.4)"


@pytest.mark.parametrize(
    ("error", "word"), [(NoNumberError("NaN", is_nan=True), "is kept"), (StoreError("gone"), "has no data")]
)
def test_no_requests_are_no_errors_and_no_data_protect(now: datetime, error: Exception, word: str) -> None:
    bench = Bench(cluster=FakeCluster.of(SHOP, 4), rules=[rule(guard={"slo": "errors"})], answers={"shop_rps": 10.0})
    bench.slos["demo/errors"] = SLO_DOCUMENT
    for window in WINDOWS:
        bench.answers[SLO_DOCUMENT.error_ratio_query(window).expr] = error
    bench.reconciler.tick(now)
    said = next(one for one in bench.last("shop")[0].trace if one.stage == "slo").message
    assert said.startswith(f"the SLO errors {word}")


def test_a_ceiling_is_read_and_a_budget_asked(now: datetime) -> None:
    ceiling = [{"name": "db", "perReplica": 2, "query": "max(connections)"}]
    bench = Bench(
        cluster=FakeCluster.of(SHOP, 4), rules=[rule(ceiling=ceiling, budget="media")],
        answers={"shop_rps": 100.0, "max(connections)": 16.0},
    )  # fmt: skip
    bench.reconciler.tick(now)
    assert "downstream.db" in bench.last("shop")[0].limited_by
    bench.money = Ceiling(kind="budget", name="media", replicas=5)
    bench.reconciler.tick(now + TICK)
    assert "budget.media" in bench.last("shop")[0].limited_by


def test_a_workload_that_we_put_to_sleep_wakes_after_a_restart(now: datetime) -> None:
    sleeping = rule(replicas={"min": 0, "max": 5, "idleAfter": "1m"})
    bench = Bench(cluster=FakeCluster.of(SHOP, 0), rules=[sleeping], answers={"shop_rps": 10.0})
    bench.reconciler.tick(now)
    assert bench.last("shop")[0].reason is Reason.SCALING_DISABLED
    again = Bench(cluster=FakeCluster.of(SHOP, 0), rules=[sleeping], answers={"shop_rps": 10.0}, asleep={"demo/shop"})
    again.reconciler.tick(now)
    assert again.cluster.workload(SHOP).current_replicas == 1
