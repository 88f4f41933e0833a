"""The rules and alerts of Prometheus' API: filters, rules that do not run, and the very shape of the real one."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
import urllib.request
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI

from app.alerting import rules_endpoints
from tests.app.alerting.test_rules_loop import MINUTE, RULES, SECOND, START, Live
from tests.app.asgi import Answer, call
from tests.cluster.build import NoClusterError, programs

BOTH = """
groups:
- name: made
  interval: 1s
  limit: 50
  rules:
  - {record: "made:one", expr: "vector( 1 )", labels: {team: a}}
  - {record: "made:plain", expr: vector(2)}
  - alert: Firing
    expr: label_replace(vector(25.5), "job", "x", "", "") > 3
    labels: {severity: page}
    annotations: {said: "{{ $value }} of {{ $labels.job }}"}
  - {alert: Pending, expr: "made:one == 1", for: 90m, keep_firing_for: 5m}
  - {alert: Failing, expr: "label_replace(vector(1), 'job', 'x', '', '') or vector(2)", labels: {job: y}}
  - {alert: Quiet, expr: absent(made:one)}
  - alert: Long
    expr: |
      sum by(job) (rate(http_requests_total{code=~"5..",env!="a"}[5m] offset 1m))
        /on(job) group_left sum by(job) (rate(http_requests_total[5m]))>bool 0.05
        and on(job) (up == 1 or absent(a) unless b)
"""


Get = Callable[[str], Answer]


def client(live: Live) -> Get:
    application = FastAPI()
    routes = APIRouter(prefix="/prometheus/api/v1")
    application.include_router(rules_endpoints.add(routes, live.loop.groups, live.loop.broken))
    return lambda path: call(application, f"/prometheus/api/v1/{path}")


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    (tmp_path / "web.yaml").write_text(RULES)
    made = Live(tmp_path)
    yield made
    made.store.close()


def names(asked: Get, query: str = "") -> list[tuple[str, list[str]]]:
    answer = asked(f"rules{query}").json
    return [(group["name"], [rule["name"] for rule in group["rules"]]) for group in answer["data"]["groups"]]


def test_rules_are_chosen_by_type_name_group_and_file(live: Live) -> None:
    live.play(START + SECOND, START + 2 * MINUTE, b=0)
    asked = client(live)

    assert names(asked) == [("web", ["job:up:sum", "Down"]), ("fast", ["Seen"])]
    assert names(asked, "?type=alert") == [("web", ["Down"]), ("fast", ["Seen"])]
    assert names(asked, "?type=record") == [("web", ["job:up:sum"])]
    assert names(asked, "?rule_name[]=Seen&rule_name[]=Down&rule_group[]=web") == [("web", ["Down"])]
    assert names(asked, "?file[]=other.yaml") == []
    refused = asked("rules?type=alerts")
    assert (refused.status, refused.json["error"]) == (
        400, 'invalid parameter "type": not supported value "alerts"'
    )  # fmt: skip
    assert asked("rules?exclude_alerts=maybe").status == 400
    bare = asked("rules?exclude_alerts=true&rule_name[]=Down").json
    assert bare["data"]["groups"][0]["rules"][0]["alerts"] == []
    alerts = asked("alerts").json["data"]["alerts"]
    assert [(one["labels"]["alertname"], one["state"]) for one in alerts] == [("Down", "pending"), ("Seen", "firing")]


def test_a_rule_with_a_mistake_stands_there_as_one_that_fails(live: Live) -> None:
    live.rules.write_text(RULES.replace("up == 0", "up == ("))
    live.play(START + SECOND, START + 2 * SECOND, b=0)

    group = client(live)("rules").json["data"]["groups"][0]
    broken = group["rules"][-1]
    assert (broken["name"], broken["health"], broken["query"]) == ("Down", "err", "up == (")
    assert broken["lastError"].startswith(f"{live.rules}:6:25: ")


@pytest.mark.parametrize(
    ("value", "told"),
    [(1.0, "1e+00"), (25.5, "2.55e+01"), (0.1, "1e-01"), (1e100, "1e+100"), (float("inf"), "+Inf"), (-3.0, "-3e+00")],
)
def test_values_are_written_as_go_writes_them(value: float, told: str) -> None:
    assert rules_endpoints._float(value) == told


# ---- beside the real one


@pytest.fixture
def theirs(tmp_path: Path) -> Iterator[Callable[[str], Any]]:
    """Prometheus 3.14 with the same rules, asked."""
    try:
        program = programs()["prometheus"]
    except NoClusterError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))
    home = tmp_path / "prometheus"
    home.mkdir()
    (home / "made.yaml").write_text(BOTH)
    (home / "prometheus.yml").write_text("rule_files: [made.yaml]\n")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    running = subprocess.Popen(
        [program, f"--config.file={home}/prometheus.yml", f"--storage.tsdb.path={home}/data",
         f"--web.listen-address=127.0.0.1:{port}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip

    def asked(path: str) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/{path}", timeout=5) as answer:
            return json.load(answer)

    try:
        yield asked
    finally:
        running.terminate()
        running.wait(20)


def settled(ask: Callable[[str], Any]) -> dict[str, Any]:
    """Their rules once every one was evaluated twice; within 20 s."""
    for _ in range(200):
        try:
            told: dict[str, Any] = ask("rules")
        except OSError:
            told = {"data": {"groups": []}}
        rules = [rule for group in told["data"]["groups"] for rule in group["rules"]]
        if rules and told["data"]["groups"][0]["evaluationTime"] and rules[3]["alerts"]:
            return told
        threading.Event().wait(0.1)
    raise AssertionError("Prometheus did not evaluate its rules")


def still(value: Any) -> Any:
    """What does not depend on when and where: times, durations of evaluations and the file's folder left out."""
    if isinstance(value, list):
        return [still(one) for one in value]
    if isinstance(value, dict):
        shown = {key: still(one) for key, one in value.items()}
        for key in ("lastEvaluation", "activeAt"):
            if key in shown:
                shown[key] = bool(datetime.fromisoformat(shown[key]))
        if "evaluationTime" in shown:
            shown["evaluationTime"] = shown["evaluationTime"] > 0
        if "file" in shown:
            shown["file"] = Path(shown["file"]).name
        return shown
    return value


@pytest.mark.program
def test_the_same_rules_are_told_as_by_prometheus(theirs: Callable[[str], Any], tmp_path: Path) -> None:
    (tmp_path / "made.yaml").write_text(BOTH)
    live = Live(tmp_path / "ours", rules=tmp_path / "made.yaml")
    for second in range(4):
        live.loop.tick(START + timedelta(seconds=second))
    asked = client(live)
    expected, told = still(settled(theirs)), still(asked("rules").json)
    alerts, own = still(theirs("alerts")), still(asked("alerts").json)
    live.store.close()

    assert told["data"]["groups"][0]["rules"] == expected["data"]["groups"][0]["rules"]
    assert told == expected
    assert [list(rule) for rule in told["data"]["groups"][0]["rules"]] == [
        list(rule) for rule in expected["data"]["groups"][0]["rules"]
    ]
    key = lambda one: sorted(one["labels"].items())  # noqa: E731
    assert sorted(own["data"]["alerts"], key=key) == sorted(alerts["data"]["alerts"], key=key)
