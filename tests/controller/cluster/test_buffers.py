"""CapacityBuffers of our own on the fake API server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from controller.actuation.buffer import BUFFER, BufferOrder
from controller.actuation.stamp import FREEZE
from controller.cluster.kubernetes_buffer import CapacityBuffer
from controller.cluster.kubernetes_switch import freeze
from controller.reaped_buffers import reap_buffers
from controller.reaper import Returned
from domain.scaling import WorkloadRef
from kube import Writer, listed
from kube.kinds import Kind
from tests.controller.cluster.world import World, eventually
from tests.fakes.kube_api import KubeApi

GROUP = "autoscaling.x-k8s.io"
BUFFERS = Kind(
    group=GROUP, version="v1beta1", kind="CapacityBuffer", plural="capacitybuffers", namespaced=True,
    type=CapacityBuffer,
)  # fmt: skip
STAYING = {"shop/web"}


@pytest.fixture
def api(fake: KubeApi, world: World) -> Iterator[KubeApi]:
    """With the API, beside another kind in a version of its own."""
    fake.groups[GROUP] = {"versions": [{"version": "v1"}, {"version": "v1beta1"}]}
    fake.groups[f"{GROUP}/v1"] = {"resources": [{"name": "provisioningrequests", "kind": "ProvisioningRequest"}]}
    fake.groups[f"{GROUP}/v1beta1"] = {"resources": [{"name": "capacitybuffers", "kind": "CapacityBuffer"}]}
    yield fake
    world.cluster.buffers.stop()


def order(need: int | None, *, beside: int = 4, why: str = "forecast") -> BufferOrder:
    web = WorkloadRef(kind="Deployment", namespace="shop", name="web")
    return BufferOrder(rule="shop/web", target=web, need=need, why=why, beside=beside, most=20, reason="forecast_floor")


def kept(world: World, wanted: BufferOrder) -> str:
    """One pass, and until it is seen."""
    said = world.cluster.buffers.keep([wanted], STAYING, world.now)["shop/web"]
    seen(world)
    return said


def seen(world: World) -> None:
    reflector = world.cluster.buffers._reflector
    assert reflector is not None
    eventually(lambda: dict(reflector.objects()) == there(world), "it is seen")


def there(world: World) -> dict[tuple[str, str], CapacityBuffer]:
    return listed(world.connection, BUFFERS).objects


def rooms(world: World) -> list[int]:
    return [one.replicas for one in there(world).values()]


def reaped(world: World, *, everything: bool = False, switch: str = "") -> list[Returned]:
    writer = Writer(world.connection, qps=1000, burst=1000)
    return reap_buffers(world.connection, writer, switch=switch, everything=everything, now=world.now)


def test_where_the_api_is_not_there_the_trace_says_so(world: World) -> None:
    said = world.cluster.buffers.keep([order(9)], STAYING, world.now)
    assert said["shop/web"].startswith("NoCapacityBuffers: API autoscaling.x-k8s.io has no CapacityBuffer")


def test_room_is_made_moved_and_deleted_and_written_on_change_only(api: KubeApi, world: World) -> None:
    assert kept(world, order(9)) == "CapacityBuffer shop/web 0 → 5 until 13:00: forecast"
    (found,) = there(world).values()
    assert found.spec.scalable_ref == {"apiGroup": "apps", "kind": "Deployment", "name": "web"}
    assert found.annotations[BUFFER].split()[0] == found.metadata.uid
    kept(world, order(14))
    before = there(world)
    assert (kept(world, order(14)), rooms(world)) == ("CapacityBuffer shop/web keeps 10", [10])
    assert there(world) == before
    world.later(minutes=1)
    assert (kept(world, order(5)), rooms(world)) == ("CapacityBuffer shop/web 10 → 9 until 13:01: forecast", [9])
    assert kept(world, order(5, beside=30)).endswith("9 → 0: deleted")
    assert rooms(world) == []


def test_without_a_forecast_it_stays_until_it_expires_and_none_is_made(api: KubeApi, world: World) -> None:
    assert (kept(world, order(None, why="stale")), rooms(world)) == ("", [])
    kept(world, order(9))
    world.later(minutes=50)
    assert kept(world, order(None, why="stale")) == "CapacityBuffer shop/web keeps 5 until it expires: stale"
    world.later(minutes=11)
    kept(world, order(None))
    assert rooms(world) == []


def test_half_of_its_life_later_it_is_renewed(api: KubeApi, world: World) -> None:
    kept(world, order(9))
    world.later(minutes=31)
    assert "5 → 5 until 13:31" in kept(world, order(9))


def test_somebody_elses_of_that_name_is_left_and_so_is_a_copy(api: KubeApi, world: World) -> None:
    kept(world, order(9))
    (ours,) = there(world).values()
    copy = {"metadata": {"name": "copy", "annotations": dict(ours.annotations)}, "spec": {"replicas": 5}}
    world.owner().create(BUFFERS, "shop", copy)
    world.owner().create(BUFFERS, "shop", {"metadata": {"name": "cart"}, "spec": {"replicas": 1}})
    seen(world)
    cart = BufferOrder(
        rule="shop/cart", target=world.deployment("cart"), need=9, why="", beside=4, most=20, reason=""
    )  # fmt: skip
    eventually(lambda: world.view.workload(cart.target) is not None, "it is seen")
    said = world.cluster.buffers.keep([cart], {"shop/web"}, world.now)["shop/cart"]
    assert said == "no room is kept: CapacityBuffer shop/cart is somebody else's, and is left as it is"
    assert world.said[-1][:2] == ("cart", "BufferNotSet")
    world.cluster.buffers.keep([], set(), world.now)
    assert {name for _, name in there(world)} == {"copy", "cart"}
    assert [(one.name, one.done) for one in reaped(world, everything=True)] == [("copy", False)]


def test_nothing_is_written_by_who_does_not_lead_or_is_frozen(api: KubeApi, world: World) -> None:
    world.leads = False
    assert "Lease" in world.cluster.buffers.keep([order(9)], STAYING, world.now)["shop/web"]
    world.leads = True
    freeze(world.owner(), namespace="foretide", reason="INC-1")
    assert kept(world, order(9)).endswith("held, by the kill switch: INC-1")
    assert rooms(world) == []


def test_a_rule_that_keeps_none_any_more_gives_it_back(api: KubeApi, world: World) -> None:
    kept(world, order(9))
    world.cluster.buffers.keep([], STAYING, world.now)
    assert rooms(world) == [5]
    world.owner().patch_merge(BUFFERS, "shop", "web", {"metadata": {"annotations": {FREEZE: "sale"}}})
    seen(world)
    world.cluster.buffers.keep([], set(), world.now)
    assert rooms(world) == [5]
    world.owner().patch_merge(BUFFERS, "shop", "web", {"metadata": {"annotations": {FREEZE: None}}})
    seen(world)
    world.cluster.buffers.keep([], set(), world.now)
    assert rooms(world) == []


def test_the_reaper_deletes_what_has_expired_and_restore_everything(api: KubeApi, world: World) -> None:
    kept(world, order(9))
    assert reaped(world) == []
    world.later(minutes=61)
    assert [one.said for one in reaped(world, switch="INC-1")] == ["left alone: the kill switch: INC-1"]
    assert ([one.done for one in reaped(world)], rooms(world)) == ([True], [])
    seen(world)
    kept(world, order(9))
    assert ([one.done for one in reaped(world, everything=True)], rooms(world)) == ([True], [])
