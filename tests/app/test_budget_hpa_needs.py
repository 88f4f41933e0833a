"""What an HPA without a rule needs, from the series that are collected of it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from app.budget_needs import HpaNeeds
from app.queries import Queries
from domain.clock import to_ms
from domain.labels import METRIC_NAME, Labels
from domain.series import Series
from store.metrics import MetricsStore
from tests.app.world import NOW
from tests.fakes.clock import ManualClock

HPA = {"namespace": "shop", "horizontalpodautoscaler": "web"}
PREFIX = "kube_horizontalpodautoscaler_"


def series(name: str, value: float, **labels: str) -> Series:
    steps = np.arange(7 * 24 * 12 + 1, dtype=np.int64)  # a week, every 5 minutes
    times = to_ms(NOW) - 300_000 * steps[::-1]
    found = Labels.of({METRIC_NAME: PREFIX + name, **HPA, **labels})
    return Series(labels=found, timestamps_ms=times, values=np.full(len(steps), value))


def test_the_farthest_metric_times_the_replicas(tmp_path: Path) -> None:
    clock = ManualClock(NOW)
    store = MetricsStore.open(tmp_path / "metrics.db", retention=timedelta(days=15), clock=clock)
    cpu = {"metric_name": "cpu", "metric_target_type": "utilization"}
    queue = {"metric_name": "queue", "metric_target_type": "average"}
    store.load([
        series("status_current_replicas", 10.0), series("spec_target_metric", 70.0, **cpu),
        series("status_target_metric", 21.0, **cpu), series("spec_target_metric", 100.0, **queue),
        series("status_target_metric", 10.0, **queue),
        series("status_target_metric", 0.2, metric_name="cpu", metric_target_type="average"),
    ])  # fmt: skip
    queries = Queries(store, clock=clock)
    need = HpaNeeds(queries.history)
    # The HPA holds its min of 10; its CPU is at 21 of 70, so that 3 would do.
    assert need("shop", "web", NOW) == pytest.approx(3.0)
    assert need("shop", "other", NOW) is None
    queries.close()
    store.close()
