"""Burn-rate alerts of SLO documents: the workbook's numbers, and promtool's and our own verdict on what they yield."""

from __future__ import annotations

import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from alerts.objectives.burn_rules import by_source, groups_of
from alerts.rule_file.model import AlertingRule, RuleFile
from alerts.rule_file.read import read
from alerts.rule_file.write import text_of
from alerts.unit_tests import document
from alerts.unit_tests.run import run
from rules.burn_rates import Severity, pairs
from rules.slo import SLO

COUNTERS = {"ratio": {"bad": 'http_requests_total{code=~"5.."}', "total": "http_requests_total"}}
SPANS = {"latency": {"trace": {"service": 'ca"rt'}, "threshold": "300ms"}}
LEVEL = {"threshold": {"query": "queue_length", "op": "lt", "value": 100}}


def slo(name: str = "errors", *, indicator: dict[str, Any] = COUNTERS, window: str = "30d") -> SLO:
    return SLO.model_validate(
        {
            "apiVersion": "foretide.dev/v1alpha1", "kind": "SLO", "metadata": {"name": name, "namespace": "shop"},
            "spec": {"indicator": indicator, "objective": 99, "window": window},
        }
    )  # fmt: skip


def seen(window: timedelta) -> list[tuple[str, float]]:
    return [(str(pair.severity), pair.burn_rate) for pair in pairs(window=window)]


def test_thirty_days_have_the_numbers_of_the_workbook() -> None:
    assert seen(timedelta(days=30)) == [("page", 14.4), ("page", 6.0), ("ticket", 3.0), ("ticket", 1.0)]
    windows = [(pair.long.total_seconds(), pair.short.total_seconds()) for pair in pairs()]
    assert windows == [(3600, 300), (21600, 1800), (86400, 7200), (259200, 21600)]


def test_another_window_scales_them_and_nothing_is_told_below_one() -> None:
    assert seen(timedelta(days=28)) == [("page", 13.44), ("page", 5.6), ("ticket", 2.8), ("ticket", 1.0)]
    assert seen(timedelta(days=7)) == [("page", 3.36), ("page", 1.4), ("ticket", 1.0), ("ticket", 1.0)]


def test_no_pair_looks_back_further_than_the_objective() -> None:
    assert [pair.long for pair in pairs(window=timedelta(hours=6))] == [timedelta(hours=1), timedelta(hours=6)]
    assert {group.name for group in groups_of(slo(window="6h"))} == {"slo/shop/errors/page"}


def test_an_outage_pages_whatever_the_objective() -> None:
    assert all(pair.burn_rate * 0.5 <= 0.95 for pair in pairs(budget=0.5))


def test_the_rules_are_told_by_where_they_are_asked() -> None:
    found = by_source([slo("b", indicator=SPANS), slo("a")])
    assert [(source, [group.name for group in groups]) for source, groups in found.items()] == [
        (None, ["slo/shop/a/page", "slo/shop/a/ticket"]), ("local", ["slo/shop/b/page", "slo/shop/b/ticket"]),
    ]  # fmt: skip


def test_labels_tell_severity_and_objective() -> None:
    for group, severity in zip(groups_of(slo()), Severity, strict=True):
        (rule,) = group.rules
        assert isinstance(rule, AlertingRule)
        assert dict(rule.labels) == {"namespace": "shop", "slo": "errors", "severity": severity}


@pytest.fixture
def rule_file(tmp_path: Path) -> Path:
    """The rules of three objectives."""
    latency, queue = slo("latency", indicator=SPANS, window="28d"), slo("queue", indicator=LEVEL, window="90d")
    made = by_source([slo(), latency, queue])
    file = tmp_path / "slo.yaml"
    file.write_text(text_of(group for groups in made.values() for group in groups), encoding="utf-8")
    return file


def test_promtool_takes_the_rule_file_and_we_read_back_what_was_written(rule_file: Path, promtool: Path) -> None:
    checked = subprocess.run([promtool, "check", "rules", rule_file], capture_output=True, text=True)
    assert (checked.returncode, checked.stdout.count("SUCCESS")) == (0, 1), checked.stderr
    reading = read(rule_file.read_bytes(), file="slo.yaml")
    assert not reading.mistakes
    assert text_of(reading.file.groups) == rule_file.read_text(encoding="utf-8")


SUMMARY = "The SLO shop/errors (99% good over 30d) burns its error budget {} times as fast as it allows."
PAGED = "Told from a burn rate of 14.4 over 1h and 5m, or 6 over 6h and 30m. At 1 the budget just lasts for its 30d."
TICKETED = "Told from a burn rate of 3 over 1d and 2h, or 1 over 3d and 6h. At 1 the budget just lasts for its 30d."


def alert(severity: str, rate: str, said: str, left: str) -> dict[str, Any]:
    labels = {"namespace": "shop", "slo": "errors", "severity": severity}
    return {
        "exp_labels": labels,
        "exp_annotations": {"summary": SUMMARY.format(rate), "description": said, "budget_left": left},
    }


def story(name: str, good: str, bad: str, expected: list[tuple[str, str, list[dict[str, Any]]]]) -> dict[str, Any]:
    series = [
        {"series": 'http_requests_total{code="200"}', "values": good},
        {"series": 'http_requests_total{code="503"}', "values": bad},
    ]
    tests = [{"eval_time": at, "alertname": which, "exp_alerts": alerts} for at, which, alerts in expected]
    return {"name": name, "interval": "1m", "input_series": series, "alert_rule_test": tests}


FAST, SLOW = "ForetideSLOBurnsFast", "ForetideSLOBurns"
STORIES = [
    # 20 % bad for half an hour, then all good: pages until half an hour has few of them.
    story("errors that end", "0+80x30 2500+100x30", "0+20x30 600x30", [
        ("30m", FAST, [alert("page", "20", PAGED, "-1900%")]), ("55m", FAST, []),
    ]),
    story("errors too few to page", "0+950x20", "0+50x20", [
        ("20m", FAST, []), ("20m", SLOW, [alert("ticket", "5", TICKETED, "-400%")]),
    ]),
    story("errors within the budget", "0+995x20", "0+5x20", [("20m", FAST, []), ("20m", SLOW, [])]),
    story("no requests", "0x10", "0x10", [("10m", FAST, []), ("10m", SLOW, [])]),
]  # fmt: skip


def test_promtool_and_we_see_the_same_alerts_fire_and_end(rule_file: Path, promtool: Path) -> None:
    file = rule_file.parent / "slo_test.yaml"
    file.write_text(yaml.safe_dump({"rule_files": [rule_file.name], "evaluation_interval": "1m", "tests": STORIES}))

    theirs = subprocess.run([promtool, "test", "rules", file], capture_output=True, text=True)
    assert theirs.returncode == 0, theirs.stdout + theirs.stderr
    tests, mistakes = document.read(file.read_bytes(), file=file.name)
    assert tests is not None, mistakes
    rules: RuleFile = read(rule_file.read_bytes(), file=rule_file.name).file
    assert [(one.name, one.failures) for one in run(tests, [rules])] == [(one["name"], ()) for one in STORIES]
