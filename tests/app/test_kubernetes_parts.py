"""The whole house on a cluster: from a sample in the store to the floor of an HPA, and back to nobody's Lease."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from app.kubernetes_parts import KubernetesConfig, KubernetesParts
from app.settings import read_settings
from app.system_clock import SystemClock
from app.wiring import House
from controller.actuation.limits import Limits
from controller.actuation.stamp import EPOCH
from controller.cluster import BoundsOrder
from controller.cluster.observe import ObserveCluster
from domain.errors import RefusedError, SettingsError
from domain.scaling import WorkloadRef
from kube import Access, Writer, connect, read
from kube.kinds import LEASE, POD
from store.state import DecisionLedger
from tests.app.world import rising
from tests.collector.kubernetes.objects import pod
from tests.controller.cluster.world import World, eventually
from tests.fakes.kube_api import KubeApi

WEB = WorkloadRef(kind="Deployment", namespace="shop", name="web")
RULE = """
apiVersion: foretide.dev/v1alpha1
kind: ScalingRule
metadata: {name: web, namespace: shop}
spec:
  target: {kind: Deployment, name: web}
  replicas: {min: 2, max: 20}
  mode: enforce
  backtestOverride: {reason: a test}
  actuate: {with: bounds, hpa: web}
  triggers:
  - {name: rps, query: 'sum(rate(requests_total[2m]))', perReplica: 10}
