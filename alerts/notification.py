"""What one receiver is told about one group of alerts: the router makes it, the outbox keeps it, a receiver gets it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from domain.alerts import Alert
from domain.labels import Labels

NotificationStatus = Literal["firing", "resolved"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """One telling of a group.

    Attributes:
        receiver: Its name.
        group_key: Alertmanager's: the route's matchers and the group's labels; the same for each telling of a group.
        group_labels: What the alerts were grouped by, with their values.
        status: ``firing`` where one alert fires.
        alerts: All of the group, in Alertmanager's order; one that fires has no ``ends_at``, one that has is over.
        truncated: How many more alerts the group has.
        at: When the group was flushed.
        dedup: The same however often this telling is tried, and another for every other telling.
    """

    receiver: str
    group_key: str
    group_labels: Labels
    status: NotificationStatus
    alerts: tuple[Alert, ...]
    truncated: int = 0
    at: datetime
    dedup: str

    @property
    def firing(self) -> tuple[Alert, ...]:
        """Those that fire."""
        return tuple(alert for alert in self.alerts if alert.ends_at is None)

    @property
    def resolved(self) -> tuple[Alert, ...]:
        """Those that are over: a receiver without ``send_resolved`` is not told of them."""
        return tuple(alert for alert in self.alerts if alert.ends_at is not None)

    @property
    def common_labels(self) -> Labels:
        """What all its alerts have alike."""
        return _common(alert.labels for alert in self.alerts)

    @property
    def common_annotations(self) -> Labels:
        """The annotations that all its alerts have alike."""
        return _common(alert.annotations for alert in self.alerts)


def notification(
    *, receiver: str, group_key: str, group_labels: Labels, alerts: Iterable[Alert], at: datetime, truncated: int = 0
) -> Notification:
    """The telling of these alerts, with its status and its ``dedup``."""
    told = tuple(alerts)
    return Notification(
        receiver=receiver, group_key=group_key, group_labels=group_labels, alerts=told, at=at, truncated=truncated,
        status="firing" if any(alert.ends_at is None for alert in told) else "resolved",
        dedup=_dedup(receiver, group_key, at, told),
    )  # fmt: skip


def _dedup(receiver: str, group_key: str, at: datetime, alerts: tuple[Alert, ...]) -> str:
    """Its receiver, group, instant and alerts tell it from every other telling."""
    parts = [receiver, group_key, at.isoformat(), *(f"{alert.labels} {alert.ends_at}" for alert in alerts)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def _common(all_labels: Iterable[Labels]) -> Labels:
    shared: set[tuple[str, str]] | None = None
    for labels in all_labels:
        shared = set(labels) if shared is None else shared & set(labels)
    return Labels(sorted(shared or ()))
