"""A rule's triggers: the reasons to scale, each of them a question whose answer becomes a number of replicas.

A trigger has exactly one reason (``REASONS``), and the target that goes with it: see ``trigger_checks``, which tell
every mistake of a trigger at once.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from rules.amounts import (
    Boolean,
    Duration,
    NotNegativeQuantity,
    PositiveQuantity,
    QuantityOrDuration,
    Replicas,
    WholePercent,
)
from rules.circumstances import CronWindow
from rules.document import Query, Strict, mistake
from rules.fields import DnsLabel, FallbackUse, MetricLabel, Name, Text
from rules.forecast_trigger import ForecastTrigger

Kind = Literal["query", "resource", "pods", "queue", "trace", "forecast", "schedule", "event"]
REASONS: Final[tuple[Kind, ...]] = ("query", "resource", "pods", "queue", "trace", "forecast", "schedule", "event")
LATENCIES: Final = ("p50", "p90", "p95", "p99")


class ResourceTarget(Strict):
    """CPU or memory against its request or limit, of the pod or of one container, as on the HPA."""

    name: Literal["cpu", "memory"]
    utilization: Annotated[WholePercent, Field(ge=1, le=1000)] | None = None
    average_value: PositiveQuantity | None = None
    of: Literal["request", "limit"] | None = None
    container: DnsLabel | None = None

    @property
    def against(self) -> Literal["request", "limit"]:
        """What the utilisation is a share of."""
        return self.of or "request"


def _is_number(value: Any) -> str:
    return "[query]" if isinstance(value, str | dict | Query) else "[number]"


NumberOrQuery = Annotated[
    Annotated[Replicas, Tag("[number]")] | Annotated[Query, Tag("[query]")], Discriminator(_is_number)
]
"""The tags are in brackets so that ``validate`` knows them for no part of the document."""


class Queue(Strict):
    """Work that waits: as many replicas as work it off within ``drain_time``, while more arrives.

    ``partitions`` is how many replicas can take from it at all.
    """

    length: Query
    arrivals: Query | None = None
    per_replica_rate: PositiveQuantity
    drain_time: Duration = timedelta(minutes=1)
    partitions: NumberOrQuery | None = None


class TraceSignal(Strict):
    """A measure over the spans of a service, or of one of its operations."""

    service: Name
    operation: Name | None = None
    measure: Literal["rate", "inFlight", "p50", "p90", "p95", "p99"]
    source: DnsLabel | None = None
    """A Jaeger or Tempo of foretide.yaml; None counts the spans that come to us."""

    @model_validator(mode="after")
    def _measured_there(self) -> Self:
        if self.source is not None and self.measure == "inFlight":
            raise mistake("measure", "a Jaeger or Tempo keeps no inFlight; leave out source, or measure rate")
        return self

    @property
    def is_latency(self) -> bool:
        """Whether it is measured in seconds, not in work."""
        return self.measure in LATENCIES


class AlertEvent(Strict):
    """An alert that fires, by its name and labels."""

    alert: Name
    matchers: dict[MetricLabel, Text] = Field(default_factory=dict)
    source: DnsLabel | None = None


class Learn(Strict):
    """What one replica carries is learned as it runs: from perReplica, at most to max."""

    max: PositiveQuantity


class Fallback(Strict):
    """What a trigger asks for once its data have been missing for ``after``."""

    after: Duration = timedelta(seconds=180)
    use: FallbackUse

    @property
    def replicas(self) -> int | None:
        """The number that it gives: of ``N`` and ``max(hold,N)``."""
        if isinstance(self.use, int):
            return self.use
        return int(self.use[len("max(hold,") : -1]) if self.use.startswith("max(hold,") else None

    @property
    def holds(self) -> bool:
        """Whether the present number counts."""
        return self.use == "hold" or (isinstance(self.use, str) and self.use.startswith("max(hold,"))

    @property
    def trigger(self) -> str | None:
        """The trigger that stands in."""
        return None if isinstance(self.use, int) or self.holds else self.use


class Trigger(Strict):
    """One reason to scale, its target, and what holds while its data are missing."""

    name: DnsLabel
    query: Query | None = None
    resource: ResourceTarget | None = None
    pods: Query | None = None
    queue: Queue | None = None
    trace: TraceSignal | None = None
    forecast: ForecastTrigger | None = None
    schedule: CronWindow | None = None
    event: AlertEvent | None = None
    per_replica: PositiveQuantity | None = None
    learn: Learn | None = None
    value: QuantityOrDuration | None = None
    as_replicas: Boolean = False
    replicas: Replicas | None = None
    activate: NotNegativeQuantity | None = None
    fallback: Fallback | None = None

    @property
    def kind(self) -> Kind:
        """Which of the reasons it is."""
        return next(reason for reason in REASONS if getattr(self, reason) is not None)

    @property
    def target_value(self) -> float | None:
        """``value`` in the unit of what is measured: seconds where that is a latency."""
        return self.value.total_seconds() if isinstance(self.value, timedelta) else _as_float(self.value)

    @property
    def can_wake(self) -> bool:
        """Whether it still measures something at 0 replicas: then the workload may go there."""
        return self.kind not in ("resource", "pods")


def _as_float(value: Any) -> float | None:
    return None if value is None else float(value)
