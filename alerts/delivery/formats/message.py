"""What every format is made of."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from alerts.delivery import links
from alerts.notification import Notification
from domain.alerts import Alert


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A notification with where its links begin."""

    notification: Notification
    external_url: str

    @property
    def id(self) -> str:
        """The same for each attempt."""
        return self.notification.dedup

    @property
    def link(self) -> str:
        """The chart of its first alert."""
        told = self.notification.alerts
        return self.chart(told[0]) if told else f"{self.external_url}/ui/"

    @property
    def title(self) -> str:
        """``[FIRING:2] HighLatency (shop)``, as Alertmanager's mails are called."""
        told = self.notification
        count = f":{len(told.firing)}" if told.status == "firing" else ""
        name = told.group_labels.value_of("alertname") or told.common_labels.value_of("alertname") or "alerts"
        others = ", ".join(value for label, value in told.group_labels if label != "alertname")
        return f"[{told.status.upper()}{count}] {name}" + (f" ({others})" if others else "")

    def chart(self, alert: Alert) -> str:
        """The address of the exact time range."""
        return links.chart(alert, at=self.notification.at, external_url=self.external_url)


def said(alert: Alert) -> str:
    """The sentence: its summary, else its description, else its name."""
    notes = alert.annotations
    return notes.value_of("summary") or notes.value_of("description") or alert.name


def instant(moment: datetime) -> str:
    """RFC 3339 in UTC."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def encoded(body: Any) -> bytes:
    """JSON, always the same bytes of the same content."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def shortened(text: str, length: int) -> str:
    """At most so many characters."""
    return text if len(text) <= length else text[: length - 1] + "…"
