"""The documents as frozen models: the YAML names are camelCase, ours are snake_case.

A model holds what one document can say about itself. What needs two fields of which one may be wrong, or a second
document, stands in ``checks.py``, so that one mistake never hides another: build documents through ``load`` or
``validate``, never from untrusted data by ``model_validate`` alone.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from domain.scaling import Mode, WorkloadRef
from domain.units import format_duration
from rules.fields import (
    CurrencyCode,
    DnsLabel,
    DnsSubdomain,
    Duration,
    DurationOrAuto,
    Expression,
    Float,
    LabelKey,
    LabelValue,
    NonEmpty,
    PositiveAmount,
    PositiveQuantity,
    Price,
    ReplicasOrHold,
    RuleKey,
    Tolerance,
    WholeNumber,
)

API_VERSION: Final = "foretide.dev/v1alpha1"
MAX_HISTORY_STEPS: Final = 200_000
"""A year at 3 min is 175 200 steps; one fit of that many still ends within its minute."""
MAX_HORIZON_STEPS: Final = 5_000
MIN_FORECAST_STEP: Final = timedelta(seconds=15)


class _Strict(BaseModel):
    """Frozen, unknown fields refused; Python code may use our names, documents only theirs (``validate``)."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, validate_by_name=True, validate_by_alias=True
    )


def _mistake(at: str, message: str) -> PydanticCustomError:
    """A mistake of a whole model, placed at its field ``at``."""
    return PydanticCustomError("rule_field", "{message}", {"message": message, "at": at})


class Metadata(_Strict):
    """What the document is called and where it belongs."""

    name: DnsSubdomain
    namespace: DnsLabel = "default"
    labels: dict[LabelKey, LabelValue] = Field(default_factory=dict)


class Target(_Strict):
    """The workload that is scaled; it lives in the rule's namespace."""

    api_version: Literal["apps/v1"] = "apps/v1"
    kind: Literal["Deployment", "StatefulSet"] = "Deployment"
    name: DnsSubdomain


class Replicas(_Strict):
    """The bounds that nothing may leave."""

    min: Annotated[WholeNumber, Field(ge=1, le=2**31 - 1)]
    max: Annotated[WholeNumber, Field(ge=1, le=2**31 - 1)]

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.max < self.min:
            raise _mistake("max", f"must be at least min ({self.min}); found the number {self.max}")
        return self


class Actuate(_Strict):
    """What the controller writes to: ``scale`` sets replicas, ``none`` never acts, whatever the mode."""

    with_: Literal["scale", "none"] = Field(default="scale", alias="with")


class Query(_Strict):
    """PromQL; in the document a string, or a mapping with ``expr`` and the ``source`` to ask."""

    expr: Expression
    source: DnsLabel | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, data: object) -> object:
        return {"expr": data} if isinstance(data, str) else data


class ResourceTarget(_Strict):
    """Utilisation of a resource in percent of its request, as on the HPA."""

    name: Literal["cpu", "memory"]
    utilization: Annotated[WholeNumber, Field(ge=1, le=1000)]


class Gate(_Strict):
    """The forecast is used only while its backtest error is at most this."""

    wape: Float = 0.25

    @field_validator("wape")
    @classmethod
    def _ratio(cls, value: float) -> float:
        if not 0 < value <= 10:
            raise ValueError(f"expected a ratio above 0 and up to 10, for example 0.25; found the number {value:g}")
        return value


