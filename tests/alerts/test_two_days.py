"""Two days of data through Prometheus' own rule engine and through ours: the same alerts at the same times."""

from __future__ import annotations

import json
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from alerts.evaluation.asking import sampled
from alerts.evaluation.group import GroupRun, RuleRun, World
from alerts.rule_file.read import read as read_rules
from alerts.unit_tests import document
from alerts.unit_tests.memory import MemorySeries
from alerts.unit_tests.run import given
from domain.alerts import AlertState
from domain.clock import to_ms
from store.promql import Evaluator

RULES = Path(__file__).parent / "stories" / "node.yaml"
STEP = timedelta(minutes=2)
EVALUATIONS = 2 * 24 * 30


def story() -> str:
    """Hosts that go down, counters that restart, a disk that fills up twice, gaps; all from one seed."""
    rng = np.random.default_rng(20261122)
    series: dict[str, list[str]] = {}
    for host in "abcd":
        up = np.repeat(rng.random(EVALUATIONS // 8) > 0.15, 8)
        gone = np.repeat(rng.random(EVALUATIONS // 16) < 0.05, 16)
        series[f'up{{job="node", instance="{host}"}}'] = points(np.where(gone, np.nan, up.astype(float)))
        busy = 0.5 + 0.45 * np.sin(np.arange(EVALUATIONS) / 60 + ord(host)) + 0.05 * rng.standard_normal(EVALUATIONS)
        idle = np.cumsum(np.clip(1 - busy, 0, 1) * 120).round(2)
        idle -= idle[EVALUATIONS // 2] * (np.arange(EVALUATIONS) >= EVALUATIONS // 2)
        series[f'node_cpu_seconds_total{{job="node", instance="{host}", cpu="0", mode="idle"}}'] = points(idle)
    disk = 100 - (np.arange(EVALUATIONS) * 0.1493) % 95
    series['node_filesystem_avail_bytes{instance="a"}'] = points(disk.round(2))
    series['node_filesystem_size_bytes{instance="a"}'] = points(np.full(EVALUATIONS, 100.0))
    clock = np.where(np.repeat(rng.random(EVALUATIONS // 30) < 0.3, 30), np.nan, 1.0)
    series['node_time_seconds{job="node"}'] = points(clock)
    test = {
        "interval": "2m",
        "external_labels": {"cluster": "eu"},
        "input_series": [{"series": name, "values": " ".join(values)} for name, values in series.items()],
        "promql_expr_test": [{"expr": "vector(1)", "eval_time": f"{2 * (EVALUATIONS - 1)}m"}],
    }
    return yaml.safe_dump(
        {
            "rule_files": [str(RULES)],
            "evaluation_interval": "2m",
            "group_eval_order": ["node-records", "node-alerts"],
            "tests": [test],
        }
    )


def points(values: np.ndarray) -> list[str]:
    return ["_" if np.isnan(value) else repr(float(value)) for value in values]


def played(text: str) -> dict[str, Any]:
    """The story with what our rules make of it as its expectations: who fires, and ``ALERTS`` now and then."""
    read, mistakes = document.read(text.encode(), file="f")
    assert read is not None, mistakes
    memory = MemorySeries(given(read.tests[0]))
    evaluator = Evaluator(memory.select, subquery_step=STEP)
    world = World(
        ask=lambda query, at_ms: evaluator.instant(query, at_ms=at_ms), write=memory.append,
        external_labels={"cluster": "eu"},
    )  # fmt: skip
    groups = [GroupRun(one, file="f") for one in read_rules(RULES.read_bytes(), file="f").file.groups]
    alerts, samples = [], []
    for number in range(EVALUATIONS):
        at = document.EPOCH + number * STEP
        memory.until_ms = to_ms(at)
        for group in groups:
            group.evaluate(at, world)
            assert [run.error for run in group.rules if run.error] == []
        alerts += [expected(f"{2 * number}m", run) for group in groups for run in group.alerting()]
        if number == EVALUATIONS - 1:
            found = sampled(evaluator.instant('{__name__=~"ALERTS.*"}', at_ms=to_ms(at)))
            samples = [{"labels": str(labels), "value": value} for labels, value in found]
    whole: dict[str, Any] = yaml.safe_load(text)
    test = whole["tests"][0]
    test["alert_rule_test"] = alerts
    test["promql_expr_test"] = [
        {"expr": '{__name__=~"ALERTS.*"}', "eval_time": f"{2 * (EVALUATIONS - 1)}m", "exp_samples": samples}
    ]
    return whole


def expected(eval_time: str, run: RuleRun) -> dict[str, Any]:
    assert run.alerting is not None
    firing = [one for one in run.alerting.current() if one.state is AlertState.FIRING]
    shown = [
        {"exp_labels": dict(one.labels.without(["alertname"])), "exp_annotations": dict(one.annotations)}
        for one in firing
    ]
    return {"eval_time": eval_time, "alertname": run.rule.name, "exp_alerts": shown}


def verdict(promtool: Path, file: Path, whole: dict[str, Any]) -> bool:
    file.write_text(json.dumps(whole))  # JSON is YAML, and read and written faster
    return subprocess.run([promtool, "test", "rules", file], capture_output=True).returncode == 0


@pytest.mark.slow
def test_two_days_have_the_alerts_of_prometheus_at_every_evaluation(promtool: Path, tmp_path: Path) -> None:
    whole = played(story())
    tests = whole["tests"][0]["alert_rule_test"]
    fired = {one["alertname"] for one in tests if one["exp_alerts"]}
    assert fired >= {"InstanceDown", "CpuHigh", "DiskFillsUp", "ClockAbsent"}
    assert verdict(promtool, tmp_path / "two_days_test.yaml", whole)
    changed = next(one for one in reversed(tests) if one["exp_alerts"])
    changed["exp_alerts"] = []
    assert not verdict(promtool, tmp_path / "two_days_test.yaml", whole)
