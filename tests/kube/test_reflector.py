from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from kube import Reflector
from kube.kinds import HPA, Hpa, Kind
from kube.reflector import Pace
from tests.fakes.kube_api import KubeApi
from tests.kube.conftest import Place, eventually, hpa

RESOURCE = ("autoscaling", "horizontalpodautoscalers")
QUICK = Pace(
    stall_seconds=2.0, first_pause_seconds=0.02, longest_pause_seconds=0.1, forbidden_seconds=0.05, confirm_seconds=0.01
)

Reflect = Callable[..., Reflector[Any]]


@pytest.fixture
def reflect() -> Iterator[Reflect]:
    """Starts reflectors and stops them."""
    started: list[Reflector[Any]] = []

    def start(place: Place, kind: Kind[Any] = HPA, **given: Any) -> Reflector[Any]:
        reflector = Reflector(place.connection, kind, namespace=place.namespace, **{"pace": QUICK, **given})
        started.append(reflector)
        reflector.start()
        return reflector

    yield start
    for reflector in started:
        reflector.stop()


def names(reflector: Reflector[Any]) -> list[str]:
    return sorted(name for _, name in reflector.objects())


def lists(fake: KubeApi) -> int:
    return sum(one.method == "GET" and "watch" not in one.query and "continue" not in one.query for one in fake.asked)


def test_it_knows_nothing_until_a_whole_list_was_taken(place: Place, reflect: Reflect) -> None:
    place.hpa("one")
    unstarted: Reflector[Hpa] = Reflector(place.connection, HPA, namespace=place.namespace)

    reflector = reflect(place)

    assert (unstarted.synced, dict(unstarted.objects()), unstarted.age_seconds()) == (False, {}, float("inf"))
    assert reflector.wait_synced(10.0)
    assert names(reflector) == ["one"]


def test_it_follows_what_is_made_changed_and_deleted(place: Place, reflect: Reflect) -> None:
    place.hpa("one")
    reflector = reflect(place)
    assert reflector.wait_synced(10.0)

    place.hpa("two")
    place.writer().patch_merge(HPA, place.namespace, "two", {"spec": {"minReplicas": 7}})
    place.writer().delete(HPA, place.namespace, "one")

    eventually(lambda: names(reflector) == ["two"], "one gone, two there")
    eventually(lambda: reflector.objects()[place.namespace, "two"].spec.min_replicas == 7, "the change")
    assert reflector.lists == 1


def test_a_snapshot_never_changes(place: Place, reflect: Reflect) -> None:
    place.hpa("one")
    reflector = reflect(place)
    assert reflector.wait_synced(10.0)
    before, revision = reflector.objects(), reflector.revision

    place.hpa("two")
    eventually(lambda: reflector.revision > revision, "a change")

    assert list(before) == [(place.namespace, "one")]
    assert reflector.objects() is reflector.objects()


def test_it_only_keeps_what_it_was_asked_for(place: Place, reflect: Reflect) -> None:
    place.hpa("one")
    reflector = reflect(place, label_selector="app=two")
    assert reflector.wait_synced(10.0)

    place.hpa("three")
    place.hpa("two")

    eventually(lambda: names(reflector) == ["two"], "two")


def test_objects_as_dicts_are_kept_too(place: Place, reflect: Reflect) -> None:
    place.hpa("one")

    reflector = reflect(place, HPA.as_dicts())

    assert reflector.wait_synced(10.0)
    assert reflector.objects()[place.namespace, "one"]["spec"]["scaleTargetRef"]["name"] == "one"


# ---- faults


def test_a_dropped_watch_goes_on_where_it_was(on_fake: Place, fake: KubeApi, reflect: Reflect) -> None:
    reflector = reflect(on_fake)
    for number in range(5):
        eventually(lambda: fake.watchers, "a watch")
        on_fake.hpa(f"app-{number}")
        fake.drop_watches()

    eventually(lambda: len(names(reflector)) == 5, "all five")
    assert lists(fake) == 1


def test_a_watch_from_too_long_ago_lists_anew_and_notices_what_was_deleted(
    on_fake: Place, fake: KubeApi, reflect: Reflect
) -> None:
    for name in ("one", "two", "three"):
        on_fake.hpa(name)
    reflector = reflect(on_fake)
    eventually(lambda: fake.watchers, "a watch")

    fake.mute_watches()
    on_fake.writer().delete(HPA, "shop", "one")
    fake.objects.compact()
    fake.drop_watches()
    fake.mute_watches(False)

    eventually(lambda: names(reflector) == ["three", "two"], "one gone")
    assert reflector.lists == 2


def test_bookmarks_spare_a_quiet_watch_the_410(on_fake: Place, fake: KubeApi, reflect: Reflect) -> None:
    on_fake.hpa("one")
    reflector = reflect(on_fake)
    eventually(lambda: fake.watchers, "a watch")
    with fake.changing() as objects:
        objects.create(("apps", "deployments"), ("shop", "other"), {"metadata": {"name": "other"}}, manager="x")
    version = str(fake.objects.version)

    eventually(lambda: reflector._version == version, "a bookmark")
    fake.objects.compact()
    fake.drop_watches()
    on_fake.hpa("two")

    eventually(lambda: names(reflector) == ["one", "two"], "two")
    assert reflector.lists == 1


