"""The loop closes: real traffic comes in, is forecast and decided upon, and the cluster follows."""

from __future__ import annotations

import math
import re
import sqlite3
from contextlib import closing
from datetime import datetime
from typing import Any

import pytest

from tests.e2e.program import Program, ask

pytestmark = [pytest.mark.slow, pytest.mark.program]
LOAD = 'sum(rate(edge_requests_total{service="shop"}[30s]))'
UP = 'count(up{job="shop"} == 1)'
PER_REPLICA = 8
MOST_REPLICAS = 8


def shop(demo: Program) -> dict[str, Any]:
    """The service as the fleet page knows it."""
    service: dict[str, Any] = demo.api("services/demo/shop")
    return service


def edge_of(demo: Program) -> str:
    """Base URL of the load generator."""

    def edges() -> list[str]:
        return [
            one["instance"] for one in demo.api("status")["targets"] if (one["job"], one["health"]) == ("edge", "up")
        ]

    (edge,) = demo.until("the edge is up", edges, seconds=10)
    return f"http://{edge}"


def offered_rate(edge: str) -> float:
    """Requests/s that the demo's customers send now, whatever the time of the demo day."""
    found = re.search(r"^edge_offered_rate\{.*\} (\S+)$", ask(f"{edge}/metrics").body.decode(), re.MULTILINE)
    assert found
    return float(found[1])


def test_a_forecast_with_band_and_backtest_is_served(demo: Program) -> None:
    # First of all: the burst that another test makes is a level shift, and is rightly served as one.
    forecasts = demo.until("a forecast", lambda: demo.api("forecasts"), seconds=15)
    (soon,) = [forecast for forecast in forecasts if forecast["signal"] == "demo/shop/soon"]
    assert soon["generated"]
    assert soon["fallback_reason"] == ""
    assert (soon["step_seconds"], soon["season_seconds"], len(soon["mean"])) == (15, 1440, 48)
    assert soon["quantiles"] == sorted(soon["quantiles"])
    assert {0.05, 0.9, 0.95} <= set(soon["quantiles"])
    for row in soon["values"]:
        assert row == sorted(row)
        assert row[-1] > row[0] >= 0
    assert 0 < soon["backtest"]["wape"] < 0.5
    assert 0.6 < soon["backtest"]["coverage"]["0.9"] <= 1
    assert len(soon["backtest"]["wape_by_model"]) >= 2


def test_two_targets_are_up_within_8_s_of_readiness(demo: Program) -> None:
    """The sample of 8 s after readiness tells it, whenever this test runs."""
    count = 'count(up{job=~"shop|edge"} == 1)'
    demo.until("two targets are up", lambda: demo.number(count, time=demo.ready_at + 8) >= 2, seconds=12)
    targets = demo.api("status")["targets"]
    assert sum(target["health"] == "up" for target in targets if target["job"] in ("shop", "edge")) >= 2
    assert {target["last_error"] for target in targets if target["health"] == "up"} == {""}


@pytest.mark.timeout(330)
def test_a_burst_is_seen_decided_upon_and_followed(demo: Program) -> None:
    # At the top of a demo day's own burst all eight replicas run: it lasts 90 s, and a minute until they go.
    edge = edge_of(demo)
    room = demo.until("the shop has room to grow, and all is calm", lambda: calm_with_room(demo, edge), seconds=170)
    load, up = demo.number(LOAD), demo.number(UP)
    # Two and a half replicas more than run: clearly a reason to grow, and no more load than this machine can make.
    factor = min(max((room["current_replicas"] + 2.5) * PER_REPLICA / offered_rate(edge), 1.5), 5.0)
    began = datetime.now().astimezone()
    assert ask(f"{edge}/burst?factor={factor:.2f}&seconds=100", method="POST").status == 200

    demo.until(f"the load rises above {load:.1f}/s", lambda: demo.number(LOAD) > 1.2 * load, seconds=40)
    decision = demo.until("a decision follows", lambda: scale_up_since(demo, began), seconds=50)
    explains_itself(decision)
    grown = demo.until(
        "the cluster grows",
        lambda: (now := shop(demo))["ready_replicas"] > room["ready_replicas"] and now,
        seconds=20,
    )
    assert grown["last_decision"]["to_replicas"] > room["current_replicas"]
    demo.until("the new replica is scraped", lambda: demo.number(UP) > up, seconds=15)
    was_acted_on(demo, decision)


