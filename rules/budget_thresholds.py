"""At what a budget's thresholds speak, and what is done then: ``thresholds`` and ``actions`` of a Budget."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema, model_validator

from domain.scaling import Mode
from rules.amounts import Duration, DurationOrPeriod, Float, WholeNumber
from rules.circumstances import CronWindow
from rules.document import Strict, mistake
from rules.fields import DnsLabel, LabelKey, LabelValue, Name, NonEmpty, RuleKey
from rules.wording import found

_PERCENT: Final = re.compile(r"([0-9]{1,4}(?:\.[0-9]{1,4})?) ?%", re.ASCII)
_CLEARS_BELOW: Final = 0.05
"""5 percentage points below where it fired: a small credit does not arm it again."""


def _part(value: object) -> float:
    """``80%`` of the limit as a ratio; above 100 % too."""
    if isinstance(value, float):
        return value  # ours, from code
    match = _PERCENT.fullmatch(value) if isinstance(value, str) else None
    if match is None or not 0 < float(match[1]) <= 1000:
        raise ValueError(f"expected a part of the limit such as 80%, up to 1000%; {found(value)}")
    return float(match[1]) / 100


Part = Annotated[
    float, BeforeValidator(_part),
    PlainSerializer(lambda value: f"{100 * value:.10g}%", return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": r"^[0-9.]+ ?%$"}, mode="validation"),
]  # fmt: skip
Probability = Annotated[Float, Field(gt=0, le=1)]
_OF_BASIS: Final = {
    "actual": ("at", "clearBelow"),
    "forecast": ("at", "probability", "clear", "for", "clearFor"),
    "burnRate": ("factor", "windows"),
}
_FIELDS: Final = {
    "at": "at", "clearBelow": "clear_below", "probability": "probability", "clear": "clear", "for": "for_",
    "clearFor": "clear_for", "factor": "factor", "windows": "windows",
}  # fmt: skip


class BudgetThreshold(Strict):
    """When a budget speaks; once per period, unless it was cleared in between."""

    id: DnsLabel
    basis: Literal["actual", "forecast", "burnRate"]
    at: Part | None = None
    clear_below: Part | None = None
    probability: Probability = 0.8
    clear: Probability = 0.5
    for_: Duration = Field(default=timedelta(hours=6), alias="for")
    clear_for: Duration = timedelta(hours=24)
    factor: Annotated[Float, Field(gt=1)] = 6.0
    windows: NonEmpty[Duration] = (timedelta(hours=1), timedelta(hours=6))
    do: tuple[DnsLabel, ...] = ()

    @model_validator(mode="after")
    def _of_its_basis(self) -> Self:
        for name, field in _FIELDS.items():
            if field in self.model_fields_set and name not in _OF_BASIS[self.basis]:
                others = " and ".join(basis for basis, names in _OF_BASIS.items() if name in names)
                raise mistake(name, f"goes with basis {others}, not with {self.basis}")
        if self.basis != "burnRate" and self.at is None:
            raise mistake("at", f"this field is required with basis {self.basis}: a part of the limit such as 80%")
        if self.clear_below is not None and self.at is not None and self.clear_below >= self.at:
            raise mistake("clearBelow", f"must lie below at ({100 * self.at:g}%)")
        if self.clear >= self.probability:
            raise mistake("clear", f"must lie below probability ({self.probability:g}), or it would flap")
        if len(self.windows) != 2 or self.windows[0] >= self.windows[1]:
            raise mistake("windows", "expected two, the short one first, such as [1h, 6h]")
        return self

    @property
    def clears_at(self) -> float:
        """Of ``actual``: spend of that part of the limit, or less, arms it again."""
        return self.clear_below if self.clear_below is not None else max((self.at or 0.0) - _CLEARS_BELOW, 0.0)


class Selection(Strict):
    """What an action is about: one rule, or the rules (or CronJobs) of namespaces and labels."""

    rule: RuleKey | None = None
    namespaces: NonEmpty[DnsLabel] | None = None
    labels: dict[LabelKey, LabelValue] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.rule is not None and (self.namespaces is not None or self.labels):
            raise mistake("rule", "goes alone: one rule is a whole selection")
        if self.rule is None and self.namespaces is None and not self.labels:
            raise mistake("rule", "give rule, namespaces or labels: nothing is selected by leaving it empty")
        return self


class ActionFloor(Strict):
    """Below what an action does not go, whatever the money says."""

    replicas: Annotated[WholeNumber, Field(ge=1, le=2**31 - 1)] = 1


ActionType = Literal[
    "notify", "capMaxReplicas", "lowerMinReplicas", "reduceNonCritical", "quota", "suspendCronJobs", "offHours",
    "webhook", "raiseTarget", "blockCreate",
]  # fmt: skip
_NOT_YET: Final = {
    "webhook": "notify tells the audit trail, the log and the API",
    "raiseTarget": "capMaxReplicas limits the same replicas",
    "blockCreate": "nothing here refuses new objects",
}
_ON_RULES: Final = ("capMaxReplicas", "lowerMinReplicas", "reduceNonCritical")
_ACTING: Final = (*_ON_RULES, "quota", "suspendCronJobs", "offHours")
_GOES_WITH: Final[dict[str, tuple[str, ...]]] = {
    "select": (*_ON_RULES, "suspendCronJobs", "offHours"), "to": ("capMaxReplicas", "lowerMinReplicas"),
    "floor": ("capMaxReplicas", "reduceNonCritical"), "namespace": ("quota",), "headroom": ("quota",),
    "mode": _ACTING, "maxDuration": _ACTING, "schedule": ("offHours",),
}  # fmt: skip
_ATTRIBUTES: Final = {"maxDuration": "max_duration"}


def _to(value: object) -> int | str:
    if value == "affordable" or (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
        return value
    raise ValueError(f"expected affordable or a number of replicas, 1 or more; {found(value)}")


To = Annotated[
    int | str, BeforeValidator(_to),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"const": "affordable"}]}, mode="validation"),
]  # fmt: skip


_OTHER_WORDS: Final = {"propose": "approve", "auto": "enforce"}


def _mode(value: object) -> object:
    if isinstance(value, str) and value in _OTHER_WORDS:
        raise ValueError(f"{value} is called {_OTHER_WORDS[value]} here, as in rules; there is one word for each mode")
    return value


BudgetMode = Annotated[Mode, BeforeValidator(_mode)]


class BudgetAction(Strict):
    """What is done when a threshold fires; nothing is ever deleted, drained or bought."""

    type: ActionType
    select: Selection | None = None
    to: To | None = None
    floor: ActionFloor = Field(default_factory=ActionFloor)
    namespace: DnsLabel | None = None
    headroom: Part = 0.05
    mode: BudgetMode = Mode.OBSERVE
    max_duration: Duration | None = None
    expires: DurationOrPeriod = "period"
    approvers: tuple[Name, ...] = ()
    approvals: Annotated[WholeNumber, Field(ge=1, le=5)] = 1
    schedule: CronWindow | None = None

    @property
    def lasts(self) -> timedelta | None:
        """At most; None until the period ends."""
        return self.expires if isinstance(self.expires, timedelta) else self.max_duration

    @model_validator(mode="after")
    def _by_people(self) -> Self:
        for name in ("expires", "approvers", "approvals"):
            if self.type == "notify" and name in self.model_fields_set:
                raise mistake(name, "goes with actions that change something, not with notify")
        if self.max_duration is not None and "expires" in self.model_fields_set:
            raise mistake("expires", "give expires or maxDuration, not both")
        if len(set(self.approvers)) != len(self.approvers):
            raise mistake("approvers", "a name stands there twice")
        if self.approvers and self.approvals > len(self.approvers):
            raise mistake("approvals", f"{self.approvals} are needed and {len(self.approvers)} may give one")
        return self

    @model_validator(mode="after")
    def _of_its_type(self) -> Self:
        if self.type in _NOT_YET:
            raise mistake("type", f"action {self.type} is not there yet: {_NOT_YET[self.type]}")
        for name, types in _GOES_WITH.items():
            if _ATTRIBUTES.get(name, name) in self.model_fields_set and self.type not in types:
                raise mistake(name, f"goes with {', '.join(types)}, not with {self.type}")
        for name, value, types in self._required():
            if value is None and self.type in types:
                raise mistake(name, f"this field is required with {self.type}")
        if self.type == "lowerMinReplicas" and self.to == "affordable":
            raise mistake("to", "affordable goes with capMaxReplicas; here it is a number of replicas")
        looked_for = {"suspendCronJobs": "CronJobs", "offHours": "Deployments"}.get(self.type)
        if looked_for is not None and (self.select is None or self.select.namespaces is None):
            raise mistake("select", f"needs namespaces: {looked_for} are looked for in those alone")
        return self

    def _required(self) -> Iterator[tuple[str, Any, tuple[str, ...]]]:
        yield "select", self.select, (*_ON_RULES, "suspendCronJobs", "offHours")
        yield "schedule", self.schedule, ("offHours",)
        yield "to", self.to, ("capMaxReplicas", "lowerMinReplicas")
        yield "namespace", self.namespace, ("quota",)


class PauseWhile(Strict):
    """While what no action of the budget begins."""

    slo_burn: Literal["fast", "any"]


class BudgetGuards(Strict):
    """Without these a forecast alerts only: nothing is done on it; and while what nothing is begun at all."""

    min_history: Duration = timedelta(days=14)
    max_data_age: Duration = timedelta(hours=2)
    min_price_coverage: Part = 0.95
    pause_while: PauseWhile | None = None