def test_a_half_open_watch_is_noticed_and_opened_anew(on_fake: Place, fake: KubeApi, reflect: Reflect) -> None:
    reflector = reflect(on_fake, pace=Pace(stall_seconds=0.2, first_pause_seconds=0.02))
    eventually(lambda: fake.watchers, "a watch")

    fake.mute_watches()
    on_fake.hpa("one")
    eventually(lambda: "Timeout" in reflector.problem or "timed out" in reflector.problem, "the stall")
    fake.mute_watches(False)

    eventually(lambda: names(reflector) == ["one"], "one")
    assert lists(fake) == 1


@pytest.mark.parametrize("code", [429, 500, 503])
def test_refusals_are_waited_out(on_fake: Place, fake: KubeApi, reflect: Reflect, code: int) -> None:
    on_fake.hpa("one")
    fake.fail(4, code, method="GET")

    reflector = reflect(on_fake)

    assert reflector.wait_synced(10.0)
    eventually(lambda: reflector.problem == "", "a watch")
    assert names(reflector) == ["one"]


def test_a_list_that_breaks_off_changes_nothing(on_fake: Place, fake: KubeApi, reflect: Reflect) -> None:
    for number in range(3):
        on_fake.hpa(f"app-{number}")
    reflector = reflect(on_fake)
    eventually(lambda: fake.watchers, "a watch")
    before = reflector.objects()

    fake.fail(1000, 500, method="GET")
    fake.objects.compact()
    fake.drop_watches()
    eventually(lambda: "500" in reflector.problem, "the failure")

    assert reflector.objects() is before


def test_an_empty_lie_is_not_believed(on_fake: Place, fake: KubeApi, reflect: Reflect) -> None:
    for number in range(3):
        on_fake.hpa(f"app-{number}")
    reflector = reflect(on_fake)
    eventually(lambda: fake.watchers, "a watch")
    seen = reflector.revision

    fake.lie_empty(1)
    fake.fail(1, 410, method="GET")
    fake.drop_watches()

    eventually(lambda: reflector.lists == 3, "a second list")
    eventually(lambda: reflector.revision > seen, "its result")
    assert len(names(reflector)) == 3


def test_what_two_lists_agree_on_is_believed(on_fake: Place, fake: KubeApi, reflect: Reflect) -> None:
    for number in range(3):
        on_fake.hpa(f"app-{number}")
    reflector = reflect(on_fake)
    eventually(lambda: fake.watchers, "a watch")

    fake.mute_watches()
    for number in range(3):
        on_fake.writer().delete(HPA, "shop", f"app-{number}")
    fake.objects.compact()
    fake.drop_watches()
    fake.mute_watches(False)

    eventually(lambda: names(reflector) == [], "all gone")
    assert reflector.lists == 3


def test_a_server_that_stands_still_makes_the_objects_old_and_they_stay(
    on_fake: Place, fake: KubeApi, reflect: Reflect
) -> None:
    on_fake.hpa("one")
    reflector = reflect(on_fake, pace=Pace(stall_seconds=0.1, first_pause_seconds=0.02))
    eventually(lambda: fake.watchers, "a watch")

    fake.freeze()
    fake.mute_watches()
    eventually(lambda: reflector.problem, "the stall")
    on_fake.clock.advance(timedelta(minutes=3))
    assert (names(reflector), reflector.age_seconds() >= 180.0) == (["one"], True)

    fake.mute_watches(False)
    fake.thaw()
    eventually(lambda: reflector.age_seconds() < 1.0, "a sign of life")


def test_a_restarted_server_is_followed_again(on_fake: Place, fake: KubeApi, reflect: Reflect) -> None:
    on_fake.hpa("one")
    reflector = reflect(on_fake)
    eventually(lambda: fake.watchers, "a watch")

    fake.restart()
    on_fake.hpa("two")

    eventually(lambda: names(reflector) == ["one", "two"], "two")
    assert reflector.lists == 1


def test_rights_that_are_taken_away_are_said_and_not_asked_for_in_a_loop(
    on_fake: Place, fake: KubeApi, reflect: Reflect
) -> None:
    reflector = reflect(on_fake, pace=Pace(forbidden_seconds=3600.0))
    eventually(lambda: fake.watchers, "a watch")

    fake.forbidden.add(("GET", "horizontalpodautoscalers"))
    fake.drop_watches()
    eventually(lambda: "403 Forbidden" in reflector.problem, "the refusal")
    asked = len(fake.asked)
    reflector.stop()

    assert len(fake.asked) == asked


def test_an_object_that_became_unreadable_hides_itself_alone(on_fake: Place, fake: KubeApi, reflect: Reflect) -> None:
    on_fake.hpa("one")
    on_fake.hpa("two")
    reflector = reflect(on_fake)
    eventually(lambda: fake.watchers, "a watch")

    with fake.changing() as objects:
        objects.merge(RESOURCE, ("shop", "two"), {"spec": {"maxReplicas": "many"}}, manager="x", lax=True)

    eventually(lambda: names(reflector) == ["one"], "two hidden")
    on_fake.writer("x").patch_merge(HPA, "shop", "two", {"spec": {"maxReplicas": 9}})
    eventually(lambda: names(reflector) == ["one", "two"], "two again")


def test_a_storm_of_events_arrives_whole_and_in_order(on_fake: Place, fake: KubeApi, reflect: Reflect) -> None:
    reflector = reflect(on_fake)
    eventually(lambda: fake.watchers, "a watch")

    with fake.changing() as objects:
        for number in range(500):
            objects.create(RESOURCE, ("shop", f"app-{number}"), hpa(f"app-{number}"), manager="x")
        for number in range(0, 500, 2):
            objects.delete(RESOURCE, ("shop", f"app-{number}"))

    eventually(lambda: names(reflector) == sorted(f"app-{n}" for n in range(1, 500, 2)), "the odd ones")
