"""The HTTP API as Grafana talks to it: a real server on a loopback port."""

from __future__ import annotations

import json
import math
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest
import uvicorn
from fastapi import FastAPI

from store.promql import Evaluator, QueryLimits
from store.promql.endpoints import router
from store.promql.numerals import general, in_json, plain
from tests.fakes.clock import ManualClock
from tests.fakes.series import SeriesInMemory, series

_NOW_S = 1_000_060


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    store = SeriesInMemory(
        [
            series("up", 1_000_000_000, 15_000, [1, 1, 0, 1, math.nan], job="api"),
            series("up", 1_000_000_000, 15_000, [1e-7, 1.5, math.inf], job="web"),
        ]
    )
    app = FastAPI()
    evaluator = Evaluator(store.select, limits=QueryLimits(max_series=1000))
    app.include_router(router(evaluator, store, ManualClock(datetime.fromtimestamp(_NOW_S, tz=UTC))))
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/prometheus/api/v1"
    server.should_exit = True
    thread.join(timeout=10)
    listener.close()


def _get(address: str, path: str, **parameters: Any) -> tuple[int, Any]:
    return _send(f"{address}/{path}?{urlencode(parameters, doseq=True)}", None)


def _post(address: str, path: str, **parameters: Any) -> tuple[int, Any]:
    return _send(f"{address}/{path}", urlencode(parameters, doseq=True).encode())


def _send(url: str, body: bytes | None) -> tuple[int, Any]:
    try:
        with urlopen(Request(url, data=body), timeout=10) as response:
            return response.status, json.load(response)
    except HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_instant_query(address: str) -> None:
    status, body = _get(address, "query", query='up{job="api"}', time="1000045.5")
    assert (status, body) == (
        200,
        {
            "status": "success",
            "data": {
                "resultType": "vector",
                "result": [{"metric": {"__name__": "up", "job": "api"}, "value": [1000045.5, "1"]}],
            },
        },
    )


def test_now_is_the_default_and_nan_is_a_string(address: str) -> None:
    _, body = _post(address, "query", query="up")
    assert [row["value"] for row in body["data"]["result"]] == [[_NOW_S, "NaN"], [_NOW_S, "+Inf"]]


def test_range_query_by_post_with_rfc3339_and_durations(address: str) -> None:
    _, body = _post(
        address, "query_range", query='up{job="web"}', start="1970-01-12T13:46:40Z", end=1000030, step="15s"
    )
    assert body["data"] == {
        "resultType": "matrix",
        "result": [
            {
                "metric": {"__name__": "up", "job": "web"},
                "values": [[1000000, "1e-07"], [1000015, "1.5"], [1000030, "+Inf"]],
            }
        ],
    }


@pytest.mark.parametrize(
    ("query", "data"),
    [
        ("1 + 1", {"resultType": "scalar", "result": [1000060, "2"]}),
        ('"x"', {"resultType": "string", "result": [1000060, "x"]}),
        (
            'up{job="api"}[31s]',
            {
                "resultType": "matrix",
                "result": [
                    {
                        "metric": {"__name__": "up", "job": "api"},
                        "values": [[1000030, "0"], [1000045, "1"], [1000060, "NaN"]],
                    }
                ],
            },
        ),
        ("nothing", {"resultType": "vector", "result": []}),
    ],
)
def test_result_types(address: str, query: str, data: Any) -> None:
    assert _get(address, "query", query=query)[1] == {"status": "success", "data": data}


def test_notes_travel_along(address: str) -> None:
    _, body = _get(address, "query", query="quantile(7, rate(up[1m]))")
    assert body["warnings"] == ["PromQL warning: quantile value should be between 0 and 1, got 7 (1:10)"]
    assert 'might not be a counter' in body["infos"][0]  # fmt: skip


