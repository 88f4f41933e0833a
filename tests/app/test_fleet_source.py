"""A server that is only looked at has rest, is asked once for what is settled, and in halves where it is too much."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from app.fleet_source import Access, GentleSource, forget_old, rest_after, source_of
from domain.clock import to_ms
from domain.errors import QueryLimitError, SettingsError
from store.prometheus.config import SourceConfig
from tests.fakes.clock import ManualClock
from tests.fakes.prometheus import Asked, Reply, Server

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
DAY = 86_400_000


def matrix(asked: Asked) -> Reply:
    """1, 2, 3 … at every step that is asked for."""
    start, end, step = (float(asked.form[name]) for name in ("start", "end", "step"))
    times = np.arange(start, end + 1, step)
    rows = [{"metric": {"pod": "a"}, "values": [[at, str(at / 60)] for at in times.tolist()]}]
    return Reply(body=json.dumps({"status": "success", "data": {"resultType": "matrix", "result": rows}}).encode())


def too_long(asked: Asked) -> Reply:
    if float(asked.form["end"]) - float(asked.form["start"]) > 7 * 3600:
        return Reply(status=422, body=b'{"status":"error","errorType":"execution","error":"too many samples"}')
    return matrix(asked)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(matrix) as made:
        yield made


def gentle(url: str, cache: Path | None, *, rests: list[float] | None = None) -> GentleSource:
    told = [] if rests is None else rests
    return GentleSource(
        SourceConfig(name="prometheus", url=url), clock=ManualClock(NOW), max_load=0.02, cache=cache, wait=told.append
    )


def ask(source: GentleSource, *, days_ago: int = 3, hours: int = 24) -> np.ndarray:
    start = to_ms(NOW) - days_ago * DAY
    try:
        return source.range("up", start_ms=start, end_ms=start + hours * 3_600_000 - 60_000, step_ms=60_000).values
    finally:
        source.close()


def test_a_settled_day_is_asked_once(server: Server, tmp_path: Path) -> None:
    first = ask(gentle(server.url, tmp_path))
    again = gentle(server.url, tmp_path)

    np.testing.assert_array_equal(ask(again), first)
    assert len(server.asked) == 1
    assert (again.asked, again.kept) == (0, 1)


def test_what_may_still_change_is_asked_again(server: Server, tmp_path: Path) -> None:
    for _ in range(2):
        ask(gentle(server.url, tmp_path), days_ago=0, hours=1)

    assert len(server.asked) == 2


def test_another_tenant_has_another_cache(server: Server, tmp_path: Path) -> None:
    ask(gentle(server.url, tmp_path))
    other = SourceConfig(name="prometheus", url=server.url, tenant="b")
    ask(GentleSource(other, clock=ManualClock(NOW), max_load=1.0, cache=tmp_path, wait=lambda _: None))

    assert len(server.asked) == 2


def test_a_broken_file_is_asked_anew(server: Server, tmp_path: Path) -> None:
    first = ask(gentle(server.url, tmp_path))
    for file in tmp_path.glob("*/*.npz"):
        file.write_bytes(b"half")

    np.testing.assert_array_equal(ask(gentle(server.url, tmp_path)), first)


def test_too_much_at_once_is_asked_in_halves() -> None:
    with Server(too_long) as server:
        values = ask(gentle(server.url, None))

    assert values.shape == (1, 1440)
    assert not np.isnan(values).any()


def test_what_is_too_much_even_for_an_hour_is_an_error() -> None:
    with Server(
        lambda _: Reply(status=422, body=b'{"status":"error","errorType":"execution","error":"too many samples"}')
    ) as server:
        with pytest.raises(QueryLimitError):
            ask(gentle(server.url, None))


@pytest.mark.parametrize(
    ("took", "share", "cores", "rest"), [(1.0, 0.02, 1, 49.0), (1.0, 0.02, 10, 4.0), (1.0, 1.0, 1, 0.0)]
)
def test_the_pause_makes_the_share(took: float, share: float, cores: float, rest: float) -> None:
    assert rest_after(took, share=share, cores=cores) == pytest.approx(rest)


def test_unused_answers_are_thrown_away_after_two_weeks(server: Server, tmp_path: Path) -> None:
    ask(gentle(server.url, tmp_path))
    file = next(tmp_path.glob("*/*.npz"))
    forget_old(tmp_path, now_seconds=file.stat().st_mtime + 13 * 86_400)
    assert file.exists()
    forget_old(tmp_path, now_seconds=file.stat().st_mtime + 15 * 86_400)
    assert not file.exists()


@pytest.mark.parametrize(
    ("access", "said"),
    [
        (Access(), "give --prometheus URL"),
        (Access(url="http://a", source="b"), "give --prometheus URL"),
        (Access(url="ftp://a"), "--prometheus: expected a URL"),
        (Access(url="http://u:p@a"), "--prometheus: holds a user or password"),
        (Access(url="http://a", username="u"), "--username and --password-file go together"),
        (Access(source="big"), "--source big: not a source of foretide.yaml; it has none"),
    ],
)
def test_what_cannot_be_an_address_is_said(access: Access, said: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=said):
        source_of(access, working_dir=tmp_path)


def test_options_become_credentials(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret\n")
    found = source_of(Access(url="https://a/prom", token_file=Path("token"), tenant="t"), working_dir=tmp_path)

    assert (found.url, found.tenant, found.max_concurrent) == ("https://a/prom", "t", 1)
    assert found.auth is not None
    assert "secret" not in repr(found)
