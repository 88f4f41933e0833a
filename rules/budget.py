"""The ``Budget`` document: how much may be spent, on what, in which period."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from rules.amounts import PositiveAmount, WholeNumber
from rules.budget_thresholds import BudgetAction, BudgetGuards, BudgetThreshold
from rules.document import Metadata, Strict, mistake
from rules.fields import CurrencyCode, Day, DnsLabel, LabelKey, LabelValue, NonEmpty, RuleKey, TimeZone

Every = Literal["hour", "day", "week", "month", "quarter", "year"]
_MISSING = "this field is required: limit: {amount, currency, per}, or amount and period"


_BILLED: Final = (
    "billed is what an invoice says, days later and of whole accounts: nothing could be done in time. effective counts "
    "with the prices that run, also those of a bill; `foretide cost reconcile` holds both against each other"
)
_OF_A_RULE: Final = (
    "goes with a scope of namespaces and labels: the spend of scope.rule is what the rule's replicas requested"
)


class Limit(Strict):
    """An amount of money per calendar window in UTC: the short form of ``amount`` and ``period``."""

    amount: PositiveAmount
    currency: CurrencyCode
    per: Literal["hour", "day", "week", "month"]


class Amount(Strict):
    """The limit of a period; ``basis`` says by which costs the spend is counted."""

    limit: PositiveAmount
    currency: CurrencyCode
    basis: Literal["effective", "list", "billed"] = "effective"
    of: Literal["allocation", "rules"] | None = None
    include: tuple[Literal["sharedIdle", "sharedSystem"], ...] = ()

    @model_validator(mode="after")
    def _counted(self) -> Self:
        if self.basis == "billed":
            raise mistake("basis", _BILLED)
        if self.basis == "list" and (self.of == "allocation" or self.include):
            raise mistake("basis", "list goes with of: rules: the allocation counts with the prices that run")
        if self.of == "rules" and self.include:
            raise mistake("include", "goes with of: allocation: what replicas request has no part in what is shared")
        return self


class Period(Strict):
    """From when to when the limit goes, by the clocks of a time zone."""

    every: Every
    anchor_day: Annotated[WholeNumber, Field(ge=1, le=31)] = 1
    anchor_month: Annotated[WholeNumber, Field(ge=1, le=12)] = 1
    timezone: TimeZone = "UTC"
    profile: Literal["even", "weekday"] = "even"
    starts: Day | None = None

    @model_validator(mode="after")
    def _anchored(self) -> Self:
        if self.every in ("hour", "day") and self.anchor_day != 1:
            raise mistake("anchorDay", f"goes with week, month, quarter or year, not with {self.every}")
        if self.every == "week" and self.anchor_day > 7:
            raise mistake("anchorDay", f"of a week is 1 (Monday) to 7; found the number {self.anchor_day}")
        if self.every not in ("quarter", "year") and self.anchor_month != 1:
            raise mistake("anchorMonth", f"goes with quarter or year, not with {self.every}")
        if self.every == "hour" and self.starts is not None:
            raise mistake("starts", "goes with day, week, month, quarter or year, not with hour")
        return self


class Scope(Strict):
    """Whose spend counts: one rule's, that of some namespaces and labels, or (empty) of everything that we scale."""

    namespace: DnsLabel | None = None
    namespaces: NonEmpty[DnsLabel] | None = None
    labels: dict[LabelKey, LabelValue] = Field(default_factory=dict)
    rule: RuleKey | None = None

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        if self.namespace is not None and self.rule is not None:
            raise mistake("rule", "give namespace or rule, not both")
        if self.rule is not None and (self.namespaces is not None or self.labels):
            raise mistake("rule", "goes alone: one rule is a whole scope")
        if self.namespace is not None and self.namespaces is not None:
            raise mistake("namespaces", "give namespace or namespaces, not both")
        return self


class BudgetSpec(Strict):
    """How much may be spent, on what, in which period."""

    limit: Limit | None = None
    amount: Amount | None = None
    period: Period | None = None
    scope: Scope = Field(default_factory=Scope)
    thresholds: tuple[BudgetThreshold, ...] = ()
    actions: dict[DnsLabel, BudgetAction] = Field(default_factory=dict)
    guards: BudgetGuards = Field(default_factory=BudgetGuards)

    @model_validator(mode="after")
    def _thresholds_name_actions(self) -> Self:
        ids = set[str]()
        for index, one in enumerate(self.thresholds):
            if one.id in ids:
                raise mistake(("thresholds", index, "id"), f"another threshold is called {one.id}, too")
            ids.add(one.id)
            for place, name in enumerate(one.do):
                if name not in self.actions:
                    known = ", ".join(self.actions) or "none"
                    message = f"there is no action {name} in this budget; there is {known}"
                    raise mistake(("thresholds", index, "do", place), message)
        return self

    @model_validator(mode="after")
    def _one_limit(self) -> Self:
        if self.limit is not None:
            for name, one in (("amount", self.amount), ("period", self.period)):
                if one is not None:
                    raise mistake(name, "give limit, or amount and period, not both")
        elif self.amount is None:
            raise mistake("limit" if self.period is None else "amount", _MISSING)
        elif self.period is None:
            raise mistake("period", _MISSING)
        return self

    @model_validator(mode="after")
    def _a_rule_has_no_allocation(self) -> Self:
        if self.scope.rule is not None and self.amount is not None:
            for name in ("of", "include"):
                if getattr(self.amount, name) not in (None, "rules", ()):
                    raise mistake(("amount", name), _OF_A_RULE)
        return self

    @property
    def total(self) -> Decimal:
        """What may be spent in one period."""
        return self.limit.amount if self.limit is not None else _there(self.amount).limit

    @property
    def currency(self) -> str:
        """Of the limit."""
        return self.limit.currency if self.limit is not None else _there(self.amount).currency

    @property
    def of(self) -> str | None:
        """What is counted, where the document says so; ``rules`` for the scope of one rule, and for list prices."""
        if self.scope.rule is not None or (self.amount is not None and self.amount.basis == "list"):
            return "rules"
        return None if self.amount is None else self.amount.of

    @property
    def include(self) -> frozenset[str]:
        """What is shared with the scope."""
        return frozenset(() if self.amount is None else self.amount.include)

    @property
    def repeats(self) -> Period:
        """The period; that of the short form is the calendar's in UTC."""
        return Period(every=self.limit.per) if self.limit is not None else _period(self.period)


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


def _there(amount: Amount | None) -> Amount:
    assert amount is not None, "validated"
    return amount


def _period(period: Period | None) -> Period:
    assert period is not None, "validated"
    return period
