from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.clock import from_ms
from domain.errors import OverloadedError, StoreError
from domain.spans import Span, SpanKind, StatusCode
from store.traces import TraceStore
from store.traces.encode import decode, encode
from tests.fakes.spans import START_MS, START_NS, a_span, trace_id

EVERYTHING: dict[str, Any] = {"start_ms": 0, "end_ms": 2**60, "limit": 100}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[TraceStore]:
    store = TraceStore.open(tmp_path / "traces.db")
    yield store
    store.close()


def put(store: TraceStore, *spans: Span, received_ms: int = START_MS) -> None:
    store.append_durably(spans, received_ms=received_ms).result(10)


def found(store: TraceStore, **filters: Any) -> list[int]:
    return [int(summary.trace_id, 16) for summary in store.search(**(EVERYTHING | filters))]


text = st.text(st.characters(codec="utf-8"))
numbers = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=5,
)
attributes = st.dictionaries(text, json_values, max_size=4)


@given(
    st.lists(
        st.builds(
            a_span,
            st.integers(1, 2**63),
            name=text,
            kind=st.sampled_from(SpanKind),
            status=st.sampled_from(StatusCode),
            service=st.sampled_from(["shop", "pay"]),
            attributes=attributes,
            resource=attributes,
        ),
        min_size=1,
        max_size=4,
    )
)
@settings(max_examples=60, deadline=None)
def test_what_is_encoded_is_decoded_unchanged(spans: list[Span]) -> None:
    assert decode(encode(trace_id(1), spans)) == spans


def test_damaged_bytes_are_a_store_error() -> None:
    with pytest.raises(StoreError, match="cannot be decoded"):
        decode(b"not zlib")


def test_a_trace_survives_a_restart(tmp_path: Path) -> None:
    spans = [a_span(1, service="shop"), a_span(2, parent_span_id="0" * 15 + "1", service="pay", start_ns=START_NS + 5)]
    store = TraceStore.open(tmp_path / "traces.db")
    put(store, *spans)
    store.close()
    again = TraceStore.open(tmp_path / "traces.db")
    assert again.trace(trace_id(1)) == spans
    assert again.services() == ["pay", "shop"]
    again.close()


def test_late_parts_of_a_trace_are_merged(store: TraceStore) -> None:
    late = {"parent_span_id": "0" * 15 + "1", "service": "pay", "name": "charge", "status": StatusCode.ERROR}
    child = a_span(2, start_ns=START_NS + 10**8, **late)
    put(store, child)
    before = store.search(**EVERYTHING)[0]
    assert (before.root_service, before.span_count) == ("", 1)
    put(store, a_span(1, name="GET /cart", seconds=0.5))
    (summary,) = store.search(**EVERYTHING)
    assert (summary.root_service, summary.root_operation) == ("shop", "GET /cart")
    assert (summary.span_count, summary.error_count) == (2, 1)
    assert summary.services == ("pay", "shop")
    assert summary.duration_seconds == pytest.approx(0.5)
    assert [span.name for span in store.trace(trace_id(1))] == ["GET /cart", "charge"]


def test_a_span_sent_twice_occurs_once_in_its_trace(store: TraceStore) -> None:
    put(store, a_span())
    put(store, a_span())
    assert store.trace(trace_id(1)) == [a_span()]


def test_search_filters_by_service_operation_duration_and_time(store: TraceStore) -> None:
    second = 10**9
    put(
        store,
        a_span(1, trace=1, service="shop", name="GET /cart", seconds=0.1, start_ns=START_NS),
        a_span(2, trace=2, service="shop", name="POST /order", seconds=2.0, start_ns=START_NS + second),
        a_span(3, trace=3, service="pay", name="POST /order", seconds=0.2, start_ns=START_NS + 2 * second),
    )
    assert found(store) == [3, 2, 1]
    assert found(store, limit=2) == [3, 2]
    assert found(store, service="shop") == [2, 1]
    assert found(store, operation="POST /order") == [3, 2]
    assert found(store, service="shop", operation="POST /order") == [2]
    assert found(store, min_duration_seconds=1.0) == [2]
    assert found(store, service="shop", min_duration_seconds=3.0) == []
    assert found(store, service="shop", end_ms=START_MS) == [1]
    assert found(store, start_ms=START_MS + 2000) == [3]
    assert found(store, service="nobody") == []
    assert store.operations("shop") == ["GET /cart", "POST /order"]
    assert store.operations("nobody") == []


