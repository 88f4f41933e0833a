"""What holds for every rule, every signal and every history."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from controller import decide, hpa
from controller.memory import Memory, Recommendation, ScaleEvent
from controller.triggers import Missing, Reading
from domain.forecasts import Forecast
from domain.scaling import Decision, Outcome, Workload
from domain.series import Signal
from rules.schema import ScalingRule
from tests.controller.stories import START, cost_of, flat_forecast, rule_of

MISSING = Missing(reason="query yields no series")
values = st.floats(min_value=0, max_value=1e6)
readings = st.one_of(st.none(), values)


@st.composite
def directions(draw: st.DrawFn) -> dict[str, Any]:
    policy = st.fixed_dictionaries(
        {
            "type": st.sampled_from(["Pods", "Percent"]),
            "value": st.integers(1, 200),
            "periodSeconds": st.integers(1, 600),
        }
    )
    return {
        "stabilizationWindowSeconds": draw(st.sampled_from([0, 15, 60, 300])),
        "tolerance": draw(st.sampled_from([0, 0.05, 0.1, 0.5])),
        "selectPolicy": draw(st.sampled_from(["Max", "Min", "Disabled"])),
        "policies": draw(st.lists(policy, min_size=1, max_size=2)),
    }


@st.composite
def rules(draw: st.DrawFn) -> ScalingRule:
    low = draw(st.integers(1, 20))
    triggers: list[dict[str, Any]] = [
        {"name": "rps", "query": "sum(rate(a[1m]))", "perReplica": draw(st.sampled_from([1, 8, 120]))},
        {"name": "queue", "query": "sum(b)", "perReplica": 30},
        {"name": "cpu", "resource": {"name": "cpu", "utilization": draw(st.integers(20, 150))}},
        {"name": "soon", "forecast": {"of": "rps", "lead": "60s"}},
    ]
    return rule_of(
        {
            "replicas": {"min": low, "max": low + draw(st.integers(0, 60))},
            "triggers": triggers,
            "behavior": {"scaleUp": draw(directions()), "scaleDown": draw(directions())},
        }
    )


@st.composite
def memories(draw: st.DrawFn) -> Memory:
    ages = st.integers(0, 700).map(lambda seconds: START - timedelta(seconds=seconds))
    past = draw(st.lists(st.tuples(ages, st.integers(0, 90)), max_size=6))
    events = draw(st.lists(st.tuples(ages, st.integers(-20, 20)), max_size=4))
    return Memory(
        recommendations=tuple(Recommendation(at=at, replicas=replicas) for at, replicas in past),
        scale_events=tuple(ScaleEvent(at=at, change=change) for at, change in events),
    )


workloads = st.tuples(st.integers(1, 90), st.integers(0, 90))


def decided(
    rule: ScalingRule,
    rps: float | None,
    queue: float | None,
    cpu: float | None,
    *,
    soon: float | None = None,
    counts: tuple[int, int],
    memory: Memory,
    now: datetime = START,
) -> Decision:
    workload = Workload(
        ref=rule.target, current_replicas=counts[0], ready_replicas=counts[1], requests={"cpu": 0.25}, source="test"
    )
    given_values = {"rps": rps, "queue": queue, "cpu": cpu}
    signals: dict[str, Reading] = {
        name: MISSING if value is None else Signal(value=value, window=timedelta(minutes=1), as_of=now, count=1)
        for name, value in given_values.items()
    }
    forecasts: dict[str, Forecast | None] = {"soon": None if soon is None else flat_forecast("s", soon, cutoff=now)}
    return decide.decide(
        rule, signals=signals, forecasts=forecasts, workload=workload, memory=memory, now=now, cost_of=cost_of
    )


@given(rule=rules(), rps=readings, queue=readings, cpu=readings, soon=readings, counts=workloads, memory=memories())
def test_the_result_lies_within_the_bounds(
    rule: ScalingRule,
    rps: float | None,
    queue: float | None,
    cpu: float | None,
    soon: float | None,
    counts: tuple[int, int],
    memory: Memory,
) -> None:
    decision = decided(rule, rps, queue, cpu, soon=soon, counts=counts, memory=memory)
    assert decision.desired_replicas is not None
    assert rule.spec.replicas.min <= decision.desired_replicas <= rule.spec.replicas.max


@given(
    rule=rules(), rps=values, more=values, queue=values, cpu=values, soon=readings, counts=workloads, memory=memories()
)
def test_more_demand_never_means_fewer_replicas(
    rule: ScalingRule,
    rps: float,
    more: float,
    queue: float,
    cpu: float,
    soon: float | None,
    counts: tuple[int, int],
    memory: Memory,
) -> None:
    for less, greater in (
        ((rps, queue, cpu), (rps + more, queue, cpu)),
        ((rps, queue, cpu), (rps, queue, cpu + more)),
    ):
        low = decided(rule, *less, soon=soon, counts=counts, memory=memory)
        high = decided(rule, *greater, soon=soon, counts=counts, memory=memory)
        assert (low.desired_replicas or 0) <= (high.desired_replicas or 0)


@given(
    rule=rules(),
    rps=readings,
    queue=readings,
    soon=readings,
    counts=workloads,
    memory=memories(),
    lost=st.integers(0, 2),
)
def test_missing_data_never_scale_down(
    rule: ScalingRule,
    rps: float | None,
    queue: float | None,
    soon: float | None,
    counts: tuple[int, int],
    memory: Memory,
    lost: int,
) -> None:
    told = [rps, queue, 0.3]
    told[lost] = None
    decision = decided(rule, *told, soon=soon, counts=counts, memory=memory)
    too_many = counts[0] > rule.spec.replicas.max
    assert too_many or decision.outcome is not Outcome.SCALE_DOWN


@given(rule=rules(), rps=readings, queue=readings, cpu=readings, soon=values, counts=workloads, memory=memories())
def test_a_forecast_only_raises(
    rule: ScalingRule,
    rps: float | None,
    queue: float | None,
    cpu: float | None,
    soon: float,
    counts: tuple[int, int],
    memory: Memory,
) -> None:
    without = decided(rule, rps, queue, cpu, counts=counts, memory=memory)
    with_forecast = decided(rule, rps, queue, cpu, soon=soon, counts=counts, memory=memory)
    assert (with_forecast.desired_replicas or 0) >= (without.desired_replicas or 0)


@given(rule=rules(), series=st.lists(st.tuples(readings, readings), min_size=2, max_size=12), start=st.integers(1, 60))
def test_a_replay_decides_the_same(
    rule: ScalingRule, series: list[tuple[float | None, float | None]], start: int
) -> None:
    assert _played(rule, series, start) == _played(rule, series, start)


@given(rule=rules(), series=st.lists(st.tuples(readings, readings), min_size=2, max_size=12), start=st.integers(1, 60))
def test_a_restart_never_hastens_a_scale_down(
    rule: ScalingRule, series: list[tuple[float | None, float | None]], start: int
) -> None:
    counts = (min(max(start, rule.spec.replicas.min), rule.spec.replicas.max), start)
    behavior = rule.spec.behavior.model_copy(
        update={"scale_down": rule.spec.behavior.scale_down.model_copy(update={"stabilization_window_seconds": 300})}
    )
    rule = rule.model_copy(update={"spec": rule.spec.model_copy(update={"behavior": behavior})})
    fresh = Memory.beginning(counts[0], at=START)
    for rps, queue in series:
        decision = decided(rule, rps, queue, 0.1, counts=counts, memory=fresh)
        assert decision.outcome is not Outcome.SCALE_DOWN


@given(memory=memories(), replicas=st.integers(0, 50))
def test_memory_stays_small(memory: Memory, replicas: int) -> None:
    keep = timedelta(seconds=60)
    later = memory.with_recommendation(replicas, at=START, keep=keep).with_scale_event(1, at=START, keep=keep)
    assert all(one.at > START - keep for one in (*later.recommendations, *later.scale_events))
    assert later.recommendations[-1].replicas == replicas


def _played(rule: ScalingRule, series: list[tuple[float | None, float | None]], start: int) -> list[Decision]:
    current, memory, decisions = start, Memory.beginning(start, at=START), []
    for tick, (rps, queue) in enumerate(series):
        now = START + timedelta(seconds=15 * tick)
        decision = decided(rule, rps, queue, 0.2, counts=(current, current), memory=memory, now=now)
        memory = decide.remember(memory, decision, rule=rule)
        desired = decision.desired_replicas or 0
        if desired != current:
            memory = memory.with_scale_event(desired - current, at=now, keep=hpa.longest_period(rule.spec.behavior))
            current = desired
        decisions.append(decision)
    return decisions
