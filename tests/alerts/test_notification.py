"""What a receiver is told about a group."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from alerts.notification import Notification, notification
from domain.alerts import Alert
from domain.labels import Labels

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
LABELS = Labels.of(alertname="Down", job="web")


def _told(*alerts: Alert, at: datetime = AT) -> Notification:
    return notification(
        receiver="team",
        group_key='{}:{alertname="Down"}',
        group_labels=Labels.of(alertname="Down"),
        alerts=alerts,
        at=at,
    )


def test_a_group_fires_while_one_of_its_alerts_does_and_has_what_all_have_alike() -> None:
    fires = Alert(labels=LABELS.with_(instance="a"), annotations=Labels.of(summary="Down"), starts_at=AT)
    over = Alert(labels=LABELS.with_(instance="b"), starts_at=AT, ends_at=AT + timedelta(minutes=1))
    told = _told(fires, over)
    assert (told.status, told.firing, told.resolved) == ("firing", (fires,), (over,))
    assert (told.common_labels, told.common_annotations) == (LABELS, Labels())
    assert _told(over).status == "resolved"


def test_a_telling_keeps_its_id_and_the_next_one_has_another() -> None:
    alert = Alert(labels=LABELS, starts_at=AT)
    assert _told(alert).dedup == _told(alert).dedup != _told(alert, at=AT + timedelta(seconds=1)).dedup
