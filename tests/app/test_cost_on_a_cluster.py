"""Volumes, load balancers and labels of a real API server, by the collector's watches and the store, in the API."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from app.settings import read_settings
from app.system_clock import SystemClock
from app.wiring import House
from tests.app.asgi import call
from tests.cluster.api import Object
from tests.cluster.control_plane import Cluster
from tests.cluster.objects import deployment, replicas

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
CONFIG = """
cluster: kubernetes
kubernetes: {context: foretide-test, kubeconfig: KUBECONFIG, namespace: OWN, collect_labels: [team]}
rules_dir: rules
"""
PRICES = """
apiVersion: foretide.dev/v1alpha1
kind: PriceSheet
metadata: {name: eu}
spec:
  currency: EUR
  cpuCoreHour: 1
  memoryGiBHour: 0.1
  loadBalancerHourly: 60
  rules: [{match: {storageClass: fast}, perUnit: {gibMonth: 73}}]
"""


def volume(name: str, namespace: str, claim: str) -> Object:
    ref = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": namespace, "name": claim}
    spec = {
        "capacity": {"storage": "60Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": "fast", "claimRef": ref,
        "csi": {"driver": "disk.example", "volumeHandle": name},
    }  # fmt: skip
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": spec}


def claim(name: str, namespace: str, of: str) -> Object:
    resources = {"requests": {"storage": "60Gi"}}
    spec = {"accessModes": ["ReadWriteOnce"], "storageClassName": "fast", "volumeName": of, "resources": resources}
    where = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": where, "spec": spec}


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """A pod that mounts a claim behind a load balancer, a pod with neither, and a claim that nobody mounts."""
    if not isinstance(cluster, Cluster):
        pytest.skip("kwok's pods are those of the tests' own cluster")
    api, name = cluster.api, cluster.namespace("cost")
    for called in ("data", "idle"):
        api.create(volume(f"{name}-{called}", name, called))
        api.create(claim(called, name, f"{name}-{called}"))
    web = deployment("web", name, replicas=1)
    template = web["spec"]["template"]
    template["metadata"]["labels"]["team"] = "search"
    template["spec"]["volumes"] = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
    api.create(web)
    api.create(deployment("alone", name, replicas=1))
    ports = [{"port": 80}]
    spec = {"type": "LoadBalancer", "selector": {"app": "web"}, "ports": ports, "allocateLoadBalancerNodePorts": False}
    front = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "front", "namespace": name}, "spec": spec}
    api.create(front)
    made = {"status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.7"}]}}}
    path = f"/api/v1/namespaces/{name}/services/front/status"
    api.request("PATCH", path, made, content_type="application/merge-patch+json")
    api.until("both run", lambda: all(replicas(api, one, name) == (1, 1) for one in ("web", "alone")))
    api.until("the slice names the pod", lambda: any(
        one.get("endpoints") for one in api.list("EndpointSlice", name, api="discovery.k8s.io/v1")
    ))  # fmt: skip
    yield name
    bare = {"metadata": {"finalizers": None}}  # nobody here looks whether a volume is still in use
    for called in ("data", "idle"):
        api.delete("PersistentVolumeClaim", called, name)
        api.merge("PersistentVolumeClaim", called, name, bare)
        api.delete("PersistentVolume", f"{name}-{called}")
        api.merge("PersistentVolume", f"{name}-{called}", None, bare)
    api.delete("Namespace", name)


def test_what_a_pod_hangs_on_stands_in_its_row_of_the_api(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    config = CONFIG.replace("KUBECONFIG", str(cluster.kubeconfig())).replace("OWN", cluster.namespace("foretide"))
    (tmp_path / "foretide.yaml").write_text(config)
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "prices.yaml").write_text(PRICES)
    settings = read_settings(config=None, environment={"FORETIDE_PORT": "0"}, working_dir=tmp_path)
    settings.data_dir.mkdir()
    house = House(settings, clock=SystemClock(), version="9", base_url="http://127.0.0.1:1", environment={})

    def asked(by: str) -> dict[str, Any]:
        path = f"/api/v1/cost/allocation?by={by}&filter=namespace:eq:{namespace}"
        answer = call(application, path, headers={"host": "127.0.0.1"})
        assert answer.status == 200, answer.body
        found: dict[str, Any] = answer.json["data"]
        parts = [Decimal(row["cost"]) for row in found["rows"]]
        parts += [Decimal(one) for name in ("idle", "lines") for one in found[name].values()]
        assert sum(parts) + Decimal(found["filtered"]) == Decimal(found["total"])
        return found

    def row(by: str, value: str) -> dict[str, Decimal]:
        rows = {next(iter(one["key"].values())): one["components"] for one in asked(by)["rows"]}
        return {name: Decimal(amount) for name, amount in rows.get(value, {}).items()}

    try:
        house.prepare()
        assert house._collection is not None
        state, application = house._collection.loops()["cluster_state"][1], house.application()

        def told() -> bool:
            state(SystemClock().now())
            search = row("label:team", "search")
            return bool(search) and all(search[name] > 0 for name in ("cpu", "volume", "loadBalancer"))

        cluster.api.until("the pod's row has all of it", told)
        alone, front = row("owner", "Deployment/alone"), row("service", "front")
        assert alone["cpu"] > 0
        assert alone["volume"] == alone["loadBalancer"] == 0
        assert all(found["volume"] > 0 for found in (front, row("owner", "Deployment/web")))
        path = "/api/v1/cost/allocation?by=cluster"
        everything = call(application, path, headers={"host": "127.0.0.1"}).json["data"]
        assert Decimal(everything["lines"]["__unmounted__"]) >= Decimal("0.1")  # 60 GiB at 0.1 for a minute
        (price,) = [one for one in everything["prices"] if one["volumes"]]
        assert (price["source"], price["volumes"] >= 2, price["load_balancers"]) == ("PriceSheet default/eu", True, 1)
    finally:
        house.close()
