"""A ping while everything runs: who waits for it notices when it stops, which no message of ours could tell.

Pings stand in no outbox: one that is lost is what the receiver is there to notice.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from datetime import datetime
from typing import Final

from alerts.delivery.disabling import Disabling
from alerts.delivery.errors import GoneError, SendError
from alerts.delivery.send import Sender
from alerts.notification import Notification
from domain.alerts import Alert
from domain.clock import Clock
from domain.labels import Labels
from rules.receiver import Receiver

log = logging.getLogger(__name__)

NAME: Final = "ForetideHeartbeat"


class Heartbeat:
    """Pings the receivers that ask for it."""

    def __init__(
        self, *, receivers: Callable[[], Sequence[Receiver]], sender: Sender, disabling: Disabling, clock: Clock,
        pool: Executor, alive: Callable[[datetime], bool], leads: Callable[[], bool] = lambda: True,
    ) -> None:  # fmt: skip
        """``alive`` tells whether the loops run; while they do not, there is no ping."""
        self._receivers, self._sender, self._disabling, self._clock = receivers, sender, disabling, clock
        self._pool, self._alive, self._leads = pool, alive, leads
        self._began = clock.now()
        self._last: dict[str, datetime] = {}
        self._busy: set[str] = set()
        self._lock = threading.Lock()

    def tick(self, now: datetime) -> None:
        """Ping whose time has come; a ping under way is not overtaken by the next one."""
        if not (self._leads() and self._alive(now)):
            return
        for receiver in self._receivers():
            every, last = receiver.spec.heartbeat, self._last.get(receiver.key)
            if every is None or (last is not None and now - last < every):
                continue
            with self._lock:
                if receiver.key in self._busy:
                    continue
                self._busy.add(receiver.key)
            self._last[receiver.key] = now
            try:
                self._pool.submit(self._ping, receiver, now)
            except RuntimeError:  # the pool is closed: we stop
                self._busy.discard(receiver.key)

    def last(self, key: str) -> datetime | None:
        """When a receiver was pinged last."""
        return self._last.get(key)

    def _ping(self, receiver: Receiver, now: datetime) -> None:
        try:
            if not self._disabling.is_disabled(receiver):
                self._sender.send(_notification(receiver, began=self._began, at=now), receiver, self._clock.now())
        except GoneError as error:
            self._disabling.disable(receiver, str(error))
        except SendError as error:
            log.warning("heartbeat not delivered", extra={"receiver": receiver.key, "error": str(error)})
        except Exception:
            log.exception("heartbeat failed", extra={"receiver": receiver.key})
        finally:
            with self._lock:
                self._busy.discard(receiver.key)


def _notification(receiver: Receiver, *, began: datetime, at: datetime) -> Notification:
    """In the receiver's format it is an alert that always fires, as Prometheus' Watchdog is."""
    labels = Labels.of(alertname=NAME, receiver=receiver.key)
    said = Labels.of(summary="Foretide's loops run; the absence of this message is the alert.")
    id_ = hashlib.sha256(f"heartbeat\n{receiver.key}\n{at.isoformat()}".encode()).hexdigest()[:32]
    return Notification(
        receiver=receiver.key, group_key=f"heartbeat/{receiver.key}", group_labels=Labels.of(alertname=NAME),
        status="firing", alerts=(Alert(labels=labels, annotations=said, starts_at=began),), at=at, dedup=id_,
    )  # fmt: skip
