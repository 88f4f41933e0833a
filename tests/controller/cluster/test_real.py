"""The same stories on a real API server with the real HPA controller, by our ServiceAccounts under our guardrails."""

from __future__ import annotations

import signal
from decimal import Decimal
from functools import partial

import pytest
from prometheus_client import CollectorRegistry

from app.kubernetes_parts import KubernetesConfig, KubernetesParts
from app.system_clock import SystemClock
from controller.acting import Actor
from controller.actuation import stamp as stamps
from controller.actuation.limits import Limits
from controller.cluster import BoundsOrder
from controller.cluster.observe import ObserveCluster
from controller.metrics import ControllerMetrics
from controller.reaper import Orders
from domain.errors import ActuationError, ForbiddenError, KubeError, RefusedError, UnavailableError
from domain.scaling import Decision, Mode, Outcome, Reason, WorkloadRef
from kube import Access
from kube.kinds import HPA
from rules.schema import ScalingRule
from tests.cluster.api import Object
from tests.cluster.control_plane import Cluster
from tests.cluster.objects import deployment, hpa, replicas
from tests.controller.cluster.real import CONTROLLER, reaped, untouched
from tests.controller.cluster.world import World, eventually
from tests.controller.stories import rule_of
from tests.deploy.applying import OWN

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def world(real_world: World) -> World:
    """That of the real server."""
    return real_world


def grown(guarded: Cluster, world: World, count: int) -> None:
    api = guarded.api
    api.until(f"{count} replicas", lambda: replicas(api, "web", world.namespace) == (count, count) or None)


def writes_of(guarded: Cluster, world: World, user: str) -> list[Object]:
    return [
        one for one in guarded.writes(user)
        if one["objectRef"].get("namespace") == world.namespace and one["objectRef"]["resource"] != "events"
    ]  # fmt: skip


def test_the_hpa_follows_a_floor_and_everything_comes_back(guarded: Cluster, world: World) -> None:
    before = world.raw()
    done = world.wants(8)
    assert done.after == Limits(low=8, high=20)
    grown(guarded, world, 8)
    assert world.ours()[stamps.BASELINE_MIN] == "2"
    for _ in range(20):
        world.later(minutes=1).seen()
        world.cluster.settle(set(), world.now)
    assert (world.bounds(), world.ours()) == (Limits(low=2, high=20), {})
    spec, annotations, owners = untouched(world.raw())
    assert (spec, annotations) == untouched(before)[:2]
    assert "foretide" not in {manager for manager, _, _ in owners}


def test_the_reaper_gives_back_what_a_dead_controller_left(guarded: Cluster, world: World) -> None:
    world.wants(8, 10)
    assert world.bounds() == Limits(low=8, high=18)
    grown(guarded, world, 8)
    world.later(minutes=16)
    told = reaped(guarded, world)
    assert (told["web"].done, told["web"].before, told["web"].after) == (
        True, Limits(low=8, high=18), Limits(low=2, high=20),
    )  # fmt: skip
    assert (world.bounds(), world.ours(), "foretide" in world.managers()) == (Limits(low=2, high=20), {}, False)


def test_an_uninstall_leaves_no_annotation_and_no_changed_spec(guarded: Cluster, world: World) -> None:
    api, names = guarded.api, [f"web-{number}" for number in range(5)]
    for name in names:
        api.create(hpa(name, world.namespace, low=2))
    before = {name: untouched(world.raw(name)) for name in names}
    for number, name in enumerate(names):
        limits = Limits(low=3 + 2 * number, high=20 - 3 * number)
        world.view.wait_synced(10)
        world.seen(name)
        order = BoundsOrder(
            rule=f"{world.namespace}/{name}", kind="HorizontalPodAutoscaler", name=name, limits=limits, reason="test",
            target=WorkloadRef(kind="Deployment", namespace=world.namespace, name=name),
        )  # fmt: skip
        world.cluster.set_bounds(order, world.now)
    assert all(world.ours(name) for name in names)
    told = reaped(guarded, world, Orders(everything=True, at_once=True))
    assert all(told[name].done for name in names)
    after = {name: untouched(world.raw(name)) for name in names}
    assert {name: one[:2] for name, one in after.items()} == {name: one[:2] for name, one in before.items()}
    assert not any("foretide" in world.managers(name) for name in names)


