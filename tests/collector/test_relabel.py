from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from collector.config import parse_scrape_config
from collector.relabel import Action, RelabelRule, relabelled
from collector.targets import ScrapeJob, Target
from domain.labels import Labels
from tests.fakes.prometheus import discovered_by, prometheus_with

GIVEN = {"a": "foo", "b": "bar", "c": "baz"}
TABLE: list[tuple[list[dict[str, Any]], dict[str, str] | None]] = [
    ([{"source_labels": ["a"], "regex": "f(.*)", "target_label": "d", "replacement": "ch${1}-ch$1"}],
     {**GIVEN, "d": "choo-choo"}),
    ([{"source_labels": ["a", "b"], "regex": "f(.*);(.*)r", "target_label": "a", "replacement": "b${1}${2}m"},
      {"source_labels": ["c", "a"], "regex": "(b).*b(.*)ba(.*)", "target_label": "d", "replacement": "$1$2$2$3"}],
     {**GIVEN, "a": "boobam", "d": "boooom"}),
    ([{"source_labels": ["a"], "regex": ".*o.*", "action": "drop"}], None),
    ([{"source_labels": ["a"], "regex": "o", "action": "drop"}], GIVEN),
    ([{"source_labels": ["a"], "regex": "no-match", "action": "keep"}], None),
    ([{"source_labels": ["a"], "regex": "f|foo", "action": "keep"}], GIVEN),
    ([{"source_labels": ["a"], "regex": "(f).*", "target_label": "a", "replacement": "$2"}], {"b": "bar", "c": "baz"}),
    ([{"source_labels": ["a"], "regex": "nothing", "target_label": "a", "replacement": "x"}], GIVEN),
    ([{"source_labels": ["c"], "target_label": "d", "action": "hashmod", "modulus": 1000}], {**GIVEN, "d": "976"}),
    ([{"regex": "(a|b)", "action": "labelmap", "replacement": "bar_$1"}], {**GIVEN, "bar_a": "foo", "bar_b": "bar"}),
    ([{"regex": "(a|c)", "action": "labeldrop"}], {"b": "bar"}),
    ([{"regex": "a|job|__.*", "action": "labelkeep"}], {"a": "foo"}),
    ([{"source_labels": ["a"], "action": "uppercase", "target_label": "a"}], {**GIVEN, "a": "FOO"}),
    ([{"source_labels": ["a"], "target_label": "X", "replacement": "AbC"},
      {"source_labels": ["X"], "action": "lowercase", "target_label": "X"}], {**GIVEN, "X": "abc"}),
    ([{"source_labels": ["a"], "target_label": "b", "action": "keepequal"}], None),
    ([{"source_labels": ["a"], "target_label": "b", "action": "dropequal"}], GIVEN),
    ([{"source_labels": ["a", "none"], "regex": "foo;", "action": "keep"}], GIVEN),
    ([{"source_labels": ["a"], "regex": "(?P<first>f).*", "target_label": "${first}_x", "replacement": "$first$$"}],
     {**GIVEN, "f_x": "f$"}),
    ([{"source_labels": ["a", "b"], "separator": "-", "target_label": "${1}"}], GIVEN),
    ([{"target_label": "b", "replacement": ""}], {"a": "foo", "c": "baz"}),
]  # fmt: skip


def rules(entries: list[dict[str, Any]]) -> list[RelabelRule]:
    made = []
    for entry in entries:
        sources = tuple(entry.get("source_labels", ()))
        made.append(
            RelabelRule(**{**entry, "source_labels": sources, "action": Action(entry.get("action", "replace"))})
        )
    return made


@pytest.mark.parametrize(("entries", "expected"), TABLE)
def test_rules_do_what_prometheus_documents(entries: list[dict[str, Any]], expected: dict[str, str] | None) -> None:
    assert relabelled(GIVEN, rules(entries)) == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"action": "hashmod", "target_label": "a"}, "hashmod requires non-zero modulus"),
        ({"action": "replace"}, "requires 'target_label' value"),
        ({"target_label": "a-b"}, "'a-b' is invalid 'target_label' for replace action"),
        ({"action": "lowercase", "target_label": "${1}"}, "is invalid 'target_label' for lowercase action"),
        ({"action": "uppercase", "target_label": "a", "replacement": "x"}, "'replacement' can not be set"),
        ({"action": "labelmap", "replacement": "a-$1"}, "'a-$1' is invalid 'replacement' for labelmap"),
        ({"action": "keepequal", "target_label": "a", "regex": "x"}, "requires only 'source_labels' and"),
        ({"action": "labeldrop", "regex": "x", "target_label": "a"}, "requires only 'regex'"),
        ({"action": "drop", "regex": "(?=x)"}, "is no RE2 regular expression"),
    ],
)
def test_rules_that_mean_nothing_are_refused(fields: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValueError, match=".*") as caught:
        rules([fields])

    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"target_label": "__address__", "replacement": ""}, "no address"),
        ({"target_label": "__address__", "replacement": "http://a/b"}, '"http://a/b" is not a valid hostname'),
        ({"target_label": "__scrape_interval__", "replacement": "0s"}, "scrape interval cannot be 0"),
        ({"target_label": "__scrape_timeout__", "replacement": "9m"}, "scrape timeout cannot be greater than"),
    ],
)
def test_a_target_that_relabelling_broke_says_why(entry: dict[str, Any], expected: str) -> None:
    job = ScrapeJob(job_name="a", relabel_configs=tuple(rules([entry])))

    with pytest.raises(ValueError, match="^[^\n]+$") as caught:
        job.target({"__address__": "h:1"})

    assert expected in str(caught.value)


def test_series_are_relabelled_after_they_got_the_targets_labels() -> None:
    dropped, renamed = rules(
        [
            {"source_labels": ["__name__", "job"], "regex": "go_.*;shop", "action": "drop"},
            {"source_labels": ["handler"], "target_label": "path"},
        ]
    )
    target = Target(job=ScrapeJob(job_name="shop", metric_relabel_configs=(dropped, renamed)), address="h:1")

    assert target.finish(Labels.of(__name__="go_threads")) == Labels()
    assert target.finish(Labels.of(__name__="hits", handler="/a")).value_of("path") == "/a"


def test_a_series_without_a_name_after_relabelling_fails_the_page() -> None:
    (rule,) = rules([{"regex": "__name__", "action": "labeldrop"}])
    target = Target(job=ScrapeJob(job_name="shop", metric_relabel_configs=(rule,)), address="h:1")

    with pytest.raises(ValueError, match="missing metric name"):
        target.finish(Labels.of(__name__="hits"))


@pytest.mark.slow
def test_prometheus_itself_relabels_targets_alike(tmp_path: Path) -> None:
    jobs = [
        {
            "job_name": f"job-{number}",
            "metrics_path": "/m",
            "params": {"q": ["1"]},
            "static_configs": [{"targets": ["h:1"], "labels": GIVEN}],
            "relabel_configs": entries,
        }
        for number, (entries, _) in enumerate(TABLE)
        if not any(entry.get("action") in ("keepequal", "dropequal") for entry in entries)  # newer than 2.42
    ]
    text = json.dumps({"scrape_configs": jobs})

    with prometheus_with([], tmp_path / "prometheus", config=text) as url:
        shown = discovered_by(url, count=len(jobs))

    theirs = {(one["scrapeUrl"], Labels.of(one["labels"])) for one in shown["activeTargets"]}
    ours = {(str(one.url), one.labels) for one in parse_scrape_config(text, "f").targets()}
    assert ours == theirs
    assert len(shown["droppedTargets"]) == len(jobs) - len(ours) > 1
