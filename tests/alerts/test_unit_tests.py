"""promtool's unit tests give the same verdict here, test by test."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path
from xml.etree import ElementTree as xml

import pytest

from alerts.rule_file.read import read as read_rules
from alerts.unit_tests import document
from alerts.unit_tests.run import Outcome, run

STORIES = Path(__file__).parent / "stories"
FILES = sorted(STORIES.glob("*_test.yaml"))
"""Half of the tests expect what is right; the other half has one slip each: an alert, a label, a text, a value."""


@cache
def outcomes(file: Path) -> list[Outcome]:
    read, mistakes = document.read(file.read_bytes(), file=file.name)
    assert read is not None, mistakes
    rules = [read_rules((file.parent / name).read_bytes(), file=name) for _, name in read.rule_files]
    assert not [one.mistakes for one in rules if one.mistakes]
    return run(read, [one.file for one in rules])


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_story_has_the_verdict_of_promtool(file: Path, promtool: Path, tmp_path: Path) -> None:
    junit = tmp_path / "junit.xml"
    subprocess.run([promtool, "test", "rules", f"--junit={junit}", file], capture_output=True)
    cases = xml.parse(junit).getroot().iter("testcase")
    theirs = [(case.get("name"), case.find("failure") is None) for case in cases]
    ours = [(one.name, not one.failures) for one in outcomes(file)]
    assert ours == theirs
    assert {passed for _, passed in ours} == {"right" in file.stem}


def test_the_stories_are_many() -> None:
    assert sum(len(outcomes(file)) for file in FILES) >= 60


def test_a_failure_shows_what_was_expected_and_what_came() -> None:
    text = """\
rule_files: [x]
tests:
- input_series: [{series: up, values: 1x5}]
  promql_expr_test:
  - {expr: up + 1, eval_time: 2m, exp_samples: [{labels: up, value: 2}]}
"""
    read, mistakes = document.read(text.encode(), file="x_test.yaml")
    assert read is not None, mistakes
    (failure,) = run(read, [])[0].failures
    assert (failure.place.line, failure.said) == (5, "expr: up + 1, time: 2m")
    assert (failure.expected, failure.got) == (("up 2.0",), ("{} 2.0",))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tests: [{alert_rule_test: [{eval_time: 1m}]}]", "1:28: tests[0].alert_rule_test[0].alertname: an item"),
        ("tests: [{input_series: [{series: 'up{', values: 1}]}]", "bad labels"),
        ("tests: [{input_series: [{series: up, values: 1y}]}]", "'1y' is no value"),
        ("tests: [{input_series: [{series: up, values: '{{schema:1}}'}]}]", "native histograms"),
        ("tests: [{promql_expr_test: [{exp_samples: [{value: many}]}]}]", "expected a number"),
        ("tests: [{start_timestamp: yesterday}]", "RFC 3339"),
        ("group_eval_order: [a, a]", "group name repeated"),
        ("test: []", 'did you mean "tests"?'),
        ("tests: [{interval: 5 m}]", "not a duration"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_test_file_is_said_with_its_place(text: str, said: str) -> None:
    _, mistakes = document.read(text.encode(), file="f")
    assert any(said in str(one) for one in mistakes), mistakes
