"""What a trigger wants, what we decide, what we do; and the workload that it is about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from domain.capacity import Carried
from domain.money import Money
from domain.startup import Starts


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadRef:
    """Names one workload."""

    kind: str
    namespace: str
    name: str
    api_version: str = field(default="apps/v1", compare=False)
    """Where its kind lives; two workloads of one kind and name are one, whatever the API."""

    def __str__(self) -> str:
        """``Deployment shop/checkout``."""
        return f"{self.kind} {self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What the cluster says about a workload now.

    Attributes:
        current_replicas: Replicas asked for (``spec.replicas``); None where nobody knows.
        ready_replicas: Replicas that can take work; None where nobody knows.
        requests: Per replica, in base units: ``cpu`` in cores, ``memory`` in bytes. Empty where unknown.
        limits: The same of its limits.
        starts: How long its replicas take to start; None where nobody knows, or nobody asked.
        carried: By trigger, what one replica carries, of those that learn it.
        freeze: Why nothing may change it (kill switch, freeze annotation, a view that is too old); empty: it may.
        rollout: Why no replica may be taken from it (a rollout, a disruption budget); empty: they may.
        floor: The lower bound that we have set on its autoscaler; None where there is none of ours.
        source: Where the numbers come from, for the decision's trace ("kube-state-metrics", "local processes").
    """

    ref: WorkloadRef
    current_replicas: int | None
    ready_replicas: int | None
    requests: Mapping[str, float] = field(default_factory=dict)
    limits: Mapping[str, float] = field(default_factory=dict)
    starts: Starts | None = None
    carried: Mapping[str, Carried] = field(default_factory=dict)
    freeze: str = ""
    rollout: str = ""
    floor: int | None = None
    source: str


class Mode(StrEnum):
    """How far a rule may go."""

    OBSERVE = "observe"
    RECOMMEND = "recommend"
    APPROVE = "approve"
    ENFORCE = "enforce"


class Outcome(StrEnum):
    """What a decision amounts to, apart from its reason."""

    SCALE_UP = "scale_up"
    SCALE_DOWN = "scale_down"
    HOLD = "hold"
    """The number stays as it is, because it fits or because nothing better is known: the reason tells which."""


