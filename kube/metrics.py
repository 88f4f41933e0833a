"""What the client counts about itself."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge


class ClientMetrics:
    """Of every connection of a process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "foretide_kubernetes_requests_total",
            "Requests to the API server by method and status.",
            ["method", "status"],
            registry=registry,
        )
        self._lists = Counter("foretide_kubernetes_lists_total", "Lists of a whole kind.", ["kind"], registry=registry)
        self._age = Gauge(
            "foretide_kubernetes_cache_age_seconds",
            "Time since the API server was last heard about a kind; +Inf before the first time.",
            ["kind"],
            registry=registry,
        )
        self.leading = Gauge("foretide_kubernetes_leading", "1 while this process may act.", registry=registry)
        self._ages: dict[str, list[Callable[[], float]]] = {}

    def answered(self, method: str, status: int) -> None:
        """One request; status 0 when no answer came."""
        self._requests.labels(method, str(status)).inc()

    def listed(self, kind: str) -> None:
        """A list was asked for."""
        self._lists.labels(kind).inc()

    def follow(self, kind: str, age_seconds: Callable[[], float]) -> None:
        """One more reflector of ``kind``; the oldest of them is told."""
        ages = self._ages.setdefault(kind, [])
        ages.append(age_seconds)
        self._age.labels(kind).set_function(lambda: max(age() for age in ages))
