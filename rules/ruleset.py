"""The rules that run: every document of every file, without a mistake."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from domain.errors import Mistake
from rules.forecast import Forecast
from rules.schema import SLO, AnyDocument, Budget, PriceSheet, Receiver, ScalingPolicy, ScalingRule
from rules.validate import Validated
from rules.yaml_tree import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSet:
    """All documents that hold together.

    Attributes:
        rules: In order of their keys.
        digest: SHA-256 (hex) of what the documents say; comments, order and files do not change it.
        sources: ``file:line`` by the rule's key; of the other kinds by kind and key (``Budget default/media``).
        warnings: What is allowed in the documents and probably not meant.
        by_policy: By the rule's key, the policy that it came from; a rule of a document is not there.
        template_lines: By the policy's key, the line of each path below its template.
    """

    rules: tuple[ScalingRule, ...] = ()
    budgets: tuple[Budget, ...] = ()
    price_sheets: tuple[PriceSheet, ...] = ()
    forecasts: tuple[Forecast, ...] = ()
    slos: tuple[SLO, ...] = ()
    policies: tuple[ScalingPolicy, ...] = ()
    receivers: tuple[Receiver, ...] = ()
    digest: str = hashlib.sha256().hexdigest()
    sources: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[Mistake, ...] = ()
    by_policy: Mapping[str, ScalingPolicy] = field(default_factory=dict)
    template_lines: Mapping[str, Mapping[Path, int]] = field(default_factory=dict)

    @classmethod
    def of(cls, documents: Sequence[Validated]) -> RuleSet:
        """The set of documents that were all found to be without mistakes."""
        models = [(one.model, one) for one in documents if one.model is not None]
        models.sort(key=lambda pair: (pair[0].kind, pair[0].key))
        return cls(
            rules=tuple(model for model, _ in models if isinstance(model, ScalingRule)),
            budgets=tuple(model for model, _ in models if isinstance(model, Budget)),
            price_sheets=tuple(model for model, _ in models if isinstance(model, PriceSheet)),
            forecasts=tuple(model for model, _ in models if isinstance(model, Forecast)),
            slos=tuple(model for model, _ in models if isinstance(model, SLO)),
            policies=tuple(model for model, _ in models if isinstance(model, ScalingPolicy)),
            receivers=tuple(model for model, _ in models if isinstance(model, Receiver)),
            digest=digest_of([model for model, _ in models]),
            sources={source_key(model): _source(one) for model, one in models},
            warnings=tuple(warning for one in documents for warning in one.warnings),
            template_lines={model.key: _lines(one) for model, one in models if isinstance(model, ScalingPolicy)},
        )

    @property
    def price_sheet(self) -> PriceSheet | None:
        """The one price sheet that applies, if there is one."""
        return self.price_sheets[0] if self.price_sheets else None

    @property
    def documents(self) -> tuple[AnyDocument, ...]:
        """All of them."""
        return (
            *self.rules, *self.budgets, *self.price_sheets, *self.forecasts, *self.slos, *self.policies,
            *self.receivers,
        )  # fmt: skip

    def rule(self, key: str) -> ScalingRule | None:
        """The rule ``namespace/name``, if there is one."""
        return next((rule for rule in self.rules if rule.key == key), None)

    def budget(self, key: str) -> Budget | None:
        """The Budget ``namespace/name``, if there is one."""
        return next((budget for budget in self.budgets if budget.key == key), None)

    def slo(self, key: str) -> SLO | None:
        """The SLO ``namespace/name``, if there is one."""
        return next((slo for slo in self.slos if slo.key == key), None)


def source_key(model: AnyDocument) -> str:
    """The key of a document in ``RuleSet.sources``."""
    return model.key if isinstance(model, ScalingRule) else f"{model.kind} {model.key}"


def _source(one: Validated) -> str:
    line = one.document.values[()].line
    return f"{one.document.file}:{line}" if line else one.document.file


def _lines(one: Validated) -> dict[Path, int]:
    values, below = one.document.values, ("spec", "template")
    return {path[2:]: place.line for path, place in values.items() if path[:2] == below}


def digest_of(models: Sequence[AnyDocument]) -> str:
    """SHA-256 (hex) of what the documents say, in the order given."""
    digest = hashlib.sha256()
    for model in models:
        digest.update(model.model_dump_json(by_alias=True).encode() + b"\n")
    return digest.hexdigest()
