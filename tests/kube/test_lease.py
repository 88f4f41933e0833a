from __future__ import annotations

import tempfile
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import NotLeadingError
from kube import Access, Connection, Elector, LeaseTimes, connect, read
from kube.kinds import LEASE
from tests.fakes.clock import ManualClock
from tests.fakes.kube_api import Fault, KubeApi
from tests.kube.conftest import Place, eventually

TIMES = LeaseTimes(request_seconds=5.0)
NAME = "foretide-controller"


def elector(place: Place, identity: str, connection: Connection | None = None) -> Elector:
    return Elector(
        connection or place.connection, namespace=place.namespace, identity=identity, times=TIMES, chance=lambda: 0.5
    )


def lapse(place: Place, seconds: float) -> None:
    place.clock.advance(timedelta(seconds=seconds))


def test_the_first_takes_it_and_the_second_waits(place: Place) -> None:
    one, two = elector(place, "one"), elector(place, "two")

    one.attempt()
    two.attempt()

    assert (one.leading(), one.epoch, two.leading(), two.epoch, two.leader) == (True, 1, False, 1, "one")
    kept = read(place.connection, LEASE, namespace=place.namespace, name=NAME).spec
    assert (kept.holder_identity, kept.lease_duration_seconds, kept.lease_transitions) == ("one", 15, 1)


def test_a_leader_that_renews_keeps_it(place: Place) -> None:
    one, two = elector(place, "one"), elector(place, "two")

    for _ in range(20):
        one.attempt()
        two.attempt()
        lapse(place, 2.2)

    assert (one.leading(), one.epoch, two.leading()) == (True, 1, False)


def test_a_dead_leaders_lease_is_taken_when_it_was_seen_unchanged_for_15_s(place: Place) -> None:
    one, two = elector(place, "one"), elector(place, "two")
    one.attempt()
    two.attempt()

    lapse(place, 14.9)
    two.attempt()
    before = two.leading()
    lapse(place, 0.2)
    two.attempt()

    assert (before, two.leading(), two.epoch) == (False, True, 2)


def test_a_candidate_comes_when_the_lease_runs_out_not_a_period_later(place: Place) -> None:
    elector(place, "one").attempt()
    two = elector(place, "two")
    two.attempt()

    lapse(place, 14.5)
    wait = two.attempt()
    lapse(place, wait)
    two.attempt()

    assert (wait, two.leading()) == (pytest.approx(0.6), True)


def test_a_leader_that_cannot_renew_stops_before_anybody_else_may_begin(on_fake: Place, fake: KubeApi) -> None:
    one, two = elector(on_fake, "one"), elector(on_fake, "two")
    one.attempt()
    two.attempt()
    fake.fail(1000, 500, method="PUT")

    led = []
    for _ in range(16):
        lapse(on_fake, 1.0)
        one.attempt()
        led.append(one.leading())

    assert led == [True] * 9 + [False] * 7
    fake.faults.clear()
    two.attempt()
    assert (two.leading(), two.epoch, one.leading()) == (True, 2, False)


def test_a_hung_renewal_does_not_prolong_leadership(on_fake: Place, fake: KubeApi, tmp_path: Path) -> None:
    one = elector(on_fake, "one")
    one.attempt()
    fake.freeze()

    lapse(on_fake, 9.99)
    leading = one.leading()
    lapse(on_fake, 0.02)
    wait = one.attempt()

    assert (leading, one.leading(), "Timeout" in one.problem or "timed out" in one.problem) == (True, False, True)
    assert wait <= 2.4


