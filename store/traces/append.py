"""Writes one group of arrivals in one transaction; a late part of a trace is merged into its summary."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

import orjson

from store.traces.encode import Part, TraceSummary

SUMMARY_COLUMNS = "trace_id, root_service, root_operation, start_ns, end_ns, span_count, error_count, services"
_CHUNK = 500  # bound parameters of one SELECT, far below SQLite's 32,766


def write(connection: sqlite3.Connection, parts: Sequence[Part], *, first_position: int) -> None:
    """Write the parts at ``first_position`` and the positions after it, all or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        _write_parts(connection, parts, first_position)
        _write_summaries(connection, parts)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def summary_of(row: Sequence[object]) -> TraceSummary:
    """The summary in a row of ``SUMMARY_COLUMNS``."""
    trace_id, root_service, root_operation, start_ns, end_ns, span_count, error_count, services = row
    return TraceSummary(
        trace_id=bytes(trace_id).hex(),  # type: ignore[call-overload]
        root_service=str(root_service),
        root_operation=str(root_operation),
        start_ns=int(start_ns),  # type: ignore[call-overload]
        end_ns=int(end_ns),  # type: ignore[call-overload]
        span_count=int(span_count),  # type: ignore[call-overload]
        error_count=int(error_count),  # type: ignore[call-overload]
        services=tuple(orjson.loads(str(services))),
    )


def _write_parts(connection: sqlite3.Connection, parts: Sequence[Part], first_position: int) -> None:
    ids = [bytes.fromhex(part.summary.trace_id) for part in parts]
    connection.executemany(
        "INSERT INTO part VALUES (?, ?, ?)",
        [(first_position + i, ids[i], part.spans) for i, part in enumerate(parts)],
    )
    connection.executemany(
        "INSERT OR IGNORE INTO operation VALUES (?, ?, ?, ?)",
        [
            (service, name, start_ns, trace_id)
            for part, trace_id in zip(parts, ids, strict=True)
            for (service, name), start_ns in part.operations.items()
        ],
    )


def _write_summaries(connection: sqlite3.Connection, parts: Sequence[Part]) -> None:
    merged: dict[str, TraceSummary] = {}
    for part in parts:
        known = merged.get(part.summary.trace_id)
        merged[part.summary.trace_id] = known.merged(part.summary) if known else part.summary
    for stored in _stored(connection, merged):
        merged[stored.trace_id] = stored.merged(merged[stored.trace_id])
    connection.executemany("INSERT OR REPLACE INTO trace VALUES (?, ?, ?, ?, ?, ?, ?, ?)", map(_row, merged.values()))


def _stored(connection: sqlite3.Connection, trace_ids: Iterable[str]) -> Iterable[TraceSummary]:
    ids = [bytes.fromhex(trace_id) for trace_id in trace_ids]
    for start in range(0, len(ids), _CHUNK):
        chunk = ids[start : start + _CHUNK]
        marks = ",".join("?" * len(chunk))
        query = f"SELECT {SUMMARY_COLUMNS} FROM trace WHERE trace_id IN ({marks})"
        yield from map(summary_of, connection.execute(query, chunk).fetchall())


def _row(summary: TraceSummary) -> tuple[object, ...]:
    return (
        bytes.fromhex(summary.trace_id), summary.root_service, summary.root_operation, summary.start_ns, summary.end_ns,
        summary.span_count, summary.error_count, orjson.dumps(summary.services).decode(),
    )  # fmt: skip