class Reason(StrEnum):
    """Why the number is what it is. HPA's words where HPA has one."""

    DESIRED_WITHIN_RANGE = "DesiredWithinRange"
    WITHIN_TOLERANCE = "WithinTolerance"
    TOO_MANY_REPLICAS = "TooManyReplicas"
    TOO_FEW_REPLICAS = "TooFewReplicas"
    SCALE_DOWN_STABILIZED = "ScaleDownStabilized"
    SCALE_UP_STABILIZED = "ScaleUpStabilized"
    SCALE_UP_LIMIT = "ScaleUpLimit"
    SCALE_DOWN_LIMIT = "ScaleDownLimit"
    FORECAST_FLOOR = "ForecastFloor"
    SCHEDULE_MIN = "ScheduleMin"
    SCHEDULE_MAX = "ScheduleMax"
    DOWNSTREAM_CEILING = "DownstreamCeiling"
    BUDGET_CEILING = "BudgetCeiling"
    CLUSTER_CEILING = "ClusterCeiling"
    SLO_BURNING = "SLOBurning"
    SLO_UNKNOWN = "SLOUnknown"
    PAUSED = "Paused"
    FROZEN = "Frozen"
    ROLLOUT_IN_PROGRESS = "RolloutInProgress"
    STEP_LIMIT = "StepLimit"
    FALLBACK = "Fallback"
    MISSING_METRIC = "MissingMetric"
    INCOMPLETE_SIGNAL = "IncompleteSignal"
    MISSING_OPERAND = "MissingOperand"
    NO_DATA = "NoData"
    NO_REPLICA_COUNT = "NoReplicaCount"
    SCALING_DISABLED = "ScalingDisabled"
    IDLE = "Idle"
    INACTIVE = "Inactive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """The replicas that one trigger asks for.

    Attributes:
        trigger: Its name in the rule.
        kind: What the trigger measures: ``query``, ``resource``, ``forecast`` …
        replicas: What it asks for; None when it has no say (no data, gate closed).
        value: The signal's value; None when there is none.
        target: What one replica should carry, or the utilisation ratio aimed at.
        unit: Of value and target, for the reader ("/s", "ratio"); may be empty.
        reason: One sentence: how value became replicas, or why it did not.
        as_of: Time of the newest sample (or the forecast's cutoff) behind it.
        missing: True when data should have been there and were not.
        incomplete: True when less than 90 % of the data were there: it may raise, but releases nothing.
        completeness: How much of what the signal is made of was really seen (ratio); None where it is not known.
        caution: The error budget's level, of a forecast with a price: the next tick goes on from it.
        active: Whether it says that there is work: what is not active may idle to zero.
        invalid: True when what was read is no number to decide on (two series, NaN), which time does not mend.
    """

    trigger: str
    kind: str
    replicas: int | None
    value: float | None
    target: float | None
    unit: str
    reason: str
    as_of: datetime | None
    missing: bool = False
    incomplete: bool = False
    completeness: float | None = None
    caution: float | None = None
    active: bool = True
    invalid: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceLine:
    """One stage of the decision: the number after it, and why."""

    stage: str
    replicas: int | None
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One rule's decision at one tick, with everything that led to it.

    Attributes:
        id: UUID.
        rule: ``namespace/name`` of the ScalingRule.
        current_replicas: At the start of the tick; None where unknown.
        ready_replicas: At the start of the tick; None where unknown.
        desired_replicas: The result; None when even holding has no number (current unknown).
        reactive_replicas: What the triggers without forecast ask for, within bounds; None without data.
        forecast_replicas: What the forecast triggers ask for; None without a usable forecast.
        reason: The one word for it; ``message`` the sentence.
        hpa_only_replicas: What Kubernetes' HPA would set from here with the same metrics and ``behavior``: without
            forecast, combine, fallback, schedule, ceilings, guard and holds. None where the number is unknown.
        with_forecast_replicas: The same with combine, fallback and forecast; None likewise.
        lower_bound: What ``actuate: {with: bounds}`` would write as minReplicas: the result of the chain without the
            triggers that the HPA itself sees. None for other rules.
        upper_bound: What it would write as maxReplicas: the lowest ceiling within ``max``; None likewise.
        bound_need: The need that the lower bound began with, for the memory only.
        median_need: Replicas that the median of the rule's forecasts needs, the largest of them: no ceiling is cut
            below. None without a forecast that has its say.
        limited_by: Stages that moved the number (``forecast``, ``bounds.max``, ``stabilization`` …), in order.
        cost_per_hour: Of ``desired_replicas`` by the price sheet; None without a sheet or requests.
        cost_change_per_hour: Cost of desired minus cost of current replicas; None likewise.
    """

    id: str
    rule: str
    target: WorkloadRef
    mode: Mode
    at: datetime
    current_replicas: int | None
    ready_replicas: int | None
    desired_replicas: int | None
    reactive_replicas: int | None
    forecast_replicas: int | None
    outcome: Outcome
    reason: Reason
    message: str
    limited_by: tuple[str, ...]
    proposals: tuple[Proposal, ...]
    trace: tuple[TraceLine, ...]
    cost_per_hour: Money | None = None
    cost_change_per_hour: Money | None = None
    hpa_only_replicas: int | None = None
    with_forecast_replicas: int | None = None
    lower_bound: int | None = None
    upper_bound: int | None = None
    bound_need: int | None = None
    median_need: int | None = None


GATE_STAGE: Final = "gate"
"""The last line of the trace of a decision that may not be carried out (docs/backtesting.md)."""
RING_STAGE: Final = "ring"
"""The last line of the trace of a decision whose ring has not come yet, or was halted (docs/kubernetes.md)."""


class ActionResult(StrEnum):
    """What became of an action."""

    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """What was done to a cluster because of a decision."""

    id: str
    decision_id: str
    at: datetime
    actor: str
    cluster: str
    target: WorkloadRef
    from_replicas: int
    to_replicas: int
    result: ActionResult
    error: str = ""
