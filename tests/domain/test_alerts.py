"""An alert's identity is Alertmanager's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from domain.alerts import Alert, fingerprint
from domain.labels import Labels

AT = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)


def test_a_fingerprint_is_what_alertmanager_calls_the_alert() -> None:
    # As Alertmanager 0.25 answered for an alert with these labels.
    assert fingerprint(Labels.of(alertname="Down", job="café", severity="page")) == "2558b1700bb4abf7"


def test_no_labels_have_the_offset_of_fnv_as_their_fingerprint() -> None:
    assert fingerprint(Labels()) == "cbf29ce484222325"


def test_an_alert_is_over_when_its_end_has_come() -> None:
    alert = Alert(labels=Labels.of(alertname="Down"), starts_at=AT, ends_at=AT + timedelta(minutes=1))
    assert [alert.resolved_at(AT), alert.resolved_at(AT + timedelta(minutes=1))] == [False, True]
    assert not Alert(labels=alert.labels, starts_at=AT).resolved_at(AT + timedelta(days=365))
