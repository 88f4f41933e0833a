from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry

from controller.actuation.limits import Limits
from controller.capacities import Capacities
from controller.guardrails import Ceiling
from controller.reconcile import OutlookOf, Reconciler
from controller.slo import WINDOWS
from domain.errors import (
    ConflictError,
    ForbiddenError,
    NoDataError,
    NoNumberError,
    QueryExecutionError,
    RefusedError,
    RowRefusedError,
    StoreError,
    UnavailableError,
)
from domain.forecasts import Forecast
from domain.load_ahead import Outlook
from domain.money import Money
from domain.pods import PodState
from domain.scaling import Action, ActionResult, Decision, Outcome, Reason, Workload, WorkloadRef
from domain.series import Signal
from rules import asked
from rules.schema import SLO, ScalingRule
from tests.controller.stories import flat_forecast, rule_of
from tests.controller.test_ahead import outlook
from tests.fakes.cluster import FakeCluster

SHOP = WorkloadRef(kind="Deployment", namespace="demo", name="shop")
CART = WorkloadRef(kind="Deployment", namespace="demo", name="cart")
TICK = timedelta(seconds=15)


def rule(name: str = "shop", *, query: str = "shop_rps", mode: str = "enforce", **spec: object) -> ScalingRule:
    return rule_of(
        {
            "replicas": {"min": 1, "max": 20},
            "mode": mode,
            "triggers": [{"name": "rps", "query": query, "perReplica": 10}],
            **spec,
        },
        name=name,
    )


@dataclass
class Bench:
    """A reconciler with everything around it under the test's hand."""

    cluster: FakeCluster
    rules: list[ScalingRule]
    answers: dict[str, float | Exception] = field(default_factory=dict)
    forecasts: dict[str, Forecast] = field(default_factory=dict)
    ledger: list[tuple[Decision, Action | None]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    spans: InMemorySpanExporter = field(default_factory=InMemorySpanExporter)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    on_record: Callable[[Decision], None] = lambda decision: None
    outlook_of: OutlookOf | None = None
    gate: Callable[[ScalingRule], str] = lambda rule: ""
    slos: dict[str, SLO] = field(default_factory=dict)
    money: Ceiling | None = None
    asleep: set[str] = field(default_factory=set)
    capacities: Capacities | None = None
    levels: dict[str, float] = field(default_factory=dict)
    by_pod: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self.spans))
        self.reconciler = Reconciler(
            rules=lambda: self.rules,
            evaluate=self.evaluate,
            forecast_of=self.forecasts.get,
            cluster=self.cluster,
            record=self.record,
            cost_of=self.cost_of,
            registry=self.registry,
            tracer=provider.get_tracer("test"),
            outlook_of=self.outlook_of,
            gate=lambda one: self.gate(one),
            slo_of=self.slos.get,
            budget_room=lambda rule, workload, now: self.money,
            slept=lambda key: key in self.asleep,
            cautions_of=lambda rule: self.levels,
            place_of=lambda rule: "rules.yaml:3",
            by_pod=self.asked_by_pod,
            capacities=self.capacities,
        )

    def evaluate(self, expr: str, now: datetime, source: str | None = None) -> Signal:
        self.asked.append(expr)
        answer = self.answers.get(expr, NoDataError("query yields no series"))
        if isinstance(answer, Exception):
            raise answer
        return Signal(value=answer, window=timedelta(), as_of=now, count=1)

    def asked_by_pod(self, expr: str, now: datetime, source: str | None = None) -> dict[str, float]:
        self.asked.append(expr)
        return self.by_pod

    def record(self, made: Sequence[tuple[Decision, Action | None]]) -> dict[str, str]:
        lost = {}
        for decision, action in made:
            try:
                self.on_record(decision)
            except RowRefusedError as error:
                lost[decision.id] = str(error)
                continue
            self.ledger.append((decision, action))
        return lost

    def cost_of(self, workload: Workload, replicas: int) -> Money | None:
        return Money(amount=Decimal("0.01") * replicas, currency="EUR")

    def last(self, name: str) -> tuple[Decision, Action | None]:
        return next(pair for pair in reversed(self.ledger) if pair[0].rule == f"demo/{name}")

    def metric(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)


@pytest.fixture
def bench() -> Bench:
    return Bench(cluster=FakeCluster.of(SHOP, 4), rules=[rule()], answers={"shop_rps": 60.0})


