"""Rule files are Prometheus': what promtool takes is taken, what it refuses is refused, with the place."""

from __future__ import annotations

import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.rule_file.lint import lint
from alerts.rule_file.model import AlertingRule, RecordingRule
from alerts.rule_file.read import effective, read
from domain.labels import Labels

WHOLE = """\
groups:
- name: web
  interval: 30s
  limit: 5
  query_offset: 10s
  labels: {team: web}
  rules:
  - record: job:requests:rate5m
    expr: sum by (job) (rate(http_requests_total[5m]))
    labels: {tier: 1}
  - alert: Down
    expr: up == 0
    for: 5m
    keep_firing_for: 1m
    labels: {severity: page, team: core}
    annotations:
      summary: "{{ $labels.instance }} is down"
"""
RULE = "groups:\n- name: g\n  rules:\n  - "
GOOD = {
    "whole": WHOLE,
    "empty": "",
    "no groups": "groups: []\n",
    "null rules": "groups: [{name: g, rules: }]\n",
    "anchors and merges": (
        "groups:\n- name: g\n  rules:\n  - &down\n    alert: A\n    expr: up\n    labels: &l {a: b}\n"
        "  - {<<: *down, alert: B}\n  - {alert: C, expr: up, labels: {<<: *l, c: d}}\n"
    ),
    "numbers and booleans as labels": f"{RULE}{{alert: A, expr: up, labels: {{a: 1, b: true, c: 1.50, d: ~}}}}\n",
    "zero durations": f"{RULE}{{alert: A, expr: up, for: 0, keep_firing_for: 0s}}\n",
    "unicode names": f"{RULE}{{alert: Übel, expr: up, labels: {{größe: 1}}, annotations: {{a.b: x}}}}\n",
    "one name in two rules": f"{RULE}{{alert: A, expr: up}}\n  - {{alert: A, expr: down}}\n",
    "a long duration": f"{RULE}{{alert: A, expr: up, for: 1d12h30m}}\n",
    "a second document": "groups: []\n---\nnonsense: 1\n",
    "record with a colon and a dot": f"{RULE}{{record: 'a:b.c', expr: up}}\n",
}
BAD = {
    "an unknown field": ("groups:\n- {name: g, rulez: []}\n", "2:13", "unknown field"),
    "an unknown field at the top": ("group: []\n", "1:1", "unknown field"),
    "a misspelt field of a rule": (f"{RULE}{{alert: A, expr: up, fro: 5m}}\n", "4:26", 'did you mean "for"?'),
    "no name": ("groups:\n- {rules: []}\n", "2:3", "a group needs a name"),
    "a name twice": ("groups:\n- {name: g, rules: []}\n- {name: g, rules: []}\n", "3:10", "already in line 2"),
    "both kinds": (f"{RULE}{{alert: A, record: b, expr: up}}\n", "4:13", "only one of record and alert"),
    "neither kind": (f"{RULE}{{expr: up}}\n", "4:5", "one of record and alert"),
    "no expression": (f"{RULE}{{alert: A}}\n", "4:5", "field expr must be set"),
    "no PromQL": (f"{RULE}{{alert: A, expr: 'sum(up'}}\n", "4:22", "parse error"),
    "a duration that is none": (f"{RULE}{{alert: A, expr: up, for: 5 minutes}}\n", "4:31", "not a duration"),
    "an interval that is a number": ("groups:\n- {name: g, interval: 30, rules: []}\n", "2:23", "not a duration"),
    "a limit that is a text": ("groups:\n- {name: g, limit: many, rules: []}\n", "2:20", "whole number"),
    "annotations of a record": (f"{RULE}{{record: a, expr: up, annotations: {{x: y}}}}\n", "4:40", "invalid field"),
    "for of a recording rule": (f"{RULE}{{record: a, expr: up, for: 1m}}\n", "4:32", "invalid field"),
    "an expression as a record": (f"{RULE}{{record: 'up{{a=\"b\"}}', expr: up}}\n", "4:14", "braces"),
    "__name__ as a label": (f"{RULE}{{alert: A, expr: up, labels: {{__name__: x}}}}\n", "4:35", "invalid label"),
    "an unknown function": (
        f"{RULE}{{alert: A, expr: up, annotations: {{s: '{{{{ nosuch }}}}'}}}}\n",
        "4:40", 'function "nosuch" not defined'
    ),
    "a template that is not closed": (f"{RULE}{{alert: A, expr: up, labels: {{s: '{{{{ if '}}}}\n", "4:35", "unclosed"),
    "a list of texts": ("groups: [a]\n", "1:10", "expected a mapping"),
    "no list": ("groups: {a: b}\n", "1:9", "expected a list"),
    "a key twice": (f"{RULE}{{alert: A, expr: up, expr: down}}\n", "4:26", "already defined at line 4"),
    "no YAML": ("groups: [\n", "2:1", "not YAML"),
    "an unknown anchor": ("groups: *nowhere\n", "1:9", "unknown anchor"),
    "labels as a list": (f"{RULE}{{alert: A, expr: up, labels: [a]}}\n", "4:34", "expected a mapping"),
}  # fmt: skip


