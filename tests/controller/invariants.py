"""What holds for every rule, every signal, every history and all circumstances.

Each function below ``@invariant`` is checked by ``test_invariants.py``: with 500 examples in the quick suite, with
10,000 in the slow one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from controller import core, decide, guardrails, hpa
from controller.around import circumstances
from controller.combine import Program, compiled
from controller.compiled import twins
from controller.guardrails import NEUTRAL, Ceiling, Circumstances, Pause, SloState
from controller.memory import Memory, Recommendation, ScaleEvent, milliseconds
from controller.triggers import Missing, Reading
from domain.forecasts import Forecast
from domain.scaling import Decision, Outcome, Reason, Workload
from domain.series import Signal
from rules.combine import names
from rules.schema import Behavior, DownstreamCeiling, Fallback, ScalingRule
from tests.controller.expressions import TRIGGERS, random_tree
from tests.controller.stories import START, cost_of, flat_forecast, rule_of

INVARIANTS: dict[str, Callable[[int], None]] = {}
"""By name: checks so many examples."""


def invariant(**strategies: st.SearchStrategy[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """As ``given``, but how many examples are tried is said by who runs it."""

    def register(check: Callable[..., None]) -> Callable[..., None]:
        def run(examples: int) -> None:
            settings(max_examples=examples, deadline=None)(given(**strategies)(check))()

        INVARIANTS[check.__name__] = run
        return check

    return register


MISSING = Missing(reason="query yields no series")
values = st.floats(min_value=0, max_value=1e6)
readings = st.one_of(st.none(), values)
histories = st.lists(st.tuples(readings, readings), min_size=2, max_size=8)


def _direction(random: Random) -> dict[str, Any]:
    policies = [
        {
            "type": random.choice(["Pods", "Percent"]),
            "value": random.randint(1, 200),
            "periodSeconds": random.randint(1, 600),
        }
        for _ in range(random.randint(1, 2))
    ]
    return {
        "stabilizationWindowSeconds": random.choice([0, 15, 60, 300]),
        "tolerance": random.choice([0, 0.05, 0.1, 0.5]),
        "selectPolicy": random.choice(["Max", "Max", "Min", "Disabled"]),
        "policies": policies,
    }


def _rule(random: Random) -> ScalingRule:
    low = random.randint(1, 20)
    triggers: list[dict[str, Any]] = [
        {"name": "rps", "query": "sum(rate(a[1m]))", "perReplica": random.choice([1, 8, 120])},
        {"name": "queue", "query": "sum(b)", "perReplica": 30},
        {"name": "cpu", "resource": {"name": "cpu", "utilization": random.randint(20, 150)}},
        {"name": "soon", "forecast": {"of": "rps", "lead": "60s"}},
    ]
    return rule_of(
        {
            "replicas": {"min": low, "max": low + random.randint(0, 60)},
            "triggers": triggers,
            "behavior": {"scaleUp": _direction(random), "scaleDown": _direction(random)},
        }
    )


RULES = [_rule(Random(seed)) for seed in range(400)]
"""Made once: drawing each rule anew took most of an example's 9 ms."""


def rules() -> st.SearchStrategy[ScalingRule]:
    return st.sampled_from(RULES)


_ages = st.integers(0, 700)


def _memory(past: list[tuple[int, int]], events: list[tuple[int, int]]) -> Memory:
    return Memory(
        recommendations=tuple(
            Recommendation(at=START - timedelta(seconds=age), replicas=replicas) for age, replicas in past
        ),
        scale_events=tuple(ScaleEvent(at=START - timedelta(seconds=age), change=change) for age, change in events),
    )


def memories() -> st.SearchStrategy[Memory]:
    past = st.lists(st.tuples(_ages, st.integers(0, 90)), max_size=4)
    return st.builds(_memory, past, st.lists(st.tuples(_ages, st.integers(-20, 20)), max_size=3))


