"""A floor by price: idle replicas against the odds of a violated minute, one start-up ahead; or why it has no say."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from controller import ahead
from controller.ahead import Floor, Terms
from controller.memory import Memory
from controller.triggers.forecasts import lead_of
from controller.triggers.wants import Missing, Reading, Want, silent
from controller.triggers.wording import carried, span, unit_of, unlearned
from domain.load_ahead import Outlook, kept_within
from domain.scaling import Proposal, Reason, Workload
from domain.series import Signal
from rules.schema import ForecastTrigger, MissPrice, ScalingRule, Trigger


def terms(price: MissPrice) -> Terms:
    """Those of a rule."""
    return Terms.of(None if price.fixed is None else float(price.fixed), price.budget)


def from_price(
    rule: ScalingRule, trigger: Trigger, wanted: ForecastTrigger, outlook: Outlook | Missing, reading: Reading,
    *, workload: Workload, memory: Memory, now: datetime,
) -> Want:  # fmt: skip
    """The floor of one tick.

    Args:
        rule: The rule.
        trigger: The one with the price.
        wanted: Its forecast.
        outlook: Of the source's load at this tick.
        reading: The source's load now.
        workload: Current and ready replicas.
        memory: The level of caution, and since when the source is silent.
        now: Time of the tick.
    """
    price, current = wanted.price, workload.current_replicas
    if price is None or wanted.of is None or current is None:
        return silent(
            trigger, f"{trigger.name}: a price goes with a trigger of the rule and a known number of replicas"
        )
    source = rule.trigger(wanted.of)
    level = memory.cautions.get(trigger.name)
    why = outlook.reason if isinstance(outlook, Missing) else unlearned(source, workload)
    if isinstance(outlook, Missing) or why:
        # As in the first minutes after a start, or a deploy: the ledger keeps the level all the same.
        unsaid = silent(trigger, f"{trigger.name}: {why}")
        return replace(unsaid, proposal=replace(unsaid.proposal, caution=level))
    unseen = _unseen(source, reading, memory, now)
    if unseen > ahead.STALE_AFTER:
        found = ahead.held(current, level, f"{trigger.name}: {source.name} was last seen {span(unseen)} ago")
        return _said(trigger, found, source, None, now - unseen, workload)
    lead = lead_of(wanted, workload.starts)
    capacity, ready = carried(source, workload), workload.ready_replicas
    seen = max(reading.value, 0.0) if isinstance(reading, Signal) else None
    load = 0.0 if seen is None else seen  # not seen for a moment: neither missed nor overloaded, as far as is known
    able, by = current if ready is None else ready, terms(price)
    level = ahead.level_after(level, load=load, ready=able, capacity=capacity, terms=by)
    found = ahead.floor(
        outlook, load=load, current=current, ready=able, capacity=capacity, level=level, terms=by,
        leads=(lead, kept_within(lead)),
        unit=unit_of(source),
    )  # fmt: skip
    return _said(trigger, found, source, seen, now - unseen, workload)


def _unseen(source: Trigger, reading: Reading, memory: Memory, now: datetime) -> timedelta:
    """For how long the source's load was not seen."""
    if isinstance(reading, Signal):
        return now - reading.as_of
    return now - memory.missing_since.get(source.name, now)


def _said(
    trigger: Trigger, found: Floor, source: Trigger, load: float | None, as_of: datetime, workload: Workload
) -> Want:
    proposal = Proposal(
        trigger=trigger.name, kind="forecast", replicas=found.replicas, value=load, target=carried(source, workload),
        unit=unit_of(source), reason=found.reason, as_of=as_of, caution=found.level,
    )  # fmt: skip
    return Want(proposal=proposal, word=Reason.FORECAST_FLOOR, asked=found.replicas)