class ForecastTrigger(_Strict):
    """A floor from the forecast of a query trigger of the same rule."""

    of: DnsLabel
    quantile: Float = 0.9
    lead: DurationOrAuto = "auto"
    season: Duration = timedelta(days=1)
    step: Duration | None = None
    history: Duration = timedelta(days=21)
    horizon: Duration = timedelta(hours=2)
    model: Literal["auto", "seasonal_naive", "fourier_ar"] = "auto"
    gate: Gate | None = None

    @property
    def effective_step(self) -> timedelta:
        """``step``, or season ÷ 288 (a day: 5 min) but no less than 15 s, in whole seconds."""
        if self.step is not None:
            return self.step
        return max(MIN_FORECAST_STEP, timedelta(seconds=self.season // timedelta(seconds=288)))

    @field_validator("quantile")
    @classmethod
    def _upper_half(cls, value: float) -> float:
        if not 0.5 <= value <= 0.99:
            raise ValueError(f"must be from 0.5 to 0.99; found the number {value:g}")
        return value

    @model_validator(mode="after")
    def _lengths(self) -> Self:
        step = self.effective_step
        if step < MIN_FORECAST_STEP or step * 4 > self.season:
            longest = format_duration(self.season / 4)
            raise _mistake("step", f"must be from 15s to a quarter of the season ({longest})")
        if self.horizon < step or self.horizon / step > MAX_HORIZON_STEPS:
            raise _mistake("horizon", f"must be 1 to {MAX_HORIZON_STEPS} steps of {format_duration(step)}")
        if self.history < 2 * self.season:
            raise _mistake("history", f"must be at least two seasons ({format_duration(2 * self.season)})")
        if self.history / step > MAX_HISTORY_STEPS:
            raise _mistake("history", f"must be at most {MAX_HISTORY_STEPS} steps of {format_duration(step)}")
        if isinstance(self.lead, timedelta) and self.lead > self.horizon:
            raise _mistake("lead", f"must lie within the horizon ({format_duration(self.horizon)})")
        return self


class Fallback(_Strict):
    """What a trigger asks for once its data have been missing for ``after``."""

    after: Duration = timedelta(seconds=180)
    use: ReplicasOrHold


class Trigger(_Strict):
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


class Policy(_Strict):
    """HPA v2: at most ``value`` pods or percent in ``period_seconds``."""

    type: PolicyType
    value: Annotated[WholeNumber, Field(ge=1, le=2**31 - 1)]
    period_seconds: Annotated[WholeNumber, Field(ge=1, le=1800)]


_DOUBLE: Final = Policy(type=PolicyType.PERCENT, value=100, period_seconds=15)
_FOUR_PODS: Final = Policy(type=PolicyType.PODS, value=4, period_seconds=15)


class ScalingRules(_Strict):
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


class Behavior(_Strict):
    """HPA v2 ``behavior``, verbatim."""

    scale_up: ScaleUp = Field(default_factory=ScaleUp)
    scale_down: ScaleDown = Field(default_factory=ScaleDown)


class ScalingRuleSpec(_Strict):
    """What is scaled, between which bounds, for which reasons, how fast."""

    target: Target
    replicas: Replicas
    mode: Mode = Mode.OBSERVE
    actuate: Actuate = Field(default_factory=Actuate)
    triggers: NonEmpty[Trigger]
    behavior: Behavior = Field(default_factory=Behavior)


class ScalingRule(_Strict):
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

    def trigger(self, name: str) -> Trigger:
        """The trigger of that name; ``KeyError`` where there is none."""
        for trigger in self.spec.triggers:
            if trigger.name == name:
                return trigger
        raise KeyError(name)


class Limit(_Strict):
    """An amount of money per calendar window."""

    amount: PositiveAmount
    currency: CurrencyCode
    per: Literal["hour", "day", "week", "month"]


class Scope(_Strict):
    """Whose spend counts: one rule's, one namespace's, or (empty) everything that Foretide scales."""

    namespace: DnsLabel | None = None
    rule: RuleKey | None = None

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        if self.namespace is not None and self.rule is not None:
            raise _mistake("rule", "give namespace or rule, not both")
        return self


class BudgetSpec(_Strict):
    """How much may be spent, on what."""

    limit: Limit
    scope: Scope = Field(default_factory=Scope)


class Budget(_Strict):
    """A limit on spend."""

    api_version: Literal["foretide.dev/v1alpha1"]
    kind: Literal["Budget"]
    metadata: Metadata
    spec: BudgetSpec

    @property
    def key(self) -> str:
        """``namespace/name``."""
        return f"{self.metadata.namespace}/{self.metadata.name}"


class PriceSheetSpec(_Strict):
    """Prices of what replicas request."""

    currency: CurrencyCode
    cpu_core_hour: Price
    memory_gib_hour: Price = Field(alias="memoryGiBHour")


class PriceSheet(_Strict):
    """What a core and a GiB cost per hour."""

    api_version: Literal["foretide.dev/v1alpha1"]
    kind: Literal["PriceSheet"]
    metadata: Metadata
    spec: PriceSheetSpec

    @property
    def key(self) -> str:
        """``namespace/name``."""
        return f"{self.metadata.namespace}/{self.metadata.name}"


AnyDocument = ScalingRule | Budget | PriceSheet
KINDS: Final[dict[str, type[ScalingRule] | type[Budget] | type[PriceSheet]]] = {
    "ScalingRule": ScalingRule,
    "Budget": Budget,
    "PriceSheet": PriceSheet,
}
