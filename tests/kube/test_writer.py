from __future__ import annotations

from typing import Any

import pytest

from domain.errors import KubeError, NotLeadingError
from kube import Fence, Fresh, Writer, owners, read
from kube.kinds import HPA
from tests.fakes.kube_api import KubeApi
from tests.kube.conftest import Place, hpa


def floor(replicas: int, **annotations: str) -> dict[str, Any]:
    return {"metadata": {"annotations": annotations}, "spec": {"minReplicas": replicas}}


def minimum(place: Place) -> int:
    return read(place.connection, HPA, namespace=place.namespace, name="checkout").spec.min_replicas


def test_an_apply_owns_the_fields_that_it_names_and_no_others(place: Place) -> None:
    place.hpa()

    place.writer().apply(HPA, place.namespace, "checkout", floor(4, note="x"), force=True)

    metadata = read(place.connection, HPA, namespace=place.namespace, name="checkout").metadata
    assert minimum(place) == 4
    assert [(one.manager, one.operation) for one in owners(metadata, "spec", "minReplicas")] == [("foretide", "Apply")]
    assert [one.manager for one in owners(metadata, "spec", "maxReplicas")] == ["helm"]
    assert [one.manager for one in owners(metadata, "metadata", "annotations")] == ["foretide"]


def test_a_field_of_another_manager_is_not_taken_and_the_rival_is_named(place: Place) -> None:
    place.hpa()

    with pytest.raises(KubeError) as refused:
        place.writer().apply(HPA, place.namespace, "checkout", floor(4))

    assert refused.value.is_owned_by_another
    assert not refused.value.is_outdated
    assert [(field, "helm" in said) for _, field, said in refused.value.causes] == [(".spec.minReplicas", True)]
    assert minimum(place) == 2


def test_a_field_that_is_given_up_falls_to_its_default(place: Place) -> None:
    place.hpa()
    place.writer().apply(HPA, place.namespace, "checkout", floor(4, note="x"), force=True)

    place.writer().apply(HPA, place.namespace, "checkout", {"metadata": {}})

    now = read(place.connection, HPA, namespace=place.namespace, name="checkout")
    assert (now.spec.min_replicas, now.metadata.annotations or {}) == (1, {})


def test_applying_what_is_there_changes_nothing(place: Place) -> None:
    place.hpa()
    first = place.writer().apply(HPA, place.namespace, "checkout", floor(4), force=True)

    second = place.writer().apply(HPA, place.namespace, "checkout", floor(4), force=True)

    assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


def test_what_changed_since_it_was_read_is_not_overwritten(place: Place) -> None:
    old = place.hpa()["metadata"]["resourceVersion"]
    place.writer("alice").patch_merge(HPA, place.namespace, "checkout", {"spec": {"maxReplicas": 30}})

    with pytest.raises(KubeError) as refused:
        place.writer().apply(HPA, place.namespace, "checkout", floor(4), resource_version=old, force=True)

    assert refused.value.is_outdated
    assert minimum(place) == 2


