"""One alert of a rule through its states: pending until ``for`` has passed, firing, inactive; kept a while after that.

Source:
    Prometheus 3.14, ``rules/alerting.go``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from domain.alerts import AlertState
from domain.labels import Labels

RESOLVED_KEPT: Final = timedelta(minutes=15)
"""So long a resolved alert is told again, for a receiver that was away."""


@dataclass(slots=True, kw_only=True)
class ActiveAlert:
    """What a rule knows of one set of labels.

    Attributes:
        value: Of the expression, when it last yielded these labels.
        active_at: When it first yielded them.
        keep_firing_since: Since when the expression yields them no more while ``keep_firing_for`` lasts.
        sent_at: When it was last handed on.
    """

    labels: Labels
    annotations: Labels
    value: float
    active_at: datetime
    state: AlertState = AlertState.PENDING
    fired_at: datetime | None = None
    resolved_at: datetime | None = None
    keep_firing_since: datetime | None = None
    sent_at: datetime | None = None

    def absent(self, at: datetime, *, keep_firing_for: timedelta) -> bool:
        """The expression did not yield it at ``at``; whether it is active all the same."""
        if self.state is AlertState.FIRING and keep_firing_for:
            self.keep_firing_since = self.keep_firing_since or at
            if at - self.keep_firing_since < keep_firing_for:
                return True
        if self.state is not AlertState.INACTIVE:
            self.state, self.resolved_at = AlertState.INACTIVE, at
        return False

    def forgotten(self, at: datetime) -> bool:
        """Whether it can be dropped, asked before ``absent``: it never fired, or is over for long."""
        over = self.resolved_at is not None and at - self.resolved_at > RESOLVED_KEPT
        return self.state is AlertState.PENDING or over

    def hold(self, at: datetime, hold: timedelta) -> None:
        """Fire after ``hold``; back to pending where a reload made it longer than the alert is old."""
        age = at - self.active_at
        if self.state is AlertState.PENDING and age >= hold:
            self.state, self.fired_at = AlertState.FIRING, at
        elif self.state is AlertState.FIRING and age < hold:
            self.state, self.fired_at, self.sent_at, self.keep_firing_since = AlertState.PENDING, None, None, None

    def must_be_sent(self, at: datetime, again_after: timedelta) -> bool:
        """Whether it is to be handed on now: it changed, or has not been told for ``again_after``."""
        if self.state is AlertState.PENDING:
            return False
        if self.resolved_at is not None and (self.sent_at is None or self.resolved_at > self.sent_at):
            return True
        return self.sent_at is None or self.sent_at + again_after < at
