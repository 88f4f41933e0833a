"""A claim is unused only where nothing at all refers to it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cost.unused.activity import Hours
from cost.unused.finding import Kind
from cost.unused.snapshot import WORKLOADS, Pod, PodShape, Snapshot, Workload
from tests.cost.unused.things import NOW, activity, claim, cluster, found, owned, pod, surveyed, volume, workload

KINDS = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job", "CronJob")
TAKES = PodShape(claims=frozenset({"data-db-0"}))
REFERRERS: dict[str, Pod | Workload] = {
    "a pod": pod("job-x", shape=TAKES), "a pod that has ended": pod("job-y", shape=TAKES, phase="Succeeded"),
    "a pod's own volume": pod("data", shape=PodShape(ephemeral=frozenset({"db-0"}))),
    **{f"the template of a {kind}": workload(kind, "x", shape=TAKES) for kind in KINDS},
    "a StatefulSet at 0 replicas that takes it again": workload(
        "StatefulSet", "db", replicas=0, claim_templates=("data",)
    ),
}  # fmt: skip


def with_referrer(snapshot: Snapshot, one: Pod | Workload) -> Snapshot:
    if isinstance(one, Pod):
        return replace(snapshot, pods=(*snapshot.pods, one))
    return replace(snapshot, workloads=(*snapshot.workloads, one))


def test_a_claim_that_nobody_names_is_unused() -> None:
    (one,) = found(Kind.UNUSED_PVC, cluster(claims=(claim("data-db-0"),), volumes=(volume(),)))

    assert one.monthly == Decimal("11.9")
    assert one.command == (
        """kubectl patch persistentvolume pv-1 -p '{"spec":{"persistentVolumeReclaimPolicy":"Retain"}}' && """
        "kubectl -n shop delete persistentvolumeclaim data-db-0"
    )
    assert "does not come back" in one.undo
    assert "Quarantine first" in one.advice


@pytest.mark.parametrize("who", REFERRERS)
def test_a_claim_that_somebody_refers_to_is_not(who: str) -> None:
    snapshot = cluster(claims=(claim("data-db-0"),))

    assert found(Kind.UNUSED_PVC, snapshot)
    assert found(Kind.UNUSED_PVC, with_referrer(snapshot, REFERRERS[who])) == []


def test_referrers_of_another_namespace_or_another_name_count_not() -> None:
    others = (
        workload("StatefulSet", "db", "other", claim_templates=("data",)),
        workload("StatefulSet", "d", claim_templates=("data",)),
        workload("Deployment", "x", "other", shape=TAKES),
    )
    found_there = found(Kind.UNUSED_PVC, cluster(claims=(claim("data-db-0"),), workloads=others))

    assert [one.target.name for one in found_there] == ["data-db-0"]


REFERRER = st.sampled_from(sorted(REFERRERS)).map(REFERRERS.__getitem__)


@given(
    st.lists(st.sampled_from(["data-db-0", "data-db-1", "logs", "data-db-x"]), unique=True, min_size=1),
    st.lists(REFERRER, max_size=4), REFERRER,
)  # fmt: skip
def test_one_more_referrer_never_makes_a_claim_unused(names: list[str], before: list[Pod | Workload],
                                                      more: Pod | Workload) -> None:  # fmt: skip
    snapshot = cluster(claims=tuple(claim(name) for name in names))
    for one in before:
        snapshot = with_referrer(snapshot, one)
    earlier = {one.target for one in found(Kind.UNUSED_PVC, snapshot)}
    later = {one.target for one in found(Kind.UNUSED_PVC, with_referrer(snapshot, more))}

    assert later <= earlier


def test_a_young_claim_is_left_alone() -> None:
    assert found(Kind.UNUSED_PVC, cluster(claims=(claim(created=NOW - timedelta(days=7)),))) == []


def test_a_claim_that_was_mounted_within_the_week_is_left_alone() -> None:
    seen = activity(mounted={("shop", "data"): NOW - timedelta(days=6)})

    assert found(Kind.UNUSED_PVC, cluster(claims=(claim(),)), seen) == []


def test_a_claim_of_a_controller_that_nobody_knows_is_not_judged() -> None:
    told = surveyed(cluster(claims=(claim(owners=owned("Cluster", "pg", "postgresql.cnpg.io")),)))

    assert told.findings == ()
    assert [one.why for one in told.not_known if one.kind is Kind.UNUSED_PVC] == [
        "shop/PersistentVolumeClaim/data: belongs to a Cluster.postgresql.cnpg.io, which decides about it"
    ]


def test_templates_that_cannot_be_read_are_told() -> None:
    told = surveyed(cluster(claims=(claim(),), foreign=("argoproj.io",)))

    assert ("not read", "templates of argoproj.io") in told.findings[0].evidence
    assert told.notes == (
        "the cluster has objects of argoproj.io, whose pod templates are not read: a claim that only such a template "
        "names looks unused",
    )


@pytest.mark.parametrize("plural", ["persistentvolumeclaims", "pods", *WORKLOADS])
def test_without_one_of_the_referrers_kinds_no_claim_is_unused(plural: str) -> None:
    told = surveyed(cluster(claims=(claim(),), missing={plural: f"may not list {plural}"}))

    assert [one for one in told.findings if one.kind == Kind.UNUSED_PVC] == []
    assert f"may not list {plural}" in [one.why for one in told.not_known if one.kind is Kind.UNUSED_PVC]


def test_a_claim_without_a_volume_costs_nothing() -> None:
    (one,) = found(Kind.UNUSED_PVC, cluster(claims=(claim(volume="", phase="Pending"),)))

    assert (one.monthly, one.command) == (0, "kubectl -n shop delete persistentvolumeclaim data")


def test_a_class_without_a_price_is_no_guess() -> None:
    (one,) = found(Kind.UNUSED_PVC, cluster(claims=(claim(storage_class="slow"),)))

    assert one.monthly is None


def filled(gib: float, known: int = 168) -> Hours:
    used = gib * 2**30
    return Hours(known=known, lowest=used / 2, highest=used)


@pytest.mark.parametrize(("seen", "monthly"), [
    (filled(20.0), Decimal("8.33")),  # 30 GiB would do: 70 × 0.119
    (filled(40.0), None),  # 60 of 100
    (filled(20.0, known=100), None),
])  # fmt: skip
def test_a_volume_is_oversized_by_what_was_in_it_for_a_week(seen: Hours, monthly: Decimal | None) -> None:
    user = pod("db-0", shape=PodShape(claims=frozenset({"data"})))
    snapshot = cluster(claims=(claim(),), pods=(user,))
    told = found(Kind.OVERSIZED_PV, snapshot, activity(filled={("shop", "data"): seen}))

    assert [one.monthly for one in told] == ([] if monthly is None else [monthly])
    assert found(Kind.OVERSIZED_PV, snapshot) == []
