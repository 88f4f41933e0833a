"""Pushes numbers into a store until it is killed; prints each one once it has been acknowledged."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

import numpy as np

from domain.labels import Labels
from store.metrics import MetricsStore


def main(path: Path, series: int) -> None:
    store = MetricsStore.open(path, retention=timedelta(days=15))
    labels = tuple(Labels.of(job="push", n=str(n)) for n in range(series))
    newest = store.last_values([])
    number = 1 + (max(sample.timestamp_ms for sample in newest) if newest else 0)
    while True:
        store.append([Labels.of(job="scrape", n=str(number % 7))], number, np.array([float(number)]))
        store.append_durably([(labels, number, np.full(series, float(number)))]).result(10)
        print(number, flush=True)
        number += 1


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
