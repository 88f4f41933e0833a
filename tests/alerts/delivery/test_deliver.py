"""Whatever a receiver does, every message arrives with its id, and those of a group in order."""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import json
from collections import defaultdict
from datetime import timedelta
from email.utils import format_datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alerts.delivery.errors import RefusedError, SendError
from alerts.notification import Notification
from rules.receiver import Receiver
from store.state import AuditTrail, Deliveries, State
from tests.alerts.delivery.things import NOW, SECRET, Desk, receiver, telling
from tests.fakes.clock import ManualClock
from tests.fakes.webhook_receiver import WebhookReceiver

NUMBERS = itertools.count()
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
def desk(state: State, hook: WebhookReceiver, clock: ManualClock) -> Desk:
    to_hook = receiver(webhook={"url": hook.url, "secrets": [{"env": "FORETIDE_RECEIVER_KEY"}]})
    return Desk(state, to_hook, clock=clock)


def groups_in_order(hook: WebhookReceiver) -> dict[str, list[str]]:
    """Ids by group, each where it was first taken."""
    order: dict[str, list[str]] = defaultdict(list)
    for one in hook.taken:
        key = json.loads(one.body)["groupKey"]
        if one.id not in order[key]:
            order[key].append(one.id)
    return order


def test_a_message_arrives_signed_over_its_exact_bytes(desk: Desk, hook: WebhookReceiver) -> None:
    desk.put(telling())
    desk.deliverer.tick(NOW)

    (got,) = hook.got
    signed = f"{got.id}.{got.headers['webhook-timestamp']}.".encode() + got.body
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert got.headers["webhook-signature"] == expected
    assert got.id == telling().dedup
    assert set(desk.standing().values()) == {"delivered"}


def test_the_same_telling_is_kept_once(desk: Desk, hook: WebhookReceiver) -> None:
    desk.put(telling(), telling())
    desk.go(MINUTE)

    assert len(hook.got) == 1


def test_after_an_hour_away_all_of_it_arrives_within_five_minutes_in_order(desk: Desk, hook: WebhookReceiver) -> None:
    hook.stop()
    told = [telling(group, at=NOW + minute * MINUTE) for minute in range(6) for group in "abc"]
    desk.put(*told)
    desk.go(HOUR, step=20 * SECOND)
    assert set(desk.standing().values()) == {"pending"}

    hook.start()
    desk.go(5 * MINUTE, step=5 * SECOND)

    assert set(desk.standing().values()) == {"delivered"}
    order = groups_in_order(hook)
    assert order == {one.group_key: [each.dedup for each in told if each.group_key == one.group_key] for one in told}


def test_a_receiver_that_is_away_is_tried_less_and_less(desk: Desk, hook: WebhookReceiver) -> None:
    hook.say(503, times=1000)
    desk.put(*(telling(str(number)) for number in range(50)))
    desk.go(HOUR, step=15 * SECOND)

    assert 30 < len(hook.got) < 100
    assert len({one.id for one in hook.got}) > 20  # one tries for all, and not always the same


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408, 425, 429, 301])
def test_what_may_pass_is_tried_again_with_the_same_id_and_bytes(
    desk: Desk, hook: WebhookReceiver, status: int
) -> None:
    hook.say(status, Location="http://127.0.0.1:1/")
    desk.put(telling())
    desk.go(10 * SECOND)

    assert [one.status for one in hook.got] == [status, 200]
    assert len({(one.id, one.body) for one in hook.got}) == 1


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_kept_to(desk: Desk, hook: WebhookReceiver, form: str) -> None:
    hook.say(429, Retry_After="90" if form == "seconds" else format_datetime(NOW + 90 * SECOND, usegmt=True))
    desk.put(telling(), telling("other"))
    desk.go(85 * SECOND)
    assert len(hook.got) == 1

    desk.go(10 * SECOND)
    assert len(hook.taken) == 2


@pytest.mark.parametrize("status", [400, 401, 404, 413, 422])
def test_a_refused_message_is_dead_at_once_and_the_next_goes_on(desk: Desk, hook: WebhookReceiver, status: int) -> None:
    hook.say(status)
    first, second = telling(), telling(at=NOW + SECOND)
    desk.put(first, second)
    desk.go(SECOND)

    assert desk.standing() == {first.dedup: "dead", second.dedup: "delivered"}
    assert desk.log()[0].error == f"it answered {status}"


def test_a_dead_letter_is_replayed_with_its_id(desk: Desk, hook: WebhookReceiver) -> None:
    hook.say(400)
    desk.put(telling())
    desk.go(SECOND)
    with desk.state.transaction() as session:
        Deliveries(session).replay(telling().dedup, desk.clock.now())
    desk.go(SECOND)

    assert [one.id for one in hook.got] == [telling().dedup] * 2
    assert set(desk.standing().values()) == {"delivered"}


def test_410_disables_until_the_document_is_edited(desk: Desk, hook: WebhookReceiver) -> None:
    hook.say(410)
    desk.put(telling(), telling("other"))
    desk.go(HOUR, step=MINUTE)
    assert len(hook.got) == 1
    with desk.state.transaction() as session:
        assert [one.verb for one in AuditTrail(session).newest(limit=5)] == ["receiver disabled"]

    desk.receivers["default/oncall"] = receiver(webhook={"url": f"{hook.url}/new"})
    desk.go(SECOND)

    assert set(desk.standing().values()) == {"delivered"}
    assert [one.path for one in hook.taken] == ["/hook/new"] * 2


