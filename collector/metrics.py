"""The scraper's own telemetry; it never enters the scraper's own intake."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_DURATION_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class ScrapeMetrics:
    """Counts scrapes and what they bring."""

    def __init__(self, registry: CollectorRegistry) -> None:
        scrapes = Counter("foretide_collector_scrapes", "Scrapes by result.", ["result"], registry=registry)
        self.succeeded, self.failed = scrapes.labels("success"), scrapes.labels("failure")
        self.duration = Histogram(
            "foretide_collector_scrape_duration_seconds",
            "Time from the request to the page taken in.",
            buckets=_DURATION_BUCKETS,
            registry=registry,
        )
        self.samples = Counter("foretide_collector_scraped_samples", "Samples taken from pages.", registry=registry)
        self.too_new = Counter(
            "foretide_collector_too_new_samples",
            "Samples dropped because their own timestamp is more than 10 minutes ahead.",
            registry=registry,
        )
        self.lost = Counter(
            "foretide_collector_lost_scrapes", "Scrapes that the store did not take.", registry=registry
        )
        self.targets = Gauge("foretide_collector_targets", "Targets being scraped.", registry=registry)


def discovered_targets(registry: CollectorRegistry) -> Gauge:
    """What service discovery found; there also where nothing is to be discovered."""
    return Gauge(
        "foretide_collector_discovered_targets",
        "Targets found by service discovery, by what became of them.",
        ["job", "result"],
        registry=registry,
    )
