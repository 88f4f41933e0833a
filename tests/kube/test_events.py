from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from kube import Events, Regarding, listed
from kube.kinds import EVENT
from tests.fakes.kube_api import KubeApi
from tests.kube.conftest import Place, eventually


def regarding(place: Place) -> Regarding:
    uid = place.hpa()["metadata"]["uid"]
    return Regarding(
        api_version="autoscaling/v2",
        kind="HorizontalPodAutoscaler",
        namespace=place.namespace,
        name="checkout",
        uid=uid,
    )


@pytest.fixture
def events(place: Place) -> Iterator[Events]:
    events = Events(place.writer(), clock=place.clock)
    events.start()
    yield events
    events.stop()


def said(place: Place) -> list[tuple[str, str, str, str]]:
    found = listed(place.connection, EVENT, namespace=place.namespace).objects.values()
    return sorted((one.involved_object.name, one.reason, one.message, one.type) for one in found)


def test_an_event_is_written_about_its_object(place: Place, events: Events) -> None:
    events.say(regarding(place), "FloorRaised", "minReplicas 2 -> 6: the tide comes", severity="Warning")

    eventually(lambda: said(place), "the event")
    assert said(place) == [("checkout", "FloorRaised", "minReplicas 2 -> 6: the tide comes", "Warning")]


def test_what_was_said_last_is_not_said_again(place: Place, events: Events) -> None:
    about = regarding(place)

    new = [events.say(about, "Held", message) for message in ("a rollout", "a rollout", "a freeze", "a rollout")]

    assert new == [True, False, True, True]
    eventually(lambda: len(said(place)) == 3, "three events")


def test_it_is_said_again_before_the_server_forgets_it(place: Place, events: Events) -> None:
    about = regarding(place)
    events.say(about, "Held", "a rollout")
    place.clock.advance(timedelta(minutes=49))
    soon = events.say(about, "Held", "a rollout")
    place.clock.advance(timedelta(minutes=2))

    assert (soon, events.say(about, "Held", "a rollout")) == (False, True)


def test_a_long_message_is_cut_to_what_the_server_takes(place: Place, events: Events) -> None:
    events.say(regarding(place), "Held", "x" * 5000)

    eventually(lambda: said(place), "the event")
    assert len(said(place)[0][2]) == 1024


def test_a_server_that_refuses_events_is_logged_once_and_harms_nobody(
    on_fake: Place, fake: KubeApi, caplog: pytest.LogCaptureFixture
) -> None:
    fake.forbidden.add(("POST", "events"))
    about = regarding(on_fake)
    events = Events(on_fake.writer(), clock=on_fake.clock)
    for number in range(5):
        events.say(about, "Held", f"reason {number}")

    events.start()
    events.stop()

    assert caplog.text.count("an event could not be written") == 1


def test_too_many_that_wait_are_dropped_and_counted(on_fake: Place) -> None:
    about = regarding(on_fake)
    events = Events(on_fake.writer(), clock=on_fake.clock)

    for number in range(1003):
        events.say(about, "Held", f"reason {number}")

    assert events.dropped == 3
