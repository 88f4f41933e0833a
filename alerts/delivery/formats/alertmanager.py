"""Alertmanager's webhook, version 4, for receivers that are there already.

Source:
    Alertmanager, "Webhook receiver config"; an alert that fires ends at the zero time of Go.
"""

from __future__ import annotations

from typing import Any, Final

from alerts.delivery.formats.message import Told, instant
from domain.alerts import Alert

_ZERO: Final = "0001-01-01T00:00:00Z"


def body(told: Told) -> dict[str, Any]:
    """Its fields, and with each alert the chart, as Grafana names it."""
    note = told.notification
    return {
        "receiver": note.receiver, "status": note.status, "alerts": [_alert(told, one) for one in note.alerts],
        "groupLabels": dict(note.group_labels), "commonLabels": dict(note.common_labels),
        "commonAnnotations": dict(note.common_annotations), "externalURL": told.external_url, "version": "4",
        "groupKey": note.group_key, "truncatedAlerts": note.truncated,
    }  # fmt: skip


def _alert(told: Told, alert: Alert) -> dict[str, Any]:
    return {
        "status": "firing" if alert.ends_at is None else "resolved", "labels": dict(alert.labels),
        "annotations": dict(alert.annotations), "startsAt": instant(alert.starts_at),
        "endsAt": _ZERO if alert.ends_at is None else instant(alert.ends_at), "generatorURL": alert.generator_url,
        "fingerprint": alert.fingerprint, "dashboardURL": told.chart(alert),
    }  # fmt: skip
