"""What the dashboard asks for and the shapes it gets back; ``/api/v1`` serves the same.

Series are columns of numpy arrays, already cut to the window. The client may thin them out to ``max_points`` (then
``n_raw`` says how many there were); the dashboard thins out what is still too long. A value that nobody knows is None,
a missing sample is NaN or simply not there: nothing here is made up to fill a gap.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from domain.errors import Mistake
from domain.money import Money
from domain.scaling import Mode, Outcome, Proposal, Reason, TraceLine
from domain.series import FloatArray, IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A closed span of time, both ends aware UTC, ``start < end``."""

    start: datetime
    end: datetime

    @property
    def length(self) -> timedelta:
        """From start to end."""
        return self.end - self.start


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """One series in columns.

    Attributes:
        t: Milliseconds since the epoch, rising, shape ``(n,)``.
        v: Values, shape ``(n,)``; NaN where a sample is missing.
        unit: Of the values, as a reader writes it: ``req/s``, ``s``, ``ratio``, ``pods``; may be empty.
        n_raw: Samples before thinning out; ``len(t)`` where nothing was left out.
        step_ms: Usual distance of two samples; None where the series has change points only (steps).
    """

    t: IntArray
    v: FloatArray
    unit: str = ""
    n_raw: int = 0
    step_ms: int | None = None

    @classmethod
    def empty(cls, unit: str = "") -> Columns:
        """No samples."""
        return cls(t=np.empty(0, np.int64), v=np.empty(0), unit=unit)

    @property
    def last(self) -> tuple[int, float] | None:
        """Time and value of the newest sample that is a number; None where there is none."""
        known = np.flatnonzero(np.isfinite(self.v))
        return (int(self.t[known[-1]]), float(self.v[known[-1]])) if len(known) else None


