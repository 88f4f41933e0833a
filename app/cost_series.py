"""Series of the store on a window's grid, and what the allocation of cost reads off them: spans, last values, whose."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, TypeVar

import numpy as np

from app.queries import LabelPairs, Queries
from collector.kubernetes import exporter, usage
from cost.allocation.nodes import Window
from domain.clock import to_ms
from domain.names import INSTANCE, JOB, NAMESPACE
from domain.series import FloatArray, IntArray

K = TypeVar("K")
Key = tuple[str, str, str]
"""Cluster, namespace, name of a pod."""
NO_CLUSTER: Final = "default"
GIB: Final = Decimal(2) ** 30
_OURS: Final = (exporter.JOB, usage.JOB)
_AT_ONCE: Final = timedelta(hours=6)
"""1,440 samples of a series that comes every 15 s: 13,000 pods within the limit."""
_COUNTED_AT_ONCE: Final = timedelta(hours=1)
_NOT_IN_NAMES: Final = re.compile(r"[^a-zA-Z0-9_]")
_NEW_WORD: Final = re.compile(r"([a-z0-9])([A-Z])")
_SPLIT: Final = r"\1_\2"


@dataclass(frozen=True, slots=True)
class Line:
    """One series on the window's grid: NaN where it has nothing."""

    labels: Mapping[str, str]
    values: FloatArray


@dataclass(frozen=True, slots=True)
class Spell:
    """One series by when it was there; ``end`` is None while it is."""

    labels: Mapping[str, str]
    start: datetime
    end: datetime | None


class SeriesReader:
    """Reads them piece by piece."""

    def __init__(self, queries: Queries) -> None:
        """Nothing is asked yet."""
        self._queries = queries

    def lines(self, expr: str, window: Window) -> list[Line]:
        """Each series at the end of every step, read piece by piece: one query may touch 20,000,000 samples.

        At the end, so that what has only just come is there: a minute after a start somebody asks for the first time.
        """
        found: dict[LabelPairs, FloatArray] = {}
        for labels, places, values in self._read(expr, window):
            found.setdefault(labels, np.full(window.steps, np.nan))[places] = values
        return [Line(labels=dict(labels), values=values) for labels, values in found.items()]

    def spells(self, expr: str, window: Window) -> list[Spell]:
        """From when to when each series was there: two numbers, where a whole line of 30,000 pods is 350 MB."""
        found: dict[LabelPairs, tuple[int, int]] = {}
        for labels, places, _ in self._read(expr, window):
            first, _ = found.get(labels, (int(places[0]), 0))
            found[labels] = first, int(places[-1])
        return [
            Spell(
                labels=dict(labels), start=moment(first, window),
                end=None if last == window.steps - 1 else seen(last, window),
            )
            for labels, (first, last) in found.items()
        ]  # fmt: skip

    def increases(self, counter: str, by: str, window: Window) -> dict[LabelPairs, float]:
        """By how much counters grew in the window, summed ``by`` labels; nothing is asked of hours that have none.

        An hour at once: five classes of traffic of 5,000 pods every 15 s are 6,000,000 samples an hour.
        """
        found: dict[LabelPairs, float] = defaultdict(float)
        for start, end in self._hours_with(counter, window):
            seconds = round((end - start).total_seconds())
            grown = self._queries.instant(f"sum by ({by}) (increase({counter}[{seconds}s]))", end)
            for labels, value in grown.items():
                found[labels] += value
        return found

    def _hours_with(self, series: str, window: Window) -> Iterator[tuple[datetime, datetime]]:
        """The window's hours, and the rest, at whose end there are such series."""
        hours = window_of(window.start, window.end, longest=_COUNTED_AT_ONCE)
        there = {place for line in self.lines(f"count({series})", hours) for place in np.flatnonzero(line.values > 0)}
        yield from ((moment(place, hours), seen(place, hours)) for place in sorted(map(int, there)))
        if hours.end < window.end and self._queries.instant(f"count({series})", window.end):
            yield hours.end, window.end

    def _read(self, expr: str, window: Window) -> Iterator[tuple[LabelPairs, IntArray, FloatArray]]:
        """Pieces of series: the steps that they are of, and their values."""
        first_ms, step_ms = to_ms(window.start + window.step), round(window.step / timedelta(milliseconds=1))
        at = window.start + window.step
        while at <= window.end:
            until = min(at + _AT_ONCE - window.step, window.end)
            for labels, (times, values) in self._queries.lines(expr, at, until, window.step).items():
                yield labels, (times - first_ms) // step_ms, values
            at = until + window.step


def window_of(start: datetime, end: datetime, *, longest: timedelta) -> Window:
    """Whole steps from ``start``: as long as that, or the one that is there."""
    step = min(longest, end - start)
    return Window(start=start, steps=(end - start) // step, step=step)


def merged(lines: Iterable[Line], key_of: Callable[[Mapping[str, str]], K]) -> dict[K, Line]:
    """One line for each thing, whoever told of it: an exporter that moved is another instance, and of two that stand
    side by side each tells everything.
    """
    found: dict[K, Line] = {}
    for line in lines:
        key = key_of(line.labels)
        known = found.get(key)
        if known is not None:
            line = Line(labels=line.labels, values=np.where(np.isfinite(known.values), known.values, line.values))
        found[key] = line
    return found


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
        if start < began <= start + window.step:
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


def cluster_of(labels: Mapping[str, str], alone: str = NO_CLUSTER) -> str:
    """Our own series have the cluster's name as ``instance``; others' instance is an exporter.

    What names no cluster is of the one that is known ``alone``: cAdvisor's usage beside our own pods.
    """
    return labels.get(INSTANCE, "") if labels.get(JOB) in _OURS else labels.get("cluster", alone)


def key_of(labels: Mapping[str, str], alone: str = NO_CLUSTER) -> Key:
    """Of the pod that a series is about."""
    return cluster_of(labels, alone), labels.get(NAMESPACE, ""), labels.get("pod", "")


def named(labels: Mapping[str, str], name: str) -> str:
    """The value of an object's label, by the label's own name; empty where the series has none."""
    return next(filter(None, (labels.get(one) for one in series_names(name))), "")


def series_names(name: str) -> tuple[str, str]:
    """The names that an object's label may have in a series.

    kube-state-metrics writes ``capacityType`` as ``label_capacity_type``, others as it is.
    """
    plain = _NOT_IN_NAMES.sub("_", name)
    return f"label_{_NEW_WORD.sub(_SPLIT, plain).lower()}", f"label_{plain}"


def exact(value: float) -> Decimal:
    """As it is printed."""
    return Decimal(repr(value))
