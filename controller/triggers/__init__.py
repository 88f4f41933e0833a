"""From signals to proposals: how many replicas each trigger of a rule asks for, and the sentence that says why.

A query trigger divides demand by what one replica should carry, a resource trigger compares utilisation with its
target, a forecast trigger divides the peak of a quantile. A trigger without data has no say, unless its fallback gives
it one; who has no say can never lower the replicas (``guardrails`` sees to it).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from controller.memory import Memory
from controller.triggers.demand import from_number
from controller.triggers.fallback import without_data
from controller.triggers.forecasts import from_forecast, lead_of
from controller.triggers.pod_usage import from_pod_usage
from controller.triggers.pods import from_pods
from controller.triggers.priced import from_price
from controller.triggers.queue import from_queue
from controller.triggers.times import from_event, from_schedule
from controller.triggers.usage import from_usage
from controller.triggers.wants import PODS, Missing, PodSignal, Reading, Want, part
from domain.forecasts import Forecast
from domain.load_ahead import Outlook
from domain.scaling import Workload
from domain.series import Signal
from rules.schema import ScalingRule, Trigger

NO_OUTLOOKS: Final[Mapping[str, Outlook | Missing]] = {}

__all__ = ["PODS", "Missing", "PodSignal", "Reading", "Want", "lead_of", "part", "propose"]


def propose(
    rule: ScalingRule,
    *,
    signals: Mapping[str, Reading],
    forecasts: Mapping[str, Forecast | None],
    workload: Workload,
    memory: Memory,
    now: datetime,
    outlooks: Mapping[str, Outlook | Missing] = NO_OUTLOOKS,
) -> tuple[Want, ...]:
    """What every trigger of ``rule`` asks for, in the rule's order.

    Args:
        rule: The rule; its ``behavior`` gives the tolerance.
        signals: By trigger name, for query and resource triggers; one that is not there is missing.
        forecasts: By trigger name, for forecast triggers; None where there is none yet.
        workload: Current and ready replicas and the requests of each.
        memory: Tells since when a trigger is without data.
        now: Time of the tick.
        outlooks: By trigger name, for forecast triggers with a price.
    """
    by_name: dict[str, Want] = {}
    later: list[tuple[Trigger, Missing]] = []
    for trigger in rule.spec.triggers:
        if trigger.forecast is not None and trigger.forecast.price is not None:
            reading = signals.get(trigger.forecast.of or "", Missing(reason="it was not read"))
            outlook = outlooks.get(trigger.name, Missing(reason="nothing looks ahead of it here"))
            found = from_price(
                rule, trigger, trigger.forecast, outlook, reading, workload=workload, memory=memory, now=now
            )
        elif trigger.forecast is not None:
            found = from_forecast(rule, trigger, trigger.forecast, forecasts.get(trigger.name), workload, now)
        elif trigger.schedule is not None:
            found = from_schedule(trigger, trigger.schedule, now)
        else:
            reading = signals.get(trigger.name, Missing(reason="it was not read"))
            if isinstance(reading, Signal) and not math.isfinite(reading.value):
                why = f"its value is {reading.value}, which is no number to decide on"
                reading = Missing(reason=why, invalid=True)
            if isinstance(reading, Missing):
                later.append((trigger, reading))
                continue
            if isinstance(reading, PodSignal):
                by_name[trigger.name] = from_pods(trigger, reading, workload, rule.spec.behavior)
                continue
            found = _measured(rule, trigger, reading, signals, workload)
        by_name[trigger.name] = found
    for trigger, reading in later:  # a fallback may name any of the others
        by_name[trigger.name] = without_data(trigger, reading, by_name, workload, memory, now)
    return tuple(by_name[trigger.name] for trigger in rule.spec.triggers)


def _measured(
    rule: ScalingRule, trigger: Trigger, reading: Signal, signals: Mapping[str, Reading], workload: Workload
) -> Want:
    if trigger.resource is not None:
        pods = signals.get(part(trigger.name, PODS))
        if isinstance(pods, PodSignal):
            return from_pod_usage(trigger, trigger.resource, pods, workload, rule.spec.behavior)
        return from_usage(trigger, trigger.resource, reading, workload, rule.spec.behavior)
    if trigger.queue is not None:
        return from_queue(trigger, trigger.queue, reading, signals, workload)
    if trigger.event is not None:
        return from_event(trigger, trigger.event, reading)
    return from_number(trigger, reading, workload, rule.spec.behavior)
