"""Finds traces: by walking the operations of a service, or all traces, newest first."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Final

from domain.spans import Span
from store.traces.append import SUMMARY_COLUMNS, summary_of
from store.traces.encode import ANY_OPERATION, TraceSummary, decode

_LARGEST: Final = 2**63 - 1
_TRACE_COLUMNS: Final = ", ".join(f"trace.{name}" for name in SUMMARY_COLUMNS.split(", "))


def search(
    connection: sqlite3.Connection,
    *,
    service: str | None,
    operation: str | None,
    min_duration_seconds: float | None,
    start_ms: int,
    end_ms: int,
    limit: int,
) -> list[TraceSummary]:
    """Newest traces first; see ``TraceStore.search``."""
    window = (_ns(start_ms), _ns(end_ms) + 999_999, int((min_duration_seconds or 0) * 1e9))
    if service is None and operation is None:
        return _first_distinct(_all_rows(connection, window), limit)
    found = {
        summary.trace_id: summary
        for name in (services(connection) if service is None else [service])
        for summary in _first_distinct(_operation_rows(connection, name, operation or ANY_OPERATION, window), limit)
    }
    return sorted(found.values(), key=lambda summary: summary.start_ns, reverse=True)[:limit]


def services(connection: sqlite3.Connection) -> list[str]:
    """All services, sorted."""
    return list(_hop(connection, "SELECT min(service) FROM operation WHERE service > ?", ()))


def operations(connection: sqlite3.Connection, service: str) -> list[str]:
    """All operations of a service, sorted."""
    return list(_hop(connection, "SELECT min(name) FROM operation WHERE service = ? AND name > ?", (service,)))


def _hop(connection: sqlite3.Connection, next_after: str, fixed: tuple[str, ...]) -> Iterator[str]:
    """From one name to the next in the index, instead of reading all its rows; never the empty name."""
    name = ""
    while (name := connection.execute(next_after, (*fixed, name)).fetchone()[0]) is not None:
        yield name


def trace(connection: sqlite3.Connection, trace_id: str) -> list[Span]:
    """All spans of a trace in order of their start; empty where it is not known. A span sent twice occurs once."""
    try:
        key = bytes.fromhex(trace_id)
    except ValueError:
        return []
    rows = connection.execute("SELECT spans FROM part WHERE trace_id = ? ORDER BY position", (key,)).fetchall()
    spans = {span.span_id: span for (data,) in rows for span in decode(data)}
    return sorted(spans.values(), key=lambda span: span.start_ns)


def _all_rows(connection: sqlite3.Connection, window: tuple[int, int, int]) -> Iterable[tuple[object, ...]]:
    return connection.execute(
        f"SELECT {SUMMARY_COLUMNS} FROM trace WHERE start_ns BETWEEN ? AND ? AND end_ns - start_ns >= ?"
        " ORDER BY start_ns DESC",
        window,
    )


def _operation_rows(
    connection: sqlite3.Connection, service: str, name: str, window: tuple[int, int, int]
) -> Iterable[tuple[object, ...]]:
    return connection.execute(
        f"SELECT {_TRACE_COLUMNS} FROM operation CROSS JOIN trace USING (trace_id)"
        " WHERE operation.service = ? AND operation.name = ? AND operation.start_ns BETWEEN ? AND ?"
        " AND trace.end_ns - trace.start_ns >= ? ORDER BY operation.start_ns DESC",
        (service, name, *window),
    )


def _first_distinct(rows: Iterable[tuple[object, ...]], limit: int) -> list[TraceSummary]:
    found: dict[object, tuple[object, ...]] = {}
    for row in rows:
        if len(found) >= limit:
            break
        found.setdefault(row[0], row)
    return [summary_of(row) for row in found.values()]


def _ns(timestamp_ms: int) -> int:
    return max(-_LARGEST, min(timestamp_ms * 1_000_000, _LARGEST - 999_999))
