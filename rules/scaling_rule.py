"""The ``ScalingRule`` document: what is scaled, between which bounds, for which reasons, how fast, within what.

A model holds what one document can say about itself. What needs two fields of which one may be wrong stands in
``trigger_checks`` and ``rule_checks``, so that one mistake never hides another: build documents through ``load`` or
``validate``, never from untrusted data by ``model_validate`` alone.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from domain.forecasts import signal_name
from domain.scaling import Mode, WorkloadRef
from rules.amounts import Duration, Float, WholeNumber
from rules.behavior import Behavior
from rules.circumstances import BacktestOverride, DownstreamCeiling, Guard, Pause, ScheduledBounds, Steps
from rules.document import Metadata, Strict, mistake
from rules.fields import ApiVersion, DnsSubdomain, DocumentKey, KindName, NonEmpty, Text
from rules.triggers import Trigger

_OF_APPS: Final = ("Deployment", "StatefulSet")


class Target(Strict):
    """The workload that is scaled; it lives in the rule's namespace."""

    api_version: ApiVersion = "apps/v1"
    kind: KindName = "Deployment"
    name: DnsSubdomain

    @model_validator(mode="after")
    def _of_apps(self) -> Self:
        if self.api_version == "apps/v1" and self.kind not in _OF_APPS:
            raise mistake("kind", f"apps/v1 scales {' and '.join(_OF_APPS)}; another kind needs its own apiVersion")
        return self


class Replicas(Strict):
    """The bounds that nothing may leave; below one only after ``idle_after`` without work."""

    min: Annotated[WholeNumber, Field(ge=0, le=2**31 - 1)]
    max: Annotated[WholeNumber, Field(ge=1, le=2**31 - 1)]
    idle_after: Duration | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.max < self.min:
            raise mistake("max", f"must be at least min ({self.min}); found the number {self.max}")
        if self.idle_after is not None and self.min > 0:
            raise mistake("idleAfter", f"goes with min: 0; found min: {self.min}")
        return self


class Buffer(Strict):
    """Room for replicas to come, in a CapacityBuffer: nodes that are ready before the pods are there."""

    lead: Duration
    quantile: Float = Field(default=0.9, json_schema_extra={"minimum": 0.5, "maximum": 0.99})
    max: Annotated[WholeNumber, Field(ge=1, le=2**31 - 1)]

    @field_validator("quantile")
    @classmethod
    def _upper_half(cls, value: float) -> float:
        if not 0.5 <= value <= 0.99:
            raise ValueError(f"must be from 0.5 to 0.99; found the number {value:g}")
        return value


class Actuate(Strict):
    """What the controller writes to.

    ``scale`` sets replicas, ``bounds`` the bounds of an HPA or of a KEDA ScaledObject that is there, ``hpa`` an HPA of
    our own; ``none`` never acts, whatever the mode. ``buffer`` keeps room on nodes besides, whichever it is.
    """

    with_: Literal["scale", "bounds", "hpa", "none"] = Field(default="scale", alias="with")
    hpa: DnsSubdomain | None = None
    scaled_object: DnsSubdomain | None = None
    buffer: Buffer | None = None

    @model_validator(mode="after")
    def _names_the_hpa(self) -> Self:
        if self.with_ == "bounds" and self.hpa is None and self.scaled_object is None:
            raise mistake("hpa", "this field is required with bounds: the HPA whose bounds are set")
        if self.hpa is not None and self.scaled_object is not None:
            raise mistake("scaledObject", "goes in place of hpa, not beside it: KEDA's own HPA is never written to")
        if self.with_ != "bounds" and self.scaled_object is not None:
            raise mistake("scaledObject", f"goes with bounds, not with {self.with_}")
        if self.with_ in ("scale", "none") and self.hpa is not None:
            raise mistake("hpa", f"goes with bounds or hpa, not with {self.with_}")
        if self.with_ == "none" and self.buffer is not None:
            raise mistake("buffer", "goes with scale, bounds or hpa, not with none")
        return self


class ScalingRuleSpec(Strict):
    """What is scaled, between which bounds, for which reasons, how fast."""

    target: Target
    replicas: Replicas
    mode: Mode = Mode.OBSERVE
    actuate: Actuate = Field(default_factory=Actuate)
    triggers: NonEmpty[Trigger]
    combine: Text | None = None
    ceiling: tuple[DownstreamCeiling, ...] = ()
    guard: Guard | None = None
    schedule: tuple[ScheduledBounds, ...] = ()
    behavior: Behavior = Field(default_factory=Behavior)
    pause: Pause | None = None
    steps: Steps = Field(default_factory=Steps)
    budget: DocumentKey | None = None
    backtest_override: BacktestOverride | None = None


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
        return WorkloadRef(
            kind=target.kind, namespace=self.metadata.namespace, name=target.name, api_version=target.api_version
        )

    @property
    def guarding_slo(self) -> str | None:
        """``namespace/name`` of the SLO that guards it."""
        return None if self.spec.guard is None else self.qualified(self.spec.guard.slo)

    def qualified(self, name: str) -> str:
        """``namespace/name`` of a document that the rule names, by itself in the rule's own namespace."""
        return name if "/" in name else f"{self.metadata.namespace}/{name}"

    def signal(self, trigger: Trigger) -> str:
        """What a forecast trigger's forecast is called: its own, or that of a series of the named document."""
        wanted = trigger.forecast
        if wanted is None or wanted.document is None:
            return f"{self.key}/{trigger.name}"
        return signal_name(self.qualified(wanted.document), wanted.series)

    def trigger(self, name: str) -> Trigger:
        """The trigger of that name; ``KeyError`` where there is none."""
        for trigger in self.spec.triggers:
            if trigger.name == name:
                return trigger
        raise KeyError(name)
