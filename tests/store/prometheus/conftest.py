"""One real Prometheus for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry

from store.prometheus import PrometheusClient, SourceConfig
from store.prometheus.metrics import SourceMetrics
from tests.fakes.clock import ManualClock
from tests.fakes.prometheus import prometheus_with
from tests.store.promql import coalescing


@pytest.fixture(scope="session")
def prometheus_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """With the data of ``coalescing``."""
    with prometheus_with(coalescing.data(), tmp_path_factory.mktemp("prometheus")) as url:
        yield url


@pytest.fixture
def client(prometheus_url: str, clock: ManualClock) -> Iterator[PrometheusClient]:
    config = SourceConfig(name="prometheus", url=prometheus_url, max_queries_per_second=1000.0)
    made = PrometheusClient(
        config, clock=clock, metrics=SourceMetrics(CollectorRegistry()),
        wait=lambda seconds: None if clock.advance(timedelta(seconds=seconds)) else None,
    )  # fmt: skip
    yield made
    made.close()
