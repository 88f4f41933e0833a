"""An interval of the ledger again: the same rule decides the same, another tells where not, and it can be kept."""

from __future__ import annotations

import io
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.backtest_rule_command import Asked, run
from app.backtesting import incident, kept
from app.rule_tests.command import test_paths as play_paths
from controller import decide, hpa
from controller.memory import Memory
from controller.triggers import Missing, Reading
from domain.scaling import Decision, Outcome, Workload
from domain.series import Signal
from rules import load_paths
from rules.schema import ScalingRule
from store.promql import check
from store.state import DecisionLedger
from tests.app.conftest import Served
from tests.app.world import NOW, hold
from tests.controller.stories import cost_of, flat_forecast, rule_of

LOADS = (40.0, 42.0, 55.0, 80.0, None, None, 95.0, 60.0, 30.0, 30.0, 28.0, 29.0)
REQUESTS = {"cpu": 0.5}
BEGIN = NOW + timedelta(microseconds=363_411)  # as ticks really fall


def rule(per_replica: int = 10, **spec: Any) -> ScalingRule:
    triggers = [
        {"name": "rps", "query": "sum(rate(a[1m]))", "perReplica": per_replica},
        {"name": "cpu", "resource": {"name": "cpu", "utilization": 60}},
        {"name": "soon", "forecast": {"of": "rps"}},
    ]
    behavior = {"scaleDown": {"stabilizationWindowSeconds": 30}}
    return rule_of({"replicas": {"min": 1, "max": 20}, "triggers": triggers, "behavior": behavior, **spec})


def ledger(of: ScalingRule) -> list[Decision]:
    """What the live loop would have written, the replicas following at once."""
    current, memory, made = 4, Memory.beginning(4, at=BEGIN), []
    for number, load in enumerate(LOADS):
        now = BEGIN + timedelta(seconds=15 * number)
        workload = Workload(
            ref=of.target, current_replicas=current, ready_replicas=current, requests=REQUESTS, source="t"
        )
        signals: dict[str, Reading] = {"rps": Missing(reason="query yields no series"),
                                       "cpu": Signal(value=0.11 * (load or 40.0) / 4, window=timedelta(), as_of=now,
                                                     count=1)}  # fmt: skip
        if load is not None:
            signals["rps"] = Signal(value=load, window=timedelta(), as_of=now, count=1)
        forecasts = {"soon": flat_forecast("s", (load or 0) + 6, cutoff=now) if load else None}
        decision = decide.decide(
            of, signals=signals, forecasts=forecasts, workload=workload, memory=memory, now=now, cost_of=cost_of
        )
        made.append(decision)
        memory = decide.remember(memory, decision, rule=of)
        if decision.outcome is not Outcome.HOLD and decision.desired_replicas is not None:
            keep = hpa.longest_period(of.spec.behavior)
            memory = memory.with_scale_event(decision.desired_replicas - current, at=now, keep=keep)
            current = decision.desired_replicas
    return made


def test_the_same_rule_decides_the_same_again() -> None:
    lines = incident.replayed(rule(), ledger(rule()), requests=REQUESTS)
    assert len(lines) == len(LOADS)
    assert [one.now.desired_replicas for one in lines] == [one.then.desired_replicas for one in lines]


def test_another_rule_tells_each_decision_that_would_be_another() -> None:
    lines = [one for one in incident.replayed(rule(8), ledger(rule()), requests=REQUESTS) if one.differs]
    assert lines
    assert all((one.now.desired_replicas or 0) > (one.then.desired_replicas or 0) for one in lines)


def test_a_trigger_that_was_not_there_then_is_missing_and_releases_nothing() -> None:
    more = rule().spec.triggers[0].model_copy(update={"name": "queue"})
    now = rule().model_copy(update={"spec": rule().spec.model_copy(update={"triggers": (*rule().spec.triggers, more)})})
    for one in incident.replayed(now, ledger(rule()), requests=REQUESTS):
        assert (one.now.desired_replicas or 0) >= (one.then.current_replicas or 0)