def calm_with_room(demo: Program, edge: str) -> dict[str, Any] | None:
    """The service where every decided replica runs, more are allowed, and the load is what customers send now."""
    service, load, offered = shop(demo), demo.number(LOAD), offered_rate(edge)
    ready, current, desired = (service[f"{which}_replicas"] for which in ("ready", "current", "desired"))
    settled = ready == current == desired  # None before the first decision
    return service if settled and current and current < MOST_REPLICAS and 0.8 < load / offered < 1.25 else None


def scale_up_since(demo: Program, began: datetime) -> dict[str, Any] | None:
    """The first decision to grow after ``began``."""
    found = [
        decision
        for decision in demo.api("decisions", changes_only=True, rule="demo/shop")
        if decision["outcome"] == "scale_up" and datetime.fromisoformat(decision["at"]) > began
    ]
    return found[-1] if found else None


def explains_itself(decision: dict[str, Any]) -> None:
    """Reason, sentence, what each trigger read, each stage in order, and what it costs."""
    current, desired = decision["current_replicas"], decision["desired_replicas"]
    assert desired > current
    assert re.fullmatch(r"[A-Z]\w+", decision["reason"])
    assert re.search(r"\d", decision["message"])
    proposals = {proposal["trigger"]: proposal for proposal in decision["proposals"]}
    assert set(proposals) == {"rps", "cpu", "soon"}
    rps = proposals["rps"]
    assert rps["replicas"] in (math.ceil(rps["value"] / PER_REPLICA), current)  # current: within the tolerance
    stages = [line["stage"] for line in decision["trace"]]
    assert stages == [
        "triggers", "fallback", "combine", "forecast", "schedule", "ceilings", "slo", "bounds", "tolerance",
        "stabilization", "policies", "holds", "steps",
    ]  # fmt: skip
    assert decision["trace"][-1]["replicas"] == desired
    assert all(line["message"] for line in decision["trace"])
    # 60 millicores and 64 MiB at the price sheet's 0.0316 and 0.0042 USD.
    each = 0.06 * 0.0316 + 0.0042 / 16
    assert float(decision["cost_per_hour"]["amount"]) == pytest.approx(desired * each)
    assert float(decision["cost_change_per_hour"]["amount"]) == pytest.approx((desired - current) * each)
    assert decision["cost_per_hour"]["currency"] == "USD"


def was_acted_on(demo: Program, decision: dict[str, Any]) -> None:
    """The ledger holds the deed beside the decision, and the audit trail its line."""
    with closing(sqlite3.connect(f"file:{demo.data}/state.db?mode=ro", uri=True)) as ledger:
        deeds = ledger.execute(
            "SELECT cluster, from_replicas, to_replicas, result, error FROM action WHERE decision_id = ?",
            [decision["id"]],
        ).fetchall()
        lines = ledger.execute(
            "SELECT verb, object FROM audit WHERE json_extract(detail, '$.decision') = ?", [decision["id"]]
        ).fetchall()
    assert deeds == [("local", decision["current_replicas"], decision["desired_replicas"], "done", "")]
    assert [verb for verb, _ in lines] == ["scale"]


def test_traces_of_the_shop_arrive_and_become_red_series(demo: Program) -> None:
    def whole_trace() -> dict[str, Any] | None:
        """Its spans may come in two batches."""
        return next((one for one in demo.api("traces", service="shop") if one["span_count"] == 2), None)

    trace = demo.until("a trace of the shop", whole_trace, seconds=15)
    assert trace["root_operation"] in ("GET /catalog", "GET /checkout")
    spans = demo.api(f"traces/{trace['trace_id']}")
    assert {span["service"] for span in spans} == {"shop"}
    assert {span["kind"] for span in spans} == {"SPAN_KIND_SERVER", "SPAN_KIND_CLIENT"}
    assert {span["parent_span_id"] for span in spans} == {"", min(spans, key=lambda span: span["start"])["span_id"]}

    calls = 'traces_span_metrics_calls_total{service_name="shop",span_kind="SPAN_KIND_SERVER"}'
    rate = f"sum(rate({calls}[1m]))"
    demo.until("RED series of the shop", lambda: demo.number(rate) > 0, seconds=20)
    assert {one["metric"]["span_name"] for one in demo.query(calls)} >= {"GET /catalog", "GET /checkout"}
    buckets = 'sum by (le) (rate(traces_span_metrics_duration_seconds_bucket{service_name="shop"}[1m]))'
    assert 0.02 < demo.number(f"histogram_quantile(0.95, {buckets})") < 2.5
    row = demo.until("the fleet shows them", lambda: (now := shop(demo))["request_rate"] and now, seconds=10)
    assert row["p95_latency_seconds"] > 0
    assert 0 <= row["error_ratio"] <= 1


