"""A rule's own saving: at each decision what Kubernetes' HPA alone would have set from there, less what ran, priced.

It is a step's counterfactual, not a life's: the HPA is asked what it would do from where our rule has brought it. Only
decisions of rules that write count: a rule that recommends saves nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Final

from domain.scaling import Decision, Mode

LOOKS: Final = 96
"""In a day: of a decision every 15 s one each quarter of an hour is read."""
WHOLE: Final = 72
"""Of them, for a day to count."""
_DIGITS: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleDay:
    """What a rule saved in one day, as a mean hour; ``looks`` are those with everything that is needed."""

    saving: Decimal
    currency: str
    looks: int

    @property
    def counts(self) -> bool:
        """Whether enough of the day is known."""
        return self.looks >= WHOLE


def day_of(decisions: Iterable[Decision]) -> RuleDay | None:
    """Of the looks at one day; None where none of them has a price, both numbers and a rule that writes."""
    saved: list[Decimal] = []
    currency = ""
    for one in decisions:
        if (each := _price(one)) is None or one.current_replicas is None or one.hpa_only_replicas is None:
            continue
        if one.mode is Mode.ENFORCE and (not currency or currency == each[1]):
            currency = each[1]
            saved.append((one.hpa_only_replicas - one.current_replicas) * each[0])
    if not saved:
        return None
    with localcontext() as context:
        context.prec = _DIGITS
        return RuleDay(saving=sum(saved, Decimal(0)) / len(saved), currency=currency, looks=len(saved))


def _price(decision: Decision) -> tuple[Decimal, str] | None:
    """Of one replica in an hour."""
    if decision.cost_per_hour is None or not decision.desired_replicas:
        return None
    with localcontext() as context:
        context.prec = _DIGITS
        return decision.cost_per_hour.amount / decision.desired_replicas, decision.cost_per_hour.currency