"""
CONFIG = """
cluster: kubernetes
kubernetes: {context: fake, kubeconfig: KUBECONFIG, lease: ours}
rules_dir: rules
"""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with KubeApi() as api:
        (tmp_path / "foretide.yaml").write_text(CONFIG.replace("KUBECONFIG", str(api.kubeconfig(tmp_path))))
        connection = connect(Access(kubeconfig=api.kubeconfig(tmp_path), context="fake"), clock=SystemClock())
        world = World(connection, "shop")
        world.deployment()
        world.rolled_out()
        world.hpa()
        yield world


def test_a_sample_becomes_a_floor_and_the_lease_is_given_back(world: World, tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "web.yaml").write_text(RULE)
    settings = read_settings(config=None, environment={"FORETIDE_PORT": "0"}, working_dir=tmp_path)
    settings.data_dir.mkdir()
    house = House(settings, clock=SystemClock(), version="9", base_url="http://127.0.0.1:1", environment={})
    try:
        house.prepare()
        assert house.cluster.name == "kubernetes fake"
        now = SystemClock().now()
        house.metrics.load([rising("requests_total", per_second=72.0, end=now + timedelta(seconds=15))])
        kept = house._kubernetes  # the loops are not started: the Lease's thread is all that runs by itself
        assert kept is not None
        eventually(kept.elector.leading, "we lead")
        house.decide(now)
        assert world.bounds() == Limits(low=6, high=20)  # of 8: by `behavior`, four more in 15 s
        assert read(world.connection, LEASE, namespace="foretide", name="ours").spec.holder_identity
    finally:
        house.close()
    assert not read(world.connection, LEASE, namespace="foretide", name="ours").spec.holder_identity


def test_who_follows_decides_and_keeps_nothing(world: World, tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "web.yaml").write_text(RULE)
    spec = {"holderIdentity": "another", "leaseDurationSeconds": 15, "leaseTransitions": 3}
    Writer(world.connection, "another").apply(LEASE, "foretide", "ours", {"spec": spec})
    settings = read_settings(config=None, environment={"FORETIDE_PORT": "0"}, working_dir=tmp_path)
    settings.data_dir.mkdir()
    house = House(settings, clock=SystemClock(), version="9", base_url="http://127.0.0.1:1", environment={})
    try:
        house.prepare()
        kept = house._kubernetes
        assert kept is not None
        eventually(kept.follows, "the other is seen")
        house.decide(SystemClock().now())
        with house.state.transaction() as session:
            assert DecisionLedger(session).latest("shop/web") is None
        assert house.registry.get_sample_value("foretide_controller_rules") == 1
        kept.elector.stop()
        kept.elector._seen = None  # as before the first look, and as when nobody can be asked
        house.decide(SystemClock().now())
        with house.state.transaction() as session:
            assert DecisionLedger(session).latest("shop/web") is not None
    finally:
        house.close()


def test_the_cluster_is_collected_and_searched_for_targets(world: World, tmp_path: Path) -> None:
    discovery = "\nscrape_configs: [{job_name: pods, kubernetes_sd_configs: [{role: pod}]}]\n"
    with (tmp_path / "foretide.yaml").open("a") as file:
        file.write(discovery)
    Writer(world.connection, "tests").create(POD, "shop", pod("web-5d9c7f6b8-abcde"))
    settings = read_settings(config=None, environment={"FORETIDE_PORT": "0"}, working_dir=tmp_path)
    settings.data_dir.mkdir()
    clock = SystemClock()
    house = House(settings, clock=clock, version="9", base_url="http://127.0.0.1:1", environment={})
    try:
        house.prepare()
        kept = house._collection  # its loops are not started: what they do is done here
        assert kept is not None

        def collected() -> bool:
            for _, tick in kept.loops().values():
                tick(clock.now())
            wanted = house.queries.instant('kube_deployment_spec_replicas{deployment="web"} == 4', clock.now())
            return len(house._found_targets()) == 2 and len(list(wanted)) == 1

        eventually(collected, "the pod's targets, and the Deployment's replicas")
        told = {target.job: target for target in house.status.full().targets}
    finally:
        house.close()
    assert {"foretide-kubernetes", "foretide-metrics-api", "node"} <= told.keys()
    assert told["foretide-kubernetes"].instance == "fake"


def test_who_has_exporters_may_leave_that_out(world: World, tmp_path: Path) -> None:
    text = (tmp_path / "foretide.yaml").read_text().replace("lease: ours", "lease: ours, collect: false")
    (tmp_path / "foretide.yaml").write_text(text)
    settings = read_settings(config=None, environment={"FORETIDE_PORT": "0"}, working_dir=tmp_path)
    settings.data_dir.mkdir()
    house = House(settings, clock=SystemClock(), version="9", base_url="http://127.0.0.1:1", environment={})
    try:
        assert house._collection is not None
        assert list(house._collection.loops()) == ["discovery"]
        assert "foretide-kubernetes" not in {target.job for target in house.status.full().targets}
    finally:
        house.close()


def test_of_two_only_the_leader_writes_and_the_other_goes_on_after_it(world: World, tmp_path: Path) -> None:
    access = Access(kubeconfig=tmp_path / "kubeconfig", context="fake")
    config = KubernetesConfig(
        access=access, namespace="foretide", lease="ours", writes_per_second=20, changes_per_minute=50
    )
    one, two = (
        KubernetesParts(config, metrics=ObserveCluster(lambda query: None), clock=SystemClock()) for _ in range(2)
    )
    order = BoundsOrder(
        rule="shop/web", target=WEB, kind="HorizontalPodAutoscaler", name="web", limits=Limits(low=8, high=20),
        reason="ForecastFloor",
    )  # fmt: skip
    one.start()
    eventually(one.elector.leading, "the first leads")
    two.start()
    try:
        now = SystemClock().now()
        with pytest.raises(RefusedError, match="another process leads"):
            two.cluster.set_bounds(order, now)
        one.cluster.set_bounds(order, now)
        assert world.ours()[EPOCH] == str(one.elector.epoch)
    finally:
        one.close()
    try:
        eventually(two.elector.leading, "the second leads")
        higher = replace(order, limits=Limits(low=10, high=20))
        eventually(lambda: two.cluster.workload(WEB).floor == 8, "the second has seen what the first wrote")
        two.cluster.set_bounds(higher, now)
        assert world.ours()[EPOCH] == str(two.elector.epoch)
        assert two.elector.epoch > one.elector.epoch
    finally:
        two.close()


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("cluster: kubernetes", "say which cluster: either context, or inCluster: true"),
        ("cluster: kubernetes\nkubernetes: {context: a, inCluster: true}", "say which cluster: either context"),
        ("cluster: kubernetes\nkubernetes: {inCluster: true, kubeconfig: x}", "kubeconfig: goes with context"),
        ("kubernetes: {context: a}", "goes with cluster: kubernetes, not with observe"),
    ],
)
def test_a_cluster_is_named_and_meant(tmp_path: Path, config: str, said: str) -> None:
    (tmp_path / "foretide.yaml").write_text(config)
    with pytest.raises(SettingsError, match=said):
        read_settings(config=None, environment={}, working_dir=tmp_path)
