"""Documents on a real API server, by the controller's own ServiceAccount: read, acted on, told, and told once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.system_clock import SystemClock
from kube import Access, Writer, connect
from tests.app.cluster_home import KIND, Home
from tests.app.test_kubernetes_parts import RULE
from tests.cluster.api import Object
from tests.cluster.control_plane import Cluster
from tests.cluster.objects import deployment, hpa, replicas
from tests.controller.cluster.world import eventually
from tests.deploy.applying import ACCOUNT, apply
from tests.deploy.manifests import opt_in

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
CONTROLLER = f"{ACCOUNT}controller"
CONFIG = """
cluster: kubernetes
kubernetes: {context: foretide-test, kubeconfig: KUBECONFIG, collect: false, documents: true}
"""


@pytest.fixture
def home(installed: Cluster, tmp_path: Path) -> Iterator[Home]:
    """A namespace that has opted in, a Deployment of two, its HPA 2..20 and a rule that sets its bounds."""
    namespace, api = installed.namespace("documents"), installed.api
    for one in opt_in("bounds"):
        apply(api, {**one, "metadata": {**one["metadata"], "namespace": namespace}})
    installed.metrics.set_load(namespace, "web", cpu_millicores=100)
    api.create(deployment("web", namespace, replicas=2))
    api.create(hpa("web", namespace, low=2))
    api.until("two are ready", lambda: replicas(api, "web", namespace) == (2, 2) or None)
    rule: dict[str, Any] = yaml.safe_load(RULE)
    rule["metadata"]["namespace"] = namespace
    admin = connect(Access(kubeconfig=installed.kubeconfig(), context="foretide-test"), clock=SystemClock())
    Writer(admin, "kubectl-create").create(KIND, namespace, rule)
    (tmp_path / "foretide.yaml").write_text(CONFIG.replace("KUBECONFIG", str(installed.kubeconfig(CONTROLLER))))
    home = Home(admin, namespace, tmp_path)
    yield home
    home.house.close()
    installed.metrics.forget(namespace)
    api.delete("Namespace", namespace)
    admin.close()


def statuses(cluster: Cluster, namespace: str) -> int:
    written = [one["objectRef"] for one in cluster.writes(CONTROLLER)]
    return sum(one.get("subresource") == "status" and one.get("namespace") == namespace for one in written)


def told(cluster: Cluster, namespace: str) -> list[str]:
    events: list[Object] = cluster.api.list("Event", namespace, fieldSelector="involvedObject.kind=ScalingRule")
    return [one["reason"] for one in events]


def test_a_rule_is_an_object_from_its_spec_to_its_status(home: Home, installed: Cluster) -> None:
    home.tick()
    spec = installed.api.get("HorizontalPodAutoscaler", "web", home.namespace)["spec"]
    status = home.rule()["status"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (6, 20)
    assert (status["observedGeneration"], status["decision"]["bounds"]) == (1, {"min": 6, "max": 20})
    assert (home.ready()["status"], home.ready()["reason"]) == ("True", "Running")

    home.edit("web", {"triggers": [{"name": "rps", "query": "sum(", "perReplica": 10}]})  # no schema sees that
    home.tick()
    assert (home.ready()["reason"], home.rule()["status"]["observedGeneration"]) == ("Refused", 2)
    assert "spec.triggers[0].query" in home.ready()["message"]
    assert home.rule()["status"]["decision"]["bounds"] == {"min": 8, "max": 20}  # 8 are needed, 4 were a step
    assert f"{home.namespace}/web" in [one.key for one in home.house.running_rules().rules]
    eventually(lambda: "Refused" in told(installed, home.namespace), "kubectl describe tells it")


def test_metrics_that_move_without_a_changed_decision_write_nothing(home: Home, installed: Cluster) -> None:
    home.tick()
    eventually(lambda: replicas(installed.api, "web", home.namespace)[1] >= 6, "the HPA follows the floor")

    def settled() -> bool:
        before = statuses(installed, home.namespace)
        home.tick(15)
        home.tick(15)
        return statuses(installed, home.namespace) == before

    eventually(settled, "everything is told")
    before = statuses(installed, home.namespace)
    for more in range(1, 6):
        home.loads(0.1 * more, pod=str(more))
        home.tick(15)
    assert statuses(installed, home.namespace) == before
    assert told(installed, home.namespace).count("Refused") == 0