PROGRAMS = {
    monotone: [
        None,
        *(
            compiled(tree, triggers=TRIGGERS)
            for tree in (random_tree(Random(seed), monotone=monotone) for seed in range(600))
            if set(names(tree))
        ),
    ]
    for monotone in (True, False)
}


def programs(*, monotone: bool = False) -> st.SearchStrategy[Program | None]:
    return st.sampled_from(PROGRAMS[monotone])


bounds = st.one_of(st.none(), st.integers(0, 80))
ceilings = st.lists(
    st.builds(
        Ceiling,
        kind=st.sampled_from(["downstream", "budget", "cluster"]),
        name=st.just("c"),
        replicas=st.integers(0, 80),
    ),
    max_size=2,
).map(tuple)
pauses = st.builds(
    Pause, direction=st.sampled_from(["in", "out", "all"]), replicas=st.one_of(st.none(), st.none(), st.integers(0, 80))
)


def surroundings(*, monotone: bool = False, adds: bool = True) -> st.SearchStrategy[Circumstances]:
    """All circumstances, any of them absent."""
    return st.builds(
        Circumstances,
        combine=programs(monotone=monotone),
        schedule=st.just("s"),
        schedule_min=bounds,
        schedule_max=bounds,
        ceilings=ceilings,
        slo=st.sampled_from(list(SloState)),
        slo_releases=st.booleans(),
        slo_add=st.sampled_from([0, 0, 3 * adds]),
        slo_add_millionths=st.sampled_from([0, 0, 200_000 * adds]),
        pause=st.one_of(st.none(), pauses),
        freeze=st.sampled_from(["", "", "kill switch"]),
        rollout=st.sampled_from(["", "rollout"]),
        step_up=st.one_of(st.none(), st.integers(0, 20)),
        step_down=st.one_of(st.none(), st.integers(0, 20)),
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
    around: Circumstances = NEUTRAL,
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
        rule, signals=signals, forecasts=forecasts, workload=workload, memory=memory, now=now, cost_of=cost_of,
        circumstances=around,
    )  # fmt: skip


@invariant(
    rule=rules(), told=st.tuples(readings, readings, readings), soon=readings, counts=workloads, memory=memories(),
    around=surroundings(),
)  # fmt: skip
def the_result_lies_within_the_bounds(
    rule: ScalingRule,
    told: tuple[float | None, ...],
    soon: float | None,
    counts: tuple[int, int],
    memory: Memory,
    around: Circumstances,
) -> None:
    """Unless an operator paused it elsewhere; and from outside it may be held or go by steps, but never further out."""
    desired = decided(rule, *told, soon=soon, counts=counts, memory=memory, around=around).desired_replicas
    low, high = rule.spec.replicas.min, rule.spec.replicas.max
    paused_at = around.pause is not None and around.pause.replicas is not None
    assert desired is not None
    assert paused_at or min(low, counts[0]) <= desired <= max(high, counts[0])


@invariant(
    rule=rules(), told=st.tuples(values, values, values), more=values, which=st.integers(0, 2), soon=readings,
    counts=workloads, memory=memories(), around=surroundings(monotone=True),
)  # fmt: skip
def larger_signals_never_yield_fewer(
    rule: ScalingRule,
    told: tuple[float, ...],
    more: float,
    which: int,
    soon: float | None,
    counts: tuple[int, int],
    memory: Memory,
    around: Circumstances,
) -> None:
    """At fixed forecast, budget and schedule, for a monotone combine."""
    grown = (*told[:which], told[which] + more, *told[which + 1 :])
    low = decided(rule, *told, soon=soon, counts=counts, memory=memory, around=around)
    high = decided(rule, *grown, soon=soon, counts=counts, memory=memory, around=around)
    assert (low.desired_replicas or 0) <= (high.desired_replicas or 0)


