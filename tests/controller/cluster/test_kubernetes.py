"""Bounds of an HPA and a ScaledObject on the fake API server; test_real.py tells the same to a real one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from controller.actuation import stamp as stamps
from controller.actuation.limits import Limits
from controller.cluster import BoundsOrder
from controller.cluster.kubernetes_switch import freeze, thaw
from domain.errors import ConflictError, ForbiddenError, RefusedError, RightsError
from domain.scaling import WorkloadRef
from kube.kinds import DEPLOYMENT, DISRUPTION_BUDGET, HPA, SCALED_OBJECT
from tests.controller.cluster.world import World, eventually
from tests.fakes.clock import ManualClock
from tests.fakes.kube_api import Fault, KubeApi

WEB = WorkloadRef(kind="Deployment", namespace="shop", name="web")


def test_a_floor_is_written_with_all_that_takes_it_back(world: World) -> None:
    done = world.wants(8)
    assert (done.before, done.after, world.bounds()) == (Limits(low=2, high=20), *[Limits(low=8, high=20)] * 2)
    assert done.said == "HorizontalPodAutoscaler shop/web 2..20 → 8..20 until 13:00"
    assert world.ours() == {
        stamps.BASELINE_MIN: "2", stamps.BASELINE_MAX: "20", stamps.SET_MIN: "8 at 2026-11-21T12:00:00Z from 2",
        stamps.EXPIRES_AT: "2026-11-21T13:00:00Z", stamps.EPOCH: "1", stamps.RULE: "shop/web",
        stamps.REASON: "ForecastFloor",
    }  # fmt: skip
    ours = next(one for one in world.raw()["metadata"]["managedFields"] if one["manager"] == "foretide")
    assert (ours["operation"], ours["fieldsV1"]["f:spec"]) == ("Apply", {"f:minReplicas": {}})
    assert world.said == [("web", "BoundsSet", "2..20 → 8..20 for rule shop/web: ForecastFloor")]


def test_the_same_again_writes_nothing(world: World, fake: KubeApi) -> None:
    world.wants(8)
    before = len(patches(fake))
    for _ in range(20):
        assert world.later(seconds=15).wants(8).said.endswith("keeps 8..20")
    assert len(patches(fake)) == before
    world.later(minutes=30).wants(8)
    assert world.ours()[stamps.EXPIRES_AT] == "2026-11-21T13:35:00Z"


def test_it_comes_back_and_leaves_no_trace(world: World) -> None:
    before = world.raw()
    world.wants(8)
    for _ in range(20):
        world.later(minutes=1).wants(1)
    assert (world.bounds(), world.ours()) == (Limits(low=2, high=20), {})
    assert world.raw()["spec"] == before["spec"]


def test_a_rule_that_acts_no_more_gives_back(world: World) -> None:
    world.wants(8)
    for _ in range(3):  # the pass in which it acted, and one in which it decided nothing
        world.cluster.settle({"shop/web"}, world.now)
        world.later(minutes=1).seen()
    assert world.bounds().low == 8
    for _ in range(10):
        world.later(minutes=1).seen()
        world.cluster.settle(set(), world.now)
    assert (world.bounds(), world.ours()) == (Limits(low=2, high=20), {})


def test_what_nobody_renews_is_given_back_by_the_leader_too(world: World) -> None:
    world.wants(8)
    world.cluster.settle({"shop/web"}, world.now)
    world.later(minutes=61).seen()
    world.cluster.settle({"shop/web"}, world.now)
    assert world.bounds().low == 7


def test_who_edits_in_between_is_obeyed_and_told(world: World) -> None:
    world.wants(8)
    world.edited({"spec": {"minReplicas": 5}})
    world.later(minutes=1).wants(3)
    assert world.bounds() == Limits(low=5, high=20)
    for _ in range(12):
        world.later(minutes=1).wants(3)
    assert (world.bounds().low, world.ours()) == (5, {})


def test_a_rival_by_force_ends_the_war_after_three_times(world: World, fake: KubeApi) -> None:
    rival = world.owner("argocd-controller")
    refused = ""
    for _ in range(40):
        try:
            world.later(seconds=15).wants(8)
        except RefusedError as error:
            refused = str(error)
            continue
        rival.apply(HPA, "shop", "web", {"spec": {"minReplicas": 2}}, force=True)
    assert "undid what we set 3 times within 10 minutes" in refused
    assert len([one for one in patches(fake) if one.query["fieldManager"] == "foretide"]) == 3
    assert world.said[-1][1] == "BoundsNotSet"


def test_an_hpa_that_was_made_anew_is_left_alone_for_a_minute(world: World) -> None:
    world.wants(8)
    world.owner().delete(HPA, "shop", "web")
    eventually(lambda: world.view.autoscaler("HorizontalPodAutoscaler", "shop", "web") is None, "it is gone")
    world.hpa()
    with pytest.raises(RefusedError, match="deleted and made anew"):
        world.later(seconds=15).wants(8)
    assert (world.bounds().low, world.ours()) == (2, {})
    world.later(seconds=61).wants(8)
    assert world.bounds().low == 8


@pytest.mark.parametrize(
    ("order", "said"),
    [
        ({"name": "other"}, "HorizontalPodAutoscaler shop/other is not there"),
        ({"of": "cart"}, "scales Deployment web, the rule is about Deployment shop/cart"),
        ({"kind": "ScaledObject"}, "ScaledObject shop/web is not there"),
    ],
)
def test_what_does_not_fit_is_refused(world: World, order: dict[str, Any], said: str) -> None:
    with pytest.raises(RefusedError, match=said):
        world.wants(8, **order)


def test_two_bounds_are_never_written_for_a_changed_plan(world: World) -> None:
    """The plan was made for a version that is not there any more: it is made anew from a fresh read."""
    world.seen()
    world.edited({"metadata": {"labels": {"touched": "yes"}}})
    done = world.wants(8)
    assert done.after.low == 8
    assert world.raw()["metadata"]["labels"] == {"touched": "yes"}


@pytest.mark.parametrize(
    ("owner", "said"),
    [
        ({"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject"}, "name that as actuate.scaledObject"),
        ({"apiVersion": "x/v1", "kind": "Autoscaler", "controller": True}, "it belongs to Autoscaler other"),
    ],
)
def test_an_hpa_with_another_owner_is_refused(world: World, owner: dict[str, Any], said: str) -> None:
    world.hpa("owned", ownerReferences=[{**owner, "name": "other", "uid": "1"}])
    with pytest.raises(RefusedError, match=said):
        world.wants(8, name="owned")
    assert world.ours("owned") == {}


def test_a_hostile_stamp_is_refused(world: World) -> None:
    world.edited({"metadata": {"annotations": {stamps.BASELINE_MIN: "-5"}}})
    with pytest.raises(RefusedError, match="half a stamp"):
        world.wants(8)
    assert world.bounds().low == 2


def test_nothing_is_written_in_system_namespaces(world: World) -> None:
    world.namespace = "kube-system"
    world.hpa()
    with pytest.raises(RefusedError, match="nothing is written in namespace kube-system"):
        world.wants(8)


def test_a_leader_of_before_writes_nothing(world: World) -> None:
    world.epoch = 4
    world.wants(8)
    world.epoch = 3
    with pytest.raises(RefusedError, match="a newer leader writes here"):
        world.later(minutes=1).wants(12)
    assert world.cluster.highest_epoch() == 4


def test_who_does_not_lead_says_and_writes_nothing(world: World, fake: KubeApi) -> None:
    world.wants(8)
    world.said.clear()
    asked = len(patches(fake))
    world.leads = False
    with pytest.raises(RefusedError, match="another process leads"):
        world.later(minutes=61).wants(12)
    world.cluster.settle(set(), world.now)
    assert (world.said, len(patches(fake))) == ([], asked)


def test_the_floor_of_an_earlier_life_is_known(world: World) -> None:
    assert world.cluster.workload(WEB).floor is None
    world.wants(8)
    world.seen()
    assert world.cluster.workload(WEB).floor == 8


def test_the_kill_switch_stops_everything_within_two_seconds(world: World, clock: ManualClock) -> None:
    freeze(world.owner("alice"), namespace="foretide", reason="INC-4711")
    assert world.wants(8).said == "HorizontalPodAutoscaler shop/web keeps 2..20: held, by the kill switch: INC-4711"
    assert world.cluster.workload(WEB).freeze == "by the kill switch: INC-4711"
    thaw(world.owner("alice"), namespace="foretide")
    assert "INC-4711" in world.wants(8).said
    clock.advance(timedelta(seconds=2))
    assert world.wants(8).after.low == 8


def test_a_switch_that_cannot_be_read_is_on(world: World, fake: KubeApi) -> None:
    fake.forbidden.add(("GET", "configmaps"))
    assert "foretide/foretide-freeze cannot be read" in world.wants(8).said
    assert world.bounds().low == 2


def test_a_freeze_annotation_holds_one_object(world: World) -> None:
    world.edited({"metadata": {"annotations": {stamps.FREEZE: "sale"}}})
    assert world.wants(8).said.endswith("held, by its freeze annotation: sale")


@pytest.mark.parametrize(("minutes", "low"), [(3, 8), (6, 8)])
def test_an_old_view_takes_nothing_away(
    world: World, clock: ManualClock, fake: KubeApi, minutes: int, low: int
) -> None:
    world.wants(8)
    world.seen()
    fake.mute_watches()
    world.later(minutes=5)
    clock.advance(timedelta(minutes=minutes))
    assert world.wants(2).after.low == low
    fake.mute_watches(False)


def test_a_budget_without_disruptions_and_a_rollout_hold_downs(world: World) -> None:
    world.wants(8)
    budget = {
        "metadata": {"name": "web"}, "spec": {"selector": {"matchLabels": {"app": "web"}}},
        "status": {"disruptionsAllowed": 0, "expectedPods": 4},
    }  # fmt: skip
    world.owner().create(DISRUPTION_BUDGET, "shop", budget)
    eventually(lambda: world.cluster.workload(WEB).rollout, "the budget is seen")
    assert world.later(minutes=1).wants(2).said.endswith("PodDisruptionBudget web allows no disruption now")
    world.owner().patch_merge(
        DISRUPTION_BUDGET, "shop", "web", {"status": {"disruptionsAllowed": 1}}, subresource="status"
    )
    eventually(lambda: not world.cluster.workload(WEB).rollout, "the budget allows one")
    world.rolled_out(updated=1)
    eventually(lambda: "1 of 4" in world.cluster.workload(WEB).rollout, "the rollout is seen")
    assert world.wants(2).after.low == 8
    assert world.wants(10).after.low == 10


def test_a_ceiling_is_cut_slowly_and_comes_back_at_once(world: World) -> None:
    world.wants(2, 5)
    assert world.bounds() == Limits(low=2, high=18)
    assert world.ours()[stamps.EXPIRES_AT] == "2026-11-21T12:15:00Z"
    world.later(minutes=10).wants(2, 5)
    assert world.bounds().high == 17
    world.later(seconds=15).wants(2, 20)
    assert world.bounds().high == 20


def test_so_many_bounds_move_in_a_minute(world: World) -> None:
    world.cluster = World(world.connection, "shop", changes_per_minute=1).cluster
    world.cluster._guard.view = world.view
    world.hpa("second")
    world.wants(8)
    with pytest.raises(RefusedError, match="1 autoscalers moved within the last minute"):
        world.wants(8, name="second")
    assert world.later(seconds=61).wants(8, name="second").after.low == 8


def test_rights_that_are_taken_away_are_said(world: World, fake: KubeApi) -> None:
    fake.forbidden.add(("PATCH", "horizontalpodautoscalers"))
    with pytest.raises(ForbiddenError, match="HorizontalPodAutoscaler shop/web keeps 2..20"):
        world.wants(8)


def test_conflicts_are_planned_anew_and_given_up_after_four(world: World, fake: KubeApi) -> None:
    fake.fail(3, code=409, method="PATCH", part="horizontalpodautoscalers")
    assert world.wants(8).after.low == 8
    fake.fail(9, code=409, method="PATCH", part="horizontalpodautoscalers")
    with pytest.raises(ConflictError):
        world.later(minutes=1).wants(12)


def test_the_workload_is_as_the_api_tells_it(world: World) -> None:
    found = world.cluster.workload(WEB)
    assert (found.current_replicas, found.ready_replicas, found.source) == (4, 4, "the Kubernetes API")
    assert found.requests == {"cpu": 0.25, "memory": 64 * 2**20}
    assert (found.freeze, found.rollout) == ("", "")
    absent = world.cluster.workload(WorkloadRef(kind="Deployment", namespace="shop", name="cart"))
    assert (absent.current_replicas, absent.source) == (None, "the Kubernetes API, which has no Deployment shop/cart")
    assert [str(one) for one in world.cluster.known()] == ["Deployment shop/web"]


def test_replicas_are_set_where_no_hpa_does(world: World) -> None:
    with pytest.raises(RefusedError, match="scaled by HorizontalPodAutoscaler shop/web: use actuate bounds"):
        world.cluster.scale(WEB, 6)
    cart = world.deployment("cart")
    world.rolled_out("cart")
    eventually(lambda: world.cluster.workload(cart).ready_replicas == 4, "cart is seen")
    world.cluster.scale(cart, 0)
    assert world.raw("cart", DEPLOYMENT)["spec"]["replicas"] == 0


def test_a_scaled_object_has_its_own_bounds_set_and_left_out_again(fake: KubeApi, world: World) -> None:
    body = {"metadata": {"name": "queue"}, "spec": {"scaleTargetRef": {"name": "web"}, "triggers": []}}
    world.owner().create(SCALED_OBJECT, "shop", body)
    with world.watching_keda():
        order = {"kind": "ScaledObject", "name": "queue"}
        assert world.wants(8, 200, **order).after == Limits(low=8, high=100)
        assert world.raw("queue", SCALED_OBJECT)["spec"]["minReplicaCount"] == 8
        assert "maxReplicaCount" not in world.raw("queue", SCALED_OBJECT)["spec"]
        for _ in range(24):
            world.later(minutes=1).wants(0, 200, **order)
        assert world.raw("queue", SCALED_OBJECT)["spec"] == body["spec"]
        assert world.ours("queue", SCALED_OBJECT) == {}
        world.edited(
            {"metadata": {"annotations": {"autoscaling.keda.sh/paused": "true"}}}, name="queue", kind=SCALED_OBJECT
        )
        with pytest.raises(RefusedError, match=r"KEDA is paused by autoscaling.keda.sh/paused"):
            world.wants(8, 200, **order)


def patches(fake: KubeApi) -> list[Any]:
    return [one for one in fake.asked if one.method == "PATCH" and "horizontalpodautoscalers" in one.path]


def refused_writes(world: World, fake: KubeApi, *names: str) -> None:
    """An admission refuses the writes to these."""
    for name in names:
        world.hpa(name)
        fake.faults.append(Fault(times=1, code=422, method="PATCH", part=f"/{name}"))
        with pytest.raises(ForbiddenError):
            world.wants(4, name=name)


def test_when_too_many_writes_of_a_pass_fail_nothing_is_released_in_it(world: World, fake: KubeApi) -> None:
    world.wants(8)
    world.later(minutes=2)
    refused_writes(world, fake, "a", "b", "c")
    why = "nothing is released in this pass, 3 of its 4 writes failed"
    assert world.wants(2).said == f"HorizontalPodAutoscaler shop/web keeps 8..20: held, {why}"
    assert world.wants(12).after.low == 12  # capacity may still come
    world.cluster.settle({"shop/web"}, world.now)
    assert [(reason, said.partition(", the last")[0]) for _, reason, said in world.said][-1] == (
        "ReleasesStopped",
        why.replace("4", "5"),
    )
    world.later(minutes=2)
    assert world.wants(2).after.low == 11


def test_two_failures_and_missing_rights_stop_nothing(world: World, fake: KubeApi) -> None:
    world.wants(8)
    world.later(minutes=2)
    refused_writes(world, fake, "a", "b")
    fake.forbidden.add(("PATCH", "/namespaces/elsewhere/"))
    for name in ("c", "d", "e"):
        world.hpa(name)
        fake.forbidden.add(("PATCH", f"/{name}"))
        with pytest.raises(RightsError):
            world.wants(4, name=name)
    assert world.wants(2).after.low == 7


def test_bounds_that_come_back_are_an_event(world: World) -> None:
    world.seen()
    order = BoundsOrder(
        rule="shop/web", target=WEB, kind="HorizontalPodAutoscaler", name="web", limits=Limits(low=8, high=20),
        reason="SLOBurning", because="rolled back to at least 8..20",
    )  # fmt: skip
    assert world.cluster.set_bounds(order, world.now).after.low == 8
    assert ("web", "RolledBack", "rolled back to at least 8..20") in world.said


def test_replicas_that_come_back_are_an_event_on_the_workload(world: World) -> None:
    world.owner().delete(HPA, "shop", "web")
    eventually(lambda: not world.view.scalers_of(WEB), "it is gone")
    world.cluster.scale(WEB, 6, because="rolled back to at least 6..6")
    assert world.said[-1] == ("web", "RolledBack", "rolled back to at least 6..6")


def test_a_rollback_lifts_a_ceiling_above_the_rule_s_max_only_to_what_stood_before_us(world: World) -> None:
    def passes(ceiling_before: int | None) -> int:
        world.seen()
        order = BoundsOrder(
            rule="shop/web", target=WEB, kind="HorizontalPodAutoscaler", name="web", limits=Limits(low=2, high=10),
            reason="SLOBurning", ceiling_before=ceiling_before,
        )  # fmt: skip
        return world.cluster.set_bounds(order, world.now).after.high

    assert passes(None) == 18
    world.later(minutes=11)
    assert (passes(19), passes(20)) == (18, 20)
    world.later(minutes=11)
    assert passes(None) == 18
