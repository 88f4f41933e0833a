"""What fails holds its own rule only: queries, clusters, the ledger, we ourselves."""

from __future__ import annotations

from datetime import datetime

import pytest

from domain.errors import (
    ConflictError,
    ForbiddenError,
    NoDataError,
    NoNumberError,
    QueryExecutionError,
    RowRefusedError,
    StoreError,
    UnavailableError,
)
from domain.scaling import ActionResult, Decision, Outcome, Reason
from rules.schema import ScalingRule
from tests.controller.reconciling import CART, SHOP, TICK, Bench, rule, two_rules


@pytest.mark.parametrize(
    "error",
    [
        QueryExecutionError("found duplicate series for the match group"),
        NoDataError("query yields 2 series; aggregate it to one"),
        StoreError("metrics.db cannot be read"),
    ],
)
def test_a_failing_query_holds_its_rule_only(now: datetime, error: Exception) -> None:
    bench = two_rules()
    bench.answers["shop_rps"] = error
    bench.reconciler.tick(now)
    held, _ = bench.last("shop")
    assert (held.outcome, held.reason, held.desired_replicas) == (Outcome.HOLD, Reason.NO_DATA, 4)
    assert str(error) in held.message
    assert bench.last("cart")[0].desired_replicas == 5


def test_a_fault_of_ours_holds_its_rule_only_and_is_counted(now: datetime) -> None:
    bench = two_rules()
    bench.answers["shop_rps"] = ZeroDivisionError("division by zero")
    bench.reconciler.tick(now)
    held, _ = bench.last("shop")
    assert (held.outcome, held.reason) == (Outcome.HOLD, Reason.NO_DATA)
    assert "ZeroDivisionError: division by zero" in held.message
    assert bench.last("cart")[0].outcome is Outcome.SCALE_UP
    assert bench.metric("foretide_controller_errors_total", step="read_signals") == 1


def test_an_unknown_workload_holds_without_a_number(bench: Bench, now: datetime) -> None:
    bench.cluster.workloads.clear()
    bench.reconciler.tick(now)
    decision, _ = bench.last("shop")
    assert (decision.reason, decision.desired_replicas, decision.outcome) == (
        Reason.NO_REPLICA_COUNT, None, Outcome.HOLD,
    )  # fmt: skip
    assert decision.proposals[0].replicas == 6


def test_what_is_no_number_is_inactive_and_says_where(now: datetime) -> None:
    bench = two_rules()
    bench.answers["shop_rps"] = NoNumberError("query yields 2 series; aggregate it to one")
    bench.reconciler.tick(now)
    held, action = bench.last("shop")
    assert (held.outcome, held.reason, held.desired_replicas, action) == (Outcome.HOLD, Reason.INACTIVE, 4, None)
    assert "aggregate it to one (rules.yaml:3, spec.triggers[0].query)" in held.message
    assert bench.last("cart")[0].desired_replicas == 5


def test_what_the_cluster_cannot_do_is_said_and_left_alone(bench: Bench, now: datetime) -> None:
    bench.rules = [rule(actuate={"with": "bounds", "hpa": "shop"})]
    bench.cluster.actuations = ("scale",)
    bench.reconciler.tick(now)
    held, action = bench.last("shop")
    assert (held.outcome, held.reason, held.desired_replicas, action) == (Outcome.HOLD, Reason.INACTIVE, 4, None)
    assert held.message.startswith("cluster fake cannot do actuate bounds, so nothing is done; decided was 6: ")
    assert (held.lower_bound, held.upper_bound) == (5, 20)


def test_a_conflict_is_recorded_and_the_next_tick_tries_again(bench: Bench, now: datetime) -> None:
    bench.cluster.failing[SHOP] = ConflictError("Deployment demo/shop was changed meanwhile")
    bench.reconciler.tick(now)
    _, action = bench.last("shop")
    assert action is not None
    assert (action.result, action.error) == (ActionResult.FAILED, "Deployment demo/shop was changed meanwhile")
    bench.cluster.failing.clear()
    bench.reconciler.tick(now + TICK)
    assert bench.cluster.workload(SHOP).current_replicas == 6


def test_an_unavailable_target_is_left_alone_longer_each_time(now: datetime) -> None:
    bench = two_rules()
    bench.cluster.failing[SHOP] = UnavailableError("no answer within 5 s")
    tried = []
    for number in range(20):
        bench.cluster.asked.clear()
        bench.reconciler.tick(now + number * TICK)
        if (SHOP, 6) in bench.cluster.asked:
            tried.append(number * 15)
    assert tried == [0, 30, 90, 210]
    assert bench.cluster.workload(CART).current_replicas == 5


def test_a_refused_target_is_tried_again_after_30_s_1_and_2_minutes(bench: Bench, now: datetime) -> None:
    bench.cluster.failing[SHOP] = ForbiddenError("denied by an admission webhook")
    for number in range(21):
        bench.reconciler.tick(now + number * TICK)
    assert len(bench.cluster.asked) == 4


def test_a_record_that_fails_stops_nobody(now: datetime) -> None:
    bench = two_rules()

    def full(decision: Decision) -> None:
        if decision.rule == "demo/shop":
            raise RowRefusedError("state database: UNIQUE constraint failed")

    bench.on_record = full
    bench.reconciler.tick(now)
    assert [decision.rule for decision, _ in bench.ledger] == ["demo/cart"]
    assert bench.metric("foretide_controller_errors_total", step="record") == 1


def test_a_database_that_is_gone_stops_no_decision(now: datetime) -> None:
    bench = two_rules()

    def gone(decision: Decision) -> None:
        raise StoreError("state.db: disk is full")

    bench.on_record = gone
    bench.reconciler.tick(now)
    assert bench.cluster.workload(SHOP).current_replicas == 6
    assert bench.metric("foretide_controller_errors_total", step="record") == 2
    assert bench.metric("foretide_controller_last_tick_timestamp_seconds") == now.timestamp()


def test_rules_that_cannot_be_had_end_the_tick_not_the_loop(bench: Bench, now: datetime) -> None:
    class Broken(list[ScalingRule]):
        def __iter__(self) -> None:  # type: ignore[override]
            raise OSError("rules are gone")

    bench.rules = Broken()
    bench.reconciler.tick(now)
    assert bench.ledger == []
    bench.rules = [rule()]
    bench.reconciler.tick(now + TICK)
    assert bench.last("shop")[0].desired_replicas == 6