@invariant(
    rule=rules(), told=st.tuples(readings, readings, readings), soon=readings, counts=workloads, memory=memories(),
    lost=st.integers(0, 2), program=programs(), silent_for=st.sampled_from([0, 600]),
)  # fmt: skip
def missing_data_never_release(
    rule: ScalingRule,
    told: tuple[float | None, ...],
    soon: float | None,
    counts: tuple[int, int],
    memory: Memory,
    lost: int,
    program: Program | None,
    silent_for: int,
) -> None:
    """Whatever combine makes of the others, and whether or not a fallback speaks for what is lost."""
    told = (*told[:lost], None, *told[lost + 1 :])
    name = TRIGGERS[lost]
    if program is not None and name not in program.used:
        return
    memory = memory.with_missing([name], at=START - timedelta(seconds=silent_for))
    around = Circumstances(combine=program)
    decision = decided(_with_fallback(rule), *told, soon=soon, counts=counts, memory=memory, around=around)
    too_many = counts[0] > rule.spec.replicas.max
    assert too_many or decision.outcome is not Outcome.SCALE_DOWN


def _with_fallback(rule: ScalingRule) -> ScalingRule:
    triggers = [
        one if one.forecast is not None else one.model_copy(update={"fallback": Fallback(use=3)})
        for one in rule.spec.triggers
    ]
    return rule.model_copy(update={"spec": rule.spec.model_copy(update={"triggers": tuple(triggers)})})


@invariant(
    rule=rules(), told=st.tuples(readings, readings, readings), soon=values, counts=workloads, memory=memories(),
    around=surroundings(),
)  # fmt: skip
def a_forecast_only_raises(
    rule: ScalingRule,
    told: tuple[float | None, ...],
    soon: float,
    counts: tuple[int, int],
    memory: Memory,
    around: Circumstances,
) -> None:
    without = decided(rule, *told, counts=counts, memory=memory, around=around)
    with_forecast = decided(rule, *told, soon=soon, counts=counts, memory=memory, around=around)
    assert (with_forecast.desired_replicas or 0) >= (without.desired_replicas or 0)


slo_states = st.lists(
    st.tuples(st.sampled_from(list(SloState)), st.one_of(st.none(), st.integers(0, 60)), readings),
    min_size=1, max_size=8,
)  # fmt: skip


@invariant(rule=rules(), ticks=slo_states, start=st.integers(1, 60))
def the_slo_beats_the_budget_in_every_interleaving(
    rule: ScalingRule, ticks: list[tuple[SloState, int | None, float | None]], start: int
) -> None:
    """While it burns, or nobody knows, a budget decides nothing and nothing is lowered."""
    current, memory = start, Memory.beginning(start, at=START)
    for tick, (state, budget, rps) in enumerate(ticks):
        now = START + timedelta(seconds=15 * tick)
        money = () if budget is None else (Ceiling(kind="budget", name="media", replicas=budget),)
        with_budget, without = (
            decided(
                rule, rps, 1.0, 0.2, counts=(current, current), memory=memory, now=now,
                around=Circumstances(ceilings=ceilings, slo=state, slo_name="latency"),
            )
            for ceilings in (money, ())
        )  # fmt: skip
        desired = with_budget.desired_replicas or 0
        if state is not SloState.OK:
            assert desired == without.desired_replicas
            assert desired >= min(current, rule.spec.replicas.max)
        else:
            assert desired <= (without.desired_replicas or 0)
        memory = _after(memory, with_budget, rule, current)
        current = desired


