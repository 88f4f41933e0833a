"""The price trigger at one tick: add, keep, let go, and what holds when the load cannot be seen."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller import ahead, decide, price
from controller.ahead import Terms
from controller.memory import Memory
from controller.simulate import plans
from controller.triggers import Missing, Reading
from domain.load_ahead import LoadAhead, Outlook
from domain.scaling import Decision, Reason, Workload
from domain.series import Signal
from tests.controller.stories import START, cost_of, rule_of

POINTS = 401
CAPACITY = 10.0
LEADS = (timedelta(seconds=90), timedelta(minutes=5))
MINUTE = timedelta(minutes=1)


def load_ahead(load: float, scale: float = 0.1) -> LoadAhead:
    """A bell around ``load``."""
    middle = -6 + 0.05 * np.arange(POINTS)
    density = np.exp(-0.5 * middle**2)
    tail = 1 - np.cumsum(density) / density.sum()
    return LoadAhead(
        centre=np.array([np.log(load + 0.5)]), scale=np.array([scale]), tails=np.maximum(tail, 0)[None],
        row=np.zeros(1, dtype=np.int64), lowest=-6.0, step=0.05, offset=0.5,
    )  # fmt: skip


def outlook(add: float, keep: float, *, surge: float = 0.0, peak: float = 400.0, widened: bool = False) -> Outlook:
    return Outlook(
        add=load_ahead(add), keep=load_ahead(keep), surge=np.array([surge]), peak=np.array([peak]),
        widened=np.array([widened]),
    )  # fmt: skip


def floor(
    of: Outlook, *, current: int, load: float = 0.0, level: float = 2.0, terms: Terms | None = None
) -> ahead.Floor:
    return ahead.floor(
        of, load=load, current=current, ready=current, capacity=CAPACITY, level=level,
        terms=terms or Terms.of(None, None), leads=LEADS, unit="/s",
    )  # fmt: skip


def test_replicas_are_added_where_a_miss_would_cost_more_and_the_sentence_gives_the_odds() -> None:
    found = floor(outlook(80, 90), current=8, load=70)

    assert found.replicas == 10
    assert found.reason == (
        "+2 replicas now: p(load > 8 replicas' room in 1m30s) = 49 %, and a violated minute costs 50 pod-minutes"
    )


def test_a_dearer_miss_asks_for_more_and_a_cheap_one_for_fewer() -> None:
    of = outlook(80, 90)
    asked = [floor(of, current=1, terms=Terms.of(cost, None)).replicas for cost in (10.0, 50.0, 1000.0)]

    assert asked == sorted(asked)
    assert asked[0] < asked[2]


def test_what_will_be_needed_a_little_later_is_kept_and_not_added() -> None:
    found = floor(outlook(40, 80), current=9)

    assert found.replicas == 9
    assert found.reason.startswith("9 kept: p(load > 8 replicas' room within 5m) = 49 %")


def test_what_is_not_needed_until_well_after_a_start_is_let_go() -> None:
    found = floor(outlook(40, 40), current=9)

    assert found.replicas == 5
    assert found.reason.startswith("5 would do: p(load > 5 replicas' room within 5m) = 1.3 %")


def test_a_surge_that_comes_on_most_days_is_ready_for() -> None:
    found = floor(outlook(40, 40, surge=155), current=9)

    assert found.replicas == 19
    assert found.reason == (
        "+10 replicas now: a surge is due as on most days, 155/s ÷ 10/s on half of them,"
        " and a violated minute costs 50 pod-minutes → 19"
    )


def test_how_far_above_its_middle_a_surge_is_ready_for_is_a_matter_of_the_price() -> None:
    of = outlook(40, 40, surge=155)
    asked = [floor(of, current=9, terms=Terms.of(cost, None)).replicas for cost in (1.0, 50.0, 1000.0)]

    assert asked[0] == 16
    assert asked == sorted(asked)
    assert asked[1] < asked[2]


def test_an_overloaded_service_gets_at_least_half_as_many_again_as_are_ready() -> None:
    found = floor(outlook(40, 40), current=20, load=230)

    assert found.replicas == 30
    assert found.reason == "overloaded, 230/s on 20 ready of 10/s each: at least half as many again → 30"
    assert floor(outlook(40, 40), current=20, load=220).replicas == 5


def test_a_forecast_that_missed_too_often_says_that_its_spread_is_doubled() -> None:
    assert "its spread doubled" in floor(outlook(80, 90, widened=True), current=8).reason


def test_a_price_alone_stays_and_a_budget_steers_it() -> None:
    fixed, found, both = Terms.of(50.0, None), Terms.of(None, None), Terms.of(50.0, 0.003)

    def after(terms: Terms, load: float, level: float | None = None) -> float:
        return ahead.level_after(level, load=load, ready=5, capacity=CAPACITY, terms=terms)

    assert after(fixed, 60) == after(fixed, 40) == ahead.FIRST_LEVEL
    assert after(found, 60) == pytest.approx(ahead.FIRST_LEVEL + ahead.GAIN * (1 - ahead.BUDGET))
    assert after(found, 50) == pytest.approx(ahead.FIRST_LEVEL - ahead.GAIN * ahead.BUDGET)
    assert after(both, 50) == pytest.approx(ahead.FIRST_LEVEL - 0.05 * 0.003)
    assert after(both, 60, level=7.99) == 8.0
    assert after(both, 60, level=3.0) == price.steered(3.0, 1, 0.003, 0.05, 8.0)


def test_without_a_price_forty_replicas_at_the_peak_make_a_missed_minute_worth_fifty() -> None:
    assert Terms.of(None, None).first_price(np.array([40.0, 150.0, 1.0])).tolist() == [50.0, 187.5, 5.0]


@given(
    add=st.floats(1, 2000), keep=st.floats(1, 2000), surge=st.floats(0, 1500), peak=st.floats(0, 4000),
    level=st.floats(0, 8), current=st.integers(1, 300), load=st.floats(0, 1000), budget=st.sampled_from([None, 0.003]),
    cost=st.sampled_from([None, 30.0]),
)  # fmt: skip
def test_one_tick_asks_for_what_the_plan_of_a_replay_asks_for(
    add: float, keep: float, surge: float, peak: float, level: float, current: int, load: float, budget: float | None,
    cost: float | None,
) -> None:  # fmt: skip
    of, terms = outlook(add, keep, surge=surge, peak=peak), Terms.of(cost, budget)
    plan = plans.priced(of, capacity=CAPACITY, terms=terms)
    level = level if terms.budget else ahead.FIRST_LEVEL
    at = level if terms.budget else 0.0
    planned = price.planned(plan.raise_below, plan.raise_to, plan.lower_above, plan.lower_to, 0, at, current)

    assert floor(of, current=current, load=load, level=level, terms=terms).replicas == price.relieved(
        planned, load, current, CAPACITY
    )


# ---- in a decision

RULE = rule_of(
    {
        "replicas": {"min": 2, "max": 60},
        "triggers": [
            {"name": "rps", "query": "rps", "perReplica": 10},
            {"name": "soon", "forecast": {"of": "rps", "price": {"budget": "0.6%"}, "lead": "90s"}},
        ],
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": 0, "policies": [
            {"type": "Percent", "value": 100, "periodSeconds": 15}]}},
    }
)  # fmt: skip


def decided(
    reading: Reading,
    of: Outlook | Missing,
    *,
    current: int = 8,
    memory: Memory | None = None,
    at: timedelta = timedelta(),
) -> Decision:
    now = START + at
    workload = Workload(ref=RULE.target, current_replicas=current, ready_replicas=current, source="test")
    return decide.decide(
        RULE, signals={"rps": reading}, forecasts={}, workload=workload,
        memory=memory or Memory.beginning(current, at=START), now=now, cost_of=cost_of, outlooks={"soon": of},
    )  # fmt: skip


def seen(value: float, *, ago: timedelta = timedelta()) -> Signal:
    return Signal(value=value, window=timedelta(), as_of=START - ago, count=1)


def test_the_decision_is_the_floor_where_that_is_more_than_the_reactive_need() -> None:
    made = decided(seen(60), outlook(80, 90))

    assert (made.desired_replicas, made.reactive_replicas, made.reason) == (10, 6, Reason.FORECAST_FLOOR)
    assert made.message.startswith("+2 replicas now: p(load > 8 replicas' room in 1m30s)")


def test_the_floor_never_lies_below_the_reactive_need() -> None:
    made = decided(seen(120), outlook(20, 20))

    assert made.desired_replicas == 12
    assert made.forecast_replicas is not None
    assert made.forecast_replicas <= 12


def test_replicas_go_down_only_as_far_as_the_floor_lets_them() -> None:
    assert decided(seen(20), outlook(20, 80)).desired_replicas == 8
    assert decided(seen(20), outlook(20, 40)).desired_replicas == 5


def test_the_error_budget_goes_on_from_tick_to_tick() -> None:
    first = decided(seen(85), outlook(80, 80))
    memory = decide.remember(Memory.beginning(8, at=START), first, rule=RULE)
    second = decided(seen(85), outlook(80, 80), memory=memory)

    assert memory.cautions["soon"] == pytest.approx(2 + 0.05 * 0.994)
    assert second.proposals[1].caution == pytest.approx(2 + 0.1 * 0.994)


def test_a_load_that_was_not_seen_for_two_minutes_holds_and_releases_nothing() -> None:
    fresh, stale = seen(20, ago=2 * MINUTE), seen(20, ago=2.25 * MINUTE)

    assert decided(fresh, outlook(20, 20)).desired_replicas == 3
    held = decided(stale, outlook(20, 20))
    assert held.desired_replicas == 8
    assert held.proposals[1].reason == "soon: rps was last seen 135 s ago: 8 are held"


def test_a_silent_source_is_forecast_on_for_two_minutes_and_held_afterwards() -> None:
    gone = Missing(reason="query yields no series")
    memory = Memory(missing_since={"rps": START})

    soon = decided(gone, outlook(120, 120), memory=memory, at=MINUTE)
    assert soon.desired_replicas == 15
    later = decided(gone, outlook(120, 120), memory=memory, at=3 * MINUTE)
    assert later.desired_replicas == 8
    assert "180 s ago: 8 are held" in later.proposals[1].reason


def test_a_signal_that_is_too_young_leaves_the_rule_reactive_and_says_so() -> None:
    made = decided(
        seen(60), Missing(reason="its load is known for 5h, 1d1h are needed: until then the rule is reactive")
    )

    assert made.desired_replicas == 6
    assert made.trace[3].message == "soon: its load is known for 5h, 1d1h are needed: until then the rule is reactive"