def test_a_trace_with_many_spans_of_one_operation_is_found_once(store: TraceStore) -> None:
    put(store, *(a_span(number, start_ns=START_NS + number) for number in range(1, 20)))
    put(store, *(a_span(number, start_ns=START_NS + number) for number in range(20, 30)))
    assert found(store, service="shop", operation="GET /cart") == [1]


@pytest.mark.parametrize("unknown", [trace_id(9), "", "no hex", "ab"])
def test_an_unknown_trace_is_empty(store: TraceStore, unknown: str) -> None:
    put(store, a_span())
    assert store.trace(unknown) == []


def test_old_traces_go_and_young_ones_stay(tmp_path: Path) -> None:
    store = TraceStore.open(tmp_path / "traces.db", retention=timedelta(hours=1))
    put(store, a_span(1, trace=1, service="gone"), received_ms=START_MS)
    put(store, a_span(2, trace=2), received_ms=START_MS + 3_000_000)
    assert set(found(store)) == {1, 2}
    store.prune(from_ms(START_MS + 3_600_001)).result(10)
    store.prune(from_ms(START_MS + 3_600_001)).result(10)  # the first has been applied when the second is committed
    assert found(store) == [2]
    assert store.trace(trace_id(1)) == []
    assert store.services() == ["shop"]
    store.close()


def test_a_trace_that_still_receives_spans_keeps_its_summary(tmp_path: Path) -> None:
    store = TraceStore.open(tmp_path / "traces.db", retention=timedelta(hours=1))
    put(store, a_span(1, trace=1), received_ms=START_MS)
    put(store, a_span(2, trace=1), received_ms=START_MS + 3_600_001)
    store.prune(from_ms(START_MS + 3_600_001)).result(10)
    assert [span.span_id for span in store.trace(trace_id(1))] == [f"{2:016x}"]
    assert found(store, service="shop") == [1]
    store.close()


def test_the_oldest_go_when_there_are_too_many_bytes(tmp_path: Path) -> None:
    store = TraceStore.open(tmp_path / "traces.db", max_bytes=400_000)
    for batch in range(40):
        spans = [a_span(n, trace=batch * 50 + n, attributes={"noise": os.urandom(300).hex()}) for n in range(1, 51)]
        put(store, *spans, received_ms=START_MS + batch)
    store.prune(from_ms(START_MS + 40)).result(10)
    newest = found(store, limit=10_000)
    assert 40 * 50 in newest
    assert 1 not in newest
    assert store.stats().used_bytes <= 400_000
    assert (tmp_path / "traces.db").stat().st_size < 2_000_000
    store.close()


def test_the_file_shrinks_when_its_traces_go(tmp_path: Path) -> None:
    path = tmp_path / "traces.db"
    store = TraceStore.open(path, retention=timedelta(hours=1))
    put(store, *(a_span(n, trace=n, attributes={"noise": os.urandom(300).hex()}) for n in range(1, 1001)))
    store.prune(from_ms(START_MS + 3_600_001)).result(10)
    store.close()
    assert path.stat().st_size < 100_000


def test_a_broken_file_is_moved_aside(tmp_path: Path) -> None:
    path = tmp_path / "traces.db"
    path.write_bytes(b"garbage" * 1000)
    (tmp_path / "traces.db.broken-1").write_bytes(b"an earlier one")
    store = TraceStore.open(path)
    assert store.stats().moved_aside == tmp_path / "traces.db.broken-2"
    assert (tmp_path / "traces.db.broken-2").read_bytes().startswith(b"garbage")
    put(store, a_span())
    assert found(store) == [1]
    store.close()


def test_a_file_cut_off_in_the_middle_is_moved_aside(tmp_path: Path) -> None:
    path = tmp_path / "traces.db"
    store = TraceStore.open(path)
    put(store, *(a_span(n, trace=n) for n in range(1, 500)))
    store.close()
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    again = TraceStore.open(path)
    assert again.stats().moved_aside == tmp_path / "traces.db.broken-1"
    again.close()


def test_a_path_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StoreError, match="file"):
        TraceStore.open(tmp_path / "file" / "traces.db")
    (tmp_path / "traces.db").mkdir()
    with pytest.raises(StoreError, match="traces.db: cannot open"):
        TraceStore.open(tmp_path / "traces.db")


def test_a_file_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "traces.db"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreError, match="version 99"):
        TraceStore.open(path)
    assert path.exists()