def test_a_missing_namespace_of_our_own_is_named_and_not_taken_for_another_leader(
    on_fake: Place, fake: KubeApi, caplog: pytest.LogCaptureFixture
) -> None:
    fake.faults.append(Fault(times=9, code=404, part="/leases"))
    one = elector(on_fake, "one")
    for _ in range(3):
        one.attempt()

    assert one.problem.startswith("namespace shop does not exist, or has no Leases: make it")
    with pytest.raises(NotLeadingError, match="one does not lead: .* namespace shop does not exist") as refused:
        one.fence()
    assert not refused.value.another
    told = [line for line in caplog.records if line.message == "the Lease cannot be had"]
    assert [line.error for line in told] == [one.problem]  # type: ignore[attr-defined]

    fake.faults.clear()
    elector(on_fake, "two").attempt()
    one.attempt()
    with pytest.raises(NotLeadingError) as refused:
        one.fence()
    assert (one.problem, refused.value.another) == ("", True)


def test_the_fence_closes_with_leadership_and_says_how_long_a_write_may_take(on_fake: Place) -> None:
    one = elector(on_fake, "one")
    one.attempt()

    lapse(on_fake, 9.0)
    fence = one.fence()
    lapse(on_fake, 1.0)

    assert (fence.epoch, fence.holds_seconds) == (1, pytest.approx(6.0))
    with pytest.raises(NotLeadingError, match="one does not lead"):
        one.fence()


def test_a_lease_that_is_given_back_is_taken_at_the_next_try(place: Place) -> None:
    one, two = elector(place, "one"), elector(place, "two")
    one.attempt()
    wait = two.attempt()

    one.stop()
    led = one.leading()
    lapse(place, wait)
    two.attempt()

    assert (led, two.leading(), two.epoch) == (False, True, 2)
    assert wait <= 2.4


def test_a_lease_that_is_renewed_while_we_stop_is_given_back_too(on_fake: Place, fake: KubeApi) -> None:
    one = elector(on_fake, "one")
    one.attempt()

    one._stopping.set()
    one.attempt()
    one.stop()

    assert read(on_fake.connection, LEASE, namespace="shop", name=NAME).spec.holder_identity is None


def test_a_leader_that_begins_again_has_a_new_epoch(place: Place) -> None:
    one = elector(place, "one")
    one.attempt()
    lapse(place, 20.0)
    assert not one.leading()

    again = elector(place, "one again")
    again.attempt()
    lapse(place, 15.0)
    again.attempt()

    assert (again.leading(), again.epoch) == (True, 2)


def test_a_takeover_whose_answer_was_lost_is_recognised(on_fake: Place, fake: KubeApi) -> None:
    one = elector(on_fake, "one")
    fake.fail(1, 504, method="POST", after=True)

    one.attempt()
    lost = one.leading()
    one.attempt()

    assert (lost, one.leading(), one.epoch) == (False, True, 1)


def test_two_processes_of_one_name_do_not_lead_both(place: Place) -> None:
    one, same = elector(place, "one"), elector(place, "one")
    one.attempt()
    same.attempt()

    assert (one.leading(), same.leading()) == (True, False)


def test_a_deleted_lease_does_not_begin_the_epochs_anew(place: Place) -> None:
    one = elector(place, "one")
    one.attempt()
    place.writer().delete(LEASE, place.namespace, NAME)
    stranger = Elector(place.connection, namespace=place.namespace, identity="new", times=TIMES, at_least=lambda: 41)

    stranger.attempt()
    one.attempt()

    assert (stranger.epoch, stranger.leading(), one.leading()) == (42, True, False)


def test_what_others_write_into_its_metadata_does_not_prolong_a_lease(place: Place) -> None:
    elector(place, "one").attempt()
    two = elector(place, "two")
    two.attempt()

    lapse(place, 10.0)
    place.writer("alice").patch_merge(LEASE, place.namespace, NAME, {"metadata": {"labels": {"seen": "yes"}}})
    two.attempt()
    lapse(place, 5.1)
    two.attempt()

    assert two.leading()


