"""Beyond loopback only with a token; then nothing but the probes and the login is open."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.program import Program, ask, free_port, refusal, running, said

pytestmark = [pytest.mark.slow, pytest.mark.program]
TOKEN = "a-token-for-the-tests-0123456789abcdef"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
DOORS = ("/api/v1/status", "/metrics", "/prometheus/api/v1/labels", "/ui/")
BROWSER = {"Accept": "text/html,application/xhtml+xml"}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    env = {"FORETIDE_HOST": "0.0.0.0", "FORETIDE_API_TOKEN": TOKEN}
    with running(tmp_path_factory.mktemp("guarded"), "up", env=env) as program:
        yield program
        assert program.end(signal.SIGTERM) == 0, said(program.log)
        assert TOKEN not in program.log.read_text()


def test_another_address_without_a_token_is_a_sentence(tmp_path: Path) -> None:
    code, said_why = refusal(tmp_path, "up", FORETIDE_HOST="0.0.0.0", FORETIDE_PORT=str(free_port()))
    assert code == 2
    assert said_why.startswith("foretide: listening on 0.0.0.0 needs a token: set FORETIDE_API_TOKEN to 32 or more")
    assert not (tmp_path / "var").exists()


def test_a_short_token_is_a_sentence(tmp_path: Path) -> None:
    code, said_why = refusal(tmp_path, "up", FORETIDE_HOST="0.0.0.0", FORETIDE_PORT="0", FORETIDE_API_TOKEN="short")
    assert code == 2
    assert said_why == "foretide: FORETIDE_API_TOKEN has 5 characters; expected 32 or more\n"


@pytest.mark.parametrize("path", [*DOORS, "/api/v1/decisions", "/openapi.json", "/v1/metrics", "/nosuch"])
def test_without_the_token_every_door_is_shut(guarded: Program, path: str) -> None:
    for headers in ({}, {"Authorization": f"Bearer {TOKEN[:-1]}"}, {"Cookie": f"foretide_token={TOKEN}"}):
        answer = ask(f"{guarded.url}{path}", headers=headers)
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert answer.json["error"]["code"] == "UNAUTHORIZED"
    assert ask(f"{guarded.url}{path}", method="POST", body=b"").status == 401


@pytest.mark.parametrize("path", DOORS)
def test_with_the_token_it_opens(guarded: Program, path: str) -> None:
    assert ask(f"{guarded.url}{path}", headers=BEARER).status == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_the_probes_need_none(guarded: Program, path: str) -> None:
    answer = guarded.get(path)
    assert answer.status == 200
    assert answer.json["status"] in ("ok", "ready")


def test_a_browser_logs_in_and_gets_a_cookie(guarded: Program) -> None:
    sent_away = ask(f"{guarded.url}/ui/", headers=BROWSER)
    assert (sent_away.status, sent_away.headers["Location"]) == (303, "/login")
    page = ask(f"{guarded.url}/login", headers=BROWSER)
    assert page.status == 200
    assert b'type="password"' in page.body

    wrong = ask(f"{guarded.url}/login", method="POST", body=b"token=wrong")
    assert (wrong.status, wrong.headers["Set-Cookie"]) == (401, None)
    right = ask(f"{guarded.url}/login", method="POST", body=f"token={TOKEN}".encode())
    assert (right.status, right.headers["Location"]) == (303, "/ui/")
    cookie, *attributes = right.headers["Set-Cookie"].split("; ")
    assert {"HttpOnly", "SameSite=strict"} <= set(attributes)
    assert TOKEN not in cookie
    for path in ("/ui/", "/api/v1/status"):
        assert ask(f"{guarded.url}{path}", headers={"Cookie": cookie}).status == 200


def test_it_measures_itself_behind_the_gate(guarded: Program) -> None:
    status = ask(f"{guarded.url}/api/v1/status", headers=BEARER).json["data"]
    assert status["cluster"] == "observe"
    assert "token" not in str(status).lower()
