"""Names of the metrics and labels that more than one package speaks about."""

from __future__ import annotations

from typing import Final

UP: Final = "up"
SCRAPE_DURATION_SECONDS: Final = "scrape_duration_seconds"
SCRAPE_SAMPLES_SCRAPED: Final = "scrape_samples_scraped"
SCRAPE_SAMPLES_POST_METRIC_RELABELING: Final = "scrape_samples_post_metric_relabeling"
SCRAPE_SERIES_ADDED: Final = "scrape_series_added"

JOB: Final = "job"
INSTANCE: Final = "instance"
NAMESPACE: Final = "namespace"

# RED series from spans: names of the OpenTelemetry spanmetrics connector in their Prometheus form.
SPAN_CALLS_TOTAL: Final = "traces_span_metrics_calls_total"
SPAN_DURATION_SECONDS: Final = "traces_span_metrics_duration_seconds"
SERVICE_NAME: Final = "service_name"
SPAN_NAME: Final = "span_name"
SPAN_KIND: Final = "span_kind"
STATUS_CODE: Final = "status_code"
# Present RED of a Jaeger or a Tempo whose guests we are: gauges, as such stores keep rates and quantiles.
TRACE_GUEST_CALLS: Final = "traces_guest_calls_per_second"
TRACE_GUEST_ERRORS: Final = "traces_guest_errors_per_second"
TRACE_GUEST_LATENCY_SECONDS: Final = "traces_guest_latency_seconds"
SPAN_DURATION_BOUNDS_SECONDS: Final = (
    0.002, 0.004, 0.006, 0.008, 0.01, 0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.4, 2.0, 5.0, 10.0, 15.0,
)  # fmt: skip
"""Upper bounds of the buckets in which durations are counted; +Inf is one more."""

GENERATED: Final = "generated"
"""Label (value ``true``) of series that a demo generated and nobody measured; shown wherever they are used."""

# What metrics.k8s.io says is used now. CPU there is a mean over a window and no counter, so that it cannot be called
# container_cpu_usage_seconds_total; and beside cAdvisor's series of that name nothing shall be counted twice.
USED_CPU: Final = "metrics_k8s_io_container_cpu_usage_cores"
USED_MEMORY: Final = "metrics_k8s_io_container_memory_working_set_bytes"
NODE_USED_CPU: Final = "metrics_k8s_io_node_cpu_usage_cores"
NODE_USED_MEMORY: Final = "metrics_k8s_io_node_memory_working_set_bytes"
