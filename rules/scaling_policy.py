"""The ``ScalingPolicy`` document: one rule for many workloads, found by what they are called and labelled.

The template stays as written until it is known for which workload: then its placeholders are filled in, and what comes
out is checked like a ScalingRule (``policy``). At load it is checked with values that stand for any (``template``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from domain.workloads import WorkloadFacts
from rules.amounts import WholeNumber
from rules.document import Metadata, Strict, mistake
from rules.fields import DnsLabel, LabelKey, LabelValue, NonEmpty
from rules.wording import found


def _as_written(value: object) -> object:
    if not isinstance(value, dict):
        raise ValueError(f"expected a mapping: a ScalingRule's spec without target; {found(value)}")
    return value


Template = Annotated[dict[str, Any], BeforeValidator(_as_written)]


class LabelRequirement(Strict):
    """Kubernetes' ``matchExpressions``."""

    key: LabelKey
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    values: tuple[LabelValue, ...] = ()

    @model_validator(mode="after")
    def _values_where_needed(self) -> Self:
        if self.operator in ("In", "NotIn") and not self.values:
            raise mistake("values", f"this field is required with {self.operator}")
        if self.operator in ("Exists", "DoesNotExist") and self.values:
            raise mistake("values", f"goes with In and NotIn, not with {self.operator}")
        return self

    def holds(self, facts: Mapping[str, str]) -> bool:
        """As Kubernetes: a label that is not there is in no set."""
        value = labelled(facts, self.key)
        match self.operator:
            case "In":
                return value in self.values
            case "NotIn":
                return value not in self.values
            case "Exists":
                return value is not None
            case "DoesNotExist":
                return value is None


class NamespaceSelector(Strict):
    """Namespaces by name and by label; both must hold."""

    names: tuple[DnsLabel, ...] = ()
    match_labels: dict[LabelKey, LabelValue] = Field(default_factory=dict)

    def finds(self, workload: WorkloadFacts) -> bool:
        """Whether the workload's namespace is meant."""
        named = not self.names or workload.namespace in self.names
        return named and _all_match(self.match_labels, workload.namespace_labels)


class Selector(Strict):
    """Which workloads a policy is for; all that it says must hold."""

    namespaces: NamespaceSelector = Field(default_factory=NamespaceSelector)
    match_labels: dict[LabelKey, LabelValue] = Field(default_factory=dict)
    match_expressions: tuple[LabelRequirement, ...] = ()
    kinds: NonEmpty[Literal["Deployment", "StatefulSet"]] = ("Deployment", "StatefulSet")

    def finds(self, workload: WorkloadFacts) -> bool:
        """Whether the policy is for this workload."""
        return (
            workload.kind in self.kinds
            and self.namespaces.finds(workload)
            and _all_match(self.match_labels, workload.labels)
            and all(one.holds(workload.labels) for one in self.match_expressions)
        )


class ScalingPolicySpec(Strict):
    """For whom, before which other policies, and what."""

    selector: Selector
    priority: Annotated[WholeNumber, Field(ge=-1_000_000, le=1_000_000)] = 0
    template: Template


class ScalingPolicy(Strict):
    """A template of rules; its own namespace is only where its document belongs."""

    api_version: Literal["foretide.dev/v1alpha1"]
    kind: Literal["ScalingPolicy"]
    metadata: Metadata
    spec: ScalingPolicySpec

    @property
    def key(self) -> str:
        """``namespace/name``."""
        return f"{self.metadata.namespace}/{self.metadata.name}"


def labelled(facts: Mapping[str, str], key: str) -> str | None:
    """The value of a label or annotation, also where kube-state-metrics told it: there ``app.io/x`` is ``app_io_x``."""
    return facts.get(key, facts.get("".join(c if c.isascii() and c.isalnum() else "_" for c in key)))


def _all_match(wanted: Mapping[str, str], facts: Mapping[str, str]) -> bool:
    return all(labelled(facts, key) == value for key, value in wanted.items())
