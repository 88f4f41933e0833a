"""Triggers that ask for a fixed number while something lasts: a stretch of time, an alert."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from controller.triggers.wants import Want, said
from domain.scaling import Proposal, Reason
from domain.series import Signal
from rules import schedule_times
from rules.schema import AlertEvent, CronWindow, Trigger


def from_schedule(trigger: Trigger, window: CronWindow, now: datetime) -> Want:
    """Its number between start and end, outside none: 0, which the rule's other triggers and bounds are above."""
    lasts = schedule_times.of_window(window, now).in_force
    replicas = (trigger.replicas or 0) if lasts else 0
    when = f"from {window.start} to {window.end}"
    proposal = Proposal(
        trigger=trigger.name, kind=trigger.kind, replicas=replicas, value=float(lasts), target=None, unit="",
        reason=f"{trigger.name} asks for {replicas}, {when}" if lasts else f"{trigger.name} waits, it lasts {when}",
        as_of=now, active=lasts,
    )  # fmt: skip
    return Want(proposal=proposal, word=Reason.DESIRED_WITHIN_RANGE, asked=replicas)


def from_event(trigger: Trigger, event: AlertEvent, signal: Signal) -> Want:
    """Its number while the alert fires, 0 otherwise."""
    fires = signal.value > 0
    replicas = (trigger.replicas or 0) if fires else 0
    reason = f"alert {event.alert} fires → {replicas}" if fires else f"alert {event.alert} does not fire"
    want = said(trigger, replicas, signal.value, 1.0, "", signal, reason, asked=replicas)
    return replace(want, proposal=replace(want.proposal, active=fires))
