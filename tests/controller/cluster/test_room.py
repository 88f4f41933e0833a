"""What floors may add in a cluster: held by a quota, by the operator's limit, and told."""

from __future__ import annotations

from typing import Any

import pytest

from controller.actuation.limits import Limits
from controller.cluster import BoundsOrder, ReplicasOrder
from controller.cluster.kubernetes_pools import NODE_POOL
from domain.errors import RefusedError
from domain.scaling import WorkloadRef
from kube.kinds import HPA, NODE, QUOTA
from tests.controller.cluster.world import World, eventually


def quota(world: World, name: str = "team", **spec: Any) -> None:
    status = {"hard": {"pods": "10"}, "used": {"pods": "5"}}
    world.owner("team").create(QUOTA, world.namespace, {"metadata": {"name": name}, "spec": spec, "status": status})
    eventually(lambda: any(one.metadata.name == name for one in world.view.quotas()), "the quota is seen")


def test_a_floor_goes_as_far_as_the_quota_leaves_pods(world: World) -> None:
    quota(world)
    done = world.wants(12)
    assert done.after == Limits(low=9, high=20)  # four run, five more are left
    assert done.said.endswith(
        "a floor of 12 is held at 9: rules together would add 8 pods, and ResourceQuota shop/team (pods) leaves 5 pods"
    )


def test_a_quota_for_some_pods_only_is_left_to_the_api_server(world: World) -> None:
    quota(world, scopes=["BestEffort"])
    assert world.wants(12).after.low == 12


def test_floors_share_what_the_operator_lets_them_add_and_what_stands_stays(world: World) -> None:
    world.cluster._most_added_cores = 4.0
    refs = [WorkloadRef(kind="Deployment", namespace="shop", name=name) for name in ("web", "api")]
    world.deployment("api")
    world.hpa("api", target="api")
    for ref in refs:
        world.seen(ref.name)
        eventually(lambda ref=ref: world.view.workload(ref), "the Deployment is seen")
    orders = [
        BoundsOrder(
            rule=f"shop/{ref.name}", target=ref, kind="HorizontalPodAutoscaler", name=ref.name,
            limits=Limits(low=18, high=20), reason="ForecastFloor",
        )
        for ref in refs
    ]  # fmt: skip
    for _ in range(4):
        for ref in refs:
            world.seen(ref.name)  # a pass comes 15 s after the last: what is shared goes by what stands in the view
        world.cluster.begin(orders, world.now)
        for order in orders:
            world.cluster.set_bounds(order, world.now)
        world.later(minutes=1)
    floors = [world.bounds(ref.name).low for ref in refs]
    assert floors == [10, 10]  # each wants 16 more of a quarter core, and gets half of them
    world.cluster._most_added_cores = 1.0
    world.cluster.begin(orders, world.now)
    assert "kubernetes.most_added_cores leaves 1.0 cores" in world.cluster.set_bounds(orders[0], world.now).said
    assert world.bounds().low == 10


def test_an_autoscaler_that_is_not_there_is_an_event_on_its_workload(world: World) -> None:
    with pytest.raises(RefusedError, match="is not there"):
        world.wants(8, name="gone")
    assert world.said[0] == ("web", "BoundsNotSet", "HorizontalPodAutoscaler shop/gone is not there")


def node(world: World, name: str, **labels: str) -> None:
    body = {"metadata": {"name": name, "labels": labels}, "status": {"allocatable": {"cpu": "2"}}}
    world.owner("kubelet").create(NODE, None, body)


def test_floors_ask_for_no_more_than_the_node_pools_can_hold(world: World) -> None:
    pool = {"metadata": {"name": "general"}, "spec": {"limits": {"cpu": "500m"}}}
    world.owner("karpenter").create(NODE_POOL, None, pool)
    node(world, "fixed")
    node(world, "made", **{"karpenter.sh/nodepool": "general"})
    done = world.wants(12)
    assert done.after == Limits(low=10, high=20)  # 2.5 cores are ten of a quarter
    assert done.said.endswith("rules together would add 2.0 cores, and what the node pools can hold leaves 1.5 cores")


def test_a_pool_without_a_limit_holds_nothing_back(world: World) -> None:
    world.owner("karpenter").create(NODE_POOL, None, {"metadata": {"name": "general"}, "spec": {}})
    assert world.wants(12).after.low == 12


def test_replicas_that_we_set_ourselves_share_the_room_with_floors(world: World) -> None:
    quota(world)
    job = world.deployment("job", replicas=1)
    eventually(lambda: world.view.workload(job), "the Deployment is seen")
    web = WorkloadRef(kind="Deployment", namespace="shop", name="web")
    world.seen()
    orders = [
        ReplicasOrder(rule="shop/job", target=job, replicas=6, least=1),
        BoundsOrder(
            rule="shop/web", target=web, kind="HorizontalPodAutoscaler", name="web", limits=Limits(low=9, high=20),
            reason="ForecastFloor",
        ),
    ]  # fmt: skip
    room = world.cluster.begin(orders, world.now)
    assert {rule: one.low for rule, one in room.items()} == {"shop/job": 3, "shop/web": 6}  # of ten more, five are left
    assert room["shop/job"].why.startswith(
        "rules together would add 10 pods, and ResourceQuota shop/team (pods) leaves"
    )


def test_the_operator_s_limit_counts_replicas_above_the_rule_s_own_min_and_takes_none(world: World) -> None:
    world.cluster._most_added_cores = 0.5
    web = WorkloadRef(kind="Deployment", namespace="shop", name="web")
    eventually(lambda: world.view.workload(web), "the Deployment is seen")

    def may(replicas: int, least: int) -> int:
        order = ReplicasOrder(rule="shop/web", target=web, replicas=replicas, least=least)
        return world.cluster.begin([order], world.now)["shop/web"].low

    assert (may(9, 4), may(9, 2), may(9, 0), may(2, 0)) == (6, 4, 4, 2)  # four run, of a quarter core each


def test_an_hpa_that_is_to_be_made_has_its_share_of_the_room(world: World) -> None:
    quota(world)
    world.owner().delete(HPA, "shop", "web")
    eventually(lambda: world.view.autoscaler("HorizontalPodAutoscaler", "shop", "web") is None, "it is gone")
    done = world.keeps(12)
    assert done.after == Limits(low=9, high=20)
    assert "a floor of 12 is held at 9: rules together would add 8 pods" in done.said


def test_nobody_shares_with_a_floor_that_its_ceiling_forbids(world: World) -> None:
    world.cluster._most_added_cores = 4.0
    web = WorkloadRef(kind="Deployment", namespace="shop", name="web")
    world.seen()
    order = BoundsOrder(
        rule="shop/web", target=web, kind="HorizontalPodAutoscaler", name="web", limits=Limits(low=90, high=90),
        reason="ForecastFloor",
    )  # fmt: skip
    assert world.cluster.begin([order], world.now)["shop/web"].low == 18  # of the 20 that the HPA allows at most