class Wall:
    """A clock whose wall time jumps by itself; its monotonic time is the shared one."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock, self.jump = clock, timedelta()

    def now(self) -> datetime:
        return self.clock.now() + self.jump

    def monotonic(self) -> float:
        return self.clock.monotonic()


def test_the_clock_on_the_wall_decides_nothing(on_fake: Place, fake: KubeApi, tmp_path: Path) -> None:
    walls = [Wall(on_fake.clock), Wall(on_fake.clock)]
    access = Access(kubeconfig=fake.kubeconfig(tmp_path), context="fake")
    connections = [connect(access, clock=wall) for wall in walls]
    one, two = (elector(on_fake, name, way) for name, way in zip(("one", "two"), connections, strict=True))

    for hours in (0, 1, -1, 5, -10, 3):
        walls[0].jump, walls[1].jump = timedelta(hours=hours), timedelta(hours=-hours)
        one.attempt()
        two.attempt()
        lapse(on_fake, 2.0)

    assert (one.leading(), one.epoch, two.leading()) == (True, 1, False)
    for way in connections:
        way.close()


STEPS = st.lists(
    st.tuples(st.sampled_from(["try", "cut", "mend", "lose", "lapse"]), st.integers(0, 2)), min_size=5, max_size=60
)


@settings(max_examples=60)
@given(steps=STEPS)
def test_never_do_two_lead_and_epochs_only_grow(steps: list[tuple[str, int]]) -> None:
    """Three candidates are cut off, lose answers and wake up late, in any order."""
    clock = ManualClock()
    with KubeApi() as fake:
        place = _places(fake, clock)
        names = ["a", "b", "c"]
        electors = [elector(one, name) for one, name in zip(place, names, strict=True)]
        fake.tokens = set(names)
        begun: dict[str, int] = {}
        for what, which in steps:
            if what == "try":
                electors[which].attempt()
            elif what == "lose":
                fake.fail(1, 504, method="PUT", after=True)
            elif what == "lapse":
                clock.advance(timedelta(seconds=(0.5, 2.2, 9.0)[which]))
            else:
                (fake.tokens.discard if what == "cut" else fake.tokens.add)(names[which])
            leaders = [one for one in electors if one.leading()]
            assert len(leaders) <= 1
            for one in leaders:
                who = one.leader
                assert one.fence().epoch >= max(begun.values(), default=0)
                assert all(epoch < one.epoch for name, epoch in begun.items() if name != who)
                begun[who] = one.epoch
        for one in place:
            one.connection.close()


def _places(fake: KubeApi, clock: ManualClock) -> list[Place]:
    found = []
    for name in ("a", "b", "c"):
        with tempfile.TemporaryDirectory() as folder:
            access = Access(kubeconfig=fake.kubeconfig(Path(folder), token=name), context="fake")
            found.append(Place(connect(access, clock=clock), clock, "shop"))
    return found


def test_the_thread_takes_renews_and_gives_back(on_fake: Place) -> None:
    times = LeaseTimes(lease_seconds=1.0, renew_seconds=0.7, retry_seconds=0.01)
    one, two = (Elector(on_fake.connection, namespace="shop", identity=name, times=times) for name in ("one", "two"))
    one.start()
    eventually(one.leading, "one leads")
    two.start()
    on_fake.clock.advance(timedelta(seconds=0.5))

    one.stop()
    eventually(two.leading, "two leads")
    two.stop()

    assert (one.leading(), two.leading(), two.epoch) == (False, False, 2)


def test_a_lease_that_is_given_back_wakes_the_candidate_long_before_its_next_try(place: Place) -> None:
    times = LeaseTimes(retry_seconds=600.0)
    one, two = (
        Elector(place.connection, namespace=place.namespace, identity=who, times=times) for who in ("one", "two")
    )
    one.start()
    eventually(one.leading, "one leads")
    two.start()
    eventually(lambda: two.leader == "one", "two has seen that")

    one.stop()

    eventually(two.leading, "two leads")
    assert two.epoch == 2
    two.stop()