def test_damage_after_a_clean_stop_is_found_at_the_start(tmp_path: Path) -> None:
    path = tmp_path / "traces.db"
    store = TraceStore.open(path)
    put(store, *(a_span(n, trace=n) for n in range(1, 400)))
    store.close()
    damaged = bytearray(path.read_bytes())
    for page in range(4096, len(damaged), 3 * 4096):
        damaged[page : page + 2048] = bytes(255 for _ in range(2048))
    path.write_bytes(damaged)
    again = TraceStore.open(path)
    assert again.stats().moved_aside == tmp_path / "traces.db.broken-1"
    put(again, a_span(1))
    assert len(again.trace(trace_id(1))) == 1
    again.close()


def test_commits_are_told_in_order_before_they_are_acknowledged(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    store = TraceStore.open(tmp_path / "traces.db", on_commit=lambda at, spans: told.append((at, len(spans))))
    futures = [
        store.append_durably([a_span(n, trace=n) for n in range(1, count + 1)], received_ms=START_MS)
        for count in (3, 1, 2)
    ]
    futures[-1].result(10)
    assert [count for _, count in told] == [3, 1, 2]
    positions = [at for at, _ in told]
    assert positions == sorted(set(positions))
    assert positions[0] >= START_MS * 1000
    behind = [(at, len(spans)) for at, spans in store.batches_after(positions[0])]
    assert sum(count for _, count in behind) == 3
    assert behind[-1][0] == positions[-1] == store.stats().position
    assert len(list(store.spans_since(START_MS))) == 6
    assert list(store.spans_since(START_MS + 60_000)) == []
    store.close()


def test_a_listener_that_fails_does_not_end_the_appender(tmp_path: Path) -> None:
    def fail(position: int, spans: object) -> None:
        raise RuntimeError("listener")

    store = TraceStore.open(tmp_path / "traces.db", on_commit=fail)
    put(store, a_span(1))
    put(store, a_span(2))
    assert len(store.trace(trace_id(1))) == 2
    store.close()


def test_a_full_queue_refuses_and_recovers(tmp_path: Path) -> None:
    committed, go_on = threading.Event(), threading.Event()

    def hold(position: int, spans: object) -> None:
        committed.set()
        go_on.wait(10)

    store = TraceStore.open(tmp_path / "traces.db", max_queued_bytes=1000, on_commit=hold)
    first = store.append_durably([a_span(1)], received_ms=START_MS)
    assert committed.wait(10)
    waiting = store.append_durably([a_span(2)], received_ms=START_MS)
    with pytest.raises(OverloadedError, match="wait to be written"):
        store.append_durably([a_span(3), a_span(4, trace=2)], received_ms=START_MS)
    go_on.set()
    first.result(10)
    waiting.result(10)
    put(store, a_span(5))
    assert [span.span_id for span in store.trace(trace_id(1))] == [f"{n:016x}" for n in (1, 2, 5)]
    store.close()


def test_a_failed_commit_fails_its_senders_and_no_others(tmp_path: Path) -> None:
    store = TraceStore.open(tmp_path / "traces.db")
    with pytest.raises(StoreError, match="cannot write traces"):
        put(store, a_span(start_ns=2**63))
    assert store.stats().last_error
    put(store, a_span(2, trace=2))
    assert found(store) == [2]
    assert store.stats().last_error == ""
    store.close()


def test_close_writes_what_waits_and_may_be_repeated(tmp_path: Path) -> None:
    store = TraceStore.open(tmp_path / "traces.db")
    waiting = store.append_durably([a_span()], received_ms=START_MS)
    store.close()
    store.close()
    assert waiting.done()
    with pytest.raises(StoreError, match="closed"):
        store.append_durably([a_span()], received_ms=START_MS)
    with pytest.raises(StoreError):
        store.trace(trace_id(1))
    assert store.stats().used_bytes == 0


CHILD = """
import sys
from pathlib import Path
from store.traces import TraceStore
from tests.fakes.spans import START_MS, a_span
store = TraceStore.open(Path(sys.argv[1]))
number = 0
while True:
    number += 1
    store.append_durably([a_span(number, trace=number)], received_ms=START_MS).result()
    print(number, flush=True)
"""


def test_nothing_acknowledged_is_lost_by_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "traces.db"
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(path)], stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": os.getcwd()}
    )
    assert child.stdout is not None
    acknowledged = [child.stdout.readline() for _ in range(50)]
    child.send_signal(signal.SIGKILL)
    acknowledged += child.stdout.readlines()
    child.wait(10)
    child.stdout.close()
    numbers = {int(line) for line in acknowledged if line.endswith("\n")}
    store = TraceStore.open(path)
    assert store.stats().moved_aside is None
    assert len(numbers) >= 50
    assert numbers <= set(found(store, limit=10_000))
    store.close()
