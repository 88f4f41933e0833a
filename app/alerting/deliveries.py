"""Delivery as the program has it: the outbox, the loop that empties it, heartbeats, and what the API tells of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from prometheus_client import CollectorRegistry

from alerts.delivery.deliver import Deliverer
from alerts.delivery.heartbeat import Heartbeat
from alerts.delivery.http_post import HttpPost
from alerts.delivery.outbox import Outbox
from alerts.delivery.send import Sender
from alerts.delivery.settings import DeliverySettings
from alerts.delivery.smtp import Smtp
from app.telemetry import LoopTick
from domain.clock import Clock
from domain.errors import ForetideError
from rules import RuleSet
from rules.receiver import Receiver
from store.state import Deliveries, DeliveryStatus, KeptMessage, State

EVERY: Final = timedelta(seconds=1)
KEPT_FOR: Final = timedelta(days=30)
"""Of messages that have ended; a dead letter older than this is not worth a page any more."""
THREADS: Final = 8
"""Receivers told at the same time; a slow one takes one thread for 15 s at most."""


_FRESH: Final = timedelta(minutes=2)
"""Of the loop that decides, which ticks every 15 s: eight ticks missed are no hiccup."""


def loops_run(ticks: Callable[[], Sequence[LoopTick]]) -> Callable[[datetime], bool]:
    """Whether decisions are made: their newest tick is fresh and did not fail."""

    def alive(now: datetime) -> bool:
        newest = next((one for one in ticks() if one.loop == "decide"), None)
        return newest is not None and not newest.error and now - newest.started_at < _FRESH

    return alive


class NoSuchDeliveryError(ForetideError):
    """There is no message, or no receiver, of that name."""


class NotOverError(ForetideError):
    """The message still waits: it is sent without being asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverState:
    """A receiver and how it does."""

    receiver: Receiver
    source: str
    problem: str
    disabled_at: datetime | None
    disabled_reason: str
    failing_since: datetime | None
    next_attempt_at: datetime | None
    last_heartbeat_at: datetime | None


class DeliveryParts:
    """All of it, built once."""

    def __init__(
        self, settings: DeliverySettings, *, state: State, rules: Callable[[], RuleSet], clock: Clock, pool: Executor,
        registry: CollectorRegistry, alive: Callable[[datetime], bool] = lambda now: True,
        leads: Callable[[], bool] = lambda: True, base_url: str = "",
    ) -> None:  # fmt: skip
        """Nothing is sent before the first tick; ``base_url`` is where this process listens."""
        settings = replace(settings, external_url=settings.external_url or base_url)
        self._state, self._rules, self._clock, self._pool = state, rules, clock, pool
        self._sender = Sender(
            settings, post=HttpPost(allow=settings.allow, clock=clock), smtp=Smtp(allow=settings.allow)
        )
        self.outbox = Outbox(registry=registry)
        self.deliverer = Deliverer(
            state=state, receiver_of=self._receiver, sender=self._sender, clock=clock, pool=pool, registry=registry,
            leads=leads,
        )  # fmt: skip
        self.heartbeat = Heartbeat(
            receivers=lambda: rules().receivers, sender=self._sender, disabling=self.deliverer.disabling, clock=clock,
            pool=pool, alive=alive, leads=leads,
        )  # fmt: skip

    def tick(self, now: datetime) -> None:
        """Send what waits, and ping who asks for it."""
        self.deliverer.tick(now)
        self.heartbeat.tick(now)

    def forget(self, now: datetime) -> None:
        """Delete what ended long ago."""
        with self._state.transaction() as session:
            Deliveries(session).forget(now - KEPT_FOR)

    def close(self) -> None:
        """Take no more turns; one that is under way ends by its deadline, or counts as not sent."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def page(
        self, *, page: int, limit: int, receiver: str | None, statuses: Sequence[DeliveryStatus]
    ) -> tuple[list[KeptMessage], int]:
        """The log, newest first, and how long it is."""
        with self._state.transaction() as session:
            return Deliveries(session).page(
                limit=limit, offset=(page - 1) * limit, receiver=receiver, statuses=statuses
            )

    def replay(self, id_: str) -> KeptMessage:
        """Send a message that has ended again, with the same id.

        Raises:
            NoSuchDeliveryError: Nobody knows it.
            NotOverError: It waits already.
        """
        with self._state.transaction() as session:
            kept = Deliveries(session)
            found = kept.get(id_)
            if found is None:
                raise NoSuchDeliveryError(f"there is no delivery {id_}")
            if found.status is DeliveryStatus.PENDING:
                raise NotOverError(f"the delivery {id_} still waits; it is sent without being asked for")
            kept.replay(id_, self._clock.now())
            again = kept.get(id_)
        if again is None:
            raise NoSuchDeliveryError(f"there is no delivery {id_}")
        return again

    def enable(self, key: str, *, by: str) -> ReceiverState:
        """Tell a disabled receiver again.

        Raises:
            NoSuchDeliveryError: There is no such receiver.
        """
        if self._receiver(key) is None:
            raise NoSuchDeliveryError(f"there is no receiver {key}")
        self.deliverer.disabling.enable(key, by=by, why="asked by the API")
        return next(one for one in self.receivers() if one.receiver.key == key)

    def receivers(self) -> list[ReceiverState]:
        """All of them, by key."""
        rules = self._rules()
        disabling = self.deliverer.disabling
        disabled = {one.key for one in rules.receivers if disabling.is_disabled(one)}
        why = disabling.all()
        states = []
        for one in rules.receivers:
            hold, off = self.deliverer.held(one.key), why.get(one.key) if one.key in disabled else None
            states.append(ReceiverState(
                receiver=one, source=rules.sources.get(f"Receiver {one.key}", ""), problem=self._sender.problem(one),
                disabled_at=None if off is None else off.at, disabled_reason="" if off is None else off.reason,
                failing_since=None if hold is None else hold.since,
                next_attempt_at=None if hold is None else hold.until,
                last_heartbeat_at=self.heartbeat.last(one.key),
            ))  # fmt: skip
        return states

    def _receiver(self, key: str) -> Receiver | None:
        return next((one for one in self._rules().receivers if one.key == key), None)
