"""A rule that is applied with kubectl is decided upon, by the whole program as the ServiceAccount of the manifests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.cluster.api import Object
from tests.cluster.control_plane import NODE, Cluster
from tests.cluster.programs import Program
from tests.deploy.applying import ACCOUNT, OWN
from tests.e2e.program import FORETIDE, ask, free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
RULES = "/apis/foretide.dev/v1alpha1/namespaces/{}/scalingrules"


@pytest.fixture(scope="module")
def foretide(installed: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """``foretide up`` with documents of the cluster, as the controller's account."""
    folder, port = tmp_path_factory.mktemp("foretide"), free_port()
    kubeconfig = installed.kubeconfig(f"{ACCOUNT}controller")
    kubernetes = {"context": "foretide-test", "kubeconfig": str(kubeconfig), "documents": True, "namespace": OWN}
    config = {"cluster": "kubernetes", "kubernetes": kubernetes, "port": port, "data_dir": str(folder / "var")}
    file = folder / "foretide.yaml"
    file.write_text(yaml.safe_dump(config), encoding="utf-8")

    def ready() -> bool:
        try:
            return ask(f"http://127.0.0.1:{port}/readyz").status == 200
        except OSError:
            return False

    program = Program("foretide", [FORETIDE, "up", "--config", str(file)], folder=folder, ready=ready)
    program.start()
    try:
        program.wait_ready()
        yield program
    finally:
        program.stop()


def deployment(namespace: str, name: str) -> Object:
    labels = {"app": name}
    container = {"name": "app", "image": "none", "resources": {"requests": {"cpu": "100m"}}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"nodeName": NODE, "containers": [container]}},
        },
    }


def rule(name: str, **spec: Any) -> Object:
    at_night = {"name": "always", "schedule": {"start": "0 0 * * *", "end": "59 23 * * *"}, "replicas": 4}
    said = {"target": {"name": name}, "replicas": {"min": 1, "max": 9}, "triggers": [at_night], **spec}
    return {
        "apiVersion": "foretide.dev/v1alpha1",
        "kind": "ScalingRule",
        "metadata": {"name": name},
        "spec": said,
    }


def test_an_applied_rule_is_decided_upon_and_says_so(installed: Cluster, foretide: Program) -> None:
    namespace, api = installed.namespace("documents"), installed.api
    api.create(deployment(namespace, "web"))
    where = RULES.format(namespace)
    api.request("POST", where, rule("web"))
    api.request("POST", where, rule("web-twin", target={"name": "web"}))

    def status(name: str) -> Object | None:
        found: Object | None = api.request("GET", f"{where}/{name}").get("status")
        return found

    decided = api.until("the rule has a decision", lambda: (status("web") or {}).get("decision"), seconds=60)
    refused = api.until("the other rule is refused", lambda: status("web-twin"), seconds=30)

    assert decided["desiredReplicas"] in (1, 2, 4)
    assert decided["trace"]
    assert refused["conditions"][0]["status"] == "False"
    assert "is already scaled by the rule in ScalingRule" in refused["conditions"][0]["message"]
    assert foretide.pid