def test_decisions_stand_on_the_forecast(demo: Program) -> None:
    demo.until("a decision", lambda: demo.api("decisions"), seconds=20)
    (signal,) = [one for one in demo.api("signals") if one["trigger"] == "soon"]
    assert not signal["missing"]
    assert signal["value"] > 0
    assert "p90" in signal["reason"]


def test_the_budget_counts_what_ran(demo: Program) -> None:
    (budget,) = demo.api("budgets")
    assert budget["limit"] == {"amount": "0.20", "currency": "USD"}
    spent = demo.until("something is spent", lambda: float(demo.api("budgets")[0]["spent"]["amount"]), seconds=40)
    assert 0 < spent < 2.5
    assert budget["state"] in ("ok", "at_risk", "exceeded")


def test_every_list_answers_without_parameters_in_the_envelope(demo: Program) -> None:
    paths = [
        path
        for path, methods in demo.get("/openapi.json").json["paths"].items()
        if path.startswith("/api/v1/") and "get" in methods and "{" not in path
    ]
    assert {path.rpartition("/")[2] for path in paths} >= {
        "services", "rules", "decisions", "forecasts", "signals", "traces", "budgets", "status",
    }  # fmt: skip
    for path in paths:
        answer = demo.get(path)
        assert answer.status == 200, path
        assert answer.headers.get_content_type() == "application/json"
        assert answer.json["success"] is True
        assert answer.json["meta"]["request_id"]
        if isinstance(answer.json["data"], list):
            meta = answer.json["meta"]
            assert (meta["page"], meta["limit"]) == (1, 20)
            assert meta["total"] >= len(answer.json["data"])


@pytest.mark.parametrize("path", ["api/v1/nosuch", "api/nosuch", "api/v1/services/demo/nosuch", "prometheus/nosuch"])
def test_an_unknown_address_of_the_api_is_404_in_json(demo: Program, path: str) -> None:
    answer = demo.get(f"/{path}")
    assert answer.status == 404
    assert answer.json["success"] is False
    assert answer.json["error"]["code"] == "NOT_FOUND"


def test_the_dashboard_answers_at_the_root(demo: Program) -> None:
    root = demo.get("/")
    page = demo.get("/ui/")
    assert root.status == 307
    assert root.headers["Location"] == "/ui/"
    assert page.status == 200
    assert page.headers.get_content_type() == "text/html"
    assert b"Foretide" in page.body


def test_its_own_metrics_tell_of_the_loops(demo: Program) -> None:
    page = demo.get("/metrics").body.decode()
    failures = dict(re.findall(r'^foretide_loop_failures_total\{loop="(\w+)"\} (\S+)$', page, re.MULTILINE))
    assert set(failures) == {
        "rules", "red", "host", "forecast", "leads", "decide", "budgets", "budget_totals", "shadow", "forget",
        "recommendations", "cost_hours", "cost_live", "savings", "own_use", "alert_rules", "alerts_in",
    }  # fmt: skip
    assert set(failures.values()) == {"0.0"}
    assert '"level":"error"' not in demo.log.read_text()


def test_its_own_telemetry_stays_out_of_its_intake(demo: Program) -> None:
    # The RED aggregator's bookmark is a series, so that it is durable together with the counts that it is about.
    assert demo.query('{__name__=~"foretide_.*",__name__!="foretide_collector_red_position"}') == []
    assert demo.api("traces", service="foretide") == []


def test_the_host_is_measured_without_any_configuration(demo: Program) -> None:
    memory = demo.until("host metrics", lambda: demo.number('node_memory_MemTotal_bytes{job="node"}'), seconds=15)
    assert memory > 2**28
    assert demo.number("up{job='node'}") == 1
