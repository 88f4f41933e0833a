"""``foretide test``: stories about rules, played through the live loop."""

from __future__ import annotations

import io
import json
import re
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from app.rule_tests.command import test_paths as run_paths
from app.rule_tests.document import TestFile as File
from tests.app.world import rule_text

ROOT = Path(__file__).parents[2]
SERIES = "{series: 'http_requests_total', values: '0+300x60'}"  # 20/s, which takes 2
STORY = f"""
rule_files: [rules.yaml]
tests:
- name: steady
  rule: demo/shop
  replicas: 2
  input_series:
  - {SERIES}
  decision_test:
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rules.yaml").write_text(rule_text())
    return tmp_path


def run(path: Path, *, output: str = "table", junit: Path | None = None, as_diff: bool = False) -> tuple[int, str]:
    out = io.StringIO()
    return run_paths([path], output=output, junit=junit, as_diff=as_diff, out=out), out.getvalue()


def story(folder: Path, *expectations: str, text: str = STORY) -> Path:
    path = folder / "shop_test.yaml"
    path.write_text(text + "".join(f"  - {one}\n" for one in expectations))
    return path


def test_the_shop_decides_as_its_table_says() -> None:
    code, out = run(ROOT / "examples/shop/rules")
    assert (code, out) == (0, "ok: 6 tests with 27 assertions in 1 file\n")


def test_a_wrong_expectation_is_told_with_place_and_sentence(folder: Path) -> None:
    path = story(folder, "{eval_time: 2m, replicas: 3, outcome: hold}")
    code, out = run(path)
    said = f"{path}:10:31: steady: at 2m replicas: expected 3, got 2: "
    assert (code, out.startswith(said)) == (1, True)
    assert out.splitlines()[1:] == ["1 of 1 test failed, 1 of 2 assertions, in 1 file"]


def test_between_two_ticks_the_earlier_decision_is_in_force(folder: Path) -> None:
    code, _ = run(story(folder, "{eval_time: 2m14s, replicas: 2}", "{eval_time: 0s, trigger: {rps: null}}"))
    assert code == 0


def test_replicas_follow_after_their_start_up(folder: Path) -> None:
    rule = rule_text().replace(
        "  - name: soon\n    forecast: {of: rps, season: 1d, horizon: 1h, step: 5m}\n",
        "  - name: cpu\n    resource: {name: cpu, utilization: 50}\n",
    )  # fmt: skip
    (folder / "rules.yaml").write_text(rule)
    text = STORY.replace(
        f"  - {SERIES}\n",
        "  - {series: 'http_requests_total', values: '0+600x60'}\n"
        "  - {series: 'process_cpu_seconds_total{job=\"shop\"}', values: '0+15x60'}\n",
    ).replace("  replicas: 2\n", "  replicas: 2\n  requests: {cpu: 1}\n  follow: startup 90s\n")
    # 40/s takes 4; one core over the two that are ready is 50 %, over all four of them 25 %
    path = story(
        folder,
        "{eval_time: 1m, replicas: 4, trigger: {rps: 4}}",
        "{eval_time: 1m45s, trigger: {cpu: 4}}",
        "{eval_time: 2m45s, trigger: {cpu: 2}}",
        text=text,
    )
    assert run(path) == (0, "ok: 1 test with 4 assertions in 1 file\n")


def test_a_rule_that_may_not_act_stays_where_it_is_with_follow_never(folder: Path) -> None:
    text = STORY.replace("0+300x60", "0+900x60").replace("  replicas: 2\n", "  replicas: 2\n  follow: never\n")
    path = story(folder, "{eval_time: 1m, outcome: scale_up, replicas: 6}", "{eval_time: 9m, outcome: scale_up}",
                 text=text)  # fmt: skip
    assert run(path)[0] == 0


def test_a_forecast_raises_what_the_load_does_not_ask_for(folder: Path) -> None:
    forecast = "  forecasts:\n  - {of: rps, values: '20x8 50x20'}\n  decision_test:\n"
    text = STORY.replace("  decision_test:\n", forecast)
    path = story(folder, "{eval_time: 3m, replicas: 5, reason: ForecastFloor, limited_by: [forecast]}", text=text)
    assert run(path)[0] == 0


def test_a_story_learns_nothing_and_its_forecast_counts(folder: Path) -> None:
    learning = rule_text().replace("perReplica: 10", "perReplica: 10, learn: {max: 50}")
    (folder / "rules.yaml").write_text(learning)
    assert "learn" in learning
    text = STORY.replace("  decision_test:\n", "  forecasts:\n  - {of: rps, values: '20x8 50x20'}\n  decision_test:\n")
    path = story(folder, "{eval_time: 3m, replicas: 5, reason: ForecastFloor, trigger: {rps: 2}}", text=text)
    assert run(path) == (0, "ok: 1 test with 3 assertions in 1 file\n")


def test_json_has_every_assertion(folder: Path) -> None:
    path = story(folder, "{eval_time: 2m, replicas: 3, limited_by: [], trigger: {rps: 2}}")
    code, out = run(path, output="json")
    body = json.loads(out)
    assert (code, body["passed"], body["failed"]) == (1, 0, 1)
    fields = [(one["field"], one["expected"], one["got"]) for one in body["tests"][0]["assertions"]]
    assert fields == [("replicas", 3, 2), ("limited_by", [], []), ("trigger rps", 2, 2)]


def test_junit_counts_tests_and_quotes_what_failed(folder: Path) -> None:
    path = story(folder, "{eval_time: 2m, replicas: 3}")
    run(path, junit=folder / "out.xml")
    root = ElementTree.parse(folder / "out.xml").getroot()
    assert (root.get("tests"), root.get("failures")) == ("1", "1")
    assert "expected 3, got 2" in (root.findtext(".//failure") or "")


def test_the_diff_makes_the_tests_pass(folder: Path) -> None:
    path = story(
        folder,
        "{eval_time: 2m, replicas: 33, trigger: {rps: 7}, reason: NoData}  # flow",
        "eval_time: 3m\n    limited_by:\n    - bounds.max\n    - steps\n    outcome: scale_up",
    )
    code, out = run(path, as_diff=True)
    assert code == 1
    assert "+    limited_by: []\n+    outcome: hold\n" in out
    subprocess.run(["patch", "-p0", str(path)], input=out, text=True, check=True, capture_output=True)
    assert run(path) == (0, "ok: 1 test with 5 assertions in 1 file\n")
    assert "# flow" in path.read_text()


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("rule: demo/shop", "rule: demo/shpo", '5:9: tests[0].rule: no rule "demo/shpo" in rule_files; did you mean'),
        ("rules.yaml", "none.yaml", '2:14: rule_files[0]: no file "none.yaml" beside this one'),
        ("replicas: 3", "replica: 3", '10:21: tests[0].decision_test[0].replica: unknown field "replica"; did you'),
        ("replicas: 3", "reason: Foo", "10:29: tests[0].decision_test[0].reason: expected one of DesiredWithinRange"),
        ("replicas: 3", "trigger: {rsp: 3}", '10:31: tests[0].decision_test[0].trigger.rsp: demo/shop has no trigger'),
        (", replicas: 3", "", "nothing is expected at this time; add for example replicas: 4"),
        ("eval_time: 2m", "eval_time: soon", "expected a time since the test's start such as 0s, 5m or 1h30m"),
        ("'0+300x60'", "'0+300y60'", "'0+300y60' is no value; write for example 5, 0+120x40, _x3 or stale"),
        ("'0+300x60'", "'0x1000000000'", "'0x1000000000' makes more than 1000000 points"),
        ("'http_requests_total'", "'{a=b}'", "expected a series such as http_requests_total"),
        ("replicas: 2\n", "replicas: 2\n  follow: soon\n", "expected instantly, never, or startup and a duration"),
        ("name: steady", "name: steady\n  alert_rule_test: []", "alert_rule_test is promtool's and stands beside"),
        ("eval_time: 2m", "eval_time: 20d", "at most 100000 decisions, which are 17.4 days"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_test_file_has_its_place(
    folder: Path, capsys: pytest.CaptureFixture[str], before: str, after: str, said: str
) -> None:
    path = story(folder, "{eval_time: 2m, replicas: 3}")
    path.write_text(path.read_text().replace(before, after))
    code, out = run(path)
    told = capsys.readouterr().err
    assert (code, out) == (2, "")
    assert said in told
    assert re.match(rf"{re.escape(str(path))}:\d+:\d+: ", told)


def test_a_mistake_in_a_rule_file_is_told_there(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "rules.yaml").write_text(rule_text().replace("perReplica", "perReplcia"))
    assert run(story(folder, "{eval_time: 2m, replicas: 2}"))[0] == 2
    assert "rules.yaml:9:" in capsys.readouterr().err


def test_promtools_tests_run_beside_tables_of_decisions(folder: Path, tmp_path: Path) -> None:
    (folder / "alerts.yml").write_text(
        "groups:\n- name: g\n  rules:\n  - {alert: Down, expr: up == 0, for: 1m, labels: {severity: page}}\n"
    )
    (folder / "alerts_test.yaml").write_text(
        "rule_files: [alerts.yml]\ntests:\n- name: down\n  input_series: [{series: up, values: 0x5}]\n"
        "  alert_rule_test:\n  - {eval_time: 2m, alertname: Down, exp_alerts: [{exp_labels: {severity: ticket}}]}\n"
    )
    story(folder, "{eval_time: 2m, replicas: 2}")
    code, out = run(folder)
    assert code == 1
    assert out.splitlines() == [
        f"{folder}/alerts_test.yaml:6:5: down: alertname: Down, time: 2m",
        '    exp: Labels:{alertname="Down", severity="ticket"} Annotations:{}',
        '    got: Labels:{alertname="Down", severity="page"} Annotations:{}',
        "1 of 2 tests failed, 1 of 2 assertions, in 2 files",
    ]
    told = json.loads(run(folder, output="json")[1])["tests"]
    assert [(one["name"], one["passed"]) for one in told] == [("steady", True), ("down", False)]
    junit = tmp_path / "junit.xml"
    run(folder, junit=junit)
    suites = [(suite.get("name"), suite.get("failures")) for suite in ElementTree.parse(junit).getroot()]
    assert suites == [(f"{folder}/alerts_test.yaml", "1"), (f"{folder}/shop_test.yaml", "0")]
    assert "+Labels:{alertname=" in run(folder, as_diff=True)[1]


def test_promtools_tests_name_rule_files_that_are_there(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "alerts_test.yaml").write_text("rule_files: [none.yml]\ntests:\n- alert_rule_test: []\n")
    assert run(folder / "alerts_test.yaml")[0] == 2
    assert 'alerts_test.yaml:1:14: rule_files: no file "none.yml" beside this one' in capsys.readouterr().err


def test_no_tests_and_no_path_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path)[0] == 2
    assert "no tests in" in capsys.readouterr().err
    assert run(tmp_path / "none")[0] == 2
    assert "no such file or folder" in capsys.readouterr().err
    assert run(tmp_path, output="xml")[0] == 2


def test_every_field_is_documented() -> None:
    text = (ROOT / "docs/testing-rules.md").read_text(encoding="utf-8")
    page = re.sub(r"```.*?```", "", text, flags=re.DOTALL)

    def fields(model: type) -> set[str]:
        names = set()
        for name, field in model.model_fields.items():  # type: ignore[attr-defined]
            names.add(name)
            for inner in re.findall(r"document\.(\w+)", str(field.annotation)):
                names |= fields(getattr(__import__("app.rule_tests.document", fromlist=[inner]), inner))
        return names

    told = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]+)`", page))))
    assert len(fields(File)) > 20
    assert fields(File) - told == set()
