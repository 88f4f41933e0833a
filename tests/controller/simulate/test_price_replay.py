"""A price trigger replayed decides, tick by tick, what the live trigger decides on the live state."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller import decide, hpa
from controller.memory import Memory
from controller.simulate import plans
from controller.simulate import rule as replaying
from controller.simulate.rule import Assumptions, Signals
from controller.simulate.rule_loop import Record
from controller.triggers import Missing, Reading
from controller.triggers.priced import terms
from domain.load_ahead import Outlook, longest, windows
from domain.scaling import Decision, Outcome, Workload
from domain.series import Signal
from forecaster import lead, lead_live, lead_outlook
from rules.schema import ScalingRule
from tests.controller.stories import START, cost_of, rule_of

LEAD = timedelta(minutes=1)
CLOCK = lead.Clock(day=192, minute=4, delay=0)
"""A day of 48 minutes."""
FIRST = lead_outlook.fewest(windows(LEAD), CLOCK)
TICKS = FIRST + 130
CAPACITY = 10.0
GONE = Missing(reason="query yields no series")
YOUNG = Missing(reason="its load is known for 20m, a day is needed: until then the rule is reactive")


@dataclass(frozen=True, kw_only=True)
class Case:
    rule: ScalingRule
    seen: np.ndarray
    first: int
    startup_seconds: tuple[float, float]

    @property
    def load(self) -> np.ndarray:
        """What the lead forecast knows: the same without gaps."""
        return lead_outlook.filled(self.seen, CLOCK)

    def replayed(self, *, plain: bool = True) -> Record:
        outlook = lead_outlook.over(
            self.load, windows=windows(LEAD), surge_last=longest(LEAD), clock=CLOCK, unit=CAPACITY
        )
        wanted = self.rule.trigger("soon").forecast
        assert wanted is not None
        assert wanted.price is not None
        plan = plans.priced(outlook, capacity=CAPACITY, terms=terms(wanted.price))
        signals = Signals(tick_seconds=15.0, load=self.load, values={"rps": self.seen}, plan=plan, plan_from=FIRST)
        given_ = Assumptions(safe_per_replica=CAPACITY, startup_seconds=self.startup_seconds)
        return replaying.replay(self.rule, signals, given_, first=self.first, plain=plain)


def case(seed: int) -> Case:
    """Everything from one seed: waves, noise, jumps, gaps; prices, budgets and windows of the rule."""
    random, dice = Random(seed), np.random.default_rng(seed)
    at = np.arange(TICKS)
    load = random.choice([8.0, 60.0, 900.0]) * (1.2 + np.sin(2 * np.pi * at / CLOCK.day))
    load *= np.exp(dice.normal(0, random.choice([0.02, 0.1, 0.5]), TICKS))
    jump = random.randint(FIRST, TICKS)
    load[jump : jump + random.randint(1, 60)] *= random.choice([0.2, 2.0, 5.0])
    load = load.astype(np.float32).astype(np.float64)
    seen = np.where(dice.random(TICKS) < random.choice([0.0, 0.05]), np.nan, load)
    gap = random.randint(1, TICKS)
    seen[gap : gap + random.choice([0, 6, 25])] = np.nan
    seen[0] = load[0]
    price = random.choice([{}, {"budget": "0.6%"}, {"budget": "5%"}, {"violatedMinute": 30},
                           {"violatedMinute": 8, "budget": "1%"}])  # fmt: skip
    rule = rule_of(
        {
            "replicas": {"min": 1, "max": random.choice([15, 400])},
            "triggers": [
                {"name": "rps", "query": "rps", "perReplica": CAPACITY},
                {"name": "soon", "forecast": {"of": "rps", "price": price, "lead": "60s", "season": "48m"}},
            ],
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": random.choice([0, 60, 300])}},
        }
    )
    return Case(rule=rule, seen=seen, first=random.randint(1, 30), startup_seconds=random.choice([(15, 15), (30, 120)]))


def live(one: Case, record: Record, tick: int, outlook: Outlook | Missing, memory: Memory) -> Decision:
    """The live decision, with the workload as the replay had it."""
    now = START + timedelta(seconds=15 * tick)
    workload = Workload(
        ref=one.rule.target, current_replicas=int(record.current[tick]), ready_replicas=int(record.ready[tick]),
        source="replay",
    )  # fmt: skip
    value = one.seen[tick]
    reading: Reading = GONE
    if np.isfinite(value):
        reading = Signal(value=float(value), window=timedelta(), as_of=now, count=1)
    return decide.decide(
        one.rule, signals={"rps": reading}, forecasts={}, workload=workload, memory=memory, now=now, cost_of=cost_of,
        outlooks={"soon": outlook},
    )  # fmt: skip


def a_replay_decides_as_live(seed: int) -> None:
    one = case(seed)
    record = one.replayed()
    state = lead_live.begun(
        one.load[:FIRST], windows=windows(LEAD), surge_last=longest(LEAD), clock=CLOCK, unit=CAPACITY
    )
    memory = Memory.beginning(int(record.current[0]), at=START)
    for tick in range(TICKS):
        outlook: Outlook | Missing = YOUNG
        if tick >= FIRST:
            state.advance(float(one.load[tick]))
            outlook = state.outlook()
        decision = live(one, record, tick, outlook, memory)
        assert decision.desired_replicas == record.desired[tick], (tick, decision.message)
        memory = decide.remember(memory, decision, rule=one.rule)
        if decision.outcome is not Outcome.HOLD:
            change = int(record.desired[tick] - record.current[tick])
            memory = memory.with_scale_event(
                change, at=decision.at, keep=hpa.longest_period(one.rule.spec.behavior)
            )  # fmt: skip


def compiled_equals_plain(seed: int) -> None:
    one = case(seed)
    for plain, compiled in zip(one.replayed(), one.replayed(plain=False), strict=True):
        np.testing.assert_array_equal(plain, compiled)


PROMISES = (a_replay_decides_as_live, compiled_equals_plain)


@pytest.mark.parametrize("promise", PROMISES)
def test_holds_for_25_examples(promise: object) -> None:
    settings(max_examples=25, deadline=None)(given(st.integers(0, 2**32 - 1))(promise))()  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("promise", PROMISES)
def test_holds_for_200_examples(promise: object) -> None:
    settings(max_examples=200, deadline=None)(given(st.integers(0, 2**32 - 1))(promise))()  # type: ignore[arg-type]


def test_the_price_acts_in_these_replays() -> None:
    moved = [case(seed) for seed in range(6)]
    floors = [one.replayed() for one in moved]

    assert any((record.wanted[FIRST:] > record.need[FIRST:]).any() for record in floors)