def test_metadata(address: str) -> None:
    assert _get(address, "labels")[1]["data"] == ["__name__", "job"]
    assert _post(address, "labels", **{"match[]": ["up", "down"]})[1]["data"] == ["__name__", "job"]
    assert _get(address, "label/job/values")[1]["data"] == ["api", "web"]
    assert _get(address, "label/job/values", **{"match[]": 'up{job!="api"}'})[1]["data"] == ["web"]
    assert _get(address, "series", **{"match[]": ['up{job="api"}', "down"]})[1]["data"] == [
        {"__name__": "up", "job": "api"}
    ]
    assert _get(address, "series", **{"match[]": "up"}, end=5)[1]["data"] == []
    limited = _get(address, "label/job/values", limit=1)[1]
    assert limited == {"status": "success", "data": ["api"], "warnings": ["results truncated due to limit"]}


def test_build_info_has_the_shape_of_prometheus(address: str) -> None:
    status, body = _get(address, "status/buildinfo")
    assert status == 200
    assert set(body["data"]) == {"version", "revision", "branch", "buildUser", "buildDate", "goVersion"}


@pytest.mark.parametrize(
    ("path", "parameters", "status", "kind", "message"),
    [
        ("query", {}, 400, "bad_data", "no expression found in input"),
        ("query", {"query": "sum("}, 400, "bad_data", 'invalid parameter "query"'),
        ("query", {"query": "up", "time": "x"}, 400, "bad_data", 'invalid parameter "time": cannot parse "x"'),
        ("query", {"query": "up", "time": "1e300"}, 400, "bad_data", "to a valid timestamp"),
        ("query", {"query": "-up + -{job='api'} + on() up"}, 422, "execution", "many-to-many"),
        ("query", {"query": "info(up)"}, 422, "execution", "does not evaluate the function info() yet"),
        ("query_range", {"query": "up", "end": 5, "step": 1}, 400, "bad_data", 'invalid parameter "start"'),
        ("query_range", {"query": "up", "start": 6, "end": 5, "step": 1}, 400, "bad_data", "before start time"),
        ("query_range", {"query": "up", "start": 1, "end": 5, "step": 0}, 400, "bad_data", "zero or negative"),
        ("query_range", {"query": "up", "start": 1, "end": 5, "step": "1x"}, 400, "bad_data", "valid duration"),
        ("query_range", {"query": "up", "start": 0, "end": 20000, "step": 1}, 400, "bad_data", "11,000 points"),
        ("series", {}, 400, "bad_data", "no match[] parameter provided"),
        ("labels", {"match[]": "1 +"}, 400, "bad_data", 'invalid parameter "match[]"'),
        ("labels", {"match[]": "sum(up)"}, 400, "bad_data", "is no series selector"),
        ("labels", {"limit": "-1"}, 400, "bad_data", 'invalid parameter "limit"'),
    ],
)
def test_errors(address: str, path: str, parameters: dict[str, Any], status: int, kind: str, message: str) -> None:
    for send in (_get, _post):
        code, body = send(address, path, **parameters)
        assert (code, body["status"], body["errorType"]) == (status, "error", kind)
        assert message in body["error"]


@pytest.mark.parametrize(
    ("value", "json_text", "plain_text"),
    [
        (1.0, "1", "1"),
        (0.1, "0.1", "0.1"),
        (-0.0, "-0", "-0"),
        (1e15, "1000000000000000", "1000000000000000"),
        (1e20, "100000000000000000000", "100000000000000000000"),
        (1e21, "1e+21", "1000000000000000000000"),
        (1.5e-5, "0.000015", "0.000015"),
        (1e-6, "0.000001", "0.000001"),
        (1.5e-7, "1.5e-07", "0.00000015"),
        (5e-324, "5e-324", "0." + "0" * 323 + "5"),
        (math.nan, "NaN", "NaN"),
        (-math.inf, "-Inf", "-Inf"),
    ],
)
def test_numbers_as_go_writes_them(value: float, json_text: str, plain_text: str) -> None:
    assert in_json(value) == json_text
    assert plain(value) == plain_text


def test_general_format() -> None:
    assert [general(value) for value in (1.01, 1e21, 1.5e-7, math.nan, 0.0)] == ["1.01", "1e+21", "1.5e-07", "NaN", "0"]