def two_rules() -> Bench:
    cluster = FakeCluster.of(SHOP, 4)
    cluster.workloads[CART] = Workload(ref=CART, current_replicas=2, ready_replicas=2, source="fake")
    return Bench(
        cluster=cluster,
        rules=[rule(), rule("cart", query="cart_rps")],
        answers={"shop_rps": 60.0, "cart_rps": 50.0},
    )


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


def test_a_forbidden_target_is_left_alone_for_five_minutes(bench: Bench, now: datetime) -> None:
    bench.cluster.failing[SHOP] = ForbiddenError("may not patch deployments/scale in demo")
    for number in range(21):
        bench.reconciler.tick(now + number * TICK)
    assert len(bench.cluster.asked) == 2


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


def test_two_rules_with_one_question_ask_once(now: datetime) -> None:
    bench = two_rules()
    bench.rules = [rule(), rule("cart", query="shop_rps")]
    bench.reconciler.tick(now)
    assert bench.asked == ["shop_rps"]


def test_the_forecast_is_asked_for_by_its_own_trigger(bench: Bench, now: datetime) -> None:
    soon = {"name": "soon", "forecast": {"of": "rps", "lead": "60s"}}
    bench.rules = [rule(triggers=[{"name": "rps", "query": "shop_rps", "perReplica": 10}, soon])]
    bench.forecasts["demo/shop/soon"] = flat_forecast("demo/shop/soon", 75.0, cutoff=now)
    bench.reconciler.tick(now)
    decision, _ = bench.last("shop")
    assert (decision.desired_replicas, decision.reactive_replicas, decision.forecast_replicas) == (8, 6, 8)
    assert decision.reason is Reason.FORECAST_FLOOR


def test_a_forecast_that_cannot_be_read_leaves_the_rule_reactive(now: datetime) -> None:
    class Unreadable(dict[str, Forecast]):
        def get(self, key: str, default: object = None) -> Forecast:  # type: ignore[override]
            raise StoreError("state.db cannot be read")

    soon = {"name": "soon", "forecast": {"of": "rps"}}
    triggers = [{"name": "rps", "query": "shop_rps", "perReplica": 10}, soon]
    bench = Bench(
        cluster=FakeCluster.of(SHOP, 4), rules=[rule(triggers=triggers)], answers={"shop_rps": 60.0},
        forecasts=Unreadable(),
    )  # fmt: skip
    bench.reconciler.tick(now)
    decision, _ = bench.last("shop")
    assert (decision.desired_replicas, decision.forecast_replicas) == (6, None)


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


def test_a_price_trigger_is_given_what_was_read_and_without_an_outlook_the_rule_is_reactive(
    now: datetime,
) -> None:
    asked: list[tuple[str, float | None]] = []
    answers: list[Outlook | Exception] = []

    def outlook_of(signal: str, load: float | None, lead: timedelta, now: datetime) -> Outlook:
        asked.append((signal, load))
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    soon = {"name": "soon", "forecast": {"of": "rps", "price": {}, "lead": "90s"}}
    priced = rule(triggers=[{"name": "rps", "query": "shop_rps", "perReplica": 10}, soon])
    bench = Bench(cluster=FakeCluster.of(SHOP, 4), rules=[priced], answers={"shop_rps": 40.0}, outlook_of=outlook_of)
    answers += [NoDataError("its history is being read"), outlook(60, 60, peak=60), ValueError("broken")]

    for k in range(3):
        bench.reconciler.tick(now + k * TICK)
    decisions = [pair[0] for pair in bench.ledger]

    assert asked == [("demo/shop/soon", 40.0)] * 3
    assert [one.desired_replicas for one in decisions[:2]] == [4, 7]
    assert decisions[0].trace[3].message == "soon: its history is being read"
    assert decisions[1].reason is Reason.FORECAST_FLOOR
    assert decisions[2].trace[3].message == "soon: ValueError: broken"
    assert bench.metric("foretide_controller_errors_total", step="read_signals") == 1


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


