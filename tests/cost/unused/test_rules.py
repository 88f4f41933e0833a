"""Each rule on a small cluster: what it finds, what it leaves, and what it says it does not know."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from cost.unused.activity import HOURS, AtMax, Hours
from cost.unused.finding import Kind, Target
from cost.unused.snapshot import Autoscaler, ContainerAsks, LoadBalancer, PodShape, Workload
from cost.unused.survey import RULES
from tests.cost.unused.things import (
    FLAT,
    NOW,
    OLD,
    SILENT,
    WEB,
    about,
    activity,
    claim,
    cluster,
    found,
    owned,
    pod,
    priced_on_a_node,
    shape,
    surveyed,
    volume,
    workload,
)

WEEK = timedelta(days=7)
NOBODY = Target(namespace="", kind="Namespace", name="old")


def test_in_a_cluster_where_all_is_used_nothing_is_found() -> None:
    told = surveyed(cluster(), activity(Hours(known=HOURS, lowest=1e4, highest=1e6), FLAT))

    assert (told.findings, told.kept, told.not_known, told.notes, told.monthly) == ((), (), (), (), 0)


def test_every_kind_has_a_rule() -> None:
    assert set(RULES) == set(Kind)


# ---- abandoned workloads


def test_a_workload_that_is_silent_and_flat_for_a_week_is_abandoned() -> None:
    (one,) = found(Kind.ABANDONED_WORKLOAD, cluster(), activity(SILENT, FLAT))

    assert one.target == WEB
    assert one.monthly == Decimal("27.74")  # 2 × (0.5 × 0.03 + 1 × 0.004) × 730
    assert one.since == NOW - WEEK
    assert one.command == "kubectl -n shop scale deployment/web --replicas=0"
    assert one.undo.startswith("kubectl -n shop scale deployment/web --replicas=2;")


@pytest.mark.parametrize(("traffic", "cpu"), [
    (Hours(known=HOURS, lowest=0.0, highest=500.0), FLAT),
    (SILENT, Hours(known=HOURS, lowest=0.01, highest=0.03)),
])  # fmt: skip
def test_one_that_talks_or_works_is_not(traffic: Hours, cpu: Hours) -> None:
    told = surveyed(cluster(), activity(traffic, cpu))

    assert (told.findings, told.not_known) == ((), ())


@pytest.mark.parametrize(("traffic", "cpu", "why"), [
    (None, FLAT, "no figures of traffic"), (SILENT, None, "no figures of CPU"),
    (Hours(known=150, lowest=0.0, highest=0.0), FLAT, "figures of traffic do not cover 7 days"),
    (SILENT, Hours(known=1, lowest=0.0, highest=0.0), "figures of CPU do not cover 7 days"),
])  # fmt: skip
def test_missing_data_is_not_known_and_never_unused(traffic: Hours | None, cpu: Hours | None, why: str) -> None:
    told = surveyed(cluster(), activity(traffic, cpu))

    assert told.findings == ()
    assert [one.why for one in told.not_known] == [f"shop/Deployment/web: {why}"]


@pytest.mark.parametrize("kind", ["Job", "CronJob", "DaemonSet", "Node"])
def test_pods_of_batch_and_of_nodes_are_never_abandoned(kind: str) -> None:
    of = Target(namespace="shop", kind=kind, name="x")
    seen = activity(cpu=None)
    snapshot = cluster(pods=(pod("x-1", owner=owned(kind, "x")),))
    told = surveyed(snapshot, type(seen)(traffic={of: SILENT}, cpu={of: FLAT}))

    assert of not in [one.target for one in told.findings]
    assert all(str(of) not in one.why for one in told.not_known)


def test_a_young_workload_is_left_alone() -> None:
    young = workload("Deployment", "new", created=NOW - timedelta(days=6))
    of = young.about.target
    snapshot = cluster(workloads=(young,), pods=(pod("new-1", owner=owned("Deployment", "new")),))
    told = surveyed(snapshot, type(activity())(traffic={of: SILENT}, cpu={of: FLAT}))

    assert of not in [one.target for one in told.findings]


def test_pods_in_their_nodes_network_have_no_traffic_of_their_own() -> None:
    snapshot = cluster(pods=(pod("web-5d-c", owner=owned("ReplicaSet", "web-5d"), shape=shape(host_network=True)),))
    (why,) = (one.why for one in surveyed(snapshot, activity(SILENT, FLAT)).not_known)

    assert why.endswith("whose traffic is nobody's own")


def test_a_workload_of_a_kind_that_nobody_knows_is_found_by_its_pods() -> None:
    replica_set = workload("ReplicaSet", "api-7c", owners=owned("Rollout", "api", "argoproj.io"))
    of = Target(namespace="shop", kind="Rollout", name="api")
    snapshot = cluster(workloads=(replica_set,), pods=(pod("api-7c-x", owner=owned("ReplicaSet", "api-7c")),))
    told = surveyed(snapshot, type(activity())(traffic={of: SILENT}, cpu={of: FLAT}))

    assert [one.command for one in told.findings] == ["kubectl -n shop scale rollout.argoproj.io/api --replicas=0"]


def test_a_pod_costs_its_part_of_its_node() -> None:
    bare = pod("alone", node="n1", shape=shape("4", "16"))
    of = bare.about.target
    seen = type(activity())(traffic={of: SILENT}, cpu={of: FLAT})
    (one,) = found(Kind.ABANDONED_WORKLOAD, cluster(pods=(bare,)), seen, priced_on_a_node())

    assert one.monthly == Decimal("167.9")  # all of it: 0.23 × 730
    assert one.command == "kubectl -n shop get pod alone -o yaml > alone.yaml && kubectl -n shop delete pod alone"


# ---- volumes, load balancers


@pytest.mark.parametrize(("phase", "since", "finds"), [
    ("Released", OLD, True), ("Failed", OLD, True), ("Released", None, True),
    ("Released", NOW - WEEK, False), ("Bound", OLD, False), ("Available", OLD, False),
])  # fmt: skip
def test_a_volume_whose_claim_is_gone_for_a_week(phase: str, since: datetime | None, finds: bool) -> None:
    told = found(Kind.RELEASED_PV, cluster(volumes=(volume(phase=phase, phase_since=since, claim="shop/data"),)))

    assert [(one.monthly, one.since) for one in told] == ([(Decimal("11.9"), since)] if finds else [])
    assert all("none: the disk and its data are gone" in one.undo for one in told)


def test_a_disk_that_the_driver_could_not_delete_is_looked_at() -> None:
    (one,) = found(Kind.RELEASED_PV, cluster(volumes=(volume(phase="Failed", phase_since=OLD, reclaim="Delete"),)))

    assert one.command == "kubectl describe persistentvolume pv-1"


def balancer(**more: Any) -> LoadBalancer:
    fields = {"slices": 1, "unchanged_since": OLD, "address": "192.0.2.7", **more}
    return LoadBalancer(about=about("Service", "edge"), **fields)


def test_a_load_balancer_with_nothing_behind_it_for_a_week_is_an_orphan() -> None:
    (one,) = found(Kind.ORPHAN_LB, cluster(load_balancers=(balancer(),)))

    assert (one.monthly, one.since) == (Decimal("18.25"), OLD)
    assert one.command == """kubectl -n shop patch service edge -p '{"spec":{"type":"ClusterIP"}}'"""


@pytest.mark.parametrize("more", [{"ready": 1}, {"unchanged_since": NOW - timedelta(days=6)}])
def test_one_with_endpoints_or_without_for_less_is_not(more: dict[str, Any]) -> None:
    told = surveyed(
        cluster(load_balancers=(balancer(**more),)), activity(SILENT, Hours(known=168, lowest=0, highest=1))
    )

    assert (told.findings, told.not_known) == ((), ())


@pytest.mark.parametrize("more", [{"slices": 0}, {"unchanged_since": None}])
def test_one_of_which_nobody_says_since_when_is_not_known(more: dict[str, Any]) -> None:
    told = surveyed(cluster(load_balancers=(balancer(**more),)))

    assert [one.target for one in told.findings if one.kind == Kind.ORPHAN_LB] == []
    assert Kind.ORPHAN_LB in [one.kind for one in told.not_known]


# ---- jobs, namespaces


def job(name: str, **more: Any) -> Workload:
    return workload("Job", name, **{"finished": OLD, **more})


def test_jobs_that_nothing_clears_away_are_found_by_namespace() -> None:
    left = (
        job("by-cron", owners=owned("CronJob", "nightly", "batch")), job("with-ttl", ttl_seconds=86_400),
        job("fresh", finished=NOW - WEEK), job("running", finished=None),
    )  # fmt: skip
    old = (job("b", finished=OLD + timedelta(days=1)), job("a"))
    (one,) = found(Kind.FINISHED_JOBS, cluster(workloads=(*left, *old)))

    assert (str(one.target), one.since, one.monthly) == ("Namespace/shop", OLD, 0)
    assert one.command == "kubectl -n shop delete job a b"


def test_a_command_names_fifty_jobs_at_most() -> None:
    (one,) = found(Kind.FINISHED_JOBS, cluster(workloads=tuple(job(f"j{number:02}") for number in range(60))))

    assert len(one.command.split()) == 5 + 50
    assert ("named in the command", "the oldest 50") in one.evidence


@pytest.mark.parametrize(("name", "more", "finds"), [
    ("old", {}, True), ("default", {}, False), ("kube-public", {}, False),
    ("old", {"pods": (pod("x", namespace="old"),)}, False), ("old", {"claims": (claim(namespace="old"),)}, False),
    ("old", {"workloads": (workload("CronJob", "x", "old"),)}, False),
    ("old", {"services": (Target(namespace="old", kind="Service", name="x"),)}, False),
])  # fmt: skip
def test_a_namespace_is_empty_without_workload_pod_claim_and_service(
    name: str, more: dict[str, Any], finds: bool
) -> None:
    told = found(Kind.EMPTY_NAMESPACE, cluster(namespaces=(about("Namespace", name, ""),), **more))

    assert [one.target for one in told] == ([NOBODY] if finds else [])


# ---- autoscalers, requests


def autoscaler(**more: Any) -> Autoscaler:
    fields = {"scales": "Deployment/web", "min_replicas": 2, "max_replicas": 10, **more}
    return Autoscaler(about=about("HorizontalPodAutoscaler", "web"), **fields)


@pytest.mark.parametrize(("share", "known", "more", "finds"), [
    (0.9, 1.0, {}, True), (0.49, 1.0, {}, False), (0.9, 0.9, {}, False),
    (1.0, 1.0, {"min_replicas": 10}, False), (1.0, 1.0, {"held": True}, False),
])  # fmt: skip
def test_an_autoscaler_at_its_maximum_for_half_of_the_week_is_pinned(
    share: float, known: float, more: dict[str, Any], finds: bool
) -> None:
    seen = activity(at_max={("shop", "web"): AtMax(share_ratio=share, known_ratio=known)})
    told = found(Kind.HPA_PINNED_AT_MAX, cluster(autoscalers=(autoscaler(**more),)), seen)

    assert [one.evidence[0] for one in told] == ([("at its maximum", "90% of 7 days")] if finds else [])
    assert all('"maxReplicas":15' in one.command and '"maxReplicas":10' in one.undo for one in told)


def test_kedas_objects_are_changed_where_they_keep_the_autoscaler() -> None:
    """What it keeps it would put back."""
    keda = about("HorizontalPodAutoscaler", "keda-hpa-web", owners=owned("ScaledObject", "web", "keda.sh"))
    kept = Autoscaler(about=keda, scales="Deployment/web", min_replicas=1, max_replicas=4)
    seen = activity(SILENT, FLAT, at_max={("shop", "keda-hpa-web"): AtMax(share_ratio=1.0, known_ratio=1.0)})
    told = surveyed(cluster(autoscalers=(kept,)), seen)

    assert [one.command for one in told.findings] == [
        "kubectl -n shop annotate scaledobject web autoscaling.keda.sh/paused-replicas=0",
        """kubectl -n shop patch scaledobject web --type merge -p '{"spec":{"maxReplicaCount":6}}'""",
    ]


def test_an_autoscaler_without_figures_is_not_known() -> None:
    told = surveyed(cluster(autoscalers=(autoscaler(),)), activity(SILENT, FLAT))

    assert "shop/HorizontalPodAutoscaler/web: no figures of desired replicas" in [one.why for one in told.not_known]


@pytest.mark.parametrize(("of", "evidence"), [
    (shape(cpu=None), "no request of cpu"), (shape(cpu=None, memory=None), "no request of cpu and memory"),
    (shape(), None),
    (PodShape(containers=(ContainerAsks(name="app"),),
              whole=ContainerAsks(name="", cpu_cores=Decimal(1), memory_bytes=Decimal(1))), None),
])  # fmt: skip
def test_containers_that_request_nothing_are_named(of: PodShape, evidence: str | None) -> None:
    told = found(Kind.REQUESTS_MISSING, cluster(pods=(pod("alone", shape=of),)))

    assert [one.evidence[0] for one in told] == ([] if evidence is None else [("container app", evidence)])


# ---- what is kept, what may not be listed


def test_what_somebody_keeps_is_left_out_and_told() -> None:
    own = cluster(claims=(claim(keep="until the audit"),), volumes=(volume(phase="Released", phase_since=OLD),))
    told = surveyed(own)

    assert [one.kind for one in told.findings] == [Kind.RELEASED_PV]
    assert [(one.kind, str(one.target), one.reason) for one in told.kept] == [
        (Kind.UNUSED_PVC, "shop/PersistentVolumeClaim/data", "until the audit")
    ]


def test_a_namespace_keeps_all_that_is_in_it() -> None:
    kept = about("Namespace", "attic", "", keep="")
    told = surveyed(cluster(namespaces=(kept,), claims=(claim(namespace="attic"),)))

    assert [(str(one.target), one.reason) for one in told.kept] == [
        ("attic/PersistentVolumeClaim/data", "no reason given")
    ]


def test_one_job_is_kept_and_the_others_are_not() -> None:
    told = surveyed(cluster(workloads=(job("a"), job("b", keep="evidence"))))

    assert [one.command for one in told.findings] == ["kubectl -n shop delete job a"]
    assert [str(one.target) for one in told.kept] == ["shop/Job/b"]


def test_a_pods_annotation_keeps_its_workload() -> None:
    mine = pod("x-0", owner=owned("CloneSet", "x", "apps.kruise.io"), keep="standby", shape=shape(cpu=None))
    told = surveyed(cluster(pods=(mine,)))

    assert [str(one.target) for one in told.kept] == ["shop/CloneSet/x"]


def test_a_kind_that_may_not_be_listed_silences_its_rules_only() -> None:
    told = surveyed(
        cluster(volumes=(volume(phase="Released", phase_since=OLD),), load_balancers=(balancer(),),
                missing={"persistentvolumes": "may not list persistentvolumes"})
    )  # fmt: skip

    assert [one.kind for one in told.findings] == [Kind.ORPHAN_LB]
    assert (Kind.RELEASED_PV, "may not list persistentvolumes") in [(one.kind, one.why) for one in told.not_known]
    assert told.notes == ("may not list persistentvolumes: regions of volumes are not known",)


def test_findings_are_dearest_first_and_add_up() -> None:
    snapshot = cluster(
        claims=(claim("unpriced", storage_class="slow"), claim("data")), load_balancers=(balancer(),),
        workloads=(job("a"),),
    )  # fmt: skip
    told = surveyed(snapshot)

    assert [one.monthly for one in told.findings] == [Decimal("18.25"), Decimal("11.9"), 0, None]
    assert told.monthly == Decimal("30.15")
