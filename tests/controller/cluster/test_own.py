"""HPAs of our own on the fake API server: made, taken over, given back; test_real_own.py asks a real one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from controller.actuation import stamp as stamps
from controller.actuation.limits import Limits
from controller.reaper import Orders
from domain.errors import RefusedError
from domain.scaling import WorkloadRef
from kube.kinds import DEPLOYMENT, HPA, SCALED_OBJECT
from tests.controller.cluster.test_reaper import reaped
from tests.controller.cluster.world import World, eventually
from tests.fakes.clock import ManualClock
from tests.fakes.kube_api import KubeApi

WEB = WorkloadRef(kind="Deployment", namespace="shop", name="web")
PERCENT = ("resource", "target", "averageUtilization")


@pytest.fixture
def bare(world: World) -> World:
    """Without the HPA of the others."""
    world.owner().delete(HPA, "shop", "web")
    eventually(lambda: not world.view.scalers_of(WEB), "it is gone")
    return world


def test_an_hpa_is_made_with_all_that_the_rule_says(bare: World) -> None:
    done = bare.keeps(6)
    assert (done.after, done.said) == (
        Limits(low=6, high=20),
        "HorizontalPodAutoscaler shop/web made with 6..20 for rule shop/web",
    )
    made = bare.raw()
    assert made["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"] == 60
    assert made["spec"]["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    assert bare.ours()[stamps.KEPT] == f"created {made['metadata']['uid']}"
    assert (bare.ours()[stamps.BASELINE_MIN], "ownerReferences" in made["metadata"]) == ("2", False)
    assert bare.said == [("web", "HpaMade", done.said)]


def test_the_same_again_writes_nothing_and_bounds_go_by_steps(bare: World, fake: KubeApi) -> None:
    bare.keeps(6)
    bare.seen()
    before = len(writes(fake))
    for _ in range(20):
        assert bare.later(seconds=15).keeps(6).said.endswith("keeps 6..20")
    assert len(writes(fake)) == before
    assert bare.later(minutes=1).keeps(2).after == Limits(low=5, high=20)
    assert bare.later(minutes=10).keeps(2, 8).after == Limits(low=4, high=18)


def test_no_step_is_larger_than_that_of_bounds(bare: World) -> None:
    assert bare.keeps(90, 100, own=(2, 100)).after == Limits(low=12, high=100)
    bare.seen()
    assert bare.later(minutes=1).keeps(90, 100, own=(2, 100)).after == Limits(low=24, high=100)


def test_more_replicas_than_the_rule_allows_do_not_go_at_once(world: World, fake: KubeApi) -> None:
    world.owner().delete(HPA, "shop", "web")
    world.edited({"spec": {"replicas": 30}}, kind=DEPLOYMENT)
    eventually(lambda: not world.view.scalers_of(WEB), "it is gone")
    eventually(lambda: world.cluster.workload(WEB).current_replicas == 30, "it has thirty")
    assert world.keeps(2, 20).after.high == 30


def test_one_of_somebody_else_s_is_not_touched_unless_it_is_named(world: World) -> None:
    before = world.raw()
    with pytest.raises(RefusedError, match="is somebody else's: actuate.hpa: web takes it over"):
        world.keeps(6)
    with pytest.raises(RefusedError, match=r"shop/web scales Deployment shop/web already: actuate.hpa: web takes it"):
        world.keeps(6, name="mine")
    assert world.raw() == before


def test_one_that_is_taken_over_is_given_back_exactly(world: World) -> None:
    behavior = {"scaleDown": {"tolerance": "200m", "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}]}}
    world.edited({"metadata": {"labels": {"team": "a"}, "annotations": {"x": "y"}}, "spec": {"behavior": behavior}})
    before = world.raw()
    assert world.keeps(6, 12, takes_over=True, own=(1, 12)).after == Limits(low=6, high=18)
    assert world.raw()["spec"]["behavior"]["scaleDown"]["tolerance"] == "100m"
    assert world.said[0][1] == "HpaTakenOver"
    for _ in range(30):
        world.later(minutes=1).settles()
    after = world.raw()
    assert (after["spec"], after["metadata"]["annotations"]) == (before["spec"], before["metadata"]["annotations"])
    assert world.ours() == {}


def test_what_somebody_has_changed_since_stays_theirs(world: World) -> None:
    world.keeps(6, takes_over=True)
    metrics = [{"type": "Resource", "resource": {"name": "memory", "target": {"type": "Utilization"}}}]
    world.edited({"spec": {"metrics": metrics, "maxReplicas": 25}})
    for _ in range(30):
        world.later(minutes=1).settles()
    assert (world.raw()["spec"]["metrics"], world.bounds(), world.ours()) == (metrics, Limits(low=2, high=25), {})


def test_one_that_we_made_is_deleted_and_says_what_that_leaves(bare: World) -> None:
    bare.keeps(6)
    bare.later(minutes=1).settles()  # the pass in which it was ordered
    assert bare.bounds().low == 6
    bare.later(minutes=1).settles()
    eventually(lambda: not bare.view.scalers_of(WEB), "it is gone")
    assert "its replicas stay as they are, and nothing scales them now" in bare.said[-1][2]
    assert bare.raw(kind=DEPLOYMENT)["spec"]["replicas"] == 4


def test_a_dead_controller_s_hpa_stays_with_the_rule_s_bounds(bare: World, clock: ManualClock) -> None:
    bare.keeps(9, 12)
    told = reaped(bare.later(minutes=61), clock)
    assert (told["web"].done, bare.bounds()) == (True, Limits(low=2, high=20))
    assert told["web"].said.endswith("without it nothing would scale")
    assert reaped(bare.later(minutes=5), clock)["web"].done
    told = reaped(bare, clock, Orders(everything=True))
    assert "deleted, as we had made it" in told["web"].said


def test_the_reaper_gives_back_what_was_taken_over(world: World, clock: ManualClock) -> None:
    before = world.raw()["spec"]
    world.keeps(9, 12, takes_over=True, own=(4, 12))
    told = reaped(world.later(minutes=61), clock)
    assert (told["web"].done, told["web"].said, world.raw()["spec"], world.ours()) == (True, "given back", before, {})


def test_a_lower_ceiling_of_before_comes_back_by_steps(world: World, clock: ManualClock) -> None:
    world.keeps(9, 60, takes_over=True, own=(4, 60))
    assert world.bounds().high == 60
    told = reaped(world.later(minutes=61), clock, Orders(seconds=10.0))
    assert (told["web"].done, world.bounds().high) == (False, 54)
    assert reaped(world, clock, Orders(everything=True, at_once=True))["web"].done
    assert world.bounds() == Limits(low=2, high=20)


@pytest.mark.parametrize(
    ("annotations", "said"),
    [
        ({stamps.KEPT: "created 4711"}, "this one is a copy of it"),
        ({stamps.KEPT: "mine"}, "expected created or adopted"),
        ({stamps.KEPT: "created"}, "was made by somebody else"),
        ({stamps.ORIGINAL: "{}"}, "half a stamp"),
        ({stamps.KEPT: "adopted {uid}", stamps.ORIGINAL: '{"maxReplicas": "x"}'}, "is no spec of an HPA"),
        ({stamps.KEPT: "adopted {uid}", stamps.ORIGINAL: "[" * 9000}, "expected a JSON object"),
    ],
)
def test_hostile_annotations_write_and_delete_nothing(
    world: World, clock: ManualClock, annotations: dict[str, str], said: str
) -> None:
    uid = world.raw()["metadata"]["uid"]
    stamp = {
        stamps.BASELINE_MIN: "1", stamps.BASELINE_MAX: "20", stamps.EXPIRES_AT: "2026-11-21T12:00:00Z",
        stamps.EPOCH: "1", stamps.RULE: "shop/web", stamps.REASON: "", stamps.SHAPE: "{}",
    }  # fmt: skip
    world.edited({"metadata": {"annotations": stamp | {k: v.replace("{uid}", uid) for k, v in annotations.items()}}})
    before = world.raw()
    with pytest.raises(RefusedError, match=said):
        world.keeps(6, takes_over=True)
    world.later(minutes=90).settles()
    told = reaped(world, clock, Orders(everything=True, at_once=True))
    assert said in told["web"].said
    assert world.raw() == before


def test_who_deletes_ours_again_and_again_wins(bare: World) -> None:
    refused = ""
    for _ in range(12):
        try:
            bare.later(seconds=61).keeps(6)
        except RefusedError as error:
            refused = str(error)
            continue
        bare.seen()
        bare.owner().delete(HPA, "shop", "web")
        bare.seen()
    assert "undid what we set 3 times within 10 minutes" in refused


def test_who_edits_its_metrics_again_and_again_wins(bare: World) -> None:
    bare.keeps(6)
    refused = ""
    for _ in range(20):
        bare.edited({"spec": {"metrics": []}})
        try:
            bare.later(seconds=15).keeps(6)
        except RefusedError as error:
            refused = str(error)
    assert "undid what we set 3 times within 10 minutes" in refused
    assert bare.raw()["spec"]["metrics"] == []


def test_keda_s_and_other_scalers_are_refused(world: World) -> None:
    owner = {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": "queue", "uid": "1"}
    world.hpa("owned", ownerReferences=[owner], target="cart")
    cart = WorkloadRef(kind="Deployment", namespace="shop", name="cart")
    world.seen("owned")
    with pytest.raises(RefusedError, match="name that as actuate.scaledObject"):
        world.keeps(6, name="owned", of=cart, takes_over=True)
    body = {"metadata": {"name": "queue"}, "spec": {"scaleTargetRef": {"name": "web"}, "triggers": []}}
    world.owner().create(SCALED_OBJECT, "shop", body)
    with world.watching_keda(), pytest.raises(RefusedError, match="use bounds with scaledObject"):
        world.keeps(6, takes_over=True)


def test_another_way_of_the_same_rule_waits_until_it_is_given_back(bare: World) -> None:
    bare.keeps(6)
    bare.settles("shop/web")
    with pytest.raises(RefusedError, match="was kept by a rule with actuate hpa, and is given back first"):
        bare.wants(8)
    bare.settles("shop/web")
    eventually(lambda: not bare.view.scalers_of(WEB), "it is gone")
    bare.cluster.scale(WEB, 6)


def test_under_another_name_the_former_one_is_given_back_first(bare: World) -> None:
    bare.keeps(6)
    bare.settles("shop/web")
    with pytest.raises(RefusedError, match="is what this rule kept before it named another"):
        bare.keeps(6, name="other")
    bare.settles("shop/web")
    eventually(lambda: not bare.view.scalers_of(WEB), "it is gone")
    assert bare.keeps(6, name="other").after == Limits(low=6, high=20)


def test_what_was_taken_over_under_a_former_name_has_its_spec_again(world: World) -> None:
    before = world.raw()
    world.keeps(2, takes_over=True)
    world.settles("shop/web")
    with pytest.raises(RefusedError, match="is given back first"):
        world.keeps(2, name="other", takes_over=True)
    world.settles("shop/web")
    assert (world.raw()["spec"], world.ours()) == (before["spec"], {})
    world.seen()
    with pytest.raises(RefusedError, match="actuate.hpa: web takes it over"):
        world.keeps(2, name="other", takes_over=True)


def test_it_rests_while_the_workload_sleeps(bare: World) -> None:
    bare.keeps(2)
    bare.seen()
    bare.cluster.scale(WEB, 0)
    assert bare.raw(kind=DEPLOYMENT)["spec"]["replicas"] == 0


def test_nothing_is_made_in_doubt(bare: World, clock: ManualClock, fake: KubeApi) -> None:
    with pytest.raises(RefusedError, match="has no Deployment shop/cart"):
        bare.keeps(6, name="cart", of=WorkloadRef(kind="Deployment", namespace="shop", name="cart"))
    fake.mute_watches()
    clock.advance(timedelta(minutes=3))
    with pytest.raises(RefusedError, match="too old to say that it is absent"):
        bare.keeps(6)
    fake.mute_watches(False)


def test_the_ceiling_stays_above_what_the_median_needs(bare: World) -> None:
    bare.keeps(2, 20)
    bare.seen()
    done = bare.later(minutes=11).keeps(2, 5, median=19)
    assert (done.after.high, "the forecast's median needs 19" in done.said) == (19, True)
    bare.seen()
    assert bare.later(minutes=11).keeps(2, 5, median=19).after.high == 19


def writes(fake: KubeApi) -> list[Any]:
    return [one for one in fake.asked if one.method != "GET" and "horizontalpodautoscalers" in one.path]


def test_a_ceiling_that_a_rollback_brings_back_is_that_of_before_us_or_the_one_that_stands(world: World) -> None:
    world.edited({"spec": {"maxReplicas": 60}})
    world.rolled_out(ready=4)
    assert world.keeps(4, 20, takes_over=True).after.high == 54
    world.later(minutes=5)
    assert world.keeps(4, 20, takes_over=True, ceiling_before=60).after.high == 60
    world.later(minutes=11)
    assert world.keeps(4, 20, takes_over=True).after.high == 54
    world.later(minutes=11)
    assert world.keeps(4, 20, takes_over=True, ceiling_before=58).after.high == 54
    assert world.keeps(4, 20, takes_over=True).after.high == 49