@invariant(
    rule=rules(), series=histories, start=st.integers(1, 60),
    around=surroundings(adds=False), soon=readings,
)  # fmt: skip
def a_replay_on_arrays_decides_as_live(
    rule: ScalingRule,
    series: list[tuple[float | None, float | None]],
    start: int,
    around: Circumstances,
    soon: float | None,
) -> None:
    """The core on preallocated rings, compiled where numba is there, against the decisions with words and memory."""
    current, memory = start, Memory.beginning(start, at=START)
    room = len(series) + 1
    past_at, past, event_at, changes = (np.zeros(room, dtype=np.int64) for _ in range(4))
    past_at[0], past[0], kept, events = milliseconds(START), start, 1, 0
    record = np.zeros(core.STAGES, dtype=np.int64)
    up, down = (np.array(hpa.flat(one)) for one in (rule.spec.behavior.scale_up, rule.spec.behavior.scale_down))
    for tick, (rps, queue) in enumerate(series):
        now = START + timedelta(seconds=15 * tick)
        if current == 0:
            return
        live = decided(
            rule, rps, queue, 0.2, soon=soon, counts=(current, current), memory=memory, now=now, around=around
        )
        situation = guardrails.Situation(
            current_replicas=current, min_replicas=rule.spec.replicas.min, max_replicas=rule.spec.replicas.max,
            behavior=rule.spec.behavior, wants=(), memory=memory, now=now, circumstances=around,
        )  # fmt: skip
        asked = {line.stage: line.replicas for line in live.trace}
        given_ = np.array(guardrails.inputs(situation, wanted=asked["combine"] or 0, floor=asked["forecast"]))
        replayed = TWIN.decide(
            milliseconds(now), given_, up, down, past_at, past, kept, event_at, changes, events, record
        )
        assert replayed == live.desired_replicas
        assert [asked[stage] for stage in RECORDED] == record.tolist()[1:]
        memory = _after(memory, live, rule, current)
        if memory.recommendations and memory.recommendations[-1].at == now:
            past_at[kept], past[kept], kept = milliseconds(now), memory.recommendations[-1].replicas, kept + 1
        if replayed != current:
            event_at[events], changes[events], events = milliseconds(now), replayed - current, events + 1
        current = replayed


def _with(rule: ScalingRule, **fields: Any) -> ScalingRule:
    return rule.model_copy(update={"spec": rule.spec.model_copy(update=fields)})


@invariant(
    rule=rules(), told=st.tuples(readings, readings, readings), soon=readings, counts=workloads, memory=memories(),
    known=st.one_of(st.none(), st.integers(0, 80)),
)  # fmt: skip
def a_ceiling_without_data_adds_nothing_unknown_and_lowers_nothing(
    rule: ScalingRule,
    told: tuple[float | None, ...],
    soon: float | None,
    counts: tuple[int, int],
    memory: Memory,
    known: int | None,
) -> None:
    current, low = counts[0], rule.spec.replicas.min
    db = DownstreamCeiling.model_validate({"name": "db", "perReplica": 1, "query": "db"})
    if known is not None:
        memory = replace(memory, ceilings={"db": Recommendation(at=START, replicas=known)})
    workload = Workload(ref=rule.target, current_replicas=current, ready_replicas=counts[1], source="test")
    around, memory = circumstances(
        _with(rule, ceiling=(db,)), limits={"db": MISSING}, burn=None, money=None, workload=workload, memory=memory,
        now=START,
    )  # fmt: skip
    limited = decided(rule, *told, soon=soon, counts=counts, memory=memory, around=around).desired_replicas or 0
    free = decided(rule, *told, soon=soon, counts=counts, memory=memory).desired_replicas or 0
    assert limited <= max(known or 0, current, low)
    assert limited >= min(free, current)


@invariant(
    rule=rules(), told=st.tuples(readings, readings, readings), soon=readings, replicas=st.integers(0, 60),
    idle=st.integers(0, 900), asleep=st.booleans(), around=surroundings(),
)  # fmt: skip
def only_what_is_known_to_be_idle_goes_to_zero(
    rule: ScalingRule,
    told: tuple[float | None, ...],
    soon: float | None,
    replicas: int,
    idle: int,
    asleep: bool,
    around: Circumstances,
) -> None:
    """For long enough, on complete data and without work; and only its own zero ends."""
    bounds = rule.spec.replicas.model_copy(update={"min": 0, "idle_after": timedelta(seconds=300)})
    memory = Memory(idle_since=START - timedelta(seconds=idle), asleep=asleep)
    around = replace(around, pause=None, combine=None)
    decision = decided(
        _with(rule, replicas=bounds), *told, soon=soon, counts=(replicas, replicas), memory=memory, around=around
    )
    work = any(value for value in (*told[:2], soon))
    if replicas == 0 and not asleep:
        assert (decision.desired_replicas, decision.reason) == (0, Reason.SCALING_DISABLED)
    elif replicas and decision.desired_replicas == 0:
        assert not work
        assert idle >= 300
        assert None not in told
    elif decision.desired_replicas and not replicas:
        assert work or around.schedule_min


