"""A floor from the peak of a forecast's quantile, or why it has no say."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Final

from controller import hpa, startup
from controller.triggers.wants import Want, silent
from controller.triggers.wording import carried, number, percent, span, unit_of, unlearned
from domain.forecasts import Forecast
from domain.scaling import Proposal, Reason, Workload
from domain.startup import Starts
from domain.units import format_duration
from rules.forecast_trigger import Gate
from rules.schema import ForecastTrigger, ScalingRule, Trigger

STALE_FORECAST: Final = timedelta(minutes=10)
"""A forecast whose last measured step is older says nothing (three steps, where those are longer)."""


def lead_of(forecast: ForecastTrigger, starts: Starts | None = None) -> timedelta:
    """How far ahead a forecast trigger looks: as it says, or as long as a start takes until it helps."""
    return startup.lead_of(starts).duration if forecast.lead == "auto" else forecast.lead


def from_forecast(
    rule: ScalingRule,
    trigger: Trigger,
    wanted: ForecastTrigger,
    forecast: Forecast | None,
    workload: Workload,
    now: datetime,
) -> Want:
    """The peak of the quantile between now and one lead ahead ÷ what one replica of its source carries."""
    if forecast is None:
        return silent(trigger, f"{trigger.name}: there is no forecast of {wanted.source} yet")
    source = trigger if wanted.of is None else rule.trigger(wanted.of)
    objection = _objection(wanted, forecast, now) or unlearned(source, workload)
    if objection:
        return silent(trigger, f"{trigger.name}: {objection}")
    # At least one step ahead: a step of 5 min has no point within a lead of 2 min.
    lead = lead_of(wanted, workload.starts)
    peak = forecast.peak(wanted.quantile, after=now, until=now + max(lead, forecast.step))
    if peak is None or not math.isfinite(peak[1]):
        reason = f"{trigger.name}: the forecast of {wanted.source} has no value in the next {span(lead)}"
        return silent(trigger, reason)
    target, unit, value = carried(source, workload), unit_of(source), max(peak[1], 0.0)
    replicas = hpa.ceil32(value / target)
    reason = (
        f"forecast p{wanted.quantile * 100:g} in ≤ {span(lead)} = {number(value)}{unit}"
        f" ÷ {number(target)}{unit} → {replicas}{_why(wanted, workload)}"
    )
    proposal = Proposal(
        trigger=trigger.name, kind="forecast", replicas=replicas, value=value, target=target, unit=unit,
        reason=reason, as_of=forecast.cutoff, active=value > float(source.activate or 0),
    )  # fmt: skip
    middle = forecast.peak(0.5, after=now, until=now + max(lead, forecast.step))
    median = None if middle is None or not math.isfinite(middle[1]) else hpa.ceil32(max(middle[1], 0.0) / target)
    return Want(proposal=proposal, word=Reason.FORECAST_FLOOR, asked=replicas, median=median)


def _objection(wanted: ForecastTrigger, forecast: Forecast, now: datetime) -> str:
    """Why this forecast has no say; empty when it has one."""
    age = now - forecast.cutoff
    oldest = max(STALE_FORECAST, 3 * forecast.step)
    if age > oldest:
        return f"the forecast of {wanted.source} is stale, its last measurement is {span(age)} old"
    return "" if wanted.gate is None else _closed(wanted.gate, wanted.source, forecast)


def _closed(gate: Gate, source: str, forecast: Forecast) -> str:
    """Why the gate is closed: by what was served over its time; by the backtest until so much was served."""
    served = None if gate.over is None else forecast.served_wapes.get(gate.over)
    if gate.over is not None and served is not None:
        if served <= gate.wape:
            return ""
        said = f"what was served of {source} in the last {format_duration(gate.over)} erred by {percent(served)}"
        return f"the gate is closed, {said}, more than {percent(gate.wape)}"
    if forecast.backtest is None:
        return f"the gate is closed, {source} has too little history for a backtest"
    if forecast.backtest.wape <= gate.wape:
        return ""
    said = f"the backtest of {source} errs by {percent(forecast.backtest.wape)}, more than {percent(gate.wape)}"
    unserved = "" if gate.over is None else f"; nothing was served for {format_duration(gate.over)} yet"
    return f"the gate is closed, {said}{unserved}"


def _why(wanted: ForecastTrigger, workload: Workload) -> str:
    """Why it looks so far, where the rule leaves that to us."""
    return f"; looks so far for {startup.lead_of(workload.starts).said}" if wanted.lead == "auto" else ""
