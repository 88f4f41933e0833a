"""What a decision carries besides its number."""

from __future__ import annotations

from datetime import timedelta

from controller import decide
from controller.memory import Memory
from controller.triggers import Missing
from domain.scaling import Decision, Reason, Workload
from domain.series import Signal
from rules.schema import ScalingRule
from tests.controller.stories import START, cost_of, flat_forecast, rule_of


def rule() -> ScalingRule:
    return rule_of(
        {
            "replicas": {"min": 1, "max": 8},
            "triggers": [
                {"name": "rps", "query": "sum(rate(a[1m]))", "perReplica": 8},
                {"name": "queue", "query": "sum(b)", "perReplica": 10},
                {"name": "soon", "forecast": {"of": "rps", "lead": "60s"}},
            ],
        }
    )


def decided(rps: float, *, soon: float = 20.0, current: int = 4, memory: Memory | None = None) -> Decision:
    workload = Workload(ref=rule().target, current_replicas=current, ready_replicas=current, requests={}, source="test")
    return decide.decide(
        rule(),
        signals={
            "rps": Signal(value=rps, window=timedelta(), as_of=START - timedelta(seconds=3), count=1),
            "queue": Missing(reason="query yields no series"),
        },
        forecasts={"soon": flat_forecast("demo/shop/soon", soon, cutoff=START - timedelta(seconds=15))},
        workload=workload,
        memory=memory or Memory.beginning(current, at=START),
        now=START,
        cost_of=cost_of,
    )


def test_every_stage_leaves_one_line_in_order() -> None:
    decision = decided(96.2)
    assert [(line.stage, line.replicas) for line in decision.trace] == [
        ("triggers", 13), ("fallback", 13), ("combine", 13), ("forecast", 13), ("schedule", 13), ("ceilings", 13),
        ("slo", 13), ("bounds", 8), ("tolerance", 8), ("stabilization", 8), ("policies", 8), ("holds", 8), ("steps", 8),
    ]  # fmt: skip
    assert all(line.message for line in decision.trace)
    assert decision.trace[3].message == "forecast p90 in ≤ 60 s = 20/s ÷ 8/s → 3, no more than 13"


def test_proposals_carry_value_target_unit_and_time() -> None:
    rps, queue, soon = decided(96.2).proposals
    assert (rps.replicas, rps.value, rps.target, rps.unit) == (13, 96.2, 8.0, "/s")
    assert rps.as_of == START - timedelta(seconds=3)
    assert (queue.replicas, queue.value, queue.missing) == (None, None, True)
    assert (soon.kind, soon.replicas, soon.unit) == ("forecast", 3, "/s")
    assert soon.as_of == START - timedelta(seconds=15)


def test_reactive_and_forecast_need_stand_side_by_side() -> None:
    decision = decided(96.2, soon=100.0)
    assert (decision.reactive_replicas, decision.forecast_replicas, decision.desired_replicas) == (8, 13, 8)


def test_the_id_is_the_same_for_the_same_rule_and_time() -> None:
    assert decided(96.2).id == decided(1.0).id
    assert decided(96.2) == decided(96.2)


def test_a_trigger_is_remembered_as_silent_until_it_speaks() -> None:
    decision = decided(40.0)
    memory = decide.remember(Memory(), decision, rule=rule())
    assert memory.missing_since == {"queue": START}
    assert [one.replicas for one in memory.recommendations] == [5]


def test_a_tick_without_valid_metrics_recommends_nothing() -> None:
    decision = decided(8.0)
    assert decision.reason is Reason.MISSING_METRIC
    assert decide.remember(Memory(), decision, rule=rule()).recommendations == ()


def test_what_is_recommended_is_the_number_before_the_bounds() -> None:
    memory = decide.remember(Memory(), decided(96.2), rule=rule())
    assert [one.replicas for one in memory.recommendations] == [13]


def test_a_rule_that_could_not_be_evaluated_holds_what_there_is() -> None:
    workload = Workload(ref=rule().target, current_replicas=3, ready_replicas=None, source="test")
    decision = decide.held(rule(), workload=workload, now=START, why="metrics.db cannot be read")
    assert (decision.desired_replicas, decision.reason, decision.message) == (
        3, Reason.NO_DATA, "metrics.db cannot be read",
    )  # fmt: skip
