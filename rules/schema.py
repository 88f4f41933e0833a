"""The documents as frozen models: the YAML names are camelCase, ours are snake_case.

A model holds what one document can say about itself. What needs two fields of which one may be wrong, or a second
document, stands in ``checks.py``, so that one mistake never hides another: build documents through ``load`` or
``validate``, never from untrusted data by ``model_validate`` alone.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from domain.forecasts import signal_name
from domain.scaling import Mode, WorkloadRef
from domain.units import format_duration
from rules.document import Metadata, Query, Strict, mistake
from rules.fields import (
    CurrencyCode,
    DnsLabel,
    DnsSubdomain,
    DocumentKey,
    Duration,
    DurationOrAuto,
    Float,
    MetricLabel,
    NonEmpty,
    PositiveAmount,
    PositiveQuantity,
    Price,
    ReplicasOrHold,
    RuleKey,
    Text,
    Tolerance,
    WholeNumber,
)
from rules.forecast import Forecast, Lengths


class Target(Strict):
    """The workload that is scaled; it lives in the rule's namespace."""

    api_version: Literal["apps/v1"] = "apps/v1"
    kind: Literal["Deployment", "StatefulSet"] = "Deployment"
    name: DnsSubdomain


class Replicas(Strict):
    """The bounds that nothing may leave."""

    min: Annotated[WholeNumber, Field(ge=1, le=2**31 - 1)]
    max: Annotated[WholeNumber, Field(ge=1, le=2**31 - 1)]

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.max < self.min:
            raise mistake("max", f"must be at least min ({self.min}); found the number {self.max}")
        return self


class Actuate(Strict):
    """What the controller writes to: ``scale`` sets replicas, ``none`` never acts, whatever the mode."""

    with_: Literal["scale", "none"] = Field(default="scale", alias="with")


class ResourceTarget(Strict):
    """Utilisation of a resource in percent of its request, as on the HPA."""

    name: Literal["cpu", "memory"]
    utilization: Annotated[WholeNumber, Field(ge=1, le=1000)]


class Gate(Strict):
    """The forecast is used only while its backtest error is at most this."""

    wape: Float = 0.25

    @field_validator("wape")
    @classmethod
    def _ratio(cls, value: float) -> float:
        if not 0 < value <= 10:
            raise ValueError(f"expected a ratio above 0 and up to 10, for example 0.25; found the number {value:g}")
        return value


class ForecastTrigger(Lengths):
    """A floor from a forecast: of a query trigger of the same rule, or of a series of a ``Forecast`` document.

    With ``document`` the lengths, the model and the time zone stand there (see ``checks``).
    """

    of: DnsLabel | None = None
    document: DocumentKey | None = None
    series: dict[MetricLabel, Text] = Field(default_factory=dict)
    quantile: Float = 0.9
    lead: DurationOrAuto = "auto"
    gate: Gate | None = None

    @property
    def source(self) -> str:
        """The trigger or the document that is forecast, as the operator calls it."""
        return self.of or self.document or ""

    @field_validator("quantile")
    @classmethod
    def _upper_half(cls, value: float) -> float:
        if not 0.5 <= value <= 0.99:
            raise ValueError(f"must be from 0.5 to 0.99; found the number {value:g}")
        return value

    @model_validator(mode="after")
    def _lengths_stand_once(self) -> Self:
        if self.document is not None:
            for name, field in Lengths.model_fields.items():
                if getattr(self, name) != field.default:
                    raise mistake(name, "stands in the Forecast document that is named here")
        return self

    @model_validator(mode="after")
    def _lead_within(self) -> Self:
        if self.document is None and isinstance(self.lead, timedelta) and self.lead > self.horizon:
            raise mistake("lead", f"must lie within the horizon ({format_duration(self.horizon)})")
        return self


class Fallback(Strict):
    """What a trigger asks for once its data have been missing for ``after``."""

    after: Duration = timedelta(seconds=180)
    use: ReplicasOrHold


class Trigger(Strict):
    """One reason to scale; exactly one of ``query``, ``resource`` and ``forecast`` (see ``checks``)."""

    name: DnsLabel
    query: Query | None = None
    per_replica: PositiveQuantity | None = None
    resource: ResourceTarget | None = None
    forecast: ForecastTrigger | None = None
    fallback: Fallback | None = None

    @property
    def kind(self) -> Literal["query", "resource", "forecast"]:
        """Which of the three it is."""
        if self.query is not None:
            return "query"
        return "resource" if self.resource is not None else "forecast"


class SelectPolicy(StrEnum):
    """HPA v2: which policy wins; ``Disabled`` forbids the direction."""

    MAX = "Max"
    MIN = "Min"
    DISABLED = "Disabled"


class PolicyType(StrEnum):
    """HPA v2: what a policy's value counts."""

    PODS = "Pods"
    PERCENT = "Percent"


