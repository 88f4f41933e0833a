"""From signals to proposals: how many replicas each trigger of a rule asks for, and the sentence that says why.

A query trigger divides demand by what one replica should carry, a resource trigger compares utilisation with its
target, a forecast trigger divides the peak of a quantile. A trigger without data has no say, unless its fallback gives
it one; who has no say can never lower the replicas (``guardrails`` sees to it).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from controller import core, hpa
from controller.memory import Memory
from domain.forecasts import Forecast
from domain.scaling import Proposal, Reason, Workload
from domain.series import Signal
from domain.units import format_duration
from rules.schema import Behavior, ForecastTrigger, ResourceTarget, ScalingRule, Trigger

AUTO_LEAD: Final = timedelta(minutes=2)
"""``lead: auto``. A guess until start-up times are measured: 60 s to start, and as much again to see the rise."""

STALE_FORECAST: Final = timedelta(minutes=10)
"""A forecast whose last measured step is older says nothing (three steps, where those are longer)."""


LEAST_COMPLETENESS: Final = 0.9
"""A signal of which less is there may raise, but releases nothing: a sum over the targets that answered is too low."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A signal that could not be read, with the sentence that says why."""

    reason: str


Reading = Signal | Missing


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """A proposal, and the word for the decision if this proposal is the one that counts.

    ``asked`` is the proposal without tolerance: what ``combine`` calculates with, so that a product of a number that
    the tolerance holds does not feed on itself.
    """

    proposal: Proposal
    word: Reason
    asked: int | None = None

    @property
    def replicas(self) -> int | None:
        """What it asks for; None when it has no say."""
        return self.proposal.replicas

    @property
    def is_silent(self) -> bool:
        """Whether data that measure are missing or incomplete: then nothing is released."""
        return not self.is_forecast and (self.proposal.missing or self.proposal.incomplete)

    @property
    def is_forecast(self) -> bool:
        """Whether it may only raise."""
        return self.proposal.kind == "forecast"


def propose(
    rule: ScalingRule,
    *,
    signals: Mapping[str, Reading],
    forecasts: Mapping[str, Forecast | None],
    workload: Workload,
    memory: Memory,
    now: datetime,
) -> tuple[Want, ...]:
    """What every trigger of ``rule`` asks for, in the rule's order.

    Args:
        rule: The rule; its ``behavior`` gives the tolerance.
        signals: By trigger name, for query and resource triggers; one that is not there is missing.
        forecasts: By trigger name, for forecast triggers; None where there is none yet.
        workload: Current and ready replicas and the requests of each.
        memory: Tells since when a trigger is without data.
        now: Time of the tick.
    """
    wants = []
    for trigger in rule.spec.triggers:
        if trigger.forecast is not None:
            wants.append(_from_forecast(rule, trigger, trigger.forecast, forecasts.get(trigger.name), now))
            continue
        reading = signals.get(trigger.name, Missing(reason="it was not read"))
        if isinstance(reading, Signal) and not math.isfinite(reading.value):
            reading = Missing(reason=f"its value is {reading.value}, which is no number to decide on")
        if isinstance(reading, Missing):
            wants.append(_without_data(trigger, reading, workload, memory, now))
        elif trigger.resource is not None:
            wants.append(_from_utilization(trigger, trigger.resource, reading, workload, rule.spec.behavior))
        else:
            wants.append(_from_demand(trigger, reading, workload, rule.spec.behavior))
    return tuple(wants)


def lead_of(forecast: ForecastTrigger) -> timedelta:
    """How far ahead a forecast trigger looks."""
    return AUTO_LEAD if forecast.lead == "auto" else forecast.lead


