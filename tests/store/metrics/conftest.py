from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from domain.clock import Clock
from store.metrics import MetricsStore, StoreLimits

OpenStore = Callable[..., MetricsStore]


@pytest.fixture
def open_store(tmp_path: Path) -> Iterator[OpenStore]:
    """Opens the store in one folder, as often as asked for; closes what is left open."""
    opened: list[MetricsStore] = []

    def open_(
        *, retention: timedelta = timedelta(days=15), clock: Clock | None = None, **limits: object
    ) -> MetricsStore:
        store = MetricsStore.open(
            tmp_path / "data" / "metrics.db",
            retention=retention,
            clock=clock,
            limits=StoreLimits(**limits),  # type: ignore[arg-type]
        )
        opened.append(store)
        return store

    yield open_
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: OpenStore) -> MetricsStore:
    return open_store()
