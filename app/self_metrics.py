"""What the stores say about themselves, on ``/metrics``."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from store.metrics import MetricsStore
from store.traces import TraceStore


def expose(registry: CollectorRegistry, *, version: str, metrics: MetricsStore, traces: TraceStore) -> None:
    """Register the stores' figures and the build."""
    registry.register(_Stores(version, metrics, traces))


class _Stores(Collector):
    def __init__(self, version: str, metrics: MetricsStore, traces: TraceStore) -> None:
        self._version, self._metrics, self._traces = version, metrics, traces

    def collect(self) -> Iterator[Metric]:
        build = GaugeMetricFamily("foretide_build_info", "1; the version is a label.", labels=["version"])
        build.add_metric([self._version], 1.0)
        yield build
        stats, recent = self._metrics.stats(), self._traces.stats()
        yield GaugeMetricFamily("foretide_store_series", "Series in the label index.", stats.series)
        yield GaugeMetricFamily("foretide_store_bytes", "Size of the metrics store on disk.", stats.bytes_on_disk)
        yield GaugeMetricFamily(
            "foretide_store_queued_bytes", "Samples that wait for their commit.", stats.queued_bytes
        )
        yield CounterMetricFamily("foretide_store_samples", "Samples taken.", stats.samples_appended)
        yield CounterMetricFamily("foretide_store_commits", "Commits of samples.", stats.commits)
        refused = CounterMetricFamily("foretide_store_samples_refused", "Samples refused.", labels=["reason"])
        for reason in ("out_of_order", "duplicates", "over_series_limit", "too_far_ahead", "dropped"):
            refused.add_metric([reason], getattr(stats, reason))
        yield refused
        yield GaugeMetricFamily("foretide_traces_bytes", "Size of the trace store.", recent.used_bytes)
        yield CounterMetricFamily("foretide_traces_spans", "Spans on disk since the start.", recent.spans_committed)
