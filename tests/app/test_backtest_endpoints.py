"""Backtests of running rules through the API: started, watched, kept, listed; and by the command."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from io import StringIO
from typing import Any

import numpy as np
import pytest

from app.backtest_rule_command import Asked, run
from app.backtesting.report import from_json
from app.system_clock import SystemClock
from domain.clock import to_ms
from domain.labels import METRIC_NAME, Labels
from domain.series import Series
from store.state import DecisionLedger
from tests.app.conftest import Served
from tests.app.world import hold


@pytest.fixture(scope="module")
def recorded(served: Served) -> Served:
    """Four hours of load and of decisions that saw what a plain HPA would have had."""
    now = SystemClock().now()
    ticks = 4 * 240
    times = to_ms(now) - 15_000 * np.arange(ticks, -1, -1, dtype=np.int64)
    counter = np.cumsum(np.full(ticks + 1, 15 * 40.0))
    served.house.metrics.load(
        [Series(labels=Labels.of({METRIC_NAME: "http_requests_total", "job": "other"}), timestamps_ms=times,
                values=counter)]
    )  # fmt: skip
    with served.house.state.transaction() as session:
        for number in range(240):
            at = now - timedelta(hours=2) + timedelta(seconds=30 * number)
            DecisionLedger(session).append(hold(1000 + number, at=at, current_replicas=4, desired_replicas=4))
    return served


def post(served: Served, path: str, body: Mapping[str, Any] | None = None) -> Any:
    raw = b"" if body is None else json.dumps(body).encode()
    return served.ask(path, method="POST", headers={"content-type": "application/json"}, body=raw)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_running_rule_is_backtested_and_the_report_is_kept(recorded: Served) -> None:
    out = StringIO()
    code = run(Asked(rule="demo/shop", server=f"http://127.0.0.1:{recorded.port}", since="3h", output="json"), out)
    assert code in (0, 1)
    told = json.loads(out.getvalue())
    operation = recorded.ask("/api/v1/operations").json["data"][0]
    assert (operation["state"], operation["subject"]) == ("succeeded", "demo/shop")
    report = from_json(recorded.ask(operation["result"]).json["data"])
    assert (report.rule, report.word.value) == ("demo/shop", told["verdict"]["word"])
    assert report.fidelity.compared > 0
    listed = recorded.ask("/api/v1/rules/demo/shop/backtests").json["data"]
    assert [(one["verdict"], one["current"]) for one in listed] == [(report.word.value, True)]


def test_a_backtest_is_an_operation_that_can_be_cancelled(recorded: Served) -> None:
    answer = post(recorded, "/api/v1/rules/demo/shop/backtests", {"sweep": True})
    assert answer.status == 202, answer.body
    started = answer.json["data"]
    assert answer.headers["location"] == f"/api/v1/operations/{started['id']}"
    ended = recorded.ask(answer.headers["location"], method="DELETE").json["data"]
    assert ended["state"] == "cancelled"
    assert recorded.ask(answer.headers["location"]).json["data"]["state"] == "cancelled"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("rules/demo/none/backtests", {}, 404),
        ("rules/demo/shop/backtests", {"from": "2026-01-01T00:00:00Z", "to": "2026-01-01T00:01:00Z"}, 422),
        ("rules/demo/shop/backtests", {"capacity": -1}, 422),
        ("rules/demo/shop/backtests", {"speed": 1}, 422),
    ],
)
def test_what_cannot_be_meant_is_refused(served: Served, path: str, body: dict[str, Any], status: int) -> None:
    answer = post(served, f"/api/v1/{path}", body)
    assert answer.status == status
    assert answer.json["success"] is False


def test_what_nobody_knows_is_404(served: Served) -> None:
    for path in ("operations/none", "backtests/none", "rules/demo/none/backtests"):
        assert served.ask(f"/api/v1/{path}").status == 404
    assert served.ask("/api/v1/operations/none", method="DELETE").status == 404


def test_the_command_tells_an_unknown_rule_from_a_server_that_is_not_there(
    served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(Asked(rule="demo/none", server=f"http://127.0.0.1:{served.port}"), StringIO()) == 5
    assert run(Asked(rule="demo/shop", server="http://127.0.0.1:1"), StringIO()) == 4
    assert run(Asked(rule="demo/shop", server="http://127.0.0.1:1", requests=("cpu=1",)), StringIO()) == 2
    assert "goes with --rules and --data" in capsys.readouterr().err
