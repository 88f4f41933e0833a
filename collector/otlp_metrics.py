"""What the OTLP receiver and the RED aggregator tell about themselves."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge


class OtlpMetrics:
    """Counters of the receiver."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register them."""
        self.requests = Counter(
            "foretide_collector_otlp_requests",
            "OTLP/HTTP requests; result is ok, partial (some of it refused), or why it was not taken.",
            ["signal", "result"],
            registry=registry,
        )
        self.received_bytes = Counter(
            "foretide_collector_otlp_received_bytes", "Body bytes as they arrived.", ["signal"], registry=registry
        )
        self.spans = Counter("foretide_collector_spans", "Spans acknowledged after their commit.", registry=registry)
        self.points = Counter(
            "foretide_collector_otlp_points", "Metric data points acknowledged after their commit.", registry=registry
        )
        self.rejected = Counter(
            "foretide_collector_otlp_rejected",
            "Spans and data points refused in a partial success.",
            ["signal"],
            registry=registry,
        )


class RedMetrics:
    """Counters of the RED aggregator."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register them."""
        self.operations = Gauge(
            "foretide_collector_red_operations", "Operations that RED series are kept for.", registry=registry
        )
        self.overflow = Counter(
            "foretide_collector_red_overflow", "Spans counted as operation _other.", registry=registry
        )
        self.expired = Counter(
            "foretide_collector_red_expired", "Operations dropped because no span came.", registry=registry
        )
        self.flush_failures = Counter(
            "foretide_collector_red_flush_failures", "Flushes that the metrics store refused.", registry=registry
        )
