"""PagerDuty's Events v2: one incident for each group.

Source:
    PagerDuty, "Send an Alert Event": a summary has at most 1,024 characters, ``dedup_key`` 255.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

from alerts.delivery.formats.message import Told, instant, said, shortened

_LONGEST_KEY: Final = 255
_SEVERITIES: Final = ("critical", "error", "warning", "info")
_MOST_ALERTS: Final = 50


def body(told: Told, *, routing_key: str, severity: str) -> dict[str, Any]:
    """A trigger while one alert fires, a resolve then; ``severity`` where the alerts' label is none of PagerDuty's."""
    note = told.notification
    event: dict[str, Any] = {"routing_key": routing_key, "dedup_key": dedup_key(note.group_key)}
    if note.status == "resolved":
        return {**event, "event_action": "resolve"}
    labelled = note.common_labels.value_of("severity")
    payload = {
        "summary": shortened(told.title, 1024), "source": told.external_url, "timestamp": instant(note.at),
        "severity": labelled if labelled in _SEVERITIES else severity,
        "custom_details": {
            "firing": [shortened(said(alert), 500) for alert in note.firing[:_MOST_ALERTS]],
            "labels": dict(note.common_labels), "truncated": note.truncated,
        },
    }  # fmt: skip
    return {
        **event, "event_action": "trigger", "payload": payload, "client": "Foretide", "client_url": told.link,
        "links": [{"href": told.link, "text": "Chart"}],
    }  # fmt: skip


def dedup_key(group_key: str) -> str:
    """The group's key, or its digest where that is too long."""
    short = len(group_key.encode()) <= _LONGEST_KEY
    return group_key if short else hashlib.sha256(group_key.encode()).hexdigest()
