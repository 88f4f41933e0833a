"""An alerting rule and its alerts, evaluation by evaluation.

Source:
    Prometheus 3.14, ``rules/alerting.go``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from alerts.evaluation.active import ActiveAlert
from alerts.evaluation.asking import RuleFailedError, Sampled
from alerts.rule_file.model import AlertingRule
from alerts.templates import AlertData, Surroundings, expand_for_alert
from domain.alerts import ALERT_NAME, Alert, AlertState
from domain.labels import METRIC_NAME, Labels

ALERTS: Final = "ALERTS"
FOR_STATE: Final = "ALERTS_FOR_STATE"
STATE_LABEL: Final = "alertstate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """How alerts are handed on: every ``again_after``, valid for four times that or the interval."""

    again_after: timedelta = timedelta(minutes=1)
    interval: timedelta = timedelta(minutes=1)
    external_labels: Labels = Labels()
    generator_url: str = ""

    @property
    def valid_for(self) -> timedelta:
        """So long an alert counts as firing when it is not told again."""
        return 4 * max(self.again_after, self.interval)


class AlertingRun:
    """One alerting rule over time; its alerts are its state."""

    def __init__(self, rule: AlertingRule) -> None:
        """Nothing is active yet."""
        self.rule = rule
        self.active: dict[Labels, ActiveAlert] = {}
        self.remembered: dict[Labels, ActiveAlert] = {}
        """From before a restart, of this rule or of one of the same name and labels: the first evaluation tells."""

    def evaluate(self, found: Sampled, at: datetime, around: Surroundings, *, limit: int) -> Sampled:
        """The next states, and the samples of ``ALERTS`` and ``ALERTS_FOR_STATE``.

        Raises:
            RuleFailedError: Two elements have the same labels then, or there are more than ``limit``.
        """
        seen = self._seen(found, at, around)
        for labels, alert in seen.items():
            known = self.active.get(labels)
            if known is None or known.state is AlertState.INACTIVE:
                known = self.active[labels] = self.remembered.get(labels, alert)
            known.value, known.annotations = alert.value, alert.annotations
        self.remembered = {}
        active = self._advance(seen, at)
        if limit and len(active) > limit:
            self.active = {}
            raise RuleFailedError(f"exceeded limit of {limit} with {len(active)} alerts")
        return [sample for alert in active for sample in self._samples(alert)]

    def _seen(self, found: Sampled, at: datetime, around: Surroundings) -> dict[Labels, ActiveAlert]:
        seen: dict[Labels, ActiveAlert] = {}
        for series, value in found:
            data = AlertData(labels=dict(series), value=value)
            labels = self._labels(series, data, around)
            if labels in seen:
                raise RuleFailedError("vector contains metrics with the same labelset after applying alert labels")
            texts = (
                (name, expand_for_alert(self.rule.alert, text, data, around)) for name, text in self.rule.annotations
            )
            seen[labels] = ActiveAlert(labels=labels, annotations=Labels(texts), value=value, active_at=at)
        return seen

    def _labels(self, series: Labels, data: AlertData, around: Surroundings) -> Labels:
        own = {name: expand_for_alert(self.rule.alert, text, data, around) for name, text in self.rule.labels}
        return Labels.of({**dict(series), METRIC_NAME: "", **own, ALERT_NAME: self.rule.alert})

    def _advance(self, seen: dict[Labels, ActiveAlert], at: datetime) -> list[ActiveAlert]:
        """Every known alert one step on; those that are pending or firing then."""
        active = []
        for labels, alert in list(self.active.items()):
            if labels in seen:
                alert.keep_firing_since = None
            else:
                if alert.forgotten(at):
                    del self.active[labels]
                if not alert.absent(at, keep_firing_for=self.rule.keep_firing_for):
                    continue
            alert.hold(at, self.rule.for_)
            active.append(alert)
        return active

    def _samples(self, alert: ActiveAlert) -> Iterator[tuple[Labels, float]]:
        base = {**dict(self.rule.labels), **dict(alert.labels), ALERT_NAME: self.rule.alert}
        yield Labels.of({**base, METRIC_NAME: ALERTS, STATE_LABEL: alert.state.value}), 1.0
        yield Labels.of({**base, METRIC_NAME: FOR_STATE}), float(int(alert.active_at.timestamp()))

    @property
    def state(self) -> AlertState:
        """The strongest of its alerts' states."""
        states = {alert.state for alert in list(self.active.values())}  # others read while it is evaluated
        order = (AlertState.FIRING, AlertState.PENDING)
        return next((state for state in order if state in states), AlertState.INACTIVE)

    def current(self) -> list[ActiveAlert]:
        """Those that are pending or firing."""
        return [alert for alert in list(self.active.values()) if alert.resolved_at is None]

    def to_send(self, at: datetime, sending: Sending) -> list[Alert]:
        """What is to be handed on now: firing with an end by which it must be told again, resolved with its end."""
        chosen = [alert for alert in self.active.values() if alert.must_be_sent(at, sending.again_after)]
        for alert in chosen:
            alert.sent_at = at
        return [
            Alert(
                labels=Labels.of({**dict(sending.external_labels), **dict(alert.labels)}),
                annotations=alert.annotations,
                starts_at=alert.fired_at or alert.active_at,
                ends_at=alert.resolved_at or at + sending.valid_for,
                generator_url=sending.generator_url,
            )
            for alert in chosen
        ]

    def take_over(self, before: AlertingRun) -> None:
        """Go on with the alerts of the rule of this name and these labels before a reload."""
        self.active |= before.active
        self.remembered |= before.remembered