def test_a_rival_by_force_starts_no_war(guarded: Cluster, world: World) -> None:
    rival, refused = world.owner("argocd-controller"), ""
    for _ in range(20):
        try:
            world.later(seconds=15).wants(8)
        except RefusedError as error:
            refused = str(error)
            continue
        rival.apply(HPA, world.namespace, "web", {"spec": {"minReplicas": 2}}, force=True)
    assert "undid what we set 3 times within 10 minutes" in refused
    assert len(writes_of(guarded, world, CONTROLLER)) == 3
    assert world.bounds().low == 2


def test_an_hpa_that_was_made_anew_gets_no_old_plan(guarded: Cluster, world: World) -> None:
    world.wants(8)
    guarded.api.delete("HorizontalPodAutoscaler", "web", world.namespace)
    eventually(lambda: world.view.autoscaler(HPA.kind, world.namespace, "web") is None, "it is gone")
    guarded.api.create(hpa("web", world.namespace, low=2))
    fresh = world.raw()["metadata"]["uid"]
    for _ in range(3):
        with pytest.raises(RefusedError, match="deleted and made anew"):
            world.later(seconds=15).wants(8)
    found = world.raw()
    assert (found["metadata"]["uid"], world.ours(), world.bounds().low) == (fresh, {}, 2)


def test_a_plan_for_another_uid_is_refused_by_the_server(guarded: Cluster, world: World) -> None:
    """The last moment: it was recreated after our last look."""
    world.seen()
    found = world.view.autoscaler(HPA.kind, world.namespace, "web")
    assert found is not None
    body = {"metadata": {"annotations": {stamps.EPOCH: "1"}}, "spec": {"minReplicas": 8}}
    apply_old = partial(world.cluster._writer.apply, HPA, world.namespace, "web", body, force=True)
    with pytest.raises(KubeError) as other:
        apply_old(uid="00000000-0000-0000-0000-000000000000")
    guarded.api.delete("HorizontalPodAutoscaler", "web", world.namespace)
    with pytest.raises(KubeError) as gone:
        apply_old(uid=found.metadata.uid)
    assert (other.value.is_recreated, gone.value.is_recreated) == (True, True)
    names = [one["metadata"]["name"] for one in guarded.api.list("HorizontalPodAutoscaler", world.namespace)]
    assert names == []


def test_without_rights_a_namespace_is_tried_once_a_minute(guarded: Cluster, world: World) -> None:
    api = guarded.api
    api.delete("RoleBinding", "foretide-acts-by-bounds", world.namespace)

    def is_forbidden() -> bool | None:
        try:
            world.wants(8)
        except ForbiddenError:
            return True
        return None

    api.until("the right is gone", is_forbidden)
    tried = len(writes_of(guarded, world, CONTROLLER))
    actor = Actor(world.cluster, ControllerMetrics(CollectorRegistry()))
    rules = [rule(world, name) for name in ("web", "web-2")]
    api.create(deployment("web-2", world.namespace, replicas=1))
    api.create(hpa("web-2", world.namespace, low=2))
    world.seen("web-2")
    actor.keep(rules)
    for tick in range(16):
        world.later(seconds=15)
        for one in rules:
            deed = actor.act(one, decision(world, one, 9), now=world.now)
            assert "403" in deed.said or (deed.action is not None and "403" in deed.action.error), tick
    assert 1 <= len(writes_of(guarded, world, CONTROLLER)) - tried <= 4