def test_after_a_conflict_a_fresh_read_decides_what_is_written(place: Place) -> None:
    old = place.hpa()["metadata"]["resourceVersion"]
    place.writer("alice").patch_merge(HPA, place.namespace, "checkout", {"spec": {"maxReplicas": 30}})

    def again() -> Fresh:
        now = read(place.connection, HPA, namespace=place.namespace, name="checkout")
        return Fresh(body=floor(now.spec.max_replicas // 2), resource_version=now.metadata.resource_version)

    place.writer().apply(HPA, place.namespace, "checkout", floor(4), resource_version=old, force=True, again=again)

    assert minimum(place) == 15


def test_conflicts_end_after_five_tries(on_fake: Place, fake: KubeApi) -> None:
    version = on_fake.hpa()["metadata"]["resourceVersion"]
    fake.fail(100, 409, method="PATCH")
    reads = []

    def again() -> Fresh:
        reads.append(1)
        return Fresh(body=floor(4), resource_version=version)

    with pytest.raises(KubeError, match="409"):
        on_fake.writer().apply(HPA, "shop", "checkout", floor(4), resource_version=version, again=again)

    assert (len(reads), sum(one.method == "PATCH" for one in fake.asked)) == (4, 5)


def test_nothing_is_written_to_an_object_that_was_recreated(place: Place) -> None:
    uid = place.hpa()["metadata"]["uid"]
    place.writer().delete(HPA, place.namespace, "checkout", uid=uid)
    place.hpa()

    for write in (
        lambda: place.writer().apply(HPA, place.namespace, "checkout", floor(4), uid=uid, force=True),
        lambda: place.writer().patch_merge(HPA, place.namespace, "checkout", floor(4), uid=uid),
        lambda: place.writer().delete(HPA, place.namespace, "checkout", uid=uid),
    ):
        with pytest.raises(KubeError) as refused:
            write()
        assert (refused.value.is_recreated, refused.value.is_outdated) == (True, False), refused.value
    assert minimum(place) == 2


def test_an_apply_with_a_uid_does_not_create_what_is_gone(place: Place) -> None:
    uid = place.hpa()["metadata"]["uid"]
    place.writer().delete(HPA, place.namespace, "checkout")
    whole = {**floor(4), "spec": hpa("checkout")["spec"]}

    with pytest.raises(KubeError) as refused:
        place.writer().apply(HPA, place.namespace, "checkout", whole, uid=uid)

    assert (refused.value.status, refused.value.is_recreated) == (409, True), refused.value


def test_deleting_what_is_gone_is_done(place: Place) -> None:
    place.writer().delete(HPA, place.namespace, "none")


def test_creating_what_is_there_is_refused_with_its_reason(place: Place) -> None:
    place.hpa()

    with pytest.raises(KubeError) as refused:
        place.hpa()

    assert (refused.value.reason, refused.value.is_outdated) == ("AlreadyExists", False)


def test_a_dry_run_is_checked_and_not_kept(place: Place) -> None:
    place.hpa()

    tried = place.writer().apply(HPA, place.namespace, "checkout", floor(4), force=True, dry_run=True)
    with pytest.raises(KubeError) as refused:
        place.writer().apply(HPA, place.namespace, "checkout", floor(11), force=True, dry_run=True)

    assert (tried["spec"]["minReplicas"], refused.value.status, minimum(place)) == (4, 422, 2)


def test_a_merge_patch_removes_what_is_none(place: Place) -> None:
    place.hpa()

    place.writer().patch_merge(HPA, place.namespace, "checkout", {"metadata": {"labels": {"app": None}}})

    assert not read(place.connection, HPA, namespace=place.namespace, name="checkout").metadata.labels


# ---- an overloaded server


def test_retry_after_is_honoured_and_the_write_arrives(on_fake: Place, fake: KubeApi) -> None:
    on_fake.hpa()
    fake.fail(2, 429, retry_after=5, method="PATCH")
    before = on_fake.clock.monotonic()

    on_fake.writer().apply(HPA, "shop", "checkout", floor(4), force=True)

    assert minimum(on_fake) == 4
    assert on_fake.clock.monotonic() - before >= 10.0


def test_a_retry_after_of_minutes_is_left_to_the_next_pass(on_fake: Place, fake: KubeApi) -> None:
    on_fake.hpa()
    fake.fail(1, 429, retry_after=300, method="PATCH")

    with pytest.raises(KubeError) as refused:
        on_fake.writer().apply(HPA, "shop", "checkout", floor(4), force=True)

    assert refused.value.retry_after_seconds == 300.0


def test_half_of_all_answers_being_500_does_not_stop_a_write(on_fake: Place, fake: KubeApi) -> None:
    on_fake.hpa()
    fake.fail(4, 500, method="PATCH")

    on_fake.writer().apply(HPA, "shop", "checkout", floor(4), force=True)

    assert minimum(on_fake) == 4


def test_a_server_that_stays_broken_is_asked_five_times(on_fake: Place, fake: KubeApi) -> None:
    on_fake.hpa()
    fake.fail(100, 503, method="PATCH")

    with pytest.raises(KubeError, match="503"):
        on_fake.writer().apply(HPA, "shop", "checkout", floor(4), force=True)

    assert sum(one.method == "PATCH" for one in fake.asked) == 5


def test_what_is_forbidden_is_asked_once(on_fake: Place, fake: KubeApi) -> None:
    on_fake.hpa()
    fake.forbidden.add(("PATCH", "horizontalpodautoscalers"))

    with pytest.raises(KubeError, match="403 Forbidden"):
        on_fake.writer().apply(HPA, "shop", "checkout", floor(4), force=True)

    assert sum(one.method == "PATCH" for one in fake.asked) == 1


def test_the_rate_is_kept_after_the_burst(on_fake: Place) -> None:
    on_fake.hpa()
    writer = on_fake.writer(qps=2.0, burst=3)
    before = on_fake.clock.monotonic()

    for replicas in range(2, 9):
        writer.patch_merge(HPA, "shop", "checkout", {"spec": {"minReplicas": replicas}})

    assert on_fake.clock.monotonic() - before == pytest.approx(2.0)  # Three at once, four more at two a second.


# ---- the fence


def test_a_deposed_leader_sends_nothing(on_fake: Place, fake: KubeApi) -> None:
    on_fake.hpa()

    def closed() -> Fence:
        raise NotLeadingError("the Lease is not ours")

    writer = Writer(on_fake.connection, fence=closed)
    with pytest.raises(NotLeadingError):
        writer.apply(HPA, "shop", "checkout", floor(4), force=True)

    assert [one.method for one in fake.asked] == ["POST"]


def test_leadership_that_ends_between_two_tries_ends_them(on_fake: Place, fake: KubeApi) -> None:
    on_fake.hpa()
    fake.fail(1, 429, retry_after=5, method="PATCH")
    start = on_fake.clock.monotonic()

    def until_the_pause() -> Fence:
        if on_fake.clock.monotonic() > start:
            raise NotLeadingError("the Lease is not ours any more")
        return Fence(epoch=3, holds_seconds=10.0)

    with pytest.raises(NotLeadingError):
        on_fake.writer(fence=until_the_pause).apply(HPA, "shop", "checkout", floor(4), force=True)

    assert sum(one.method == "PATCH" for one in fake.asked) == 1


def test_a_plan_of_an_older_epoch_is_not_written(on_fake: Place) -> None:
    on_fake.hpa()
    writer = on_fake.writer(fence=lambda: Fence(epoch=4, holds_seconds=10.0))

    with pytest.raises(NotLeadingError, match="planned in epoch 3, now it is 4"):
        writer.apply(HPA, "shop", "checkout", floor(4, **{"foretide.dev/epoch": "3"}), force=True)
    writer.apply(HPA, "shop", "checkout", floor(5, **{"foretide.dev/epoch": "4"}), force=True)

    assert minimum(on_fake) == 5
