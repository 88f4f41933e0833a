"""Series of the store on a window's grid, and what the allocation of cost reads off them: spans, last values, whose."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

import numpy as np

from app.queries import Queries
from collector.kubernetes import exporter, usage
from cost.allocation.nodes import Window
from domain.clock import to_ms
from domain.names import INSTANCE, JOB, NAMESPACE
from domain.series import FloatArray, IntArray

Key = tuple[str, str, str]
"""Cluster, namespace, name of a pod."""
GIB: Final = Decimal(2) ** 30
_OURS: Final = (exporter.JOB, usage.JOB)
_AT_ONCE: Final = timedelta(hours=6)
"""1,440 samples of a series that comes every 15 s: 13,000 pods within the limit."""
_NOT_IN_NAMES: Final = re.compile(r"[^a-zA-Z0-9_]")


@dataclass(frozen=True, slots=True)
class Line:
    """One series on the window's grid: NaN where it has nothing."""

    labels: Mapping[str, str]
    values: FloatArray


class SeriesReader:
    """Reads them piece by piece."""

    def __init__(self, queries: Queries) -> None:
        """Nothing is asked yet."""
        self._queries = queries

    def lines(self, expr: str, window: Window) -> list[Line]:
        """Each series at the end of every step, read piece by piece: one query may touch 20,000,000 samples.

        At the end, so that what has only just come is there: a minute after a start somebody asks for the first time.
        """
        first_ms, step_ms = to_ms(window.start + window.step), round(window.step / timedelta(milliseconds=1))
        found: dict[tuple[tuple[str, str], ...], FloatArray] = {}
        at = window.start + window.step
        while at <= window.end:
            until = min(at + _AT_ONCE - window.step, window.end)
            for labels, (times, values) in self._queries.lines(expr, at, until, window.step).items():
                own = found.setdefault(labels, np.full(window.steps, np.nan))
                own[_places(times, first_ms, step_ms)] = values
            at = until + window.step
        return [Line(labels=dict(labels), values=values) for labels, values in found.items()]


def filled(values: FloatArray | None, steps: int) -> FloatArray:
    """Unknown steps have what was last known, those before the first what came first."""
    if values is None:
        return np.zeros(steps)
    known = np.flatnonzero(np.isfinite(values))
    at = np.clip(np.searchsorted(known, np.arange(steps), side="right") - 1, 0, None)
    found: FloatArray = values[known[at]]
    return found


def span(values: FloatArray, window: Window, *, created: FloatArray | None = None) -> tuple[datetime, datetime | None]:
    """From the step in which a series comes to its last; when a thing was created refines the first within a step."""
    known = np.flatnonzero(np.isfinite(values))
    first, last = int(known[0]), int(known[-1])
    start = moment(first, window)
    seconds = np.nan if created is None else created[np.isfinite(created)][0] if np.isfinite(created).any() else np.nan
    if np.isfinite(seconds):
        began = (float(seconds) - window.start.timestamp()) * timedelta(seconds=1) + window.start
        if start < began < start + window.step:
            start = began
    return start, None if last == window.steps - 1 else seen(last, window)


def moment(step: int, window: Window) -> datetime:
    """When a step begins."""
    return window.start + step * window.step


def seen(step: int, window: Window) -> datetime:
    """When the sample of a step was: at its end."""
    return moment(step + 1, window)


def latest(values: FloatArray) -> float:
    """What was last known."""
    return float(values[np.flatnonzero(np.isfinite(values))[-1]])


def cluster_of(labels: Mapping[str, str]) -> str:
    """Our own series have the cluster's name as ``instance``; others' instance is an exporter."""
    return labels.get(INSTANCE, "") if labels.get(JOB) in _OURS else labels.get("cluster", "default")


def key_of(labels: Mapping[str, str]) -> Key:
    """Of the pod that a series is about."""
    return cluster_of(labels), labels.get(NAMESPACE, ""), labels.get("pod", "")


def in_series(name: str) -> str:
    """The name that an object's label has in a series."""
    return f"label_{_NOT_IN_NAMES.sub('_', name)}"


def exact(value: float) -> Decimal:
    """As it is printed."""
    return Decimal(repr(value))


def _places(times: IntArray, first_ms: int, step_ms: int) -> IntArray:
    places: IntArray = (times - first_ms) // step_ms
    return places
