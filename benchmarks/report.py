"""What every benchmark prints: where it ran, and one row for each figure with the limits it should keep.

A missed row stays in the table; only what could not be measured is an error (``NotMeasuredError``, exit code 1).
"""

from __future__ import annotations

import json
import math
import os
import platform
import sqlite3
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import Any, Final, Literal, TextIO

import psutil

Direction = Literal["<=", ">=", "in"]
Limit = float | tuple[float, float] | None
_CALIBRATION_ROUNDS: Final = 2_000_000
_VERSIONS: Final = ("foretide", "numpy", "sqlalchemy", "uvicorn", "fastapi")


class NotMeasuredError(Exception):
    """A row could not be measured; the sentence says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure.

    Attributes:
        metric: Its id, as in the issue that asks for it.
        ours: What was measured of Foretide, in ``unit``.
        peer: The program measured beside it, in the same run; None in a row without one.
        peer_value: The same measured of the peer, in ``unit``.
        ratio: The figure of a row with a peer; in a row without one ``ours`` is the figure.
        direction: ``<=`` and ``>=`` compare the figure with a number, ``in`` with ``(low, high)``, both included.
        must: The limit that has to hold; None where there is none.
        goal: The one that is hoped for.
    """

    metric: str
    ours: float
    unit: str
    direction: Direction
    must: Limit = None
    goal: Limit = None
    peer: str | None = None
    peer_value: float | None = None
    ratio: float | None = None

    @property
    def figure(self) -> float:
        """What the limits are about."""
        return self.ours if self.ratio is None else self.ratio

    @property
    def holds_must(self) -> bool | None:
        """Whether ``must`` holds; None without one."""
        return _holds(self.figure, self.direction, self.must)

    @property
    def holds_goal(self) -> bool | None:
        """Whether ``goal`` holds; None without one."""
        return _holds(self.figure, self.direction, self.goal)

    def as_dict(self) -> dict[str, Any]:
        """All of it, the verdicts included; the order of the keys is part of the form."""
        own = asdict(self)
        order = ("metric", "ours", "unit", "peer", "peer_value", "ratio", "direction", "must", "goal")
        return {**{name: own[name] for name in order}, "holds_must": self.holds_must, "holds_goal": self.holds_goal}


def _holds(figure: float, direction: Direction, limit: Limit) -> bool | None:
    if limit is None:
        return None
    if math.isnan(figure):
        return False
    if isinstance(limit, tuple):
        low, high = limit
        return low <= figure <= high
    return figure <= limit if direction == "<=" else figure >= limit


def environment() -> dict[str, Any]:
    """Versions, cores, and how fast this machine is at the moment."""
    return {
        "versions": {
            **{name: metadata.version(name) for name in _VERSIONS},
            "python": platform.python_version(),
            "sqlite": sqlite3.sqlite_version,
            "kernel": platform.release(),
        },
        "machine": platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_bytes": psutil.virtual_memory().total,
        "load_average": round(os.getloadavg()[0], 2),
        "calibration_seconds": round(calibration_seconds(), 4),
    }


def calibration_seconds(clock: Callable[[], float] = time.perf_counter) -> float:
    """The best of three times of a fixed pure-Python loop: absolute rows of two machines are read against it."""
    best = math.inf
    for _ in range(3):
        began, total = clock(), 0
        for number in range(_CALIBRATION_ROUNDS):
            total = (total + number * number) % 1_000_003
        best = min(best, clock() - began)
    return best


def print_report(
    benchmark: str, where: dict[str, Any], rows: Sequence[Row], *, form: str, out: TextIO = sys.stdout
) -> None:
    """Print the one JSON object (``form`` is ``json``), or a table for people."""
    if form == "json":
        json.dump(
            {"benchmark": benchmark, "environment": where, "rows": [row.as_dict() for row in rows]}, out, indent=2
        )
        out.write("\n")
        return
    lines = [("metric", "ours", "unit", "peer", "ratio", "must", "goal", "holds"), *(_cells(row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        out.write("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() + "\n")
    out.write(f"{where['cores']} cores, calibration loop {where['calibration_seconds']} s\n")


def _cells(row: Row) -> tuple[str, ...]:
    peer = "" if row.peer is None else f"{row.peer} {_number(row.peer_value)}"
    limits = [_limit(row.direction, limit) for limit in (row.must, row.goal)]
    verdict = {True: "yes", False: "NO", None: ""}[row.holds_must]
    return (row.metric, _number(row.ours), row.unit, peer, _number(row.ratio), *limits, verdict)


def _limit(direction: Direction, limit: Limit) -> str:
    if limit is None:
        return ""
    if isinstance(limit, tuple):
        return f"in {_number(limit[0])}..{_number(limit[1])}"
    return f"{direction} {_number(limit)}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.4g}"