def _from_demand(trigger: Trigger, signal: Signal, workload: Workload, behavior: Behavior) -> Want:
    """HPA's External metric with AverageValue: tolerance around current × target, else ceil(value ÷ target)."""
    target = _per_replica(trigger)
    value = max(signal.value, 0.0)  # as KEDA does since #7880: less than no demand is no demand
    current = workload.current_replicas
    replicas = hpa.ceil32(value / target)
    unit = _unit(trigger)
    sum_ = f"{trigger.name} {_number(value)}{unit} ÷ {_number(target)}{unit} per replica"
    if current and hpa.within_tolerance(value / (target * current), behavior):
        reason = f"{sum_} is within tolerance of {current}"
        return _said(trigger, current, value, target, unit, signal, reason, asked=replicas, held=True)
    return _said(trigger, replicas, value, target, unit, signal, f"{sum_} → {replicas}", asked=replicas)


def _from_utilization(
    trigger: Trigger, resource: ResourceTarget, signal: Signal, workload: Workload, behavior: Behavior
) -> Want:
    """HPA's Resource metric on sums: replicas that are not ready yet count as idle when more are wanted."""
    request, ready, current = workload.requests.get(resource.name), workload.ready_replicas, workload.current_replicas
    if not request or request <= 0:
        return _silent(trigger, f"{trigger.name}: {workload.ref} has no {resource.name} request to compare usage with")
    if not ready or current is None:
        return _silent(trigger, f"{trigger.name}: {workload.ref} has no ready replica to compare usage with")
    used = core.utilization(signal.value, request, ready)
    busy = used > resource.utilization
    counted = max(ready, current) if busy else ready
    ratio = core.utilization(signal.value, request, counted) / resource.utilization
    asked = hpa.ceil32(ratio * counted)
    # More use never means fewer: terminating replicas are still ready, starting ones not yet.
    replicas = max(asked, current) if busy else min(asked, current)
    value, target = used / 100, resource.utilization / 100
    said = f"{trigger.name} {used} % of the request over {ready} ready ÷ {resource.utilization} %"
    if hpa.within_tolerance(ratio, behavior):
        reason = f"{said} is within tolerance of {current}"
        return _said(trigger, current, value, target, "ratio", signal, reason, asked=replicas, held=True)
    reason = f"{said} → {asked}"
    if replicas != asked:
        why = f"{current - ready} of them are not ready yet" if busy else f"{ready - current} more are on their way out"
        reason = f"{reason}; {current} are kept, {why}"
    return _said(trigger, replicas, value, target, "ratio", signal, reason, asked=replicas)


def _from_forecast(
    rule: ScalingRule, trigger: Trigger, wanted: ForecastTrigger, forecast: Forecast | None, now: datetime
) -> Want:
    """The peak of the quantile between now and one lead ahead ÷ what one replica of its source carries."""
    if forecast is None:
        return _silent(trigger, f"{trigger.name}: there is no forecast of {wanted.source} yet")
    objection = _objection(wanted, forecast, now)
    if objection:
        return _silent(trigger, f"{trigger.name}: {objection}")
    # At least one step ahead: a step of 5 min has no point within a lead of 2 min.
    lead = lead_of(wanted)
    peak = forecast.peak(wanted.quantile, after=now, until=now + max(lead, forecast.step))
    if peak is None or not math.isfinite(peak[1]):
        reason = f"{trigger.name}: the forecast of {wanted.source} has no value in the next {_span(lead)}"
        return _silent(trigger, reason)
    source = trigger if wanted.of is None else rule.trigger(wanted.of)
    target, unit, value = _per_replica(source), _unit(source), max(peak[1], 0.0)
    replicas = hpa.ceil32(value / target)
    reason = (
        f"forecast p{wanted.quantile * 100:g} in ≤ {_span(lead)} = {_number(value)}{unit}"
        f" ÷ {_number(target)}{unit} → {replicas}"
    )
    proposal = Proposal(
        trigger=trigger.name, kind="forecast", replicas=replicas, value=value, target=target, unit=unit,
        reason=reason, as_of=forecast.cutoff,
    )  # fmt: skip
    return Want(proposal=proposal, word=Reason.FORECAST_FLOOR, asked=replicas)


