"""An interval of the ledger decided again, by the rule as it stands now: line by line what would be another decision.

Each decision has its inputs: what every trigger saw, the replicas that there were. The rule of today gets the same,
from the same replicas; what it asks beyond that was not recorded, and counts as missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import numpy as np

from controller import decide, hpa
from controller.around import circumstances
from controller.memory import Memory
from controller.triggers import Missing, Reading, part
from domain.forecasts import Backtest, Forecast
from domain.money import Money
from domain.scaling import Decision, Proposal, Workload
from domain.series import Signal
from rules.schema import ScalingRule, Trigger

STEPS: Final = 80
"""Of a forecast that is put together again from its peak: 20 minutes, and on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One decision then, and the same now."""

    then: Decision
    now: Decision

    @property
    def differs(self) -> bool:
        """Whether the number is another one."""
        return self.then.desired_replicas != self.now.desired_replicas


def replayed(rule: ScalingRule, ledger: Sequence[Decision], *, requests: Mapping[str, float]) -> list[Line]:
    """Every decision of the interval again.

    Args:
        rule: As it stands now.
        ledger: Oldest first.
        requests: Of one replica, for triggers on resources.
    """
    plain = without_what_was_not_recorded(rule)
    keep, memory = hpa.longest_period(rule.spec.behavior), Memory()
    lines: list[Line] = []
    for number, then in enumerate(ledger):
        if number == 0:
            memory = Memory.beginning(then.current_replicas, at=then.at)
        workload = Workload(
            ref=rule.target, current_replicas=then.current_replicas, ready_replicas=then.ready_replicas,
            requests=requests, source="the ledger",
        )  # fmt: skip
        around, memory = circumstances(
            plain, limits={}, burn=None, money=None, workload=workload, memory=memory, now=then.at
        )
        now = decide.decide(
            plain, signals=signals_of(rule, then, requests), forecasts=_forecasts(rule, then), workload=workload,
            memory=memory, now=then.at, cost_of=_unpriced, circumstances=around,
        )  # fmt: skip
        lines.append(Line(then=then, now=now))
        memory = decide.remember(memory, now, rule=plain)
        after = ledger[number + 1].current_replicas if number + 1 < len(ledger) else then.current_replicas
        if after is not None and then.current_replicas is not None and after != then.current_replicas:
            memory = memory.with_scale_event(after - then.current_replicas, at=then.at, keep=keep)
    return lines


def without_what_was_not_recorded(rule: ScalingRule) -> ScalingRule:
    """Ceilings that ask, the guard, the pause and idling are of their day, and not in the ledger as numbers."""
    spec = rule.spec
    fixed = tuple(one for one in spec.ceiling if one.limit is not None)
    changed = spec.model_copy(update={"ceiling": fixed, "guard": None, "pause": None, "budget": None})
    return rule.model_copy(update={"spec": changed})


def signals_of(rule: ScalingRule, then: Decision, requests: Mapping[str, float]) -> dict[str, Reading]:
    """What each trigger of the rule saw."""
    proposals = {one.trigger: one for one in then.proposals}
    made: dict[str, Reading] = {}
    for trigger in rule.spec.triggers:
        if trigger.forecast is not None or trigger.schedule is not None:
            continue
        proposal = proposals.get(trigger.name)
        value = None if proposal is None else _value(trigger, proposal, then, requests)
        if proposal is None or value is None:
            why = "it was not recorded" if proposal is None else proposal.reason
            made[trigger.name] = Missing(reason=why)
            continue
        ratio = 1.0 if proposal.completeness is None else proposal.completeness
        made[trigger.name] = Signal(
            value=value, window=timedelta(), as_of=proposal.as_of or then.at, count=1,
            completeness_ratio=ratio,
        )  # fmt: skip
        if trigger.queue is not None and trigger.queue.arrivals is not None:
            made[part(trigger.name, "arrivals")] = Signal(value=0.0, window=timedelta(), as_of=then.at, count=1)
    return made


def _value(trigger: Trigger, proposal: Proposal, then: Decision, requests: Mapping[str, float]) -> float | None:
    """In the unit in which the trigger reads: the ledger keeps utilisation as a ratio, and of a queue its work."""
    if proposal.value is None:
        return None
    resource = trigger.resource
    if resource is not None and resource.utilization is not None:
        request = requests.get(resource.name)
        return None if not request or not then.ready_replicas else proposal.value * request * then.ready_replicas
    if trigger.queue is not None:
        return proposal.value * trigger.queue.drain_time.total_seconds()
    return proposal.value


def _forecasts(rule: ScalingRule, then: Decision) -> dict[str, Forecast | None]:
    """A flat one with the peak that was decided on; none where it had no say."""
    proposals = {one.trigger: one for one in then.proposals}
    made: dict[str, Forecast | None] = {}
    for trigger in rule.spec.triggers:
        if trigger.forecast is None:
            continue
        found = proposals.get(trigger.name)
        peak = None if found is None or found.replicas is None else found.value
        made[trigger.name] = None if peak is None else _flat(rule.signal(trigger), peak, then)
    return made


def _flat(signal: str, peak: float, then: Decision) -> Forecast:
    levels = (0.5, 0.9, 0.99)
    return Forecast(
        signal=signal, model="the ledger's", made_at=then.at, cutoff=then.at, step=timedelta(seconds=15), season=None,
        mean=np.full(STEPS, peak), quantiles=levels, values=np.full((STEPS, len(levels)), peak), reference=None,
        backtest=Backtest(wape=0.0, coverage={}, origins=1, wape_by_model={}), history_start=then.at,
    )  # fmt: skip


def _unpriced(workload: Workload, replicas: int) -> Money | None:
    return None
