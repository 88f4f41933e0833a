"""What tests of delivery tell, and to whom."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from alerts.delivery.deliver import Deliverer
from alerts.delivery.http_post import HttpPost
from alerts.delivery.outbox import Outbox
from alerts.delivery.send import Sender
from alerts.delivery.settings import DeliverySettings
from alerts.delivery.smtp import Smtp
from alerts.notification import Notification, notification
from domain.alerts import Alert
from domain.labels import Labels
from rules.receiver import Receiver
from store.state import Deliveries, KeptMessage, State
from tests.fakes.clock import ManualClock
from tests.fakes.executors import InlineExecutor

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
LOOPBACK = ("127.0.0.0/8",)


def alert(name: str = "HighLatency", *, over: bool = False, at: datetime = NOW, **labels: str) -> Alert:
    labels = {"namespace": "shop", "deployment": "cart", **labels}
    return Alert(
        labels=Labels.of(labels, alertname=name), annotations=Labels.of(summary="p95 is 900 ms <b>&"),
        starts_at=at - timedelta(minutes=5), ends_at=at - timedelta(minutes=1) if over else None,
        generator_url="http://prometheus/graph",
    )  # fmt: skip


def telling(
    group: str = "a", *, at: datetime = NOW, over: bool = False, receiver: str = "oncall", alerts: int = 1
) -> Notification:
    told = [alert(over=over, at=at, group=group, pod=str(number)) for number in range(alerts)]
    return notification(
        receiver=receiver, group_key=f'{{}}:{{group="{group}"}}', at=at, alerts=told,
        group_labels=Labels.of(alertname="HighLatency", group=group),
    )  # fmt: skip


def receiver(name: str = "oncall", **spec: Any) -> Receiver:
    return Receiver.model_validate(
        {"apiVersion": "foretide.dev/v1alpha1", "kind": "Receiver", "metadata": {"name": name}, "spec": spec}
    )


class Desk:
    """Outbox and deliverer over one database, with the clock in the test's hand."""

    def __init__(
        self, state: State, *receivers: Receiver, clock: ManualClock, most_waiting: int = 10_000, sender: Any = None,
        timeout: timedelta = timedelta(seconds=5),
    ) -> None:  # fmt: skip
        self.state, self.clock = state, clock
        self.receivers = {one.key: one for one in receivers}
        registry = CollectorRegistry()
        self.registry = registry
        settings = DeliverySettings(
            external_url="https://foretide.example.com", allow=LOOPBACK, variables={"FORETIDE_RECEIVER_KEY": SECRET}
        )
        self.sender = sender or Sender(
            settings, post=HttpPost(allow=LOOPBACK, clock=clock, timeout=timeout), smtp=Smtp(allow=LOOPBACK)
        )
        self.outbox = Outbox(registry=registry, most_waiting=most_waiting)
        self.deliverer = Deliverer(
            state=state, receiver_of=lambda key: self.receivers.get(key), sender=self.sender, clock=clock,
            pool=InlineExecutor(), registry=registry,
        )  # fmt: skip

    def put(self, *tellings: Notification) -> None:
        with self.state.transaction() as session:
            for one in tellings:
                self.outbox.put(session, one)

    def go(self, duration: timedelta, step: timedelta = timedelta(seconds=1)) -> None:
        """Tick until ``duration`` is over."""
        until = self.clock.now() + duration
        self.deliverer.tick(self.clock.now())
        while self.clock.now() < until:
            self.deliverer.tick(self.clock.advance(step))

    def log(self) -> list[KeptMessage]:
        with self.state.transaction() as session:
            return list(reversed(Deliveries(session).page(limit=100_000, offset=0)[0]))

    def standing(self) -> dict[str, str]:
        return {one.id: one.status.value for one in self.log()}


@contextmanager
def opened(folder: Path) -> Iterator[State]:
    state = State.open(f"sqlite:///{folder / 'state.db'}")
    try:
        yield state
    finally:
        state.close()
