"""The alerts that were received: one that is told twice is one, from its earliest start to its latest end.

Source:
    Alertmanager, ``api/v2`` (the end of an alert that has none), ``provider/mem`` and ``types.Alert.Merge``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from domain.alerts import Alert, fingerprint
from domain.labels import Labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """An alert with an end, said by its source or, where ``timeout``, assumed."""

    alert: Alert
    ends_at: datetime
    timeout: bool
    updated_at: datetime
    fingerprint: str

    def active_at(self, now: datetime) -> bool:
        """Whether it is not over."""
        return self.ends_at > now


class KnownAlerts:
    """By their labels."""

    def __init__(self, resolve_timeout: timedelta) -> None:
        """``resolve_timeout``: when an alert without an end is over unless it is told again."""
        self._resolve_timeout = resolve_timeout
        self._by_labels: dict[Labels, Received] = {}

    def __iter__(self) -> Iterator[Received]:
        """All of them, in the order in which they came."""
        return iter(self._by_labels.values())

    def take(self, alert: Alert, now: datetime) -> Received:
        """The alert as it is known now."""
        old = self._by_labels.get(alert.labels)
        ends_at = now + self._resolve_timeout if alert.ends_at is None else alert.ends_at
        new = Received(
            alert=replace(alert, ends_at=ends_at), ends_at=ends_at, timeout=alert.ends_at is None, updated_at=now,
            fingerprint=fingerprint(alert.labels) if old is None else old.fingerprint,
        )  # fmt: skip
        if old is not None and _overlap(old, new):
            new = _merged(old, new, now)
        self._by_labels[alert.labels] = new
        return new

    def drop_over(self, before: datetime) -> list[Labels]:
        """Forget what was over before then; their labels."""
        over = [labels for labels, one in self._by_labels.items() if one.ends_at < before]
        for labels in over:
            del self._by_labels[labels]
        return over


def _overlap(old: Received, new: Received) -> bool:
    start, old_start = new.alert.starts_at, old.alert.starts_at
    return old_start < new.ends_at < old.ends_at or old_start < start < old.ends_at


def _merged(old: Received, new: Received, now: datetime) -> Received:
    """The earliest start; the latest end, but an assumed one gives way to a said one."""
    ends_at = new.ends_at
    if new.active_at(now):
        if old.ends_at > new.ends_at and not old.timeout:
            ends_at = old.ends_at
    elif not old.active_at(now) and old.ends_at > new.ends_at:
        ends_at = old.ends_at
    alert = replace(new.alert, starts_at=min(old.alert.starts_at, new.alert.starts_at), ends_at=ends_at)
    return replace(new, alert=alert, ends_at=ends_at)
