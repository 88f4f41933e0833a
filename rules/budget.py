"""The ``Budget`` document: how much may be spent, on what."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from rules.amounts import PositiveAmount
from rules.document import Metadata, Strict, mistake
from rules.fields import CurrencyCode, DnsLabel, RuleKey


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