class Policy(Strict):
    """HPA v2: at most ``value`` pods or percent in ``period_seconds``."""

    type: PolicyType
    value: Annotated[WholeNumber, Field(ge=1, le=2**31 - 1)]
    period_seconds: Annotated[WholeNumber, Field(ge=1, le=1800)]


_DOUBLE: Final = Policy(type=PolicyType.PERCENT, value=100, period_seconds=15)
_FOUR_PODS: Final = Policy(type=PolicyType.PODS, value=4, period_seconds=15)


class ScalingRules(Strict):
    """HPA v2 ``HPAScalingRules`` with the API server's defaults, which differ by direction."""

    stabilization_window_seconds: Annotated[WholeNumber, Field(ge=0, le=3600)] = 0
    tolerance: Tolerance = 0.1
    select_policy: SelectPolicy = SelectPolicy.MAX
    policies: NonEmpty[Policy] = (_DOUBLE,)


class ScaleUp(ScalingRules):
    """Upward at once: doubling or four pods each 15 s, whichever is more."""

    policies: NonEmpty[Policy] = (_FOUR_PODS, _DOUBLE)


class ScaleDown(ScalingRules):
    """Downward after five minutes of agreement."""

    stabilization_window_seconds: Annotated[WholeNumber, Field(ge=0, le=3600)] = 300


class Behavior(Strict):
    """HPA v2 ``behavior``, verbatim."""

    scale_up: ScaleUp = Field(default_factory=ScaleUp)
    scale_down: ScaleDown = Field(default_factory=ScaleDown)


class ScalingRuleSpec(Strict):
    """What is scaled, between which bounds, for which reasons, how fast."""

    target: Target
    replicas: Replicas
    mode: Mode = Mode.OBSERVE
    actuate: Actuate = Field(default_factory=Actuate)
    triggers: NonEmpty[Trigger]
    behavior: Behavior = Field(default_factory=Behavior)


class ScalingRule(Strict):
    """One workload's rule."""

    api_version: Literal["foretide.dev/v1alpha1"]
    kind: Literal["ScalingRule"]
    metadata: Metadata
    spec: ScalingRuleSpec

    @property
    def key(self) -> str:
        """``namespace/name``."""
        return f"{self.metadata.namespace}/{self.metadata.name}"

    @property
    def target(self) -> WorkloadRef:
        """The workload, with the namespace that it shares with the rule."""
        target = self.spec.target
        return WorkloadRef(kind=target.kind, namespace=self.metadata.namespace, name=target.name)

    def signal(self, trigger: Trigger) -> str:
        """What a forecast trigger's forecast is called: its own, or that of a series of the named document."""
        wanted = trigger.forecast
        if wanted is None or wanted.document is None:
            return f"{self.key}/{trigger.name}"
        key = wanted.document if "/" in wanted.document else f"{self.metadata.namespace}/{wanted.document}"
        return signal_name(key, wanted.series)

    def trigger(self, name: str) -> Trigger:
        """The trigger of that name; ``KeyError`` where there is none."""
        for trigger in self.spec.triggers:
            if trigger.name == name:
                return trigger
        raise KeyError(name)


class Limit(Strict):
    """An amount of money per calendar window."""

    amount: PositiveAmount
    currency: CurrencyCode
    per: Literal["hour", "day", "week", "month"]


class Scope(Strict):
    """Whose spend counts: one rule's, one namespace's, or (empty) everything that Foretide scales."""

    namespace: DnsLabel | None = None
    rule: RuleKey | None = None

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        if self.namespace is not None and self.rule is not None:
            raise mistake("rule", "give namespace or rule, not both")
        return self


class BudgetSpec(Strict):
    """How much may be spent, on what."""

    limit: Limit
    scope: Scope = Field(default_factory=Scope)


class Budget(Strict):
    """A limit on spend."""

    api_version: Literal["foretide.dev/v1alpha1"]
    kind: Literal["Budget"]
    metadata: Metadata
    spec: BudgetSpec

    @property
    def key(self) -> str:
        """``namespace/name``."""
        return f"{self.metadata.namespace}/{self.metadata.name}"


class PriceSheetSpec(Strict):
    """Prices of what replicas request."""

    currency: CurrencyCode
    cpu_core_hour: Price
    memory_gib_hour: Price = Field(alias="memoryGiBHour")


class PriceSheet(Strict):
    """What a core and a GiB cost per hour."""

    api_version: Literal["foretide.dev/v1alpha1"]
    kind: Literal["PriceSheet"]
    metadata: Metadata
    spec: PriceSheetSpec

    @property
    def key(self) -> str:
        """``namespace/name``."""
        return f"{self.metadata.namespace}/{self.metadata.name}"


AnyDocument = ScalingRule | Budget | PriceSheet | Forecast
KINDS: Final[dict[str, type[ScalingRule] | type[Budget] | type[PriceSheet] | type[Forecast]]] = {
    "ScalingRule": ScalingRule,
    "Budget": Budget,
    "PriceSheet": PriceSheet,
    "Forecast": Forecast,
}