def test_an_api_server_that_dies_changes_nothing_and_is_taken_up_again(guarded: Cluster, world: World) -> None:
    world.wants(8)
    grown(guarded, world, 8)
    guarded.api_server.stop(signal.SIGKILL)
    try:
        world.later(minutes=1)
        with pytest.raises(UnavailableError):
            world.cluster.set_bounds(order_of(world, 12), world.now)
    finally:
        guarded.api_server.start()
        guarded.api_server.wait_ready()
    assert world.bounds() == Limits(low=8, high=20)

    def written() -> bool:
        try:
            return world.later(minutes=1).cluster.set_bounds(order_of(world, 12), world.now).after.low == 12
        except ActuationError:
            return False

    eventually(written, "the floor is raised once the server is back", seconds=90.0)
    grown(guarded, world, 12)


def test_edits_in_between_do_not_stop_us_and_are_not_lost(guarded: Cluster, world: World) -> None:
    """Somebody labels the HPA between our look and our write, again and again."""
    for number in range(5):
        world.seen()
        world.edited({"metadata": {"labels": {"edit": str(number)}}})
        done = world.later(minutes=1, seconds=1).cluster.set_bounds(order_of(world, 4 + number), world.now)
        assert (done.after.low, world.bounds().low) == (4 + number, 4 + number)
        assert world.raw()["metadata"]["labels"]["edit"] == str(number)


def test_by_its_own_rights_it_leads_and_writes_and_says_so(guarded: Cluster, world: World) -> None:
    """Lease, kill switch, events: all of it as ServiceAccount foretide-controller."""
    access = Access(kubeconfig=guarded.kubeconfig(CONTROLLER), context="foretide-test")
    config = KubernetesConfig(
        access=access, namespace=OWN, lease="foretide-controller", writes_per_second=20, changes_per_minute=50
    )
    parts = KubernetesParts(config, metrics=ObserveCluster(lambda query: None), clock=SystemClock())
    parts.start()
    try:
        eventually(parts.elector.leading, "it leads", seconds=60.0)
        target = WorkloadRef(kind="Deployment", namespace=world.namespace, name="web")
        order = BoundsOrder(
            rule=f"{world.namespace}/web", target=target, kind=HPA.kind, name="web", limits=Limits(low=6, high=20),
            reason="ForecastFloor",
        )  # fmt: skip
        done = parts.cluster.set_bounds(order, SystemClock().now())
        assert done.after.low == 6
        grown(guarded, world, 6)
        found = parts.cluster.workload(target)
        assert (found.current_replicas, found.requests["cpu"]) == (6, pytest.approx(float(Decimal("0.1"))))
        about = "involvedObject.name=web,reason=BoundsSet"
        guarded.api.until("the event", lambda: guarded.api.list("Event", world.namespace, fieldSelector=about) or None)
    finally:
        parts.close()
    assert not guarded.api.get("Lease", "foretide-controller", OWN)["spec"].get("holderIdentity")


def order_of(world: World, low: int) -> BoundsOrder:
    target = WorkloadRef(kind="Deployment", namespace=world.namespace, name="web")
    limits = Limits(low=low, high=20)
    return BoundsOrder(rule="a/web", target=target, kind=HPA.kind, name="web", limits=limits, reason="test")


def rule(world: World, name: str) -> ScalingRule:
    made = rule_of(
        {
            "target": {"kind": "Deployment", "name": name}, "replicas": {"min": 2, "max": 20}, "mode": "enforce",
            "actuate": {"with": "bounds", "hpa": name},
            "triggers": [{"name": "rps", "query": "up", "perReplica": 10}],
        },
        name=name,
    )  # fmt: skip
    return made.model_copy(update={"metadata": made.metadata.model_copy(update={"namespace": world.namespace})})


def decision(world: World, one: ScalingRule, low: int) -> Decision:
    return Decision(
        id="d", rule=one.key, target=one.target, mode=Mode.ENFORCE, at=world.now, current_replicas=2, ready_replicas=2,
        desired_replicas=low, reactive_replicas=low, forecast_replicas=None, outcome=Outcome.SCALE_UP,
        reason=Reason.DESIRED_WITHIN_RANGE, message="", limited_by=(), proposals=(), trace=(), lower_bound=low,
        upper_bound=20,
    )  # fmt: skip
