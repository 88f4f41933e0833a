"""One port, many doors: addresses, methods, errors, OpenAPI, probes, and the document about them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.app.conftest import Served

DOCUMENT = Path(__file__).parents[2] / "docs" / "api.md"


@pytest.fixture(scope="module")
def openapi(served: Served) -> dict[str, Any]:
    document: dict[str, Any] = served.ask("/openapi.json").json
    return document


def test_every_operation_has_a_name_a_summary_and_a_model(openapi: dict[str, Any]) -> None:
    names = []
    for path, methods in openapi["paths"].items():
        for operation in methods.values():
            names.append(operation["operationId"])
            if path.startswith("/api/"):
                answer = operation["responses"].get("200") or operation["responses"]["202"]
                schema = answer["content"]["application/json"]["schema"]
                assert re.match(r"#/components/schemas/(Page|Ok)_", schema["$ref"]), path
                refusal = operation["responses"]["422"]["content"]["application/json"]["schema"]
                assert refusal == {"$ref": "#/components/schemas/Failure"}, path
    assert sorted(names) == [
        "acceptRecommendation", "approveBudgetAction", "cancelOperation", "enableReceiver", "expireSilence",
        "explainBudget", "explainRule", "getBacktest", "getCommitments", "getCostAllocation", "getCostForecast",
        "getCostModel", "getCostPrices", "getCostSavings", "getDecision", "getForecastCapacity",
        "getForecastDecomposition", "getForecastPaths", "getForecastSum", "getHealth", "getIncident", "getMetrics",
        "getOperation", "getReadiness", "getRecommendation", "getRecommendationSummary", "getService", "getSilence",
        "getSpot", "getStatus", "getTrace", "getUnused", "listBacktests", "listBudgets", "listDecisions",
        "listDeliveries", "listForecasts", "listOperations", "listReceivers", "listRecommendations", "listResizings",
        "listRules", "listServices", "listSignals", "listSilences", "listSizings", "listSlos", "listTraces",
        "putSilence", "rejectRecommendation", "reopenRecommendation", "replayDelivery", "snoozeRecommendation",
        "startBacktest", "stopResizing", "wakeBudgetSleepers",
    ]  # fmt: skip
    assert "HTTPValidationError" not in str(openapi)


def test_every_path_and_parameter_stands_in_the_document(openapi: dict[str, Any]) -> None:
    text = DOCUMENT.read_text()
    for path, methods in openapi["paths"].items():
        assert f"`{path}`" in text or f"`GET {path}`" in text, f"{path} is missing in docs/api.md"
        for operation in methods.values():
            for parameter in operation.get("parameters", ()):
                if parameter["in"] == "query":
                    assert f"`{parameter['name']}`" in text, f"{parameter['name']} of {path} is missing in docs/api.md"
    for code in openapi["components"]["schemas"]["ErrorBody"]["properties"]["code"]["enum"]:
        assert f"`{code}`" in text, f"{code} is missing in docs/api.md"


@pytest.mark.parametrize(
    "path", ["/api", "/api/v1/nothing", "/api/v2/services", "/nothing", "/prometheus/x", "/v1/logs"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "HEAD"])
def test_an_unknown_address_is_404(served: Served, path: str, method: str) -> None:
    answer = served.ask(path, method=method)
    assert answer.status == 404
    assert answer.headers["content-type"] == "application/json"
    if method != "HEAD":
        assert answer.error == "NOT_FOUND"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/api/v1/services", "GET"),
        ("DELETE", "/api/v1/decisions/x", "GET"),
        ("GET", "/v1/traces", "POST"),
        ("PUT", "/healthz", "GET, HEAD"),
    ],
)
def test_a_wrong_method_is_405_and_says_which_is_right(served: Served, method: str, path: str, allowed: str) -> None:
    answer = served.ask(path, method=method)
    assert (answer.status, answer.error, answer.headers["allow"]) == (405, "METHOD_NOT_ALLOWED", allowed)


@pytest.mark.parametrize(
    ("query", "field"), [("page=0", "page"), ("limit=201", "limit"), ("limit=x", "limit"), ("page=1&page=-1", "page")]
)
def test_a_wrong_parameter_is_named(served: Served, query: str, field: str) -> None:
    answer = served.ask(f"/api/v1/services?{query}")
    assert (answer.status, answer.error) == (422, "VALIDATION_ERROR")
    assert [detail["field"] for detail in answer.json["error"]["details"]] == [field]


def test_what_was_sent_is_not_sent_back(served: Served) -> None:
    answer = served.ask("/api/v1/services?page=my-secret")
    assert answer.status == 422
    assert b"my-secret" not in answer.body


def test_a_body_that_is_too_large_is_refused(served: Served) -> None:
    answer = served.ask("/ui/_dash-update-component", method="POST", headers={"content-length": str(2**21)})
    assert (answer.status, answer.error) == (413, "TOO_LARGE")


def test_the_root_leads_to_the_dashboard(served: Served) -> None:
    answer = served.ask("/")
    assert (answer.status, answer.headers["location"]) == (307, "/ui/")
    for path in ("/ui/", "/ui/services/demo/shop"):
        page = served.ask(path)
        assert (page.status, page.headers["cache-control"]) == (200, "no-store")
        assert b'data-version="9.9.9"' in page.body


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_probes(served: Served, method: str) -> None:
    health, ready = served.ask("/healthz", method=method), served.ask("/readyz", method=method)
    assert (health.status, ready.status) == (200, 200)
    if method == "GET":
        assert health.json == {"status": "ok"}
        assert ready.json["checks"] == {"state": "ok", "metrics": "ok", "traces": "ok", "loops": "ok"}


def test_our_own_metrics_in_both_formats(served: Served) -> None:
    text = served.ask("/metrics")
    assert text.headers["content-type"].startswith("text/plain")
    for name in (b'foretide_build_info{version="9.9.9"} 1', b"foretide_loop_failures_total", b"foretide_store_series"):
        assert name in text.body
    wanted = {"accept": "application/openmetrics-text; version=1.0.0"}
    assert served.ask("/metrics", headers=wanted).body.endswith(b"# EOF\n")


def test_prometheus_door(served: Served) -> None:
    newest = served.ask("/prometheus/api/v1/query?query=timestamp(http_requests_total)").json["data"]["result"]
    at = newest[0]["value"][1]  # the traffic ends there: a rate of now would fall with every second since
    query = served.ask(f"/prometheus/api/v1/query?query=sum(rate(http_requests_total%5B1m%5D))&time={at}")
    assert query.json["status"] == "success"
    assert float(query.json["data"]["result"][0]["value"][1]) == pytest.approx(20.0)
    bad = served.ask("/prometheus/api/v1/query?query=sum(")
    assert (bad.status, bad.json["errorType"]) == (400, "bad_data")


def test_large_answers_are_packed_where_asked(served: Served) -> None:
    answer = served.ask("/openapi.json", headers={"accept-encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["vary"].lower() == "accept-encoding"
