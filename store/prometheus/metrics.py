"""What a source costs its server, on ``/metrics``."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class SourceMetrics:
    """One set for all sources; the source's name is a label."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register them."""
        self.queries = Counter(
            "foretide_source_queries", "Queries sent to a source.", ["source", "result"], registry=registry
        )
        self.seconds = Histogram(
            "foretide_source_query_duration_seconds", "Time of a query to a source, waiting for its turn included.",
            ["source"], buckets=_BUCKETS, registry=registry,
        )  # fmt: skip
        self.written = Counter(
            "foretide_source_forecast_samples", "Samples of forecasts for remote write.",
            ["source", "result"], registry=registry,
        )  # fmt: skip
