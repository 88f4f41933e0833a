"""The one door for alerts: to the Alertmanagers that exist, or through our own routes into the outbox.

What a tick decides to tell is kept and logged in one transaction: killed before it, the next life decides again; after
it, the outbox has it. So nothing is lost, and nothing decided twice.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.orm import Session

from alerts.notification import Notification
from alerts.routing.log import LogEntry
from alerts.routing.router import Router
from app.alerting.alertmanagers import Alertmanager
from app.alerting.silences import silence_of
from domain.alerts import Alert
from domain.clock import Clock
from domain.errors import StoreError
from store.state import State
from store.state.routing import KeptTelling, NotificationLog, Silences

log = logging.getLogger(__name__)

TICK_EVERY: Final = timedelta(seconds=1)
Put = Callable[[Session, Notification], None]
_FIELDS: Final = ("receiver", "group_key", "at", "firing", "resolved", "expires_at")


class Notifier:
    """Takes alerts of several threads; with neither Alertmanagers nor routes they go nowhere, as Prometheus' then."""

    def __init__(
        self,
        *,
        clock: Clock,
        alertmanagers: Sequence[Alertmanager] = (),
        router: Router | None = None,
        state: State | None = None,
        put: Put | None = None,
        leads: Callable[[], bool] = lambda: True,
    ) -> None:
        """Begin.

        Args:
            clock: When an alert comes.
            alertmanagers: Each is handed everything; where there is one, ``router`` is not used.
            router: Our own routes.
            state: Keeps what the router told, and knows the silences.
            put: Keeps a notification for delivery, inside the transaction.
            leads: Whether this process tells; of several only one does.
        """
        self._clock, self._alertmanagers, self._router = clock, tuple(alertmanagers), router
        self._state, self._put, self._leads = state, put, leads
        self._lock = threading.Lock()
        self._knows_the_log = False

    def offer(self, alerts: Sequence[Alert]) -> None:
        """Take them; never waits for a network."""
        if self._alertmanagers:
            for one in self._alertmanagers:
                one.offer(alerts)
        elif self._router is not None:
            with self._lock:
                self._router.receive(alerts, self._clock.now())

    def tick(self, now: datetime) -> None:
        """Put what is due into the outbox; what cannot be written is decided again at the group's next flush."""
        if self._router is None or self._state is None or self._put is None:
            return
        if not self._leads():
            self._knows_the_log = False
            return
        with self._lock:
            try:
                self._tick(self._router, self._state, self._put, now)
            except StoreError as error:
                log.error("notifications are not kept", extra={"error": str(error)})

    def _tick(self, router: Router, state: State, put: Put, now: datetime) -> None:
        with state.transaction() as session:
            if not self._knows_the_log:
                router.remember(LogEntry(**{name: getattr(one, name) for name in _FIELDS})
                                for one in NotificationLog(session).all(now))  # fmt: skip
                self._knows_the_log = True
            router.silences = tuple(map(silence_of, Silences(session).all(ending_after=now)))
            due = router.due(now)
            for one in due:
                put(session, one)
                NotificationLog(session).put(_kept(router.entry_of(one)))
            if due:
                NotificationLog(session).forget(now)
        for one in due:
            router.told(one)


def _kept(entry: LogEntry) -> KeptTelling:
    return KeptTelling(**{name: getattr(entry, name) for name in _FIELDS})
