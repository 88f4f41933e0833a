"""What a rule's own fields come to: schedules, ceilings, guard, pause, steps, combine; and idle to zero."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from controller import decide, hpa
from controller.around import circumstances, with_lowered
from controller.guardrails import Ceiling, Lowered, SloState
from controller.memory import Memory
from controller.slo import Burn
from controller.triggers import Missing, Reading
from domain.scaling import Decision, Reason, Workload
from domain.series import Signal
from tests.controller.stories import START, cost_of, flat_forecast, rule_of

RPS = {"name": "rps", "query": "sum(a)", "perReplica": 10}
BURNING = Burn(state=SloState.BURNING, said="burn rate 22.4 over 1h and 31 over 5m, burning from 14.4")
KEPT = Burn(state=SloState.OK, said="burn rate 0.1 over 1h and 0 over 5m, burning from 14.4")
AT_ONCE = {"scaleDown": {"stabilizationWindowSeconds": 0}}


@dataclass
class World:
    """A rule that decides and is obeyed."""

    spec: Mapping[str, Any]
    current: int | None = 4
    memory: Memory | None = None
    now: datetime = START
    limits: dict[str, Reading] = field(default_factory=dict)
    burn: Burn | None = None
    money: Ceiling | None = None
    lowered: Lowered | None = None

    def decide(self, rps: float | None, *, soon: float | None = None) -> Decision:
        rule = rule_of({"replicas": {"min": 1, "max": 20}, "triggers": [RPS], "behavior": AT_ONCE, **self.spec})
        workload = Workload(ref=rule.target, current_replicas=self.current, ready_replicas=self.current, source="test")
        memory = self.memory or Memory.beginning(self.current, at=self.now)
        around, memory = circumstances(
            rule, limits=self.limits, burn=self.burn, money=self.money, workload=workload, memory=memory, now=self.now
        )
        decision = decide.decide(
            rule, signals={"rps": read(rps)}, workload=workload, memory=memory, now=self.now, cost_of=cost_of,
            circumstances=with_lowered(around, self.lowered),
            forecasts={} if soon is None else {"soon": flat_forecast("s", soon, cutoff=self.now)},
        )  # fmt: skip
        self.memory = decide.remember(memory, decision, rule=rule)
        change = (decision.desired_replicas or 0) - (self.current or 0)
        if change:
            keep = hpa.longest_period(rule.spec.behavior)
            self.memory = self.memory.with_scale_event(change, at=self.now, keep=keep)
        self.current = decision.desired_replicas
        self.now += timedelta(seconds=15)
        return decision


def read(value: float | None) -> Reading:
    if value is None:
        return Missing(reason="query yields no series")
    return Signal(value=value, window=timedelta(), as_of=START, count=1)


def line(decision: Decision, stage: str) -> str:
    return next(one.message for one in decision.trace if one.stage == stage)


def test_a_rule_without_any_of_it_is_as_it_was() -> None:
    assert World({}).decide(60).desired_replicas == 6


def test_combine_stands_in_the_rule() -> None:
    assert World({"combine": "min(rps * 2, 7)"}).decide(60).desired_replicas == 7


def test_a_schedule_raises_and_limits_by_name() -> None:
    night = {"name": "night", "start": "0 22 * * *", "end": "0 6 * * *", "max": 3}
    noon = {"name": "noon", "start": "30 11 * * *", "end": "30 12 * * *", "min": 6}
    world = World({"schedule": [night, noon]})
    decision = world.decide(30)
    assert (decision.desired_replicas, decision.reason, decision.limited_by[0]) == (
        6, Reason.SCHEDULE_MIN, "schedule.noon.min",
    )  # fmt: skip
    world.now = START + timedelta(hours=11)
    assert world.decide(90).reason is Reason.SCHEDULE_MAX


def test_a_sale_ramps_up_before_it_begins() -> None:
    sale = {"name": "sale", "at": "2026-11-21T12:20:00Z", "for": "1h", "min": 11, "ramp": "20m"}
    world = World({"schedule": [sale]}, current=1)
    asked = []
    for minute in (0, 2, 10, 20, 79, 81):
        world.now = START + timedelta(minutes=minute)
        asked.append(world.decide(1).desired_replicas)
    assert asked == [1, 2, 6, 11, 11, 1]


def test_a_constant_ceiling_is_what_is_there_by_what_each_takes() -> None:
    decision = World({"ceiling": [{"name": "db", "perReplica": 20, "limit": 180}]}).decide(300)
    assert (decision.desired_replicas, decision.reason) == (8, Reason.SCALE_UP_LIMIT)
    assert line(decision, "ceilings") == "limited to 9 by downstream db (180 ÷ 20 per replica)"


DB = {"ceiling": [{"name": "db", "perReplica": 20, "query": "max(connections)"}]}


def test_a_ceiling_that_was_never_known_adds_nothing_and_lowers_nothing() -> None:
    world = World(DB, limits={"db": read(None)})
    rising = world.decide(90)
    assert (rising.desired_replicas, rising.reason) == (4, Reason.DOWNSTREAM_CEILING)
    assert line(rising, "ceilings") == (
        "limited to 4 by downstream db (unknown, query yields no series: nothing is added)"
    )
    assert world.decide(10).desired_replicas == 1


def test_a_ceiling_without_data_goes_on_as_it_was_known_and_lowers_nothing() -> None:
    world = World(DB, limits={"db": read(140)})
    assert world.decide(60).desired_replicas == 6
    world.limits = {"db": read(None)}
    assert world.decide(190).desired_replicas == 7
    world.limits = {"db": read(60)}
    assert world.decide(190).desired_replicas == 3
    world.current, world.limits = 5, {"db": read(None)}
    held = world.decide(190)
    assert held.desired_replicas == 5
    assert "3 as known 15 s ago" in line(held, "ceilings")


GUARD = {"slo": "latency", "whenBurning": {"add": "20%"}}


def test_the_guard_adds_while_it_burns_and_lowers_nothing() -> None:
    world = World({"guard": GUARD}, burn=BURNING, current=8)
    raised = world.decide(90)
    assert (raised.desired_replicas, raised.reason) == (11, Reason.SLO_BURNING)
    assert line(raised, "slo") == (
        "the SLO latency burns (burn rate 22.4 over 1h and 31 over 5m, burning from 14.4): 2 more are asked for, "
        "11 instead of 9"
    ).replace("2 more", "20 % more")
    assert world.decide(20).desired_replicas == 11
    world.burn = KEPT
    assert world.decide(20).desired_replicas == 2


def test_what_is_only_held_is_not_added_to_again_and_again() -> None:
    world = World({"guard": {"slo": "latency", "whenBurning": {"add": 2}}}, burn=BURNING)
    assert [world.decide(None).desired_replicas for _ in range(3)] == [4, 4, 4]


def test_a_guard_may_let_replicas_go() -> None:
    guard = {"slo": "latency", "whenBurning": {"blockScaleDown": False}}
    assert World({"guard": guard}, burn=BURNING).decide(10).desired_replicas == 1


@pytest.mark.parametrize("burn", [None, BURNING, Burn(state=SloState.UNKNOWN, said="")])
def test_the_slo_beats_the_budget(burn: Burn | None) -> None:
    money = Ceiling(kind="budget", name="media", replicas=2)
    world = World({"guard": {"slo": "latency"}, "budget": "media"}, burn=burn, money=money)
    assert world.decide(60).desired_replicas == 6


def test_a_budget_lowers_the_min_and_says_so() -> None:
    five = {"replicas": {"min": 5, "max": 20}, "guard": {"slo": "latency"}}
    lowered = Lowered(by="shop/month/over/lower", replicas=3)
    world = World(five, current=5, burn=KEPT, lowered=lowered)
    decision = world.decide(10)
    assert (decision.desired_replicas, decision.limited_by) == (3, ("bounds.min",))
    assert decision.message.endswith("raised to min 3 (min lowered to 3 by budget shop/month/over/lower)")
    assert world.decide(60).desired_replicas == 6
    assert World(five, current=5, burn=KEPT, lowered=Lowered(by="b", replicas=0)).decide(0).desired_replicas == 1
    assert World(five, current=5, burn=KEPT, lowered=Lowered(by="b", replicas=9)).decide(0).desired_replicas == 5


@pytest.mark.parametrize("burn", [BURNING, None])
def test_a_min_is_not_lowered_while_the_slo_burns_or_is_not_known(burn: Burn | None) -> None:
    guarded = {"replicas": {"min": 5, "max": 20}, "guard": {"slo": "latency"}}
    world = World(guarded, current=3, burn=burn, lowered=Lowered(by="shop/month", replicas=3))
    decision = world.decide(10)
    assert decision.desired_replicas == 5
    assert "not lowered by budget shop/month: the SLO goes before" in decision.message


def test_a_pause_ends_by_itself() -> None:
    pause = {"direction": "in", "until": "2026-11-21T12:00:15Z", "reason": "INC-4711"}
    world = World({"pause": pause})
    held = world.decide(10)
    assert (held.desired_replicas, held.reason) == (4, Reason.PAUSED)
    assert line(held, "holds") == "held at 4: scale-in is paused until 2026-11-21T12:00:15Z (INC-4711)"
    assert world.decide(10).desired_replicas == 1


def test_steps_in_percent_are_of_the_present_replicas() -> None:
    world = World({"steps": {"up": "50%", "down": 1}})
    assert [world.decide(200).desired_replicas for _ in range(3)] == [6, 9, 14]
    assert world.decide(10).desired_replicas == 13


IDLE = {
    "replicas": {"min": 0, "max": 20, "idleAfter": "30s"},
    "triggers": [
        {"name": "rps", "query": "sum(a)", "perReplica": 10, "activate": 5},
        {"name": "soon", "forecast": {"of": "rps", "lead": "60s"}},
    ],
    "behavior": {"scaleUp": {"policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}]}},
}


def test_idle_goes_to_zero_after_its_time_and_comes_back_to_what_is_needed() -> None:
    world = World(IDLE, current=2)
    told = [world.decide(rps) for rps in (12, 5, 5, 5)]
    assert [one.desired_replicas for one in told] == [2, 2, 2, 0]
    assert (told[-1].reason, told[-1].message) == (Reason.IDLE, "idle for 30 s, no trigger has work → 0")
    assert [world.decide(rps).desired_replicas for rps in (0, 5, 42)] == [0, 0, 1]
    assert world.decide(42).desired_replicas == 2


def test_missing_data_keep_it_awake_and_wake_nothing() -> None:
    world = World(IDLE, current=2)
    assert [world.decide(None).desired_replicas for _ in range(5)] == [2] * 5
    for _ in range(3):
        world.decide(0)
    assert world.current == 0
    assert world.decide(None).desired_replicas == 0


def test_a_forecast_with_work_wakes_before_the_load_is_there() -> None:
    world = World(IDLE, current=0, memory=Memory(asleep=True))
    assert world.decide(0, soon=4).desired_replicas == 0
    assert world.decide(0, soon=8).desired_replicas == 1


@pytest.mark.parametrize("spec", [{}, IDLE])
def test_a_zero_that_is_not_ours_means_off(spec: Mapping[str, Any]) -> None:
    decision = World(spec, current=0).decide(60)
    assert (decision.desired_replicas, decision.reason) == (0, Reason.SCALING_DISABLED)


def test_bounds_are_the_chain_without_what_the_hpa_measures_itself() -> None:
    cpu = {"name": "cpu", "resource": {"name": "cpu", "averageValue": "1"}}
    soon = {"name": "soon", "forecast": {"of": "rps", "lead": "60s"}}
    spec = {
        "actuate": {"with": "bounds", "hpa": "shop"},
        "triggers": [RPS, cpu, soon],
        "combine": "max(cpu, rps, soon)",
    }
    world = World({**spec, "ceiling": [{"name": "db", "perReplica": 1, "limit": 12}]}, current=9)
    decision = world.decide(20, soon=40)
    assert (decision.lower_bound, decision.upper_bound) == (4, 12)
    later = world.decide(20, soon=30)
    assert later.lower_bound == 3
