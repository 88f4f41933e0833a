"""What the controller says about its own loop."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class ControllerMetrics:
    """The controller's own metrics, in the registry that is handed in."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.decisions = Counter(
            "foretide_decisions",
            "Decisions by outcome (scale_up, scale_down, hold) and reason.",
            ("outcome", "reason"),
            registry=registry,
        )
        self.actions = Counter(
            "foretide_actions", "Actions on the cluster by result (done, failed).", ("result",), registry=registry
        )
        self.errors = Counter(
            "foretide_controller_errors",
            "Rules or records that failed in a step of the loop; the others went on.",
            ("step",),
            registry=registry,
        )
        self.step_seconds = Histogram(
            "foretide_controller_step_duration_seconds",
            "Time of one step of the loop, over all rules.",
            ("step",),
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15),
            registry=registry,
        )
        self.last_tick = Gauge(
            "foretide_controller_last_tick_timestamp_seconds", "When the loop last came to its end.", registry=registry
        )
        self.rules = Gauge("foretide_controller_rules", "Rules that the last tick decided on.", registry=registry)