def test_what_is_kept_is_a_test_that_passes_and_fails_with_another_rule(tmp_path: Path) -> None:
    document = """
apiVersion: foretide.dev/v1alpha1
kind: ScalingRule
metadata: {name: shop, namespace: demo}
spec:
  target: {kind: Deployment, name: shop}
  replicas: {min: 1, max: 20}
  triggers:
  - {name: rps, query: 'sum(rate(a[1m]))', perReplica: 10}
  - {name: cpu, resource: {name: cpu, utilization: 60}}
  - {name: soon, forecast: {of: rps}}
  behavior: {scaleDown: {stabilizationWindowSeconds: 30}}
"""
    path = tmp_path / "rules.yaml"
    path.write_text(document)
    running = load_paths([path], check_query=check)
    text = kept.as_test(
        running.rules[0], ledger(rule()), running, requests=REQUESTS, rule_file="rules.yaml", name="incident"
    )
    (tmp_path / "incident_test.yaml").write_text(text)
    assert "input_signals" in text
    out = io.StringIO()
    assert play_paths([tmp_path], output="table", junit=None, as_diff=False, out=out) == 0, out.getvalue()
    path.write_text(document.replace("perReplica: 10", "perReplica: 5"))
    assert play_paths([tmp_path], output="table", junit=None, as_diff=False, out=io.StringIO()) == 1


def test_what_is_kept_leaves_out_the_guard_as_the_incident_does(tmp_path: Path) -> None:
    guarded = """
apiVersion: foretide.dev/v1alpha1
kind: ScalingRule
metadata: {name: shop, namespace: demo}
spec:
  target: {kind: Deployment, name: shop}
  replicas: {min: 1, max: 20}
  triggers:
  - {name: rps, query: 'sum(rate(a[1m]))', perReplica: 10}
  guard: {slo: latency}
  behavior: {scaleDown: {stabilizationWindowSeconds: 30}}
---
apiVersion: foretide.dev/v1alpha1
kind: SLO
metadata: {name: latency, namespace: demo}
spec:
  indicator: {latency: {trace: {service: shop}, threshold: 400ms}}
  objective: 99
  window: 7d
"""
    path = tmp_path / "rules.yaml"
    path.write_text(guarded)
    running = load_paths([path], check_query=check)
    text = kept.as_test(
        running.rules[0], ledger(rule()), running, requests=REQUESTS, rule_file="rules.yaml", name="incident"
    )
    assert "SLOUnknown" not in text
    (tmp_path / "incident_test.yaml").write_text(text)
    out = io.StringIO()
    assert play_paths([tmp_path], output="table", junit=None, as_diff=False, out=out) == 0, out.getvalue()


@pytest.fixture
def past(served: Served) -> Served:
    with served.house.state.transaction() as session:
        for number in range(20):
            at = NOW - timedelta(days=3) + timedelta(seconds=15 * number)
            DecisionLedger(session).append(hold(5000 + number, at=at))
    return served


def test_the_command_tells_the_differences_and_keeps_a_test(
    past: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begin = NOW - timedelta(days=3)
    interval = f"{begin.isoformat()}..{(begin + timedelta(minutes=5)).isoformat()}"
    keep, out = tmp_path / "night_test.yaml", io.StringIO()
    server = f"http://127.0.0.1:{past.port}"
    code = run(Asked(rule="demo/shop", server=server, incident=interval, keep=keep), out)
    assert code in (0, 1), capsys.readouterr().err
    assert out.getvalue().startswith("demo/shop: 20 decisions, ")
    assert "decision_test:" in keep.read_text()
    for wrong, says in (("2h", "expected FROM..TO"), ("2026-11-01..2026-11-09", "up to a day apart")):
        assert run(Asked(rule="demo/shop", server=server, incident=wrong), io.StringIO()) == 2
        assert says in capsys.readouterr().err
