"""Templates say what Prometheus' say, and reach nothing that they should not."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.templates import AlertData, Surroundings, TemplateError, check, expand, expand_for_alert
from alerts.templates.expand import PREFIX
from alerts.templates.values import AlertFields, QueryResult, Sample, StringMap

AT = datetime(2012, 11, 24, 11, 14, 12, tzinfo=UTC)
GOLDEN = Path(__file__).parents[1] / "golden" / "alert_templates.json"
"""Texts of ours with what ``template.Expander`` of Prometheus 3.14 made of them, output or error, word by word."""
LABELS = {"instance": "10.0.0.1:9100", "job": "node"}


def ask(query: str) -> QueryResult:
    if query == "none":
        return QueryResult()
    samples = (("b:9100", 0.25), ("a:9100", 1.0))
    return QueryResult(
        Sample(StringMap(__name__="up", instance=instance, job="node"), value) for instance, value in samples
    )


AROUND = Surroundings(at=AT, ask=ask, external_url="http://prom.example:9090/pre", external_labels={"cluster": "eu"})


def outcome(text: str, labels: dict[str, str], value: float) -> tuple[str, str]:
    fields = AlertFields(StringMap(labels), StringMap(AROUND.external_labels), AROUND.external_url, value)
    try:
        return "output", expand("__alert_Test", PREFIX + text, fields, AROUND)
    except TemplateError as error:
        return "error", str(error)


@pytest.mark.parametrize("case", json.loads(GOLDEN.read_text(encoding="utf-8")), ids=lambda case: case["text"][:40])
def test_a_template_yields_what_prometheus_makes_of_it(case: dict[str, Any]) -> None:
    kind = "error" if "error" in case else "output"
    assert outcome(case["text"], case.get("labels", LABELS), float(case["value"])) == (kind, case[kind])


def test_an_annotation_that_fails_says_so_in_its_place() -> None:
    said = expand_for_alert("Down", "{{ $labels.job | nosuch }}", AlertData(labels=LABELS, value=1.0), AROUND)
    assert said == (
        "<error expanding template: error parsing template __alert_Down: "
        'template: __alert_Down:1: function "nosuch" not defined>'
    )


def test_a_text_without_an_action_is_left_alone() -> None:
    assert expand_for_alert("Down", "100 % }} of it", AlertData(labels={}, value=1.0), AROUND) == "100 % }} of it"


@pytest.mark.parametrize("text", ["{{ ", "{{ nosuch }}", "{{ if }}{{ end }}", "{{ $nobody }}"])
def test_what_cannot_be_a_template_is_refused_before_it_runs(text: str) -> None:
    with pytest.raises(TemplateError):
        check("Down", text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{{ .__class__ }}", "can't evaluate field __class__"),
        ("{{ .Labels.__class__.__mro__ }}", "can't evaluate field __mro__ in type string"),
        ("{{ (now | toTime).__init__ }}", "can't evaluate field __init__"),
        ("{{ (toTime 0).nanoseconds }}", "can't evaluate field nanoseconds"),
        ("{{ range 1000000000 }}x{{ end }}", "more than 100000 steps"),
        ('{{ define "a" }}{{ template "a" }}{{ end }}{{ template "a" }}', "exceeded maximum template depth (50)"),
        ("{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}", "max expression depth exceeded"),
        ('{{ printf "%999999d%999999d" 1 1 }}', "more than 1000000 characters"),
    ],
)
def test_a_template_reaches_no_object_and_ends_in_time(text: str, said: str) -> None:
    kind, message = outcome(text, LABELS, 1.0)
    assert (kind, said in message) == ("error", True), message


PIECES = st.sampled_from(
    ["{{", "}}", "{{-", "-}}", " ", "|", "(", ")", ".", "$x", ":=", "=", ",", '"a"', "1", "1.5", "if", "else", "end",
     "range", "with", "define", "template", "query", "first", "value", "printf", "index", "humanize", ".Labels", "nil",
     "break", "\n", "é", "eq", "and", "$value", "$labels.job", "/*", "*/", "'a'", "`r`", "text", "\\"]
)  # fmt: skip


@given(st.lists(PIECES, max_size=25), st.floats())
@settings(max_examples=300, deadline=None)
def test_any_text_yields_a_text_or_a_sentence(pieces: list[str], value: float) -> None:
    assert outcome("".join(pieces), LABELS, value)[0] in ("output", "error")
