"""Our own routes behind the door: kept and logged in one transaction, and never told twice by two lives."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from alerts.notification import Notification
from alerts.routing.matchers import parse
from alerts.routing.router import Router
from alerts.routing.silences import Silence
from app.alerting.notifier import Notifier
from app.alerting.silences import SilenceDesk
from domain.alerts import Alert
from domain.errors import StoreError
from domain.labels import Labels
from store.state import State
from tests.alerts.routing.routed import routing
from tests.fakes.clock import ManualClock

ROUTES = "route: {receiver: team, group_by: [alertname], group_wait: 0s, group_interval: 1m, repeat_interval: 1h}"


class Outbox:
    """Keeps what it is given, or fails."""

    def __init__(self) -> None:
        self.kept: list[Notification] = []
        self.broken = False

    def put(self, session: Session, one: Notification) -> None:
        if self.broken:
            raise StoreError("disk full")
        self.kept.append(one)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    opened = State.open(f"sqlite:///{tmp_path}/state.db")
    yield opened
    opened.close()


def _life(clock: ManualClock, state: State, outbox: Outbox, leads: list[bool] | None = None) -> Notifier:
    led = leads or [True]
    return Notifier(clock=clock, router=Router(routing(ROUTES)), state=state, put=outbox.put, leads=lambda: led[0])


def _alert(clock: ManualClock, name: str = "Down") -> Alert:
    return Alert(labels=Labels.of(alertname=name), starts_at=clock.now(), ends_at=clock.now() + timedelta(minutes=4))


def test_what_could_not_be_kept_is_told_at_the_next_flush(state: State, clock: ManualClock) -> None:
    outbox = Outbox()
    life = _life(clock, state, outbox)
    life.offer([_alert(clock)])
    outbox.broken = True
    life.tick(clock.now())
    outbox.broken = False
    life.tick(clock.advance(timedelta(seconds=59)))
    assert outbox.kept == []
    life.tick(clock.advance(timedelta(seconds=1)))
    assert [one.status for one in outbox.kept] == ["firing"]


def test_the_next_life_does_not_tell_again_what_the_last_one_told(state: State, clock: ManualClock) -> None:
    outbox = Outbox()
    for _ in range(2):
        life = _life(clock, state, outbox)
        life.offer([_alert(clock)])
        life.tick(clock.advance(timedelta(seconds=1)))
    assert len(outbox.kept) == 1


def test_who_begins_to_lead_knows_what_the_leader_told(state: State, clock: ManualClock) -> None:
    outbox, leads = Outbox(), [False]
    follower, leader = _life(clock, state, outbox, leads), _life(clock, state, outbox)
    alert = _alert(clock)
    leader.offer([alert])
    for one in (follower, leader):
        one.tick(clock.now())
    leads[0] = True
    follower.offer([alert])
    follower.tick(clock.advance(timedelta(seconds=1)))
    assert len(outbox.kept) == 1


def test_a_silence_made_while_it_runs_counts_at_once(state: State, clock: ManualClock) -> None:
    outbox = Outbox()
    life = _life(clock, state, outbox)
    SilenceDesk(state, clock).put(
        Silence(
            id="",
            matchers=parse("alertname=Down"),
            starts_at=clock.now(),
            ends_at=clock.now() + timedelta(hours=1),
            created_by="ann",
            comment="moving",
            updated_at=clock.now(),
        )  # fmt: skip
    )
    life.offer([_alert(clock), _alert(clock, "Slow")])
    life.tick(clock.now())
    assert [str(one.group_labels) for one in outbox.kept] == ['{alertname="Slow"}']
