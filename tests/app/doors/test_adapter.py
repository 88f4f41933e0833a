"""Whom the adapter believes, how long, and what it says when nobody can tell."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.adapter import front_proxy
from app.adapter.front_proxy import User
from app.adapter.metrics_api import attributes_of, quantity, question_of
from app.adapter.review import Attributes, Reviews
from app.forecast_doors.question import BadQuestionError
from domain.errors import KubeError, SettingsError
from tests.fakes.clock import ManualClock

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
METRIC = "/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/checkout:rps"
ASKED = Attributes(verb="get", path="/apis")


def config_map(**changed: str) -> bytes:
    data = {
        "requestheader-client-ca-file": "PEM", "requestheader-allowed-names": '["front-proxy-client"]',
        "requestheader-username-headers": '["X-Remote-User"]', "requestheader-group-headers": '["X-Remote-Group"]',
        "requestheader-extra-headers-prefix": '["X-Remote-Extra-"]', **changed,
    }  # fmt: skip
    return json.dumps({"data": data}).encode()


class ApiServer:
    """Answers reviews; ``allowed`` may change, and with ``silent`` it answers nothing."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.status: dict[str, Any] = {}
        self.silent = False

    def post(self, path: str, body: dict[str, Any]) -> bytes:
        if self.silent:
            raise KubeError("no answer", status=0, reason="Timeout")
        self.asked.append({"path": path, **body})
        return json.dumps({"status": self.status}).encode()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def server() -> ApiServer:
    return ApiServer()


def test_a_front_proxy_speaks_for_users_with_all_that_is_known_of_them() -> None:
    trusted = front_proxy.read(config_map(**{"requestheader-uid-headers": '["X-Remote-Uid"]'}))
    headers = [
        ("x-remote-user", "ann"), ("X-Remote-Group", "a"), ("X-Remote-Group", "b"), ("X-Remote-Uid", "7"),
        ("X-Remote-Extra-Scopes%2Fx", "1"), ("X-Remote-Extra-scopes%2fX", "2"),
    ]  # fmt: skip
    expected = User(name="ann", groups=("a", "b"), uid="7", extra={"scopes/x": ("1", "2")})
    assert trusted.user("front-proxy-client", headers) == expected
    assert trusted.user("somebody", headers) is None
    assert trusted.user("front-proxy-client", headers[1:]) is None
    anybody = front_proxy.read(config_map(**{"requestheader-allowed-names": "[]"}))
    assert anybody.user("somebody", headers[:1]) == User(name="ann")


@pytest.mark.parametrize("wrong", [{"requestheader-client-ca-file": " "}, {"requestheader-allowed-names": "all"}])
def test_where_nobody_says_whom_to_trust_nothing_starts(wrong: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="extension-apiserver-authentication"):
        front_proxy.read(config_map(**wrong))


def test_a_yes_is_kept_ten_seconds_and_a_no_two(clock: ManualClock, server: ApiServer) -> None:
    reviews, user = Reviews(server.post, clock=clock), User(name="ann", groups=("a",))

    def counted(what: Callable[[], object], *, after: float) -> int:
        clock.advance(timedelta(seconds=after))
        before = len(server.asked)
        what()
        return len(server.asked) - before

    def may() -> bool:
        return reviews.allows(user, ASKED)

    assert not may()
    assert [counted(may, after=1.9), counted(may, after=0.2)] == [0, 1]
    server.status = {"allowed": True}
    clock.advance(timedelta(seconds=2))
    assert may()
    assert [counted(may, after=9.9), counted(may, after=0.2)] == [0, 1]
    spec = server.asked[-1]["spec"]
    assert list(spec["groups"]) == ["a", "system:authenticated"]
    assert spec["nonResourceAttributes"] == {"path": "/apis", "verb": "get"}


def test_no_answer_is_never_a_yes(clock: ManualClock, server: ApiServer) -> None:
    reviews, user = Reviews(server.post, clock=clock), User(name="ann")
    server.status = {"allowed": True, "denied": True}
    assert not reviews.allows(user, ASKED)
    server.silent = True
    clock.advance(timedelta(seconds=11))
    with pytest.raises(KubeError):
        reviews.allows(user, ASKED)
    with pytest.raises(KubeError):
        reviews.user_of("token")
    assert reviews.allows(User(name="root", groups=("system:masters",)), ASKED)


def test_a_tokens_owner_counts_only_when_it_is_authenticated(clock: ManualClock, server: ApiServer) -> None:
    reviews = Reviews(server.post, clock=clock)
    server.status = {"authenticated": False, "user": {"username": "ann"}}
    assert reviews.user_of("one") is None
    server.status = {"authenticated": True, "user": {"username": "ann", "groups": ["a"], "extra": {"k": ["v"]}}}
    assert reviews.user_of("two") == User(name="ann", groups=("a",), extra={"k": ("v",)})


def test_the_authorizer_is_asked_in_the_api_servers_words() -> None:
    named = {"namespace": "shop", "group": "external.metrics.k8s.io", "version": "v1beta1", "resource": "checkout:rps"}
    assert attributes_of(METRIC, "GET", watch=False) == Attributes(verb="list", path=METRIC, **named)
    assert attributes_of(METRIC, "DELETE", watch=False).verb == "deletecollection"
    assert attributes_of("/" + METRIC, "GET", watch=False) == Attributes(verb="get", path="/" + METRIC)


def test_quantile_and_lead_are_one_value_each() -> None:
    asked = question_of("shop", "checkout:rps", "lead in (10m),zone!=a")
    assert (asked.key, asked.quantile, asked.lead) == ("shop/checkout/rps", 0.9, timedelta(minutes=10))
    assert [one.name for one in asked.series] == ["zone"]
    for selector in ("lead in (1m,2m)", "lead!=1m", "quantile", "!quantile", "quantile=0.5,quantile=0.9", "lead=>1m"):
        with pytest.raises(BadQuestionError):
            question_of("shop", "checkout:rps", selector)


def test_quantities_never_say_less() -> None:
    assert [quantity(one) for one in (0.0, 3.0, 0.1, 0.0001, 1e30)] == ["0", "3", "100m", "1m", str(2**63 // 1000)]
