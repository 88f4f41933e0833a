"""A Prometheus-compatible server as the store: Prometheus, Thanos, Mimir, VictoriaMetrics, Amazon's, Grafana's."""

from store.prometheus.client import PrometheusClient
from store.prometheus.config import (
    Auth,
    BasicAuth,
    BearerAuth,
    OAuth2,
    Secret,
    SigV4,
    SourceConfig,
    Tls,
)

__all__ = [
    "Auth",
    "BasicAuth",
    "BearerAuth",
    "OAuth2",
    "PrometheusClient",
    "Secret",
    "SigV4",
    "SourceConfig",
    "Tls",
]
