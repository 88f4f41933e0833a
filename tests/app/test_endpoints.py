"""The lists and things of `/api/v1`, from a running house."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.system_clock import SystemClock
from app.views import ForecastStatusView
from forecaster.served import ServedErrors
from forecaster.signal_state import SignalStatus
from tests.app.conftest import Served
from tests.app.world import decision
from tests.fakes.otlp import proto_span, trace_request

LISTS = ("services", "rules", "decisions", "forecasts", "signals", "traces", "budgets")


def data(served: Served, path: str) -> Any:
    answer = served.ask(f"/api/v1/{path}")
    assert answer.status == 200, answer.body
    return answer.json["data"]


@pytest.mark.parametrize("name", LISTS)
def test_every_list_needs_no_parameter_and_comes_in_the_envelope(served: Served, name: str) -> None:
    answer = served.ask(f"/api/v1/{name}", headers={"x-request-id": "mine-1"})
    assert answer.status == 200
    assert set(answer.json) == {"success", "data", "meta"}
    meta = answer.json["meta"]
    assert (meta["request_id"], meta["page"], meta["limit"]) == ("mine-1", 1, 20)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", meta["timestamp"])
    assert meta["total_pages"] == -(-meta["total"] // 20)
    assert len(answer.json["data"]) == min(meta["total"], 20)


@pytest.mark.parametrize("name", LISTS)
def test_a_page_beyond_the_end_is_empty(served: Served, name: str) -> None:
    assert data(served, f"{name}?page=400&limit=10") == []


def test_services(served: Served) -> None:
    shop = next(row for row in data(served, "services") if row["rule"] == "demo/shop")
    assert (shop["namespace"], shop["name"], shop["min_replicas"]) == ("demo", "shop", 2)
    assert shop["forecast_peak"]["quantile"] == 0.9
    assert data(served, "services/demo/shop")["name"] == "shop"
    missing = served.ask("/api/v1/services/demo/none")
    assert (missing.status, missing.error) == (404, "NOT_FOUND")


def test_rules(served: Served) -> None:
    (rule,) = data(served, "rules")
    assert (rule["key"], rule["mode"]) == ("demo/shop", "observe")
    assert rule["source"].endswith("shop.yaml:2")
    assert rule["spec"]["triggers"][0]["perReplica"] == "10"
    assert rule["spec"]["behavior"]["scaleDown"]["stabilizationWindowSeconds"] == 300


def test_decisions_by_rule_and_by_id(served: Served) -> None:
    (change,) = [one for one in data(served, "decisions?changes_only=true&rule=demo/shop") if one["mode"] == "observe"][
        -1:
    ]
    assert (change["id"], change["outcome"]) == (decision(1).id, "scale_up")
    assert change["cost_per_hour"] == {"amount": "0.30", "currency": "USD"}
    assert change["proposals"][0]["value"] == 22.0
    assert change["trace"] == [{"stage": "triggers", "replicas": 3, "message": "rps asks for 3"}]
    assert data(served, f"decisions/{change['id']}") == change
    assert data(served, "decisions?rule=demo/none") == []
    assert served.ask("/api/v1/decisions/none").status == 404
    times = [one["at"] for one in data(served, "decisions")]
    assert times == sorted(times, reverse=True)


def test_decisions_too_far_back_are_refused_with_a_hint(served: Served) -> None:
    answer = served.ask("/api/v1/decisions?page=101&limit=100")
    assert answer.status == 422
    assert "narrow the list" in answer.json["error"]["message"]


def test_forecasts(served: Served) -> None:
    (one,) = data(served, "forecasts")
    assert one["signal"] == "demo/shop/soon"
    assert one["quantiles"] == [0.05, 0.25, 0.5, 0.75, 0.9, 0.95]
    assert len(one["mean"]) == len(one["values"])
    assert {len(row) for row in one["values"]} == {6}
    assert one["backtest"]["by_horizon"] == [
        {"until_seconds": 900.0, "wape": 0.08, "mase": None, "pinball": 0.5, "coverage_95": 0.94,
         "skill_vs_naive": 0.3, "skill_vs_seasonal_naive": 0.2}
    ]  # fmt: skip


def test_forecasts_of_one_signal_or_document_only(served: Served) -> None:
    counts = {of: len(data(served, f"forecasts?of={of}")) for of in ("demo/shop/soon", "demo/shop", "demo/shop/soo_")}
    assert counts == {"demo/shop/soon": 1, "demo/shop": 0, "demo/shop/soo_": 0}


def test_a_forecast_tells_its_life(served: Served) -> None:
    (one,) = data(served, "forecasts")
    assert one["fitted_at"] < one["made_at"]
    assert one["model_version"] == "1"
    assert one["quality"] == {
        "history_steps": 6048, "missing_ratio": 0.02, "cold_start": False, "level_shift": None,
    }  # fmt: skip


def test_the_status_of_a_signal_tells_how_what_was_served_did() -> None:
    at = datetime(2026, 11, 21, tzinfo=UTC)
    errors = ServedErrors(first=3, last=4, known=7, wape=0.1, coverage={0.95: 0.9}, moved=True)
    status = SignalStatus(
        next_due=at, step=timedelta(minutes=5), next_refit=at, refit_reason="age", served_coverage={0.95: 0.9},
        served_errors=(errors,), recalibrated=True, level_shift=at,
    )  # fmt: skip
    view = ForecastStatusView(**ForecastStatusView.fields_of(status)).model_dump(mode="json")
    assert view["served_errors"] == [
        {"first_seconds": 900.0, "last_seconds": 1200.0, "known": 7, "wape": 0.1, "coverage": {"0.95": 0.9},
         "moved": True},
    ]  # fmt: skip
    assert (view["refit_reason"], view["recalibrated"], view["served_coverage"]) == ("age", True, {"0.95": 0.9})
    assert view["next_refit"] == view["level_shift"] == "2026-11-21T00:00:00Z"


def test_signals(served: Served) -> None:
    signals = {one["trigger"]: one for one in data(served, "signals")}
    assert set(signals) == {"rps", "soon"}
    assert (signals["rps"]["kind"], signals["rps"]["query"]) == ("query", "sum(rate(http_requests_total[1m]))")


def test_budgets(served: Served) -> None:
    (budget,) = data(served, "budgets")
    assert (budget["key"], budget["per"], budget["state"]) == ("demo/shop", "day", "ok")
    assert budget["limit"] == {"amount": "10", "currency": "USD"}
    assert budget["scope"] == {"namespace": "demo"}
    assert float(budget["spent"]["amount"]) >= 0


def test_spans_come_in_and_are_found(served: Served) -> None:
    now_ns = int(SystemClock().now().timestamp() * 1e9)
    attributes = {"text": "a", "list": [1, {"b": None}], "bytes": b"\xff"}
    span = proto_span(
        7, trace_id=(0xABC).to_bytes(16, "big"), start_time_unix_nano=now_ns, end_time_unix_nano=now_ns + 10**8,
        attributes=attributes,
    )  # fmt: skip
    body = trace_request(span).SerializeToString()
    pushed = served.ask("/v1/traces", method="POST", headers={"content-type": "application/x-protobuf"}, body=body)
    assert pushed.status == 200
    trace_id = f"{0xABC:032x}"
    found = next(one for one in data(served, "traces?service=shop") if one["trace_id"] == trace_id)
    assert (found["root_operation"], found["span_count"]) == ("GET /cart", 1)
    (shown,) = data(served, f"traces/{trace_id.upper()}")
    assert shown["duration_seconds"] == pytest.approx(0.1)
    assert shown["attributes"]["text"] == "a"
    assert data(served, "traces?min_duration_seconds=60") == []
    assert data(served, "traces?operation=none") == []
    assert served.ask("/api/v1/traces/ffff").status == 404


def test_status(served: Served) -> None:
    status = data(served, "status")
    assert (status["version"], status["cluster"], status["rules_running"]) == ("9.9.9", "observe", 1)
    assert status["stores"]["state_database"] == "sqlite"
    jobs = {target["job"]: target for target in status["targets"]}
    assert {"nobody", "node"} <= set(jobs)
    assert all(loop["error"] == "" for loop in status["loops"])
    assert "rules_digest" in status


def test_odd_characters_in_a_path_do_no_harm(served: Served) -> None:
    for path in ("services/%22%7B/%0A", "decisions/%00", "traces/%F0%9F%8C%8A", "services/..%2f../x"):
        assert served.ask(f"/api/v1/{path}").status in (404, 405), path
