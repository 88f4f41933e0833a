"""A notification as JSON and back: what the outbox keeps."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from alerts.notification import Notification
from domain.alerts import Alert
from domain.labels import Labels


def to_json(notification: Notification) -> dict[str, Any]:
    """All of it."""
    return {
        "receiver": notification.receiver, "groupKey": notification.group_key, "status": notification.status,
        "groupLabels": dict(notification.group_labels), "truncated": notification.truncated,
        "at": notification.at.isoformat(), "dedup": notification.dedup,
        "alerts": [_alert_to_json(alert) for alert in notification.alerts],
    }  # fmt: skip


def from_json(kept: Mapping[str, Any]) -> Notification:
    """As it was put."""
    return Notification(
        receiver=kept["receiver"], group_key=kept["groupKey"], status=kept["status"],
        group_labels=Labels.of(kept["groupLabels"]), truncated=kept["truncated"],
        at=datetime.fromisoformat(kept["at"]), dedup=kept["dedup"],
        alerts=tuple(_alert_from_json(one) for one in kept["alerts"]),
    )  # fmt: skip


def _alert_to_json(alert: Alert) -> dict[str, Any]:
    return {
        "labels": dict(alert.labels), "annotations": dict(alert.annotations), "startsAt": alert.starts_at.isoformat(),
        "endsAt": None if alert.ends_at is None else alert.ends_at.isoformat(), "generatorURL": alert.generator_url,
    }  # fmt: skip


def _alert_from_json(kept: Mapping[str, Any]) -> Alert:
    ends_at = kept["endsAt"]
    return Alert(
        labels=Labels.of(kept["labels"]), annotations=Labels.of(kept["annotations"]),
        starts_at=datetime.fromisoformat(kept["startsAt"]), generator_url=kept["generatorURL"],
        ends_at=None if ends_at is None else datetime.fromisoformat(ends_at),
    )  # fmt: skip
