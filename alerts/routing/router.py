"""Alerts in, notifications out: groups them, waits, hushes, and tells nothing twice.

The state is the groups and what was told last; the times come from the caller. ``due`` decides and changes no log:
what it yields is told again at the group's next flush unless ``told`` says that it was kept.

Source:
    Alertmanager 0.25, ``dispatch`` and ``notify``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from alerts.notification import Notification, notification
from alerts.routing.inhibition import Inhibitor
from alerts.routing.known import KnownAlerts, Received
from alerts.routing.log import LogEntry, needs_telling
from alerts.routing.order import ordered
from alerts.routing.silences import Silence
from alerts.routing.tree import Route, Routing, group_key
from domain.alerts import Alert
from domain.labels import Labels

KEPT_OVER: Final = timedelta(minutes=30)
"""So long an alert that is over is known, as Alertmanager's ``alerts.gc-interval``: its source tells it some times."""
_Key = tuple[str, str]


@dataclass(slots=True, kw_only=True)
class _Group:
    route: Route
    labels: Labels
    key: str
    next_flush: datetime
    flushed: bool = False
    members: dict[Labels, Received] = field(default_factory=dict)


class Router:
    """One for a process; not for use by several threads at once."""

    def __init__(self, routing: Routing, *, quiet_when_over: Collection[str] = ()) -> None:
        """Nothing was told yet.

        Args:
            routing: The section ``alerting``.
            quiet_when_over: Receivers without ``send_resolved``.
        """
        self._routing = routing
        self._quiet = frozenset(quiet_when_over)
        self._intervals = {one.name: one for one in routing.intervals}
        self._known = KnownAlerts(routing.resolve_timeout)
        self._inhibitor = Inhibitor(routing.inhibit_rules)
        self._groups: dict[tuple[int, Labels], _Group] = {}
        self._log: dict[_Key, LogEntry] = {}
        self._offered: dict[str, tuple[LogEntry, _Group]] = {}
        self._latest: dict[_Key, LogEntry] = {}
        self.silences: tuple[Silence, ...] = ()

    @property
    def alerts(self) -> list[Received]:
        """All that are known."""
        return list(self._known)

    def receive(self, alerts: Iterable[Alert], now: datetime) -> None:
        """Take them in; each goes into a group of every route that matches it."""
        for alert in alerts:
            received = self._known.take(alert, now)
            self._inhibitor.see(received.alert)
            for route in self._routing.root.matching(alert.labels):
                self._insert(route, received, now)

    def _insert(self, route: Route, received: Received, now: datetime) -> None:
        labels = route.group_of(received.alert.labels)
        group = self._groups.get((id(route), labels))
        if group is None:
            group = _Group(
                route=route, labels=labels, key=group_key(route, labels), next_flush=now + route.group_wait
            )  # fmt: skip
            self._groups[id(route), labels] = group
        group.members[received.alert.labels] = received
        if not group.flushed and received.alert.starts_at + route.group_wait < now:
            group.next_flush = now  # it has waited long enough already

    def due(self, now: datetime) -> list[Notification]:
        """What is to be told now, in the order in which the groups came due."""
        self._offered, self._latest = {}, {}
        waiting = [group for group in self._groups.values() if group.next_flush <= now]
        told = [self._flush(group, now) for group in sorted(waiting, key=lambda one: (one.next_flush, one.key))]
        self._inhibitor.forget(self._known.drop_over(now - KEPT_OVER))
        self._log = {key: entry for key, entry in self._log.items() if entry.expires_at > now}
        return [one for one in told if one is not None]

    def next_due(self) -> datetime | None:
        """When there is something to look at again; None while there is no group."""
        return min((group.next_flush for group in self._groups.values()), default=None)

    def entry_of(self, one: Notification) -> LogEntry:
        """What the log has to keep of a telling that ``due`` just yielded."""
        return self._offered[one.dedup][0]

    def told(self, one: Notification) -> None:
        """It is kept and will arrive: the same is not told again, and what is over leaves its group."""
        entry, group = self._offered.pop(one.dedup)
        self._log[one.receiver, one.group_key] = entry
        _leave(group, one.at)

    def remember(self, log: Iterable[LogEntry]) -> None:
        """What was told last, by an earlier life or by another process: it counts in place of what we knew."""
        self._log = {(entry.receiver, entry.group_key): entry for entry in log}

    def _flush(self, group: _Group, now: datetime) -> Notification | None:
        if not group.members:
            del self._groups[id(group.route), group.labels]
            return None
        # From the planned instant, so that a late look does not shift all that follow; a missed one is not made up.
        following = group.next_flush + group.route.group_interval
        group.next_flush = following if following > now else now + group.route.group_interval
        group.flushed = True
        passed = [one for one in group.members.values() if not self._hushed(one.alert.labels, now)]
        if passed and not self._muted(group.route, now):
            offered = self._offer(group, passed, now)
            if offered is not None:
                return offered
        _leave(group, now)
        return None

    def _offer(self, group: _Group, passed: Sequence[Received], now: datetime) -> Notification | None:
        route = group.route
        firing = frozenset(one.fingerprint for one in passed if one.active_at(now))
        resolved = frozenset(one.fingerprint for one in passed if not one.active_at(now))
        key = (route.receiver, group.key)
        last = self._latest.get(key) or self._log.get(key)  # two routes of one key and receiver share what was told
        if not needs_telling(
            last, firing=firing, resolved=resolved, now=now, repeat=route.repeat_interval,
            tells_resolved=route.receiver not in self._quiet,
        ):  # fmt: skip
            return None
        entry = LogEntry(
            receiver=route.receiver, group_key=group.key, at=now, firing=firing, resolved=resolved,
            expires_at=now + 2 * route.repeat_interval,
        )  # fmt: skip
        made = notification(
            receiver=route.receiver, group_key=group.key, group_labels=group.labels, at=now,
            alerts=ordered([_as_told(one, now) for one in passed]),
        )  # fmt: skip
        self._offered[made.dedup], self._latest[key] = (entry, group), entry
        return made

    def _hushed(self, labels: Labels, now: datetime) -> bool:
        if any(silence.hushes(labels, now) for silence in self.silences):
            return True
        return self._inhibitor.source_of(labels, now) is not None

    def _muted(self, route: Route, now: datetime) -> bool:
        if route.active and not any(self._intervals[name].contains(now) for name in route.active):
            return True
        return any(self._intervals[name].contains(now) for name in route.mute)


def _leave(group: _Group, now: datetime) -> None:
    for labels in [labels for labels, one in group.members.items() if not one.active_at(now)]:
        del group.members[labels]


def _as_told(one: Received, now: datetime) -> Alert:
    """What still fires has no end: nobody shall read an assumed one."""
    if not one.active_at(now):
        return one.alert
    alert = one.alert
    return Alert(
        labels=alert.labels, annotations=alert.annotations, starts_at=alert.starts_at, generator_url=alert.generator_url
    )
