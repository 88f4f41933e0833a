"""One rule on its way through a pass: what was read, what was decided, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from controller.memory import Memory
from controller.slo import Burn
from controller.triggers import Missing, Reading, Want
from domain.forecasts import Forecast
from domain.load_ahead import Outlook
from domain.scaling import RING_STAGE, Action, Decision, TraceLine, Workload
from rules.schema import ScalingRule


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One rule on its way through a tick; what is still None was not reached."""

    rule: ScalingRule
    workload: Workload
    memory: Memory
    signals: Mapping[str, Reading] | None = None
    limits: Mapping[str, Reading] = field(default_factory=dict)
    burn: Burn | None = None
    forecasts: Mapping[str, Forecast | None] | None = None
    outlooks: Mapping[str, Outlook | Missing] = field(default_factory=dict)
    wants: tuple[Want, ...] = ()
    failure: str = ""
    decision: Decision | None = None
    action: Action | None = None
    refused: str = ""
    waits: bool = False
    """Refused until its ring comes: what stands there meanwhile is left until it expires."""

    def refused_because(self, why: str, *, stage: str) -> Case:
        """With a decision that says itself why it may not be carried out."""
        decision = self.decision
        if decision is None:
            return self
        line = TraceLine(stage=stage, replicas=decision.current_replicas, message=why)
        told = replace(decision, trace=(*decision.trace, line), message=f"{decision.message}; {why}")
        return replace(self, decision=told, refused=why)

    def waiting_because(self, why: str) -> Case:
        """The same until its ring comes."""
        return replace(self.refused_because(why, stage=RING_STAGE), waits=True)
