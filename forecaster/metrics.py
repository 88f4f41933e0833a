"""What the forecaster tells about its own loop."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class ForecasterMetrics:
    """Counters and timings of the fits."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register under ``foretide_forecaster_…``."""
        self.fits = Counter(
            "foretide_forecaster_fits_total",
            "Fits that ended, by result: ok, fallback (served by a simpler model), or the name of the error.",
            ["result"],
            registry=registry,
        )
        self.refits = Counter(
            "foretide_forecaster_refits_total",
            "Fits handed out: start, plan, age, grown, moved, level_shift, coverage, backfill, gap.",
            ["reason"],
            registry=registry,
        )
        self.forecasts = Counter(
            "foretide_forecaster_forecasts_total",
            "Forecasts of a signal at a new step: ok, fallback (by a simpler model), or the name of the error.",
            ["result"],
            registry=registry,
        )
        self.references = Counter(
            "foretide_forecaster_references_total",
            "Holt-Winters references that ended, by result: ok, or the name of the error.",
            ["result"],
            registry=registry,
        )
        self.fit_duration = Histogram(
            "foretide_forecaster_fit_duration_seconds",
            "From handing a fit to the pool until it serves.",
            buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
            registry=registry,
        )


class ClusterMetrics:
    """Whether the Dask cluster is there, and what ran here in its place; 0 without one."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register under ``foretide_forecaster_cluster_…``."""
        self.connected = Gauge(
            "foretide_forecaster_cluster_connected",
            "1 while the Dask scheduler answers, 0 while fits run here.",
            registry=registry,
        )
        self.fallbacks = Counter(
            "foretide_forecaster_cluster_fallbacks_total",
            "Fits that ran here because the Dask cluster was away.",
            registry=registry,
        )


class LeadMetrics:
    """What the lead forecasts tell about themselves."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register all of them."""
        self.signals = Gauge(
            "foretide_lead_signals", "Price triggers by whether their load is looked ahead of.", ["state"],
            registry=registry,
        )  # fmt: skip
        self.memory = Gauge("foretide_lead_bytes", "Memory of the lead forecasts.", registry=registry)
