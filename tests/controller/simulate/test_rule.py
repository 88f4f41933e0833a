"""A rule replayed is the rule decided live, tick by tick; compiled or plain; and nothing depends on the future."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller import core, decide, hpa
from controller.combine import Program
from controller.guardrails import Ceiling, Circumstances
from controller.memory import Memory
from controller.simulate import rule as replaying
from controller.simulate.rule import Assumptions, Signals
from controller.simulate.rule_loop import Record
from controller.triggers import Missing, Reading
from domain.forecasts import Forecast
from domain.scaling import Decision, Outcome, Workload
from domain.series import Signal
from rules.schema import Fallback, ScalingRule
from tests.controller.invariants import PROGRAMS, RULES
from tests.controller.stories import START, cost_of, flat_forecast, rule_of

TICKS = 24
MISSING = Missing(reason="query yields no series")


@dataclass(frozen=True, kw_only=True)
class Case:
    rule: ScalingRule
    program: Program | None
    signals: Signals
    given: Assumptions
    first: int

    def replayed(self, *, plain: bool = True) -> Record:
        return replaying.replay(
            self.rule, self.signals, self.given, first=self.first, plain=plain, program=self.program
        )


def case(seed: int) -> Case:
    """Everything from one seed: drawing arrays by hypothesis took ten times as long and found no more."""
    random, numbers = Random(seed), np.random.default_rng(seed)
    rule = random.choice(RULES)
    if random.random() < 0.5:
        use: int | str = random.choice(["hold", 3, 20])
        triggers = tuple(
            one if one.forecast else one.model_copy(
                update={"fallback": Fallback(after=timedelta(seconds=random.choice([15, 40, 90])), use=use)}  # type: ignore[arg-type]
            )
            for one in rule.spec.triggers
        )  # fmt: skip
        rule = rule.model_copy(update={"spec": rule.spec.model_copy(update={"triggers": triggers})})
    size = random.choice([5.0, 200.0, 3000.0])

    def series(scale: float, gaps: float) -> np.ndarray:
        made = scale * numbers.random(TICKS) * numbers.choice([0.1, 1.0, 1.1], TICKS)
        return np.where(numbers.random(TICKS) < gaps, np.nan, made)

    gaps = random.choice([0.0, 0.0, 0.3])
    load = np.nan_to_num(series(size, 0.0))
    low = numbers.choice([0, 0, 6, 30], TICKS).astype(np.int64)
    return Case(
        rule=rule, program=random.choice(PROGRAMS[False]), first=random.randint(1, 60),
        signals=Signals(
            tick_seconds=15.0, load=load,
            values={"rps": series(size, gaps), "queue": series(size, gaps), "cpu": series(9.0, gaps)},
            peaks={"soon": series(size, gaps)},
            schedule_min=low, schedule_max=low + random.choice([0, 5, 1000]),
            ceiling=numbers.choice([2, 40, core.MAX_INT32], TICKS).astype(np.int64),
        ),
        given=Assumptions(
            safe_per_replica=random.choice([1.0, 60.0]), requests={"cpu": 0.25},
            startup_seconds=random.choice([(15.0, 15.0), (30.0, 120.0)]), metric_delay_seconds=30.0,
        ),
    )  # fmt: skip


def live(one: Case, record: Record, tick: int, memory: Memory) -> Decision:
    """The decision that stands in the ledger, with the workload as the replay had it."""
    now = START + timedelta(seconds=15 * tick)
    workload = Workload(
        ref=one.rule.target, current_replicas=int(record.current[tick]), ready_replicas=int(record.ready[tick]),
        requests=one.given.requests, source="replay",
    )  # fmt: skip
    signals: dict[str, Reading] = {}
    for name, values in one.signals.values.items():
        known = np.isfinite(values[tick])
        signals[name] = Signal(value=values[tick], window=timedelta(), as_of=now, count=1) if known else MISSING
    peak = one.signals.peaks["soon"][tick]
    forecasts: dict[str, Forecast | None] = {
        "soon": flat_forecast("s", float(peak), cutoff=now) if np.isfinite(peak) else None
    }
    low, high, ceiling = one.signals.schedule_min, one.signals.schedule_max, one.signals.ceiling
    assert low is not None
    assert high is not None
    assert ceiling is not None
    around = Circumstances(
        combine=one.program, schedule="s", schedule_min=int(low[tick]), schedule_max=int(high[tick]),
        ceilings=(Ceiling(kind="downstream", name="c", replicas=int(ceiling[tick])),),
    )  # fmt: skip
    return decide.decide(
        one.rule, signals=signals, forecasts=forecasts, workload=workload, memory=memory, now=now, cost_of=cost_of,
        circumstances=around,
    )  # fmt: skip


def a_replay_decides_as_live(seed: int) -> None:
    one = case(seed)
    record = one.replayed()
    memory = Memory.beginning(int(record.current[0]), at=START)
    keep = hpa.longest_period(one.rule.spec.behavior)
    for tick in range(TICKS):
        decision = live(one, record, tick, memory)
        assert decision.desired_replicas == record.desired[tick], (tick, decision.message)
        memory = decide.remember(memory, decision, rule=one.rule)
        if decision.outcome is not Outcome.HOLD:
            change = int(record.desired[tick] - record.current[tick])
            memory = memory.with_scale_event(change, at=decision.at, keep=keep)


def compiled_equals_plain(seed: int) -> None:
    one = case(seed)
    for plain, compiled in zip(one.replayed(), one.replayed(plain=False), strict=True):
        np.testing.assert_array_equal(plain, compiled)


def the_future_changes_no_earlier_decision(seed: int) -> None:
    one, numbers = case(seed), np.random.default_rng(seed)
    cut = int(numbers.integers(1, TICKS))
    order = np.concatenate([np.arange(cut), cut + numbers.permutation(TICKS - cut)])
    other = replace(
        one,
        signals=replace(
            one.signals, load=one.signals.load[order],
            values={name: values[order] for name, values in one.signals.values.items()},
            peaks={name: values[order] for name, values in one.signals.peaks.items()},
        ),
    )  # fmt: skip
    np.testing.assert_array_equal(one.replayed().desired[:cut], other.replayed().desired[:cut])


PROMISES = (a_replay_decides_as_live, compiled_equals_plain, the_future_changes_no_earlier_decision)
seeds = st.integers(0, 2**32 - 1)


@pytest.mark.parametrize("promise", PROMISES)
def test_holds_for_150_examples(promise: Callable[[int], None]) -> None:
    settings(max_examples=150, deadline=None)(given(seeds)(promise))()


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("promise", PROMISES)
def test_holds_for_10_000_examples(promise: Callable[[int], None]) -> None:
    settings(max_examples=10_000, deadline=None)(given(seeds)(promise))()


def test_a_simulated_utilisation_rises_with_load_and_is_capped_where_the_pods_are_full() -> None:
    rule = rule_of(
        {
            "replicas": {"min": 2, "max": 50},
            "triggers": [{"name": "cpu", "resource": {"name": "cpu", "utilization": 60}}],
        }
    )
    load = np.repeat([40.0, 400.0], 120)
    given_ = Assumptions(
        safe_per_replica=40.0, largest_utilization_ratio=0.8, requests={"cpu": 0.5}, usage_per_load={"cpu": 0.01}
    )
    record = replaying.replay(rule, Signals(tick_seconds=15.0, load=load, values={}), given_, first=2, plain=True)
    # 40 per second cost 0.4 cores, 40 % of two requests; 400 need 4 cores, at 60 % 14 requests.
    assert record.desired[119] == 2
    assert record.desired[-1] == 14
    assert record.late[120:130].any()
    assert not record.late[-60:].any()


def test_pods_wait_for_nodes_and_nodes_are_counted() -> None:
    from controller.simulate.nodes import Pools

    one = np.array([1], dtype=np.int64)
    pools = Pools(slots=4 * one, largest=10 * one, boot_ticks=8 * one, price=np.array([0.5]), idle_ticks=40)
    rule = rule_of({"replicas": {"min": 2, "max": 50}, "triggers": [{"name": "rps", "query": "a", "perReplica": 10}]})
    load = np.repeat([40.0, 120.0], 120)
    signals = Signals(tick_seconds=15.0, load=load, values={"rps": load})
    record = replaying.replay(rule, signals, Assumptions(safe_per_replica=12.0, pools=pools), first=4, plain=True)
    assert record.pending[120:126].max() == 8
    assert record.nodes[0] == 1
    assert record.nodes[-1] == 3
    assert record.node_cost_per_hour[-1] == 1.5