def _objection(wanted: ForecastTrigger, forecast: Forecast, now: datetime) -> str:
    """Why this forecast has no say; empty when it has one."""
    age = now - forecast.cutoff
    oldest = max(STALE_FORECAST, 3 * forecast.step)
    if age > oldest:
        return f"the forecast of {wanted.source} is stale, its last measurement is {_span(age)} old"
    if wanted.gate is None:
        return ""
    if forecast.backtest is None:
        return f"the gate is closed, {wanted.source} has too little history for a backtest"
    if not forecast.backtest.wape <= wanted.gate.wape:
        return (
            f"the gate is closed, the backtest of {wanted.source} errs by {_percent(forecast.backtest.wape)}"
            f", more than {_percent(wanted.gate.wape)}"
        )
    return ""


def _without_data(trigger: Trigger, reading: Missing, workload: Workload, memory: Memory, now: datetime) -> Want:
    """No say, or what the fallback says once the trigger was silent for long enough; never less than current."""
    since = memory.missing_since.get(trigger.name, now)
    reason = f"{trigger.name}: {reading.reason}"
    fallback, current = trigger.fallback, workload.current_replicas
    if fallback is None or current is None or now - since < fallback.after:
        return _silent(trigger, reason)
    replicas = current if fallback.use == "hold" else max(int(fallback.use), current)
    proposal = Proposal(
        trigger=trigger.name, kind=trigger.kind, replicas=replicas, value=None, target=None, unit="",
        reason=f"{reason}; after {_span(now - since)} without data its fallback gives {replicas}",
        as_of=None, missing=True,
    )  # fmt: skip
    return Want(proposal=proposal, word=Reason.FALLBACK, asked=replicas)


def _silent(trigger: Trigger, reason: str) -> Want:
    """A trigger that has no say."""
    proposal = Proposal(
        trigger=trigger.name, kind=trigger.kind, replicas=None, value=None, target=None, unit="",
        reason=reason, as_of=None, missing=True,
    )  # fmt: skip
    return Want(proposal=proposal, word=Reason.MISSING_METRIC)


def _said(
    trigger: Trigger,
    replicas: int,
    value: float,
    target: float,
    unit: str,
    signal: Signal,
    reason: str,
    *,
    asked: int,
    held: bool = False,
) -> Want:
    """A trigger that has its say; ``held`` when only the tolerance keeps it at the current replicas."""
    proposal = Proposal(
        trigger=trigger.name, kind=trigger.kind, replicas=replicas, value=value, target=target, unit=unit,
        reason=f"{reason}{_gaps(signal)}", as_of=signal.as_of,
        incomplete=not signal.completeness_ratio >= LEAST_COMPLETENESS,
        completeness=None if signal.expected is None else signal.completeness_ratio,
    )  # fmt: skip
    word = Reason.WITHIN_TOLERANCE if held else Reason.DESIRED_WITHIN_RANGE
    return Want(proposal=proposal, word=word, asked=asked)


def _gaps(signal: Signal) -> str:
    """What is missing from the number, where that is much."""
    if signal.completeness_ratio >= LEAST_COMPLETENESS:
        return ""
    if signal.expected is None:
        return f", of {_percent(signal.completeness_ratio)} of the data"
    return f"; only {signal.seen} of {signal.expected} series were seen"


def _per_replica(trigger: Trigger) -> float:
    if trigger.per_replica is None:  # the schema demands it; this is for the type checker
        raise ValueError(f"trigger {trigger.name} has no perReplica")
    return float(trigger.per_replica)


def _unit(trigger: Trigger) -> str:
    """``/s`` where the query is plainly a rate. A guess from its text, for the reader only."""
    expr = trigger.query.expr if trigger.query is not None else ""
    return "/s" if "rate(" in expr and ")/" not in expr.replace(" ", "") else ""


def _number(value: float) -> str:
    digits = 1 if abs(value) >= 10 else 3
    return f"{value:.{digits}f}".rstrip("0").rstrip(".")


def _percent(ratio: float) -> str:
    return f"{_number(ratio * 100)} %"


def _span(duration: timedelta) -> str:
    """Up to five minutes in seconds, as people say it for reactions; longer ones as Prometheus writes them."""
    seconds = duration.total_seconds()
    return f"{seconds:.0f} s" if seconds <= 300 else format_duration(timedelta(seconds=round(seconds)))