class RowState(StrEnum):
    """How a service stands with its rule."""

    OK = "ok"
    HOLDING = "holding"
    """The newest decision holds because something is missing, not because the number fits."""
    INACTIVE = "inactive"
    """There is a rule, but no decision of it within the last minutes."""
    NO_RULE = "no rule"
    """Seen in metrics or traces only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionBrief:
    """One decision, for a list and for the expanded trace. ``rule`` is ``namespace/name`` of the ScalingRule."""

    id: str
    rule: str
    at: datetime
    mode: Mode
    from_replicas: int | None
    to_replicas: int | None
    outcome: Outcome
    reason: Reason
    message: str
    limited_by: tuple[str, ...] = ()
    proposals: tuple[Proposal, ...] = ()
    trace: tuple[TraceLine, ...] = ()
    cost_per_hour: Money | None = None
    cost_change_per_hour: Money | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """The highest value that a forecast quantile reaches in the horizon to come."""

    value: float
    at: datetime
    quantile: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRow:
    """One service, as the fleet lists it.

    Attributes:
        rule: ``namespace/name`` of its ScalingRule; None where it has none.
        load: Newest value of the rule's first query trigger (or of the request rate without a rule).
        load_unit: Of ``load``, ``sparkline`` and ``forecast_peak``.
        sparkline: The load over about the last hour, 60 points or fewer.
        request_rate, error_ratio, p95_latency_seconds: RED from spans, over the last minutes; None without spans.
        forecast_peak: Within the horizon to come; None without a usable forecast.
        last_decision: The newest one that changed the number, else the newest.
        generated_until: Samples before it were generated (a demo), not measured; None where all were measured.
        override: Why the rule may act without a backtest that allows it; empty without an override.
        refused: Why a rule in enforce does not act; empty where it may.
    """

    namespace: str
    name: str
    rule: str | None
    mode: Mode | None
    state: RowState
    current_replicas: int | None = None
    ready_replicas: int | None = None
    desired_replicas: int | None = None
    min_replicas: int | None = None
    max_replicas: int | None = None
    load: float | None = None
    load_unit: str = ""
    sparkline: Columns = field(default_factory=Columns.empty)
    request_rate: float | None = None
    error_ratio: float | None = None
    p95_latency_seconds: float | None = None
    forecast_peak: Peak | None = None
    cost_per_hour: Money | None = None
    last_decision: DecisionBrief | None = None
    generated_until: datetime | None = None
    override: str = ""
    refused: str = ""

    @property
    def key(self) -> str:
        """``namespace/name``."""
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastView:
    """The newest forecast of the service's load, the whole of it and not cut to the window.

    Attributes:
        t: Times of the steps, milliseconds since the epoch, shape ``(horizon,)``.
        mean: Point forecast, shape ``(horizon,)``.
        quantiles: Levels, rising: at least 0.05, 0.25, 0.5, 0.75 and 0.95.
        values: Shape ``(horizon, len(quantiles))``.
        wape: Of the rolling backtest (ratio); None without one.
        coverage: Share of actuals at or below each level in the backtest; empty without one.
        generated: True when part of the history behind it was generated.
        reference: Holt-Winters for comparison; None where it did not fit.
    """

    t: IntArray
    mean: FloatArray
    quantiles: tuple[float, ...]
    values: NDArray[np.float64]
    unit: str
    model: str
    made_at: datetime
    cutoff: datetime
    wape: float | None
    coverage: Mapping[float, float]
    fallback_reason: str = ""
    generated: bool = False
    reference: Columns | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplanationPart:
    """One of the parts that a history is the sum of.

    Attributes:
        name: ``Trend``, ``Daily season``, ``Remainder`` …
        columns: The whole of it; of a season its last cycle.
        share: Of the variances of all parts (ratio).
        cycle: True for a season.
    """

    name: str
    columns: Columns
    share: float
    cycle: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplanationView:
    """Why a forecast looks as it does.

    Attributes:
        sentences: What a person reads first.
        parts: Trend, seasons (shortest first), remainder.
        references: The textbook models' parameters, a line each.
        cutoff: The last measured step behind it.
        point: Each point is the mean of that time.
    """

    sentences: tuple[str, ...]
    parts: tuple[ExplanationPart, ...]
    references: tuple[str, ...]
    cutoff: datetime
    point: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class ServicePage:
    """Everything that the service page draws, for one window.

    Attributes:
        load: What the rule scales on, in ``row.load_unit``.
        capacity: Ready replicas × ``perReplica``, change points; empty where no per-replica target is known.
        replicas_current: Change points of what ran.
        replicas_desired: Change points of what was decided.
        forecast: None where the rule has no forecast trigger or none was made yet.
        latency_p95: Seconds.
        cpu_utilization: Ratio of the request (1 = all of it).
        decisions: Those that changed the number or its reason within the window, newest first, at most 200.
        decisions_total: How many there are in the window.
        shadow: What the rule would have done so far, in a sentence; empty where it acts.
    """

    row: ServiceRow
    load: Columns
    capacity: Columns
    replicas_current: Columns
    replicas_desired: Columns
    forecast: ForecastView | None
    latency_p95: Columns
    cpu_utilization: Columns
    decisions: tuple[DecisionBrief, ...]
    decisions_total: int
    shadow: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """A list of decisions, newest first, and how many there are in the window."""

    items: tuple[DecisionBrief, ...]
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreFacts:
    """What the metrics store holds."""

    series: int
    samples: int
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """How Foretide itself is doing. ``cluster`` names what it acts on (``observe``, ``local`` …)."""

    version: str
    cluster: str
    started_at: datetime
    mistakes: tuple[Mistake, ...]
    rules_running: int
    targets_up: int
    targets_total: int
    store: StoreFacts


class DataClient(Protocol):
    """Where the pages get their data from: in this process, or over ``/api/v1``.

    Methods are coroutines and do not block the event loop. ``ForetideError`` is shown to the reader with its sentence;
    any other exception is logged and shown as an internal error.
    """

    def now(self) -> datetime:
        """The server's clock, aware UTC."""
        ...

    async def status(self) -> Status:
        """Foretide's own state."""
        ...

    async def fleet(self) -> tuple[ServiceRow, ...]:
        """Every known service, sorted by namespace and name; empty when nothing was seen yet."""
        ...

    async def service(self, namespace: str, name: str, window: Window, *, max_points: int) -> ServicePage | None:
        """One service over ``window``; None where nobody knows it."""
        ...

    async def explanation(self, namespace: str, name: str) -> ExplanationView | None:
        """Why the forecast of a service's load looks as it does; None where nothing is forecast.

        Computed when it is first asked for, which takes some seconds.
        """
        ...

    async def decisions(self, namespace: str, name: str, window: Window, *, limit: int) -> Decisions:
        """The decisions of one service within ``window``, newest first, with their whole traces."""
        ...