def test_a_price_goes_on_from_the_level_of_before_a_restart(now: datetime) -> None:
    soon = {"name": "soon", "forecast": {"of": "rps", "price": {"budget": "0.6%"}, "lead": "90s"}}
    priced = rule(triggers=[{"name": "rps", "query": "shop_rps", "perReplica": 10}, soon])
    answers: list[Outlook | Exception] = [NoDataError("its history is being read"), outlook(60, 60, peak=60)]

    def outlook_of(signal: str, load: float | None, lead: timedelta, now: datetime) -> Outlook:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    bench = Bench(
        cluster=FakeCluster.of(SHOP, 4), rules=[priced], answers={"shop_rps": 50.0}, outlook_of=outlook_of,
        levels={"soon": 5.0},
    )  # fmt: skip
    for k in range(2):
        bench.reconciler.tick(now + k * TICK)
    levels = [pair[0].proposals[1].caution for pair in bench.ledger]

    assert levels[0] == 5.0
    assert levels[1] == pytest.approx(5.0 - 0.05 * 0.006)


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


BOUNDS = {"with": "bounds", "hpa": "shop"}
HPA = ("HorizontalPodAutoscaler", "demo", "shop")


def test_bounds_are_looked_at_on_every_pass_and_an_action_is_a_change(bench: Bench, now: datetime) -> None:
    bench.rules = [rule(actuate=BOUNDS)]
    bench.cluster.autoscalers[HPA] = Limits(low=1, high=20)
    bench.reconciler.tick(now)
    decision, action = bench.last("shop")
    assert (bench.cluster.autoscalers[HPA], bench.cluster.asked) == (Limits(low=5, high=20), [])
    assert action is not None
    assert (action.from_replicas, action.to_replicas, action.result) == (1, 5, ActionResult.DONE)
    assert (decision.trace[-1].stage, decision.trace[-1].message) == ("actuate", "1..20 → 5..20")
    bench.cluster.workloads[SHOP] = Workload(ref=SHOP, current_replicas=6, ready_replicas=6, source="fake")
    bench.answers["shop_rps"] = 50.0
    bench.reconciler.tick(now + TICK)
    decision, action = bench.last("shop")
    assert action is None
    assert decision.trace[-1].stage == "actuate"


@pytest.mark.parametrize("error", [RefusedError("the HPA has another owner"), ConflictError("somebody was faster")])
def test_a_refusal_is_a_sentence_and_no_action(bench: Bench, now: datetime, error: Exception) -> None:
    bench.rules, bench.cluster.failing[SHOP] = [rule(actuate=BOUNDS)], error
    bench.reconciler.tick(now)
    decision, action = bench.last("shop")
    assert (decision.trace[-1].message, action) == (f"nothing was written: {error}", None)


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


def test_a_forbidden_namespace_is_tried_once_a_minute(now: datetime) -> None:
    bench = two_rules()
    for ref in (SHOP, CART):
        bench.cluster.failing[ref] = ForbiddenError("patch is forbidden")
    for tick in range(9):
        bench.reconciler.tick(now + tick * TICK)
    assert [ref for ref, _ in bench.cluster.asked] == [SHOP, CART]


def test_what_the_cluster_holds_is_held(bench: Bench, now: datetime) -> None:
    bench.cluster.workloads[SHOP] = replace(bench.cluster.workload(SHOP), freeze="by the kill switch: INC-1")
    bench.reconciler.tick(now)
    held, action = bench.last("shop")
    assert (held.reason, held.desired_replicas, action) == (Reason.FROZEN, 4, None)
    assert held.message.startswith("held at 4: frozen, by the kill switch: INC-1")


SLO_DOCUMENT = SLO.model_validate(
    {
        "apiVersion": "foretide.dev/v1alpha1", "kind": "SLO", "metadata": {"name": "errors", "namespace": "demo"},
        "spec": {"indicator": {"ratio": {"bad": "bad_total", "total": "all_total"}}, "objective": 99},
    }
)  # fmt: skip


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
    assert burns.message == "the SLO demo/errors burns (burn rate 20 over 1h and 20 over 5m, burning from 14.4)"


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


LEARNING = {"name": "rps", "query": "shop_rps", "perReplica": 40, "learn": {"max": 200}}
USAGE = 'usage{workload="shop", resource="cpu"}'


def learning_bench(*, known: Capacities | None = None) -> Bench:
    return Bench(
        cluster=FakeCluster.of(SHOP, 5, requests={"cpu": 1.0}), rules=[rule(triggers=[LEARNING], mode="observe")],
        capacities=known or Capacities(),
    )  # fmt: skip


