"""How long replays and live decisions take: 30 days at 15 s, a thousand variants, two thousand rules.

CPU time of one thread where one thread works, so that a busy machine tells the same; the sweep is told in wall time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count, product
from typing import Any, Final

import numpy as np

from benchmarks.elasticity_play import CLOCK, SERVICE, USUAL_START, Case, Setting, case, play
from benchmarks.elasticity_traces import Workload as Trace
from controller import decide
from controller.memory import Memory, Recommendation
from controller.shadows import Shadows
from controller.simulate import loop, peers, plans, protocol, replay
from controller.simulate.loop import Plan
from controller.triggers import Reading
from domain.forecasts import Forecast
from domain.money import Money
from domain.scaling import Decision, Workload
from domain.series import Signal
from forecaster import lead
from rules.schema import ScalingRule

DAYS: Final = 30
RULES: Final = 2_000
VARIANTS: Final = 1_000
NOW: Final = datetime(2026, 11, 21, 12, tzinfo=UTC)


def thirty_days(of: Trace) -> Case:
    """The last 30 days of a workload, again and again where it is shorter."""
    load = np.tile(of.load_rps, -(-DAYS * protocol.DAY_TICKS // len(of.load_rps)))[-DAYS * protocol.DAY_TICKS :]
    return case(Trace(name=of.name, load_rps=load), USUAL_START)


def replay_milliseconds(on: Case, reactive: loop.Reactive) -> tuple[float, float]:
    """Floors given, and with the forecast and the price rule before; compiled, the best of five."""
    plan = _plan(on, replay.engine())
    record = loop.blank_record(on.ticks)
    given = _best(lambda: replay.replay(on.world, reactive, plan, record=record))
    whole = _best(lambda: replay.replay(on.world, reactive, _plan(on, replay.engine()), record=record))
    return 1000 * given, 1000 * whole


def plain_seconds(on: Case, reactive: loop.Reactive) -> float:
    """Forecast, price rule and replay without the extra ``compiled``."""
    return _best(lambda: replay.replay(on.world, reactive, _plan(on, replay.PLAIN), by=replay.PLAIN), times=1)


def sweep_seconds(on: Case) -> float:
    """A thousand reactive variants on all cores."""
    settings: list[Setting] = [
        (peers.reactive(metric=loop.RPS, target=target * SERVICE.capacity_rps, window_seconds=window,
                        tolerance=tolerance, down_seconds=down), plans.no_plan())
        for target, tolerance, window, down in product(np.linspace(0.3, 0.84, 25), (0.0, 0.02, 0.05, 0.1, 0.15),
                                                       (30, 60), (60, 120, 300, 600))
    ][:VARIANTS]  # fmt: skip
    began = time.monotonic()
    play(on, settings)
    return time.monotonic() - began


def decide_seconds(*, in_shadow: bool = False) -> float:
    """One live pass over 2,000 rules with three triggers each, signals and forecasts given, on one core.

    Args:
        in_shadow: Whether each of them keeps its shadow's score besides.
    """
    rules, shadows = [_rule(k) for k in range(RULES)], Shadows(cost_of=_unpriced)
    past = tuple(Recommendation(at=NOW - timedelta(seconds=15 * k), replicas=6) for k in range(20, 0, -1))
    memory, forecast = Memory(recommendations=past), _forecast()
    signals: dict[str, Reading] = {
        "cpu": Signal(value=4.1, window=timedelta(minutes=1), as_of=NOW, count=6),
        "rps": Signal(value=700.0, window=timedelta(minutes=1), as_of=NOW, count=6),
    }

    def decided(rule: ScalingRule, workload: Workload, memory: Memory, now: datetime) -> tuple[Decision, Memory]:
        decision = decide.decide(
            rule, signals=signals, forecasts={"soon": forecast}, workload=workload, memory=memory, now=now,
            cost_of=_unpriced,
        )  # fmt: skip
        return decision, decide.remember(memory, decision, rule=rule)

    ticks = count()

    def one_pass() -> None:
        now = NOW + timedelta(seconds=15 * next(ticks)) if in_shadow else NOW
        for rule in rules:
            workload = Workload(
                ref=rule.target, current_replicas=6, ready_replicas=6, requests={"cpu": 1.0}, source="benchmark"
            )
            decided(rule, workload, memory, now)
            if in_shadow:
                shadows.follow(rule, real=workload, signals=signals, decide=partial(decided, rule, now=now), now=now)

    return _best(one_pass, times=3)


def _plan(on: Case, engine: replay.Engine) -> Plan:
    middle = round(sum(on.lead_ticks) / 2)
    windows = ((middle - 1, middle + 1), (1, on.lead_ticks[1]))
    add, keep = lead.forecast(on.world.load_rps, windows=windows, clock=CLOCK, unit=SERVICE.safe_rps)
    return plans.following(add, keep, safe_rps=SERVICE.safe_rps, missed=[80.0], by=engine.price)


def _best(run: Callable[[], Any], times: int = 5) -> float:
    taken = []
    for _ in range(times):
        began = time.thread_time()
        run()
        taken.append(time.thread_time() - began)
    return min(taken)


def _rule(number: int) -> ScalingRule:
    name = f"service-{number}"
    triggers: list[dict[str, Any]] = [
        {"name": "cpu", "resource": {"name": "cpu", "utilization": 70}},
        {"name": "rps", "query": f'sum(rate(http_requests_total{{app="{name}"}}[1m]))', "perReplica": 120},
        {"name": "soon", "forecast": {"of": "rps", "quantile": 0.9}},
    ]
    spec = {"target": {"kind": "Deployment", "name": name}, "replicas": {"min": 2, "max": 40}, "triggers": triggers}
    document = {"apiVersion": "foretide.dev/v1alpha1", "kind": "ScalingRule",
                "metadata": {"name": name, "namespace": "shop"}, "spec": spec}  # fmt: skip
    return ScalingRule.model_validate(document)


def _forecast() -> Forecast:
    steps = 40
    return Forecast(
        signal="shop/service/rps", model="seasonal_naive", made_at=NOW, cutoff=NOW, step=timedelta(seconds=15),
        season=timedelta(days=1), mean=np.full(steps, 700.0), quantiles=(0.5, 0.9), values=np.full((steps, 2), 750.0),
        reference=None, backtest=None, history_start=NOW - timedelta(days=14),
    )  # fmt: skip


def _unpriced(workload: Workload, replicas: int) -> Money | None:
    return None
