"""A metrics store that keeps everything in a dict; enough for whoever only appends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import numpy as np

from domain.labels import METRIC_NAME, Labels
from domain.series import FloatArray, is_stale


class MemoryMetricsStore:
    def __init__(self) -> None:
        self.samples: dict[Labels, list[tuple[int, float]]] = {}
        self.layouts: list[Sequence[Labels]] = []
        self.refusal: Exception | None = None
        self.on_append: Callable[[], None] = lambda: None
        self._lock = threading.Lock()

    def append(self, labels: Sequence[Labels], timestamp_ms: int, values: FloatArray) -> None:
        if self.refusal:
            raise self.refusal
        assert len(labels) == len(values) == len(set(labels)), "one value for each series, each series once"
        with self._lock:
            self.layouts.append(labels)
            for own, value in zip(labels, values, strict=True):
                history = self.samples.setdefault(own, [])
                assert not history or history[-1][0] != timestamp_ms, f"two samples of {own} at {timestamp_ms}"
                history.append((timestamp_ms, float(value)))
        self.on_append()

    def history(self, name: str, **labels: str) -> list[tuple[int, float | str]]:
        """Samples of the one series of that name and those labels; a staleness marker reads ``stale``."""
        wanted = {METRIC_NAME: name, **labels}.items()
        matching = [own for own in self.samples if wanted <= dict(own).items()]
        assert len(matching) == 1, f"{name} {labels} matches {matching}"
        return [(at, _readable(value)) for at, value in self.samples[matching[0]]]

    def last(self, name: str, **labels: str) -> float | str:
        return self.history(name, **labels)[-1][1]

    def names(self) -> set[str]:
        return {labels.metric_name for labels in self.samples}


def _readable(value: float) -> float | str:
    return "stale" if is_stale(np.array([value]))[0] else value
