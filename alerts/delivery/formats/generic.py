"""Foretide's own JSON."""

from __future__ import annotations

from typing import Any

from alerts.delivery.formats.message import Told, instant, said
from domain.alerts import Alert


def body(told: Told) -> dict[str, Any]:
    """One telling of a group; ``version`` changes when a field changes its meaning."""
    note = told.notification
    return {
        "version": "1", "id": told.id, "receiver": note.receiver, "status": note.status, "at": instant(note.at),
        "title": told.title, "groupKey": note.group_key, "groupLabels": dict(note.group_labels),
        "commonLabels": dict(note.common_labels), "commonAnnotations": dict(note.common_annotations),
        "truncatedAlerts": note.truncated, "links": {"chart": told.link},
        "alerts": [_alert(told, alert) for alert in note.alerts],
    }  # fmt: skip


def _alert(told: Told, alert: Alert) -> dict[str, Any]:
    return {
        "status": "firing" if alert.ends_at is None else "resolved", "summary": said(alert),
        "labels": dict(alert.labels), "annotations": dict(alert.annotations), "startsAt": instant(alert.starts_at),
        "endsAt": None if alert.ends_at is None else instant(alert.ends_at), "fingerprint": alert.fingerprint,
        "generatorURL": alert.generator_url, "links": {"chart": told.chart(alert)},
    }  # fmt: skip