@invariant(replicas=st.integers(0, 90), current=st.integers(0, 90), around=surroundings())
def the_limits_on_arrays_are_the_plain_ones(replicas: int, current: int, around: Circumstances) -> None:
    """With what the guard adds, which live adds to a need that is known, not to one that is held."""
    situation = guardrails.Situation(
        current_replicas=current, min_replicas=1, max_replicas=60, behavior=Behavior(), wants=(), memory=Memory(),
        now=START, circumstances=around,
    )  # fmt: skip
    given_, record = guardrails.inputs(situation, wanted=0, floor=None), guardrails.blank_record()
    arrays = np.zeros(core.STAGES, dtype=np.int64)
    plain = core.limited(replicas, given_, record)
    assert TWIN.limited(replicas, np.array(given_), arrays) == plain
    assert arrays.tolist() == list(record)
    if around.slo is SloState.BURNING:
        without = replace(around, slo_add=0, slo_add_millionths=0)
        bare = guardrails.inputs(replace(situation, circumstances=without), wanted=0, floor=None)
        assert plain >= core.limited(replicas, bare, record)


(TWIN,) = twins([core])
RECORDED = ("forecast", "schedule", "ceilings", "slo", "bounds", "stabilization", "policies", "holds", "steps")


@invariant(rule=rules(), rps=values, queue=values, cpu=values, counts=workloads, memory=memories())
def without_circumstances_the_decision_is_hpas(
    rule: ScalingRule, rps: float, queue: float, cpu: float, counts: tuple[int, int], memory: Memory
) -> None:
    memory = replace(memory, plain_needs=memory.recommendations)
    decision = decided(rule, rps, queue, cpu, counts=counts, memory=memory)
    assert decision.hpa_only_replicas == decision.with_forecast_replicas == decision.desired_replicas


def _after(memory: Memory, decision: Decision, rule: ScalingRule, current: int) -> Memory:
    """The memory after a decision that was carried out."""
    memory = decide.remember(memory, decision, rule=rule)
    change = (decision.desired_replicas or 0) - current
    if not change:
        return memory
    return memory.with_scale_event(change, at=decision.at, keep=hpa.longest_period(rule.spec.behavior))


@invariant(rule=rules(), series=histories, start=st.integers(1, 60))
def a_replay_decides_the_same(rule: ScalingRule, series: list[tuple[float | None, float | None]], start: int) -> None:
    assert _played(rule, series, start) == _played(rule, series, start)


@invariant(rule=rules(), series=histories, start=st.integers(1, 60))
def a_restart_never_hastens_a_scale_down(
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


@invariant(memory=memories(), replicas=st.integers(0, 50))
def memory_stays_small(memory: Memory, replicas: int) -> None:
    keep = timedelta(seconds=60)
    later = memory.with_recommendation(replicas, at=START, keep=keep).with_scale_event(1, at=START, keep=keep)
    assert all(one.at > START - keep for one in (*later.recommendations, *later.scale_events))
    assert later.recommendations[-1].replicas == replicas


def _played(rule: ScalingRule, series: list[tuple[float | None, float | None]], start: int) -> list[Decision]:
    current, memory, decisions = start, Memory.beginning(start, at=START), []
    for tick, (rps, queue) in enumerate(series):
        now = START + timedelta(seconds=15 * tick)
        decision = decided(rule, rps, queue, 0.2, counts=(current, current), memory=memory, now=now)
        memory = _after(memory, decision, rule, current)
        current = decision.desired_replicas or 0
        decisions.append(decision)
    return decisions
