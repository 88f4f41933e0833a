"""Who may speak to us."""

from __future__ import annotations

import pytest

from app.auth import COOKIE, TokenGate
from tests.app.asgi import Echo, call, messages

TOKEN = "t" * 40
BEARER = {"authorization": f"Bearer {TOKEN}"}


def gate(token: str | None = TOKEN) -> tuple[TokenGate, Echo]:
    echo = Echo([])
    return TokenGate(echo, token=token), echo


def cookie_of(app: TokenGate) -> str:
    answer = call(app, "/login", method="POST", body=[f"token={TOKEN}".encode()])
    assert answer.status == 303
    return answer.headers["set-cookie"].partition(";")[0]


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:8080", "127.0.0.1", "127.0.0.1:8080", "127.0.0.2:9000", "[::1]", "[::1]:8080"],
)
def test_without_token_this_machine_is_let_in(host: str) -> None:
    app, echo = gate(None)
    assert call(app, "/api/v1/status", headers={"host": host}).status == 200
    assert echo.scopes[0]["state"]["actor"] == "local"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "", "10.0.0.1", "localhost.evil.example", "[::2]"])
def test_without_token_a_foreign_host_is_refused(host: str) -> None:
    app, echo = gate(None)
    answer = call(app, "/api/v1/status", headers={"host": host})
    assert (answer.status, answer.error) == (400, "BAD_HOST")
    assert echo.scopes == []


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_probes_are_open_to_everybody(path: str) -> None:
    assert call(gate()[0], path, headers={"host": "10.1.2.3:8080"}).status == 200


@pytest.mark.parametrize("path", ["/api/v1/status", "/metrics", "/v1/traces", "/prometheus/api/v1/query", "/none"])
def test_with_token_every_other_path_needs_it(path: str) -> None:
    app, echo = gate()
    answer = call(app, path)
    assert (answer.status, answer.error) == (401, "UNAUTHORIZED")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert call(app, path, headers=BEARER).status == 200
    assert [scope["state"]["actor"] for scope in echo.scopes] == ["token"]


@pytest.mark.parametrize("given", [f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}", "Bearer", "Bearer ü"])
def test_other_credentials_are_refused(given: str) -> None:
    assert call(gate()[0], "/api/v1/status", headers={"authorization": given}).status == 401


def test_bearer_is_a_word_of_any_case() -> None:
    assert call(gate()[0], "/metrics", headers={"authorization": f"bEARER {TOKEN}"}).status == 200


@pytest.mark.parametrize("path", ["/", "/ui/", "/ui/services/demo/shop"])
def test_a_reader_is_sent_to_the_login_and_a_program_is_not(path: str) -> None:
    browser = call(gate()[0], path, headers={"accept": "text/html,*/*"})
    assert (browser.status, browser.headers["location"]) == (303, "/login")
    assert call(gate()[0], path, headers={"accept": "application/json"}).status == 401


def test_the_login_gives_a_cookie_that_opens_the_dashboard() -> None:
    app, echo = gate()
    page = call(app, "/login")
    assert page.status == 200
    assert b'type="password"' in page.body
    answer = call(app, "/login", method="POST", body=[b"token=", TOKEN.encode()])
    attributes = answer.headers["set-cookie"].lower()
    assert "httponly" in attributes
    assert "samesite=strict" in attributes
    assert "secure" not in attributes  # plain http here; with https it is
    assert TOKEN not in answer.headers["set-cookie"]
    cookie = answer.headers["set-cookie"].partition(";")[0]
    assert call(app, "/ui/", headers={"cookie": cookie}).status == 200
    assert len(echo.scopes) == 1


@pytest.mark.parametrize("body", [b"token=wrong", b"", b"token=", b"x" * 10_000, b"\xff\xfe"])
def test_a_wrong_login_gives_none(body: bytes) -> None:
    answer = call(gate()[0], "/login", method="POST", body=[body])
    assert answer.status == 401
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("cookie", [f"{COOKIE}={TOKEN}", f"{COOKIE}=", "=", "a" * 5000, f"{COOKIE}=\xff"])
def test_other_cookies_are_refused(cookie: str) -> None:
    assert call(gate()[0], "/ui/", headers={"cookie": cookie}).status == 401


STRANGERS = [
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"origin": "http://evil.example"},
    {"origin": "http://localhost:3000"},
    {"origin": "null"},
]
OWN = [{}, {"sec-fetch-site": "same-origin"}, {"origin": "http://localhost:8080"}]


@pytest.mark.parametrize("headers", STRANGERS)
def test_pages_of_other_origins_may_not_post(headers: dict[str, str]) -> None:
    local, _ = gate(None)
    assert call(local, "/ui/_dash-update-component", method="POST", headers=headers).error == "FORBIDDEN"
    app, echo = gate()
    with_cookie = {**headers, "cookie": cookie_of(app)}
    assert call(app, "/ui/_dash-update-component", method="POST", headers=with_cookie).status == 403
    assert call(app, "/login", method="POST", headers=headers, body=[f"token={TOKEN}".encode()]).status == 403
    assert echo.scopes == []
    # Reading changes nothing, and a token is nothing that a browser sends by itself.
    assert call(app, "/ui/", headers=with_cookie).status == 200
    assert call(app, "/v1/traces", method="POST", headers={**headers, **BEARER}).status == 200


@pytest.mark.parametrize("headers", OWN)
def test_our_own_pages_and_programs_may_post(headers: dict[str, str]) -> None:
    assert call(gate(None)[0], "/v1/traces", method="POST", headers=headers).status == 200
    app, _ = gate()
    assert call(app, "/ui/x", method="POST", headers={**headers, "cookie": cookie_of(app)}).status == 200


def test_a_websocket_needs_the_same() -> None:
    app, echo = gate()
    assert messages(app, "/ui/ws", kind="websocket") == [{"type": "websocket.close", "code": 4401}]
    local, _ = gate(None)
    assert messages(local, "/ui/ws", kind="websocket", headers=STRANGERS[0])[0]["type"] == "websocket.close"
    assert messages(app, "/ui/ws", kind="websocket", headers=BEARER)[0]["type"] == "websocket.accept"
    assert len(echo.scopes) == 1