def test_after_a_day_a_message_is_dead(desk: Desk, hook: WebhookReceiver) -> None:
    hook.say(500, times=10_000)
    desk.put(telling(), telling("untried", receiver="nobody"))
    desk.go(24 * HOUR + 40 * MINUTE, step=10 * MINUTE)

    assert set(desk.standing().values()) == {"dead"}
    assert {one.error for one in desk.log()} == {"it answered 500", "there is no receiver default/nobody"}


def test_a_silent_receiver_is_cut_off_and_tried_again(state: State, hook: WebhookReceiver, clock: ManualClock) -> None:
    desk = Desk(state, receiver(webhook={"url": hook.url}), clock=clock, timeout=timedelta(milliseconds=200))
    hook.say(0)
    desk.put(telling())
    desk.deliverer.tick(NOW)
    assert "did not answer within 0.2 s" in desk.log()[0].error

    desk.go(6 * SECOND)
    assert [one.id for one in hook.got] == [telling().dedup] * 2


def test_a_reply_stands_nowhere(desk: Desk, hook: WebhookReceiver) -> None:
    hook.body = b"internal secret " * 10_000
    hook.say(500)
    desk.put(telling())
    desk.go(SECOND)

    assert "secret" not in desk.log()[0].error


def test_who_dies_between_send_and_mark_sends_the_same_id_again(
    state: State, hook: WebhookReceiver, clock: ManualClock
) -> None:
    class Dies(Exception):
        pass

    class DiesAfterSending:
        def __init__(self, inner: Desk) -> None:
            self.inner = inner

        def send(self, *args: object) -> None:
            self.inner.sender.send(*args)
            raise Dies

    to = receiver(webhook={"url": hook.url})
    lives = Desk(state, to, clock=clock)
    lives.put(telling(), telling(at=NOW + SECOND))
    for _ in range(5):
        Desk(state, to, clock=clock, sender=DiesAfterSending(lives)).deliverer.tick(NOW)
    lives.go(SECOND)

    assert [one.id for one in hook.got] == [telling().dedup] * 6 + [telling(at=NOW + SECOND).dedup]


def test_without_resolved_an_end_is_skipped(state: State, hook: WebhookReceiver, clock: ManualClock) -> None:
    desk = Desk(state, receiver(webhook={"url": hook.url}, sendResolved=False), clock=clock)
    desk.put(telling(over=True), telling("b"))
    desk.go(SECOND)

    assert sorted(desk.standing().values()) == ["delivered", "skipped"]
    assert len(hook.got) == 1


def test_a_full_outbox_drops_ends_first_and_counts(state: State, hook: WebhookReceiver, clock: ManualClock) -> None:
    desk = Desk(state, clock=clock, most_waiting=3)
    first, end, second, third, fourth = (
        telling("1"), telling("2", over=True), telling("3"), telling("4"), telling("5")
    )  # fmt: skip
    desk.put(first, end, second, third)
    assert desk.standing()[end.dedup] == "dropped"

    desk.put(fourth)
    assert [key for key, value in desk.standing().items() if value == "dropped"] == [first.dedup, end.dedup]
    assert desk.registry.get_sample_value("foretide_deliveries_dropped_total") == 2


def test_another_receiver_does_not_wait_for_one_that_fails(
    state: State, hook: WebhookReceiver, clock: ManualClock
) -> None:
    gone = receiver("gone", webhook={"url": "http://127.0.0.1:9/"})
    desk = Desk(state, gone, receiver(webhook={"url": hook.url}), clock=clock)
    desk.put(telling(receiver="gone"), telling())
    desk.deliverer.tick(NOW)

    assert sorted(desk.standing().values()) == ["delivered", "pending"]


class Moody:
    """Takes or fails as it is told, and remembers what it took; a lost answer is a message that it took."""

    def __init__(self, moods: list[str]) -> None:
        self.moods, self.took, self.refused = moods, list[Notification](), list[str]()

    def send(self, notification: Notification, to: Receiver, now: object) -> None:
        mood = self.moods.pop() if self.moods else "ok"
        if mood in ("ok", "answer lost"):
            self.took.append(notification)
        if mood == "refused":
            self.refused.append(notification.dedup)
            raise RefusedError("no")
        if mood != "ok":
            raise SendError(mood, retry_after=timedelta(seconds=30) if mood == "busy" else None)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    moods=st.lists(st.sampled_from(["ok", "down", "busy", "answer lost", "refused"]), max_size=15),
    groups=st.lists(st.sampled_from("abc"), min_size=1, max_size=8),
)
def test_whatever_comes_of_each_attempt_nothing_is_lost_and_groups_keep_their_order(
    state: State, moods: list[str], groups: list[str]
) -> None:
    sender, name = Moody(list(moods)), f"one-{next(NUMBERS)}"  # an example's own, in one database
    desk = Desk(state, receiver(name, webhook={"url": "http://x/"}), clock=ManualClock(NOW), sender=sender)
    told = [telling(group, at=NOW + number * SECOND, receiver=name) for number, group in enumerate(groups)]
    desk.put(*told)
    for _ in range(len(moods) + 2):
        desk.clock.advance(16 * MINUTE)
        desk.deliverer.tick(desk.clock.now())
    ours = {one.dedup for one in told}
    standing = {id_: status for id_, status in desk.standing().items() if id_ in ours}

    assert {id_ for id_, status in standing.items() if status == "dead"} == set(sender.refused)
    delivered = list(dict.fromkeys(one.dedup for one in sender.took))
    assert set(delivered) | set(sender.refused) == ours
    for group in set(groups):
        order = [one.dedup for one in told if one.group_labels.value_of("group") == group]
        assert [id_ for id_ in delivered if id_ in order] == [id_ for id_ in order if id_ in delivered]
