"""The past of signals: read once, a little at a time, and kept over restarts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from domain.clock import from_ms, to_ms
from domain.errors import NoDataError, QuerySourceError
from domain.labels import Labels
from domain.series import FloatArray
from store.prometheus.histories import CHUNK_STEPS, Histories, Progress, Wanted
from store.prometheus.pieces import InPieces
from store.promql.results import Matrix, Result

STEP = timedelta(minutes=5)
STEP_MS = 300_000
NOW = datetime(2026, 11, 21, 12, 2, tzinfo=UTC)
END_MS = to_ms(NOW) - to_ms(NOW) % STEP_MS
SPAN = timedelta(days=21)
START_MS = END_MS - to_ms(datetime.fromtimestamp(SPAN.total_seconds(), tz=UTC))


class Server:
    """Answers ``sum(m{app=…})``, alone and together, with a number that the time and the app make."""

    def __init__(self, apps: int) -> None:
        self.apps = [f"a{number}" for number in range(apps)]
        self.asked: list[tuple[int, int]] = []
        self.broken = False

    def instant(self, query: str, *, at_ms: int) -> Result:
        raise NotImplementedError

    def range(self, query: str, *, start_ms: int, end_ms: int, step_ms: int) -> Matrix:
        if self.broken:
            raise QuerySourceError("nobody there")
        self.asked.append((start_ms, end_ms))
        times = np.arange(start_ms, end_ms + 1, step_ms, dtype=np.int64)
        mine = [
            at for at, app in enumerate(self.apps) if f'"{app}"' in query or f"{app}|" in query or f'|{app}"' in query
        ]
        labels = [Labels() if len(mine) == 1 else Labels.of(app=self.apps[at]) for at in mine]
        values = np.array([truth(times, at) for at in mine]).reshape(len(mine), len(times))
        return Matrix(labels=labels, timestamps_ms=times, values=values, present=np.ones(values.shape, dtype=np.bool_))


def truth(times_ms: FloatArray | np.ndarray, app: int) -> FloatArray:
    return np.asarray(times_ms // STEP_MS % 1000 + app * 1000, dtype=np.float64)


def wanted(apps: int) -> list[Wanted]:
    return [Wanted(query=f'sum(m{{app="a{number}"}})', step=STEP, span=SPAN) for number in range(apps)]


Make = Callable[..., Histories]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def made(server: Server, apps: int, per_tick: int = 2) -> Histories:
        return Histories(server, path=tmp_path / "history.db", wanted=lambda: wanted(apps), per_tick=per_tick)

    return made


def filled(histories: Histories, ticks: int) -> None:
    for tick in range(ticks):
        histories.tick(NOW + tick * timedelta(seconds=5))


def read(histories: Histories, app: int = 0, end_ms: int = END_MS) -> FloatArray:
    return histories.history(f'sum(m{{app="a{app}"}})', start_ms=START_MS, end_ms=end_ms, step_ms=STEP_MS)


def expected(app: int = 0, end_ms: int = END_MS) -> FloatArray:
    return truth(np.arange(START_MS, end_ms + 1, STEP_MS), app)


def test_the_newest_steps_come_at_once_and_the_past_little_by_little(make: Make) -> None:
    server = Server(1)
    histories = make(server, 1)
    first = read(histories)
    assert len(server.asked) == 1
    known = ~np.isnan(first)
    assert known[-1]
    assert not known[:-CHUNK_STEPS].any()
    histories.tick(NOW)
    assert len(server.asked) == 3
    assert (~np.isnan(read(histories))).sum() == known.sum() + 2 * CHUNK_STEPS
    filled(histories, 20)
    np.testing.assert_array_equal(read(histories), expected())
    assert histories.progress == Progress(done=12, wanted=12)
    assert max((end - start) // STEP_MS for start, end in server.asked) < CHUNK_STEPS
    histories.close()


def test_nothing_is_read_twice(make: Make) -> None:
    server = Server(1)
    histories = make(server, 1)
    read(histories)
    filled(histories, 20)
    asked = len(server.asked)
    filled(histories, 20)
    read(histories)
    assert len(server.asked) == asked
    later = END_MS + 3 * STEP_MS
    np.testing.assert_array_equal(read(histories, end_ms=later), expected(end_ms=later))
    assert server.asked[asked:] == [(END_MS + STEP_MS, later)]
    histories.close()


def test_a_restart_goes_on_where_it_was(make: Make) -> None:
    server = Server(1)
    histories = make(server, 1)
    histories.tick(NOW)
    histories.close()
    done = server.asked.copy()
    again = make(server, 1)
    again.tick(NOW)
    assert len(server.asked) == 4
    assert not set(server.asked[2:]) & set(done)
    again.close()


def test_signals_of_one_shape_are_read_together(make: Make) -> None:
    server = Server(300)
    histories = make(server, 300, per_tick=5)
    for app in range(300):
        read(histories, app)
    assert len(server.asked) == 1
    filled(histories, 10)
    assert len(server.asked) == 13
    for app in (0, 7, 299):
        np.testing.assert_array_equal(read(histories, app), expected(app))
    histories.close()


def test_a_long_run_keeps_what_it_read(make: Make) -> None:
    server = Server(1)
    histories = make(server, 1)
    filled(histories, 20)
    for step in range(1, 1300):
        read(histories, end_ms=END_MS + step * STEP_MS)
    later = END_MS + 1299 * STEP_MS
    np.testing.assert_array_equal(read(histories, end_ms=later), expected(end_ms=later))
    histories.close()


def test_a_server_that_is_down_is_asked_again_later(make: Make) -> None:
    server = Server(1)
    histories = make(server, 1)
    server.broken = True
    histories.tick(NOW)
    with pytest.raises(QuerySourceError):
        read(histories)
    server.broken = False
    filled(histories, 20)
    np.testing.assert_array_equal(read(histories), expected())
    histories.close()


def test_several_series_are_no_history(make: Make) -> None:
    class Two(Server):
        def range(self, query: str, *, start_ms: int, end_ms: int, step_ms: int) -> Matrix:
            found = super().range(query, start_ms=start_ms, end_ms=end_ms, step_ms=step_ms)
            return Matrix(
                labels=[Labels.of(pod="a"), Labels.of(pod="b")], timestamps_ms=found.timestamps_ms,
                values=np.repeat(found.values, 2, axis=0), present=np.repeat(found.present, 2, axis=0),
            )  # fmt: skip

    histories = make(Two(1), 1)
    with pytest.raises(NoDataError, match="2 series"):
        read(histories)
    histories.close()


def test_a_broken_file_is_begun_anew(make: Make, tmp_path: Path) -> None:
    (tmp_path / "history.db").write_bytes(b"no database" * 1000)
    histories = make(Server(1), 1)
    assert read(histories)[-1] == truth(np.array([END_MS]), 0)[0]
    assert from_ms(END_MS) <= NOW
    histories.close()


def test_a_look_at_another_step_is_answered_and_not_kept(make: Make) -> None:
    server = Server(1)
    histories = make(server, 1)
    found = histories.history('sum(m{app="a0"})', start_ms=START_MS, end_ms=END_MS, step_ms=2 * STEP_MS)
    np.testing.assert_array_equal(found, truth(np.arange(START_MS, END_MS + 1, 2 * STEP_MS), 0))
    assert server.asked == [(START_MS, END_MS)]
    histories.close()


def test_long_ranges_are_asked_in_pieces() -> None:
    server = Server(2)
    end_ms = 25_000 * STEP_MS
    whole = InPieces(server).range('m{app=~"a0|a1"}', start_ms=0, end_ms=end_ms, step_ms=STEP_MS)
    assert len(server.asked) == 3
    assert whole.timestamps_ms.tolist() == list(range(0, end_ms + 1, STEP_MS))
    np.testing.assert_array_equal(whole.values[1], truth(whole.timestamps_ms, 1))
    assert whole.present.all()
