"""What a document says and a file recorded, replayed, is decided as live: every kind of trigger, schedules, steps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.backtesting import burning, recorded
from app.backtesting import signals as reading
from app.backtesting.assume import Options
from app.backtesting.study import program_of
from controller import decide, hpa, slo
from controller.around import circumstances
from controller.memory import Memory
from controller.simulate import rule as replaying
from controller.simulate.rule import Assumptions
from controller.triggers import Missing, Reading, part
from domain.scaling import Outcome, Workload
from domain.series import Signal
from rules.schema import SLO, ScalingRule
from tests.controller.stories import cost_of, flat_forecast, rule_of

START = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)  # the night in which Paris puts its clocks back
TICKS = 480
MISSING = Missing(reason="query yields no series")
REQUESTS = {"cpu": 0.5}
LIMITS = {"cpu": 0.8}
OBJECTIVE = SLO.model_validate(
    {
        "apiVersion": "foretide.dev/v1alpha1", "kind": "SLO", "metadata": {"name": "fast"},
        "spec": {"objective": 99, "indicator": {"ratio": {"bad": "bad_total", "total": "all_total"}}},
    }
)  # fmt: skip


def document(random: Random) -> ScalingRule:
    fallback = {"after": "45s", "use": random.choice(["hold", 7, "max(hold,5)", "rps"])}
    extra: list[dict[str, Any]] = [
        {"name": "latency", "query": "latency", "value": random.choice([0.2, 3]), "fallback": fallback},
        {"name": "said", "query": "said", "asReplicas": True},
        {"name": "jobs", "queue": {"length": "len", "arrivals": "arr", "perReplicaRate": 4,
                                   "drainTime": random.choice(["30s", "2m"]), "partitions": random.choice([9, 40])}},
        {"name": "night", "schedule": {"start": "0 2 * * *", "end": "0 3 * * *", "timezone": "Europe/Paris"},
         "replicas": 11},
        {"name": "paged", "event": {"alert": "Overload"}, "replicas": 9},
        {"name": "cores", "resource": {"name": "cpu", "averageValue": "300m"}},
        {"name": "busy", "resource": {"name": "cpu", "utilization": 60, "of": random.choice(["request", "limit"])}},
    ]  # fmt: skip
    chosen = random.sample(extra, random.randint(1, 4))
    if random.random() < 0.2:
        chosen.append({"name": "soon", "forecast": {"document": "traffic"}, "perReplica": 12})
    activate = {"activate": 20} if random.random() < 0.3 else {}
    triggers = [{"name": "rps", "query": "rps", "perReplica": 10, **activate}, *chosen]
    names = [one["name"] for one in triggers]
    least: list[dict[str, Any]] = [{"min": random.randint(1, 4)}, {"min": 0, "idleAfter": "2m"}]
    spec: dict[str, Any] = {
        "replicas": {"max": random.choice([8, 30])} | random.choice(least),
        "triggers": triggers,
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": random.choice([0, 60, 300]),
                                   "policies": [{"type": "Percent", "value": 30, "periodSeconds": 45}]}},
    }  # fmt: skip
    if random.random() < 0.5:
        spec["steps"] = {"up": random.choice([2, "40%"]), "down": random.choice([1, "10%"])}
    if random.random() < 0.5:
        spec["combine"] = random.choice([f"max({', '.join(names)})", f"rps + 1 + 0 * ({names[-1]} ?? 2)"])
    if random.random() < 0.5:
        spec["schedule"] = [
            {"name": "early", "start": "15 1 * * *", "end": "5 2 * * *", "timezone": "UTC", "min": 5, "max": 12},
            {"name": "sale", "at": "2026-10-25T02:10:00Z", "for": "10m", "ramp": "20m", "min": 8},
        ]
    if random.random() < 0.5:
        spec["ceiling"] = [{"name": "db", "perReplica": 10, "limit": random.choice([65, 250])}]
    if random.random() < 0.5:
        then = random.choice([{}, {"blockScaleDown": False, "add": 2}, {"add": "30%"}])
        spec["guard"] = {"slo": "fast", "whenBurning": then}
    return rule_of(spec)


def columns(rule: ScalingRule, seed: int) -> dict[str, np.ndarray]:
    numbers, size = np.random.default_rng(seed), 150.0
    gaps = 0.1 if seed % 2 else 0.0

    def series(scale: float) -> np.ndarray:
        walk = np.abs(np.cumsum(numbers.normal(0, 0.05, TICKS)) + 0.7) * scale
        blocks = np.repeat(numbers.random(TICKS // 8) < gaps, 8)
        return np.where(blocks, np.nan, walk)

    scales = {"rps": size, "latency": 0.5, "said": 9.0, "jobs": 300.0, "paged": 1.0, "cores": 3.0, "busy": 3.0}
    made = {one.name: series(scales[one.name]) for one in rule.spec.triggers if one.name in scales}
    if "paged" in made:
        made["paged"] = np.where(np.isfinite(made["paged"]), np.round(made["paged"]), np.nan)
    if "jobs" in made:
        made["jobs.arrivals"] = np.nan_to_num(series(20.0), nan=1.0)
    if rule.spec.replicas.min == 0:  # quiet stretches
        quiet = np.repeat(numbers.random(TICKS // 40) < 0.5, 40)
        made = {name: np.where(quiet, 0.0, values) if name != "latency" else values for name, values in made.items()}
    if "soon" in {one.name for one in rule.spec.triggers}:
        made["soon"] = np.nan_to_num(series(size), nan=1.0)
    if rule.spec.guard is not None:
        made |= {name: np.minimum(series(0.3), 1.0) for name in burning.COLUMNS.values()}
    made["rps"][0] = size
    return made


def live_signals(rule: ScalingRule, seen: dict[str, np.ndarray], tick: int, now: datetime) -> dict[str, Reading]:
    made: dict[str, Reading] = {}
    for name, values in seen.items():
        key = part("jobs", "arrivals") if name == "jobs.arrivals" else name
        known = np.isfinite(values[tick])
        made[key] = Signal(value=float(values[tick]), window=timedelta(), as_of=now, count=1) if known else MISSING
    return made


def burn_at(rule: ScalingRule, seen: dict[str, np.ndarray], tick: int) -> slo.Burn | None:
    """Looked at once a minute."""
    if rule.spec.guard is None:
        return None
    looked = {window: seen[name][tick - tick % 4] for window, name in burning.COLUMNS.items()}
    ratios = {window: float(value) if np.isfinite(value) else None for window, value in looked.items()}
    return slo.burn_of(ratios, OBJECTIVE.budget, window=OBJECTIVE.spec.window)


def a_document_is_replayed_as_decided_live(seed: int) -> None:
    rule = document(Random(seed))
    times = START.timestamp() + 15.0 * np.arange(TICKS)
    # Gaps of the file are bridged while short; what is replayed is what is held against live.
    found = recorded.onto_grid("test", times, columns(rule, seed))
    options = Options(requests=REQUESTS, limits=LIMITS, metric_delay_seconds=0.0)
    read = reading.read(rule, found, options, slo=OBJECTIVE)
    around_it = reading.around(rule, read.signals, found, seen=read.seen)
    given_ = Assumptions(safe_per_replica=12.0, requests=REQUESTS, limits=LIMITS, startup_seconds=(15.0, 90.0))
    record = replaying.replay(rule, around_it, given_, first=5, plain=True, program=program_of(rule))
    seen, keep = dict(found.columns), hpa.longest_period(rule.spec.behavior)
    memory = Memory.beginning(int(record.current[0]), at=START)
    for tick in range(TICKS):
        now = START + timedelta(seconds=15 * tick)
        workload = Workload(
            ref=rule.target, current_replicas=int(record.current[tick]), ready_replicas=int(record.ready[tick]),
            requests=REQUESTS, limits=LIMITS, source="replay",
        )  # fmt: skip
        around, memory = circumstances(
            rule, limits={}, burn=burn_at(rule, seen, tick), money=None, workload=workload, memory=memory, now=now
        )
        peak = read.signals.peaks["soon"][tick] if "soon" in read.signals.peaks else None
        forecasts = {} if peak is None else {"soon": flat_forecast("x", float(peak), cutoff=now)}
        decision = decide.decide(
            rule, signals=live_signals(rule, seen, tick, now), forecasts=forecasts, workload=workload, memory=memory,
            now=now, cost_of=cost_of, circumstances=around,
        )  # fmt: skip
        assert decision.desired_replicas == record.desired[tick], (tick, decision.message, decision.trace)
        memory = decide.remember(memory, decision, rule=rule)
        if decision.outcome is not Outcome.HOLD:
            change = int(record.desired[tick] - record.current[tick])
            memory = memory.with_scale_event(change, at=now, keep=keep)


seeds = st.integers(0, 2**32 - 1)


def test_holds_for_15_examples() -> None:
    settings(max_examples=15, deadline=None)(given(seeds)(a_document_is_replayed_as_decided_live))()


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_holds_for_300_examples() -> None:
    """Of 480 ticks each: 144,000 decisions."""
    settings(max_examples=300, deadline=None)(given(seeds)(a_document_is_replayed_as_decided_live))()
