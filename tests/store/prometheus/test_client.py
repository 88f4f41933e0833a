"""The client against servers that answer, refuse, throttle, dawdle and stop in the middle."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from domain.errors import (
    QueryExecutionError,
    QueryLimitError,
    QuerySourceError,
    QuerySyntaxError,
    QueryTimeoutError,
    SettingsError,
)
from store.prometheus import BasicAuth, BearerAuth, OAuth2, PrometheusClient, Secret, SigV4, SourceConfig, Tls
from store.prometheus.breaker import BreakerState
from store.prometheus.metrics import SourceMetrics
from store.promql import Matrix, Scalar, Vector
from tests.fakes.clock import ManualClock
from tests.fakes.prometheus import EMPTY, ONE, Asked, Reply, Server, as_json


@contextmanager
def client_of(url: str, clock: ManualClock, **changes: object) -> Iterator[PrometheusClient]:
    config = SourceConfig(name="mimir", url=url, **changes)
    metrics = SourceMetrics(CollectorRegistry())
    client = PrometheusClient(config, clock=clock, metrics=metrics, wait=lambda s: clock.advance(timedelta(seconds=s)))
    try:
        yield client
    finally:
        client.close()


def test_a_query_goes_as_a_form_with_tenant_and_timeout(clock: ManualClock) -> None:
    with Server(lambda _: as_json(ONE)) as server, client_of(f"{server.url}/prom/", clock, tenant="team-a") as client:
        vector = client.instant("sum(up)", at_ms=1_500)
    assert isinstance(vector, Vector)
    assert vector.values.tolist() == [1.0]
    (asked,) = server.asked
    assert asked.path == "/prom/api/v1/query"
    assert asked.form == {"query": "sum(up)", "time": "1.500", "timeout": "10s", "partial_response": "false"}
    assert asked.headers["x-scope-orgid"] == "team-a"
    assert "authorization" not in asked.headers


def test_every_type_of_answer_is_read_and_notes_are_kept(clock: ManualClock) -> None:
    rows = [
        {"metric": {"b": "1"}, "values": [[0, "1"], [15, "NaN"]]},
        {"metric": {"a": "1"}, "values": [[15, "+Inf"], [30, "-2e3"]]},
    ]
    answers = iter(
        [
            {"status": "success", "data": {"resultType": "scalar", "result": [1, "2.5"]}, "warnings": ["slow"]},
            {"status": "success", "data": {"resultType": "matrix", "result": rows}, "infos": ["not a counter"]},
        ]
    )
    with Server(lambda _: as_json(next(answers))) as server, client_of(server.url, clock) as client:
        scalar = client.instant("2.5", at_ms=0)
        matrix = client.range("m", start_ms=0, end_ms=30_000, step_ms=15_000)
    assert isinstance(scalar, Scalar)
    assert (scalar.value, scalar.notes.warnings) == (2.5, ("slow",))
    assert isinstance(matrix, Matrix)
    assert [dict(labels) for labels in matrix.labels] == [{"a": "1"}, {"b": "1"}]
    assert matrix.present.tolist() == [[False, True, True], [True, True, False]]
    assert matrix.values[0, 1:].tolist() == [float("inf"), -2000.0]
    assert matrix.notes.infos == ("not a counter",)


def told(kind: str, error: str, status: int) -> Reply:
    return as_json({"status": "error", "errorType": kind, "error": error}, status)


@pytest.mark.parametrize(
    ("reply", "error", "words"),
    [
        (told("bad_data", "parse error: x", 400), QuerySyntaxError, "parse error: x"),
        (told("execution", "many-to-many", 422), QueryExecutionError, "many-to-many"),
        (told("execution", "query processing would load too many samples", 422), QueryLimitError, "too many samples"),
        (told("timeout", "query timed out", 503), QueryTimeoutError, "timed out"),
        (told("internal", "TSDB not ready", 503), QuerySourceError, "TSDB not ready"),
        (Reply(401, b"no"), QuerySourceError, "look at the source's credentials"),
        (Reply(403, b"<html>"), QuerySourceError, r"forbids it \(403\)"),
        (Reply(429, b""), QuerySourceError, "throttles us"),
        (Reply(502, b"<html>bad gateway</html>"), QuerySourceError, "502: <html>bad gateway"),
        (Reply(302, b"", {"location": "http://169.254.169.254/"}), QuerySourceError, "302"),
        (Reply(200, b"<html>login</html>"), QuerySourceError, "no JSON"),
        (Reply(200, b"[1]"), QuerySourceError, "not of the Prometheus HTTP API"),
        (as_json({"status": "success", "data": {"resultType": "vector", "result": [{}]}}), QuerySourceError, "be read"),
        (Reply(200, b'{"status":', promise=500), QuerySourceError, "mimir"),
    ],
)  # fmt: skip
def test_what_is_no_answer_is_an_error_of_ours(
    clock: ManualClock, reply: Reply, error: type[Exception], words: str
) -> None:
    with Server(lambda _: reply) as server, client_of(server.url, clock) as client:
        with pytest.raises(error, match=words):
            client.instant("m", at_ms=0)
    assert len(server.asked) == 1


def test_a_slow_server_is_given_up(clock: ManualClock) -> None:
    going = threading.Event()

    def slow(_: Asked) -> Reply:
        going.wait(10)
        return as_json(EMPTY)

    with Server(slow) as server, client_of(server.url, clock, timeout=timedelta(milliseconds=200)) as client:
        with pytest.raises(QueryTimeoutError, match="no answer within 0.2 s"):
            client.instant("m", at_ms=0)
        going.set()


def test_the_breaker_opens_after_five_failures_and_lets_one_try(clock: ManualClock) -> None:
    replies = [Reply(502, b"")]
    with Server(lambda _: replies[0]) as server, client_of(server.url, clock) as client:
        for _ in range(7):
            with pytest.raises(QuerySourceError):
                client.instant("m", at_ms=0)
        assert len(server.asked) == 5
        assert client.status().breaker is BreakerState.OPEN
        with pytest.raises(QuerySourceError, match=r"not asked, the next attempt is in .* s; last error: .*502"):
            client.instant("m", at_ms=0)
        clock.advance(timedelta(seconds=5))
        with pytest.raises(QuerySourceError, match="answers 502"):
            client.instant("m", at_ms=0)
        clock.advance(timedelta(seconds=9))
        with pytest.raises(QuerySourceError, match="not asked"):
            client.instant("m", at_ms=0)
        replies[0] = as_json(ONE)
        clock.advance(timedelta(seconds=1))
        client.instant("m", at_ms=0)
        assert client.status().breaker is BreakerState.CLOSED
        assert len(server.asked) == 7


def test_a_refused_query_opens_no_breaker(clock: ManualClock) -> None:
    reply = as_json({"status": "error", "errorType": "bad_data", "error": "parse error"}, 400)
    with Server(lambda _: reply) as server, client_of(server.url, clock) as client:
        for _ in range(8):
            with pytest.raises(QuerySyntaxError):
                client.instant("m", at_ms=0)
        assert client.status().breaker is BreakerState.CLOSED


def test_a_server_that_says_when_is_asked_no_earlier(clock: ManualClock) -> None:
    replies = [Reply(429, b"", {"retry-after": "30"})]
    with Server(lambda _: replies[0]) as server, client_of(server.url, clock) as client:
        with pytest.raises(QuerySourceError, match="asks for a pause"):
            client.instant("m", at_ms=0)
        replies[0] = as_json(ONE)
        clock.advance(timedelta(seconds=29))
        with pytest.raises(QuerySourceError, match="next attempt is in 1 s"):
            client.instant("m", at_ms=0)
        clock.advance(timedelta(seconds=1))
        client.instant("m", at_ms=0)
    assert len(server.asked) == 2


def test_queries_keep_to_their_pace(clock: ManualClock) -> None:
    began = clock.monotonic()
    with Server(lambda _: as_json(ONE)) as server, client_of(server.url, clock, max_queries_per_second=2.0) as client:
        for _ in range(10):
            client.instant("m", at_ms=0)
    assert clock.monotonic() - began == pytest.approx(4.0)


def test_a_server_that_is_not_there_is_told(clock: ManualClock) -> None:
    with client_of("http://127.0.0.1:9", clock) as client, pytest.raises(QuerySourceError, match="mimir"):
        client.instant("m", at_ms=0)


def test_too_many_points_are_not_asked_for(clock: ManualClock) -> None:
    with Server(lambda _: as_json(ONE)) as server, client_of(server.url, clock) as client:
        with pytest.raises(QueryLimitError, match="11,000"):
            client.range("m", start_ms=0, end_ms=11_001_000, step_ms=1000)
    assert server.asked == []


# ---- who we are


def test_basic_and_bearer_secrets_are_read_again_when_they_change(clock: ManualClock, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("one\n")
    for auth, expected in (
        (BasicAuth(username="me", password=Secret(file=file)), ["Basic bWU6b25l", "Basic bWU6dHdv"]),
        (BearerAuth(token=Secret(file=file)), ["Bearer one", "Bearer two"]),
    ):
        file.write_text("one\n")
        with Server(lambda _: as_json(ONE)) as server, client_of(server.url, clock, auth=auth) as client:
            client.instant("m", at_ms=0)
            file.write_text("two")
            client.instant("m", at_ms=0)
        assert [asked.headers["authorization"] for asked in server.asked] == expected


def test_a_secret_that_is_gone_is_told_without_it(clock: ManualClock, tmp_path: Path) -> None:
    auth = BearerAuth(token=Secret(file=tmp_path / "none"))
    with Server(lambda _: as_json(ONE)) as server, client_of(server.url, clock, auth=auth) as client:
        with pytest.raises(QuerySourceError, match="cannot be read: No such file"):
            client.instant("m", at_ms=0)
    assert server.asked == []
    assert "hunter2" not in repr(SourceConfig(name="x", url="http://x", auth=BearerAuth(token=Secret(text="hunter2"))))


class Tokens:
    """A token server and a Prometheus in one: it takes the newest token only."""

    def __init__(self, expires_in: float | None = 300) -> None:
        self.expires_in, self.given, self.revoked = expires_in, 0, set[str]()

    def __call__(self, asked: Asked) -> Reply:
        if asked.path == "/token":
            assert asked.form["grant_type"] == "client_credentials"
            assert asked.headers["authorization"] == "Basic aWQ6cyUyNmNyZXQ="  # id:s%26cret
            self.given += 1
            return as_json({"access_token": f"t{self.given}", "token_type": "Bearer", "expires_in": self.expires_in})
        token = asked.headers["authorization"].removeprefix("Bearer ")
        return Reply(401) if token in self.revoked else as_json(ONE)


def oauth2(url: str) -> OAuth2:
    return OAuth2(
        client_id="id", client_secret=Secret(text="s&cret"), token_url=f"{url}/token", scopes=("read",),
        endpoint_params=(("audience", "metrics"),),
    )  # fmt: skip


def test_an_oauth2_token_is_renewed_before_it_ends(clock: ManualClock) -> None:
    tokens = Tokens()
    with Server(tokens) as server, client_of(server.url, clock, auth=oauth2(server.url)) as client:
        client.instant("m", at_ms=0)
        clock.advance(timedelta(seconds=239))
        client.instant("m", at_ms=0)
        assert tokens.given == 1
        clock.advance(timedelta(seconds=1))
        client.instant("m", at_ms=0)
        assert tokens.given == 2
    first = server.asked[0]
    assert (first.form["scope"], first.form["audience"]) == ("read", "metrics")


def test_a_revoked_oauth2_token_is_renewed_once(clock: ManualClock) -> None:
    tokens = Tokens()
    with Server(tokens) as server, client_of(server.url, clock, auth=oauth2(server.url)) as client:
        client.instant("m", at_ms=0)
        tokens.revoked.add("t1")
        client.instant("m", at_ms=0)
        tokens.revoked |= {"t2", "t3"}
        with pytest.raises(QuerySourceError, match="401"):
            client.instant("m", at_ms=0)
    assert tokens.given == 3


def test_a_token_server_in_trouble_is_told(clock: ManualClock) -> None:
    with Server(lambda _: Reply(500)) as server, client_of(server.url, clock, auth=oauth2(server.url)) as client:
        with pytest.raises(QuerySourceError, match="token server answers 500"):
            client.instant("m", at_ms=0)


def test_sigv4_signs_the_form(clock: ManualClock) -> None:
    auth = SigV4(region="eu-west-1", access_key=Secret(text="AKID"), secret_key=Secret(text="s"),
                 session_token=Secret(text="session"))  # fmt: skip
    with Server(lambda _: as_json(ONE)) as server, client_of(server.url, clock, auth=auth) as client:
        client.instant("m", at_ms=0)
    (asked,) = server.asked
    assert asked.headers["x-amz-security-token"] == "session"
    assert asked.headers["authorization"].startswith(
        "AWS4-HMAC-SHA256 Credential=AKID/20261121/eu-west-1/aps/aws4_request, "
        "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, Signature="
    )


def test_a_certificate_that_is_not_there_stops_the_start(clock: ManualClock, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="source mimir: its TLS files cannot be read"):
        with client_of("https://x", clock, tls=Tls(cert_file=tmp_path / "none.pem")):
            pass


def test_mutual_tls_proves_who_we_are(clock: ManualClock, tmp_path: Path) -> None:
    from tests.store.prometheus.certificates import make

    paths = make(tmp_path)
    with Server(lambda _: as_json(ONE)) as server:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(paths.ca))
        context.load_cert_chain(str(paths.server), str(paths.server_key))
        context.verify_mode = ssl.CERT_REQUIRED
        server._server.socket = context.wrap_socket(server._server.socket, server_side=True)
        url = server.url.replace("http://", "https://")
        tls = Tls(ca_file=paths.ca, cert_file=paths.client, key_file=paths.client_key)
        with client_of(url, clock, tls=tls) as client:
            assert isinstance(client.instant("m", at_ms=0), Vector)
        with client_of(url, clock, tls=Tls(ca_file=paths.ca)) as client, pytest.raises(QuerySourceError):
            client.instant("m", at_ms=0)
        with client_of(url, clock) as client, pytest.raises(QuerySourceError, match="certificate verify failed"):
            client.instant("m", at_ms=0)
