"""The whole house with its documents in the cluster: read, decided, told in their status and in events, once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.cluster_documents import DOCUMENT_KINDS as DOCUMENTS
from app.system_clock import SystemClock
from controller.actuation.limits import Limits
from domain.scaling import WorkloadRef
from kube import Access, Writer, connect, read
from kube.kinds import DEPLOYMENT, EVENT, HPA
from tests.app.cluster_home import KIND, Home
from tests.app.test_kubernetes_parts import CONFIG, RULE
from tests.controller.cluster.world import World, eventually
from tests.fakes.kube_api import KubeApi

POLICY: dict[str, Any] = {
    "metadata": {"name": "rest"},
    "spec": {
        "selector": {"matchLabels": {"app": "cart"}},
        "template": {
            "replicas": {"min": 1, "max": 5},
            "triggers": [{"name": "rps", "query": "sum(rate(requests_total[2m]))", "perReplica": 10}],
        },
    },
}


def bounds(home: Home) -> Limits:
    spec = read(home.admin, HPA, namespace="shop", name="web").spec
    return Limits(low=spec.min_replicas, high=spec.max_replicas)


def statuses(api: KubeApi) -> int:
    ours = (one for one in api.asked if one.path.startswith("/apis/foretide.dev/") and one.path.endswith("/status"))
    return sum(one.method == "PATCH" for one in ours)


def events(api: KubeApi) -> list[tuple[str, str, str]]:
    kept = api.objects.of(("", EVENT.plural)).values()
    return [(one["involvedObject"]["kind"], one["reason"], one["message"]) for one in kept]


@pytest.fixture
def api(tmp_path: Path) -> Iterator[KubeApi]:
    with KubeApi() as api:
        config = CONFIG.replace("lease: ours", "lease: ours, collect: false, documents: true")
        (tmp_path / "foretide.yaml").write_text(config.replace("KUBECONFIG", str(api.kubeconfig(tmp_path))))
        (tmp_path / "rules").mkdir()
        yield api


@pytest.fixture
def home(api: KubeApi, tmp_path: Path) -> Iterator[Home]:
    connection = connect(Access(kubeconfig=api.kubeconfig(tmp_path), context="fake"), clock=SystemClock())
    world = World(connection, "shop")
    for name in ("web", "cart"):
        world.deployment(name)
        world.rolled_out(name)
    world.hpa()
    world.owner().create(KIND, "shop", yaml.safe_load(RULE))
    world.owner().create(DOCUMENTS["ScalingPolicy"], "shop", POLICY)
    home = Home(connection, "shop", tmp_path)
    try:
        yield home
    finally:
        home.house.close()
        connection.close()


def test_an_object_acts_and_its_status_tells_why(home: Home) -> None:
    home.tick()
    assert bounds(home) == Limits(low=6, high=20)  # as from a file
    status = home.rule()["status"]
    assert status["observedGeneration"] == 1
    assert (home.ready()["status"], home.ready()["reason"]) == ("True", "Running")
    assert (status["decision"]["outcome"], status["decision"]["bounds"]) == ("scale_up", {"min": 6, "max": 20})
    assert [one["stage"] for one in status["decision"]["trace"]][-1] == "actuate"
    assert status["wouldBe"]["hpaOnly"] == 8
    policy = read(home.admin, DOCUMENTS["ScalingPolicy"], namespace="shop", name="rest")
    assert (policy["status"]["matched"], policy["status"]["leftOut"]) == (1, 0)


def test_a_second_pass_and_moving_metrics_write_nothing(home: Home, api: KubeApi) -> None:
    home.tick()
    assert statuses(api) == 2
    for _ in range(3):  # until the floor is where it shall be
        home.tick(15)
    before = statuses(api)
    for more in range(1, 6):
        home.loads(0.1 * more, pod=str(more))
        home.tick(15)
    assert statuses(api) == before


def test_what_the_hpa_makes_of_the_bounds_is_told_a_quarter_of_an_hour_later(home: Home, api: KubeApi) -> None:
    for _ in range(4):
        home.tick(15)
    before, web = statuses(api), WorkloadRef(kind="Deployment", namespace="shop", name="web")
    hpa, view = Writer(home.admin, "hpa"), home.house._kubernetes._view  # type: ignore[union-attr]
    replicas = home.rule()["status"]["decision"]["desiredReplicas"]
    hpa.patch_merge(DEPLOYMENT, "shop", "web", {"spec": {"replicas": replicas}})
    eventually(lambda: (found := view.workload(web)) and found.spec.replicas == replicas, "the view has it")
    home.tick(15)
    assert (statuses(api), home.rule()["status"]["decision"]["outcome"]) == (before, "scale_up")

    long_ago = (home.now - timedelta(minutes=15)).strftime("%Y-%m-%dT%H:%M:%SZ")
    hpa.patch_merge(KIND, "shop", "web", {"status": {"decision": {"time": long_ago}}}, subresource="status")
    version = home.rule()["metadata"]["resourceVersion"]
    eventually(lambda: version in [one["metadata"]["resourceVersion"] for _, _, one in home.objects.objects()], "seen")
    home.tick(15)
    assert home.rule()["status"]["decision"]["outcome"] == "hold"
    assert "Hold" not in [one[1] for one in events(api)]


def test_another_outcome_and_a_refusal_are_events(home: Home, api: KubeApi) -> None:
    home.tick()
    home.edit("web", {"pause": {"reason": "INC-4711"}})
    home.tick()
    assert home.rule()["status"]["decision"]["reason"] == "Paused"
    home.edit("web", {"pause": None, "actuate": {"hpa": "gone"}})
    home.tick()
    assert (home.ready()["reason"], home.ready()["message"]) == (
        "NotWritten", "HorizontalPodAutoscaler shop/gone is not there",
    )  # fmt: skip
    told = [("ScalingRule", "Hold"), ("ScalingRule", "NotWritten")]
    eventually(lambda: set(told) <= {one[:2] for one in events(api)}, "both are told")


def test_who_does_not_lead_writes_no_status(home: Home, api: KubeApi) -> None:
    assert home.house._kubernetes is not None
    home.house._kubernetes.elector.stop()
    home.tick()
    assert statuses(api) == 0
