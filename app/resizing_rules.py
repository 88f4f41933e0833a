"""What our own rules say against a workload that shall ask for less."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.budget_world import slo_objection
from controller.resizing.change import Patch
from controller.slo import Burn
from rules.schema import ScalingRule


@dataclass(frozen=True, slots=True, kw_only=True)
class Objection:
    """Empty where there is none.

    Attributes:
        now: It may be over later.
        lasting: Until somebody edits the rule.
    """

    now: str = ""
    lasting: str = ""


def objection_of(
    rules: Sequence[ScalingRule], patch: Patch, burn: Callable[[ScalingRule], Burn | None]
) -> Objection:  # fmt: skip
    """The SLO beats the money; and a rule that scales by utilisation would move what each pod carries."""
    for rule in (one for one in rules if one.target == patch.ref):
        if why := slo_objection(rule, burn(rule)):
            return Objection(now=why)
        for trigger in rule.spec.triggers:
            asked = trigger.resource
            if asked is None or asked.utilization is None or asked.name not in patch.falling():
                continue
            said = f"rule {rule.key} scales by the utilisation of {asked.name}, and its target does not move along"
            return Objection(lasting=said)
    return Objection()
