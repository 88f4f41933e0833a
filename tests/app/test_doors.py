"""What stands between the sockets and the application."""

from __future__ import annotations

import logging

import pytest
from starlette.types import Receive, Scope, Send

from app.doors import MAX_BODY_BYTES, BodyLimit, guarded
from app.envelope import RequestId
from tests.app.asgi import Echo, call

OTLP_PORT = 4318


def doors(token: str | None = None) -> tuple[object, Echo]:
    echo = Echo([])
    return guarded(echo, token=token, main_port=8080), echo


def test_the_second_port_takes_otlp_only() -> None:
    app, echo = doors()
    assert call(app, "/v1/traces", method="POST", port=OTLP_PORT).status == 200
    assert call(app, "/v1/metrics", method="POST", port=OTLP_PORT).status == 200
    for path in ("/", "/ui/", "/api/v1/status", "/v1/traces/", "/login"):
        assert call(app, path, port=OTLP_PORT).error == "NOT_FOUND"
    assert len(echo.scopes) == 2


def test_the_second_port_needs_the_token_too() -> None:
    app, echo = doors("t" * 32)
    assert call(app, "/v1/traces", method="POST", port=OTLP_PORT).status == 401
    assert echo.scopes == []


def test_every_answer_is_guarded_against_frames_sniffing_and_caches() -> None:
    for answer in (call(doors()[0], "/api/v1/status"), call(doors("t" * 32)[0], "/api/v1/status")):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["cache-control"] == "no-store"


def test_a_cache_control_of_the_application_stays() -> None:
    async def asset(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"Cache-Control", b"immutable")]})
        await send({"type": "http.response.body"})

    assert call(guarded(asset, token=None, main_port=8080), "/ui/a.js").headers["cache-control"] == "immutable"


def test_a_body_arrives_whole() -> None:
    app, _ = doors()
    parts = [b"a" * 1000, b"", b"b" * 1000]
    answer = call(app, "/ui/x", method="POST", headers={"content-length": "2000"}, body=parts)
    assert answer.body == b"".join(parts)


@pytest.mark.parametrize(
    ("headers", "parts"),
    [
        ({"content-length": str(MAX_BODY_BYTES + 1)}, [b""]),
        ({"content-length": "9" * 5000}, [b""]),
        ({"transfer-encoding": "chunked"}, [b"x" * MAX_BODY_BYTES, b"y", b"z"]),
    ],
)
def test_a_body_that_is_too_large_is_refused(headers: dict[str, str], parts: list[bytes]) -> None:
    app, echo = doors()
    answer = call(app, "/api/v1/status", method="POST", headers=headers, body=parts)
    assert (answer.status, answer.error) == (413, "TOO_LARGE")
    assert echo.scopes == []


def test_the_largest_body_passes() -> None:
    app = BodyLimit(Echo([]), max_bytes=10)
    assert call(app, "/x", method="POST", headers={"content-length": "10"}, body=[b"0123456789"]).status == 200


def test_protocol_doors_have_limits_of_their_own() -> None:
    app, echo = doors()
    large = {"content-length": str(10 * MAX_BODY_BYTES)}
    assert call(app, "/v1/traces", method="POST", headers=large).status == 200
    assert len(echo.scopes) == 1


@pytest.mark.parametrize("given", ["abc-123", "A" * 64])
def test_a_request_keeps_its_id(given: str) -> None:
    assert call(doors()[0], "/x", headers={"x-request-id": given}).headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "a" * 65, "a b", "a\nb", "ü"])
def test_a_request_without_a_good_id_gets_one(given: str) -> None:
    ids = {call(doors()[0], "/x", headers={"x-request-id": given}).headers["x-request-id"] for _ in range(2)}
    assert given not in ids
    assert len(ids) == 2


def test_a_refusal_carries_the_id_in_header_and_envelope() -> None:
    answer = call(doors("t" * 32)[0], "/api/v1/status", headers={"x-request-id": "mine"})
    assert answer.headers["x-request-id"] == answer.json["meta"]["request_id"] == "mine"


def test_whatever_is_raised_ends_in_the_envelope(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError("secret inside")

    with caplog.at_level(logging.ERROR):
        answer = call(RequestId(broken), "/x", headers={"x-request-id": "mine"})
    assert (answer.status, answer.error) == (500, "INTERNAL")
    assert b"secret" not in answer.body
    assert [record.request_id for record in caplog.records] == ["mine"]  # type: ignore[attr-defined]
