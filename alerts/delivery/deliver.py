"""The loop that empties the outbox: each receiver on its own, within it each group in order.

A message is sent, then marked. Who dies in between sends it again with the same id, by which the receiver knows it.
A receiver that fails is left alone for a twelfth of the time that it fails; then one message tries for all.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

from alerts.delivery import retry
from alerts.delivery.as_json import from_json
from alerts.delivery.disabling import Disabling
from alerts.delivery.errors import GoneError, RefusedError, SendError
from alerts.delivery.send import Sender
from domain.clock import Clock
from domain.errors import StoreError
from rules.receiver import Receiver
from store.state import Deliveries, DeliveryStatus, KeptMessage, State

log = logging.getLogger(__name__)

_AT_A_TIME: Final = 200
"""Messages to one receiver in one turn; the next tick goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A receiver that fails: since when, and until when it is left alone."""

    since: datetime
    until: datetime


class Deliverer:
    """Sends what waits; ``tick`` comes back at once where ``pool`` has threads."""

    def __init__(
        self, *, state: State, receiver_of: Callable[[str], Receiver | None], sender: Sender, clock: Clock,
        pool: Executor, registry: CollectorRegistry, leads: Callable[[], bool] = lambda: True,
    ) -> None:  # fmt: skip
        """Nothing is sent before the first tick, and nothing by a process that does not lead."""
        self._state, self._receiver_of, self._sender, self._clock = state, receiver_of, sender, clock
        self._pool, self._leads = pool, leads
        self._lock, self._busy, self._holds = threading.Lock(), set[str](), dict[str, Hold]()
        self.disabling = Disabling(state, clock=clock)
        self._attempts = Counter(
            "foretide_deliveries", "Attempts to deliver a message, by what came of it.", ["result"], registry=registry
        )
        self._waiting = Gauge("foretide_deliveries_waiting", "Messages in the outbox.", registry=registry)

    def tick(self, now: datetime) -> None:
        """Begin a turn of each receiver that has something to get and is in none."""
        if not self._leads():
            return
        with self._state.transaction() as session:
            kept = Deliveries(session)
            receivers = kept.receivers()
            self._waiting.set(kept.waiting() if receivers else 0)
        for key in receivers:
            with self._lock:
                if key in self._busy:
                    continue
                self._busy.add(key)
            try:
                self._pool.submit(self._turn, key, now)
            except RuntimeError:  # the pool is closed: we stop
                self._busy.discard(key)

    def held(self, key: str) -> Hold | None:
        """Whether a receiver is left alone now."""
        return self._holds.get(key)

    def _turn(self, key: str, now: datetime) -> None:
        try:
            self._empty(key, now)
        except StoreError as error:
            log.warning("deliveries cannot be marked", extra={"receiver": key, "error": str(error)})
        except Exception:
            log.exception("delivering failed", extra={"receiver": key})
        finally:
            with self._lock:
                self._busy.discard(key)

    def _empty(self, key: str, now: datetime) -> None:
        receiver, hold = self._receiver_of(key), self._holds.get(key)
        if receiver is None or self.disabling.is_disabled(receiver):
            why = f"there is no receiver {key}" if receiver is None else "the receiver is disabled"
            self._give_up(key, now, why)
            return
        if hold is not None and now < hold.until:
            return
        for _ in range(_AT_A_TIME):
            with self._state.transaction() as session:
                message = Deliveries(session).next_for(key, self._clock.now())
            if message is None or not self._deliver(message, receiver):
                return

    def _deliver(self, message: KeptMessage, receiver: Receiver) -> bool:
        """Whether the receiver can be told the next one."""
        notification, now = from_json(message.body), self._clock.now()
        if message.resolved and not receiver.spec.send_resolved:
            self._end(message, DeliveryStatus.SKIPPED, "the receiver has sendResolved: false", tried=False)
            return True
        try:
            self._sender.send(notification, receiver, now)
        except GoneError as error:
            self.disabling.disable(receiver, str(error))
            self._put_off(message, error)
            return False
        except RefusedError as error:
            self._end(message, DeliveryStatus.DEAD, str(error))
            return True
        except SendError as error:
            self._failed(message, error)
            return False
        self._holds.pop(message.receiver, None)
        self._end(message, DeliveryStatus.DELIVERED)
        return True

    def _failed(self, message: KeptMessage, error: SendError) -> None:
        now = self._clock.now()
        hold = self._holds.get(message.receiver)
        since = hold.since if hold is not None else message.failing_since or now
        until = now + retry.delay(
            failing_for=now - since, attempt=message.attempts + 1, id_=message.receiver, asked=error.retry_after
        )
        self._holds[message.receiver] = Hold(since=since, until=until)
        if now - message.created_at >= retry.GIVE_UP_AFTER or message.attempts + 1 >= retry.MOST_ATTEMPTS:
            self._end(message, DeliveryStatus.DEAD, str(error))
            self._give_up(message.receiver, now, str(error))
        else:
            self._put_off(message, error)

    def _put_off(self, message: KeptMessage, error: SendError) -> None:
        now = self._clock.now()
        since = message.failing_since or now
        until = now + retry.delay(
            failing_for=now - since, attempt=message.attempts + 1, id_=message.id, asked=error.retry_after
        )
        self._attempts.labels(result="failed").inc()
        with self._state.transaction() as session:
            Deliveries(session).put_off(message.id, until=until, failing_since=since, error=str(error))

    def _end(self, message: KeptMessage, status: DeliveryStatus, error: str = "", *, tried: bool = True) -> None:
        with self._state.transaction() as session:
            Deliveries(session).end(message.id, status, self._clock.now(), error=error, tried=tried)
        self._attempts.labels(result=status.value).inc()
        if status is DeliveryStatus.DEAD:
            fields = {"receiver": message.receiver, "delivery": message.id, "error": error}
            log.warning("a message is given up", extra=fields)

    def _give_up(self, key: str, now: datetime, why: str) -> None:
        """What has waited for a day goes to the dead letters, untried."""
        with self._state.transaction() as session:
            count = Deliveries(session).give_up(key, before=now - retry.GIVE_UP_AFTER, at=now, error=why)
        if count:
            self._attempts.labels(result=DeliveryStatus.DEAD.value).inc(count)
            log.warning("messages are given up", extra={"receiver": key, "count": count, "error": why})
