"""examples/kubernetes: its documents forecast a recorded cluster of two nodes, three namespaces and a volume."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from app.queries import Queries
from domain.clock import to_ms
from domain.forecasts import Forecast
from domain.labels import METRIC_NAME, Labels
from domain.series import FloatArray, Series
from forecaster.document_series import DocumentSeries
from forecaster.run import ForecastLoop
from rules import RuleSet, load_paths
from store.metrics import MetricsStore
from store.promql import check
from tests.app.world import NOW
from tests.fakes.clock import ManualClock
from tests.fakes.executors import HeldExecutor, InlineExecutor

EXAMPLES = Path(__file__).parent.parent.parent / "examples" / "kubernetes"
SCRAPED_EVERY = timedelta(minutes=2)
SCRAPES = int(timedelta(days=2, hours=2) / SCRAPED_EVERY)
GIB = 2.0**30
PODS = [
    ("shop", "checkout-6c9f8d7b5-x2x4z", "ReplicaSet", "checkout-6c9f8d7b5", "node-1"),
    ("shop", "cache-0", "StatefulSet", "cache", "node-2"),
    ("media", "encoder-7d4f5b6c8-q9q8w", "ReplicaSet", "encoder-7d4f5b6c8", "node-1"),
    ("kube-system", "proxy-abcde", "DaemonSet", "proxy", "node-2"),
]


def series(name: str, values: FloatArray, **labels: str) -> Series:
    times = to_ms(NOW) - np.arange(SCRAPES)[::-1] * int(SCRAPED_EVERY.total_seconds() * 1000)
    return Series(labels=Labels.of({METRIC_NAME: name, **labels}), timestamps_ms=times.astype(np.int64), values=values)


def cluster() -> Iterator[Series]:
    day = 2 * np.pi * np.arange(SCRAPES) * (SCRAPED_EVERY / timedelta(days=1))
    busy, growing, same = 2 - np.cos(day), np.linspace(1, 2, SCRAPES), np.ones(SCRAPES)
    for number, (namespace, pod, kind, owner, node) in enumerate(PODS, start=1):
        where = {"namespace": namespace, "pod": pod}
        used = np.cumsum(number * busy) * SCRAPED_EVERY.total_seconds()
        yield series("container_cpu_usage_seconds_total", used, container="app", node=node, **where)
        yield series("container_memory_working_set_bytes", number * busy * GIB, container="app", node=node, **where)
        yield series("kube_pod_owner", same, owner_kind=kind, owner_name=owner, **where)
        yield series("kube_pod_info", same, host_network="false", node=node, **where)
        yield series("container_cpu_allocation", same, node=node, container="app", **where)
        yield series("container_memory_allocation_bytes", same * GIB, node=node, container="app", **where)
    for node, pool in (("node-1", "spot"), ("node-2", "steady")):
        yield series("kube_node_labels", same, node=node, label_karpenter_sh_nodepool=pool)
        yield series("kube_node_status_allocatable", 64 * GIB * same, node=node, resource="memory")
        for name in ("node_total_hourly_cost", "node_cpu_hourly_cost", "node_ram_hourly_cost"):
            yield series(name, 0.03 * same, node=node)
    hpa = {"namespace": "shop", "horizontalpodautoscaler": "checkout"}
    yield series("kube_horizontalpodautoscaler_status_desired_replicas", np.round(3 * busy), **hpa)
    yield series("kube_horizontalpodautoscaler_spec_max_replicas", 10 * same, **hpa)
    volume = {"namespace": "shop", "persistentvolumeclaim": "cache-0"}
    yield series("kubelet_volume_stats_used_bytes", growing * GIB, **volume)
    yield series("kubelet_volume_stats_capacity_bytes", 8 * GIB * same, **volume)
    for kind, amount in (("used", growing), ("hard", 4 * same)):
        yield series("kube_resourcequota", amount, namespace="shop", resource="requests.cpu", type=kind)


@pytest.fixture
def queries(tmp_path: Path, clock: ManualClock) -> Iterator[Queries]:
    store = MetricsStore.open(tmp_path / "metrics.db", retention=timedelta(days=15), clock=clock)
    store.load(cluster())
    yield Queries(store, clock=clock)
    store.close()


@pytest.fixture
def documents() -> RuleSet:
    return load_paths([EXAMPLES], check_query=check)


def test_every_document_forecasts_its_series_of_a_recorded_cluster(
    queries: Queries, documents: RuleSet, registry: CollectorRegistry
) -> None:
    saved: list[Forecast] = []
    loop = ForecastLoop(
        range_values=queries.history, documents=DocumentSeries(queries.histories), save=saved.append,
        pool=InlineExecutor(), reference_pool=HeldExecutor(), rules=lambda: documents, registry=registry,
    )  # fmt: skip

    loop.tick(NOW)

    assert {signal: one.last_error for signal, one in loop.status().items() if one.last_error} == {}
    assert sorted(one.signal for one in saved) == [
        "platform/cluster-cost",
        "platform/cluster-memory",
        'platform/namespace-cost{namespace="kube-system"}',
        'platform/namespace-cost{namespace="media"}',
        'platform/namespace-cost{namespace="shop"}',
        'platform/namespace-cpu{namespace="kube-system"}',
        'platform/namespace-cpu{namespace="media"}',
        'platform/namespace-cpu{namespace="shop"}',
        'platform/namespace-memory{namespace="kube-system"}',
        'platform/namespace-memory{namespace="media"}',
        'platform/namespace-memory{namespace="shop"}',
        'platform/node-pool-cpu{label_karpenter_sh_nodepool="spot"}',
        'platform/node-pool-cpu{label_karpenter_sh_nodepool="steady"}',
        "platform/pod-addresses",
        'platform/quota-cpu{namespace="shop"}',
        'platform/replicas{horizontalpodautoscaler="checkout", namespace="shop"}',
        'platform/volumes{namespace="shop", persistentvolumeclaim="cache-0"}',
        'platform/workload-cpu{namespace="kube-system", workload="proxy"}',
        'platform/workload-cpu{namespace="media", workload="encoder"}',
        'platform/workload-cpu{namespace="shop", workload="cache"}',
        'platform/workload-cpu{namespace="shop", workload="checkout"}',
    ]
    by_signal = {one.signal: one for one in saved}
    media = by_signal['platform/namespace-cpu{namespace="media"}']
    assert (media.unit, media.labels) == ("cores", {"namespace": "media"})
    # The day is 2 − cos, three times; the horizon is one day from noon on.
    assert media.mean.max() == pytest.approx(9, rel=0.1)
    assert media.mean.min() == pytest.approx(3, rel=0.2)
    assert by_signal["platform/pod-addresses"].mean == pytest.approx(4)
    assert by_signal['platform/namespace-cost{namespace="media"}'].mean == pytest.approx(0.06)


def test_every_limit_has_a_value_for_each_series(queries: Queries, documents: RuleSet) -> None:
    series_of = DocumentSeries(queries.histories)
    living = series_of.plans(documents, NOW)
    limited = 0
    for document in documents.forecasts:
        for limit in document.spec.capacity.limits if document.spec.capacity is not None else ():
            if limit.query is None:
                continue
            found = queries.instant(limit.query.expr, NOW)
            for plan in living:
                if plan.document == document.key:
                    limited += 1
                    assert tuple(plan.labels.items()) in found or () in found, plan.signal

    assert limited == 4