def test_every_field_of_a_rule_file_is_read() -> None:
    reading = read(WHOLE.encode(), file="web.yaml")
    assert not reading.mistakes
    (group,) = reading.file.groups
    assert (group.interval, group.limit, group.query_offset) == (timedelta(seconds=30), 5, timedelta(seconds=10))
    recording, alerting = group.rules
    assert isinstance(recording, RecordingRule)
    assert (recording.record, recording.labels) == ("job:requests:rate5m", Labels.of(tier="1"))
    assert isinstance(alerting, AlertingRule)
    assert (alerting.for_, alerting.keep_firing_for) == (timedelta(minutes=5), timedelta(minutes=1))
    assert effective(group).rules[1].labels == Labels.of(severity="page", team="core")
    assert effective(group).rules[0].labels == Labels.of(tier="1", team="web")


@pytest.mark.parametrize("case", GOOD)
def test_what_is_right_has_no_mistake(case: str) -> None:
    assert read(GOOD[case].encode(), file="f").mistakes == ()


@pytest.mark.parametrize("case", BAD)
def test_a_mistake_is_said_with_its_place(case: str) -> None:
    text, place, said = BAD[case]
    mistakes = [str(one) for one in read(text.encode(), file="f").mistakes]
    assert any(one.startswith(f"f:{place}: ") and said in one for one in mistakes), mistakes


def test_promtool_gives_the_same_verdict_on_every_one_of_these_files(promtool: Path, tmp_path: Path) -> None:
    verdicts = {}
    for case, text in {**GOOD, **{case: text for case, (text, _, _) in BAD.items()}}.items():
        file = tmp_path / "rules.yaml"
        file.write_text(text)
        done = subprocess.run([promtool, "check", "rules", file], capture_output=True, text=True)
        verdicts[case] = done.returncode == 0
    assert verdicts == {**dict.fromkeys(GOOD, True), **dict.fromkeys(BAD, False)}


def test_the_other_rules_of_the_file_go_on() -> None:
    text = (
        f"{RULE}{{alert: A, expr: 'sum('}}\n  - {{alert: B, expr: up}}\n- name: h\n  rules: [{{record: c, expr: up}}]\n"
    )
    reading = read(text.encode(), file="f")
    assert len(reading.mistakes) == 1
    assert [rule.name for group in reading.file.groups for rule in group.rules] == ["B", "c"]


def test_aliases_cannot_make_a_short_file_endless() -> None:
    rules = "a: &r [" + ", ".join(["{alert: A, expr: up}"] * 1000) + "]\n"
    groups = "groups:\n" + "".join(f"- {{name: g{number}, rules: *r}}\n" for number in range(200))
    reading = read((rules + groups).encode(), file="f")
    assert any("more than 100000 items" in one.message for one in reading.mistakes)


def test_rules_twice_and_rules_in_a_cycle_are_told() -> None:
    text = (
        "groups:\n- name: g\n  rules:\n  - {record: a, expr: b + 1}\n  - {record: b, expr: 'sum(rate(c[5m]))'}\n"
        "  - {record: c, expr: a}\n  - {record: d, expr: up}\n  - {record: d, expr: up}\n"
        "  - {record: e, expr: 'max(e)'}\n"
    )
    said = [f"{one.line}: {one.message}" for one in lint([read(text.encode(), file="f").file])]
    assert said == [
        "4: recording rules in a cycle: a reads b reads c reads a",
        "5: recording rules in a cycle: b reads c reads a reads b",
        "6: recording rules in a cycle: c reads a reads b reads c",
        "8: duplicate rule: d with the same labels stands in line 7",
        "9: recording rules in a cycle: e reads e",
    ]


@given(st.text(alphabet="groups:nam- []{}&*<\n\"'|>a1x \t", max_size=80))
def test_no_text_makes_it_fail(text: str) -> None:
    read(text.encode(), file="f")