def live(bench: Bench, start: datetime, *, minutes: int, each: float = 1.0) -> datetime:
    """Ticks of a workload whose replicas spend 10 ms of CPU on a request, ``each`` times as much after a deploy."""
    for tick in range(minutes * 4):
        load = 5 * (40 + 25 * math.sin(tick / 400))
        bench.answers.update({"shop_rps": load, USAGE: 0.01 * each * load})
        bench.reconciler.tick(start + tick * TICK)
    return start + minutes * 4 * TICK


def test_what_a_replica_carries_is_learned_forgotten_with_a_deploy_and_learned_again(now: datetime) -> None:
    bench = learning_bench()
    bench.cluster.running[SHOP] = ("old",)
    assert bench.capacities is not None
    later = live(bench, now, minutes=90)
    said = bench.last("shop")[0].proposals[0]
    assert said.target == pytest.approx(85, rel=0.05)
    assert said.target <= 85
    assert "learned from" in said.reason
    assert bench.capacities.of(bench.rules[0]) == said.target

    bench.cluster.running[SHOP] = ("new",)
    later = live(bench, later, minutes=10, each=1.3)
    said = bench.last("shop")[0].proposals[0]
    assert (said.target, bench.capacities.of(bench.rules[0])) == (40.0, None)
    assert "it is learned anew since the deploy at" in said.reason

    live(bench, later, minutes=90, each=1.3)
    said = bench.last("shop")[0].proposals[0]
    assert said.target == pytest.approx(85 / 1.3, rel=0.05)


def test_what_was_learned_survives_a_restart_and_is_forgotten_with_its_rule(now: datetime) -> None:
    bench = learning_bench()
    assert bench.capacities is not None
    later = live(bench, now, minutes=90)
    target = bench.last("shop")[0].proposals[0].target

    again = learning_bench(known=Capacities(bench.capacities.all()))
    live(again, later, minutes=1)
    assert again.last("shop")[0].proposals[0].target == pytest.approx(target, rel=0.01)

    again.rules = [rule()]
    again.reconciler.tick(later + timedelta(minutes=2))
    assert again.capacities is not None
    assert again.capacities.all() == []


def test_without_cpu_and_latency_the_rule_is_what_its_document_says(now: datetime) -> None:
    bench = learning_bench()
    for tick in range(240):
        bench.answers["shop_rps"] = 300.0
        bench.reconciler.tick(now + tick * TICK)
    said = bench.last("shop")[0].proposals[0]
    assert (said.target, said.replicas) == (40.0, 8)


def test_the_latency_that_a_trigger_keeps_bounds_what_is_learned(now: datetime) -> None:
    late = {"name": "p95", "trace": {"service": "shop", "measure": "p95"}, "value": "300ms"}
    bench = learning_bench()
    bench.rules = [rule(triggers=[LEARNING, late], mode="observe")]
    expr = next(query.expr for query in asked.of_rule(bench.rules[0]) if "shop_rps" not in query.expr)
    for tick in range(4 * 240):
        load = 5 * (40 + 25 * math.sin(tick / 400))
        bench.answers.update({"shop_rps": load, USAGE: 0.01 * load, expr: 0.2 if load <= 5 * 50 else 0.5})
        bench.reconciler.tick(now + tick * TICK)
    said = next(one for one in bench.last("shop")[0].proposals if one.trigger == "rps")
    assert 46 <= (said.target or 0) <= 50


def test_the_latency_slo_that_guards_bounds_what_is_learned(now: datetime) -> None:
    indicator = {"latency": {"trace": {"service": "shop"}, "threshold": "300ms"}}
    document = SLO.model_validate(
        {**SLO_DOCUMENT.model_dump(by_alias=True), "spec": {"indicator": indicator, "objective": 95}}
    )
    bench = learning_bench()
    bench.rules = [rule(triggers=[LEARNING], guard={"slo": "demo/errors"}, mode="observe")]
    bench.slos["demo/errors"] = document
    for tick in range(4 * 240):
        load = 5 * (40 + 25 * math.sin(tick / 400))
        late = 0.01 if load <= 5 * 50 else 0.2
        bench.answers.update({document.error_ratio_query(window).expr: late for window in WINDOWS})
        bench.answers.update({"shop_rps": load, USAGE: 0.01 * load})
        bench.reconciler.tick(now + tick * TICK)
    said = bench.last("shop")[0].proposals[0]
    assert 46 <= (said.target or 0) <= 51
