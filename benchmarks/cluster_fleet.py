"""Many workloads on a test cluster, each with an HPA and a rule that sets its bounds, as small as they can be.

Foretide is installed as deploy/kubernetes says: it acts by its own ServiceAccount, under its own guardrails. The
controllers stand still meanwhile, so that nobody but the benchmark moves replicas and 2,000 HPAs do not miss metrics.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final

import yaml

from rules.crd_names import plural
from rules.schema import KINDS
from tests.cluster.api import MERGE, ApiError, Object, path
from tests.cluster.control_plane import Cluster
from tests.cluster.objects import deployment, hpa
from tests.deploy.applying import ACCOUNT, apply
from tests.deploy.manifests import FOLDER, objects

CONTROLLER: Final = f"{ACCOUNT}controller"
LOW: Final = 2
HIGH: Final = 20
PER_REPLICA: Final = 10
_WRITERS: Final = 4
_RULES: Final = "/apis/foretide.dev/v1alpha1"
_CONFIG: Final = """\
cluster: kubernetes
rules_dir: rules
kubernetes:
  context: foretide-test
  kubeconfig: {kubeconfig}
  collect: false
  documents: {documents}
  writes_per_second: 1000
  changes_per_minute: 100000
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """Where it is, and what it consists of."""

    cluster: Cluster
    namespace: str
    names: tuple[str, ...]

    def config(self, folder: Path, *, documents: bool) -> None:
        """Foretide's files: limits raised by settings, and the rules where they are not in the cluster."""
        rules = folder / "rules"
        rules.mkdir(parents=True)
        kubeconfig = self.cluster.kubeconfig(CONTROLLER)
        (folder / "foretide.yaml").write_text(_CONFIG.format(kubeconfig=kubeconfig, documents=str(documents).lower()))
        if not documents:
            for name in self.names:
                (rules / f"{name}.yaml").write_text(RULE.format(name=name, namespace=self.namespace))

    def bounds(self) -> dict[str, tuple[int, int]]:
        """Of every HPA, as the API server keeps them."""
        found = self.cluster.api.list("HorizontalPodAutoscaler", self.namespace)
        return {one["metadata"]["name"]: (one["spec"]["minReplicas"], one["spec"]["maxReplicas"]) for one in found}

    def writes(self, since: datetime, until: datetime) -> dict[str, int]:
        """How many of ours the audit log has of which resource (``leases``, ``scalingrules/status``) in between."""
        counted: dict[str, int] = {}
        for one in self.cluster.writes(CONTROLLER):
            if since <= datetime.fromisoformat(one["requestReceivedTimestamp"]) < until:
                about = one["objectRef"]
                resource = "/".join(filter(None, (about["resource"], about.get("subresource"))))
                counted[resource] = counted.get(resource, 0) + 1
        return counted


RULE: Final = """\
apiVersion: foretide.dev/v1alpha1
kind: ScalingRule
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  target: {{kind: Deployment, name: {name}}}
  replicas: {{min: 2, max: 20}}
  mode: enforce
  backtestOverride: {{reason: a benchmark}}
  actuate: {{with: bounds, hpa: {name}}}
  triggers:
  - {{name: rps, query: 'load{{rule="{name}"}}', perReplica: 10}}
"""


@contextmanager
def fleet(cluster: Cluster, *, size: int, documents: bool = False) -> Iterator[Fleet]:
    """``size`` of them in a namespace that has opted in, gone afterwards; the rules are objects where asked for."""
    api, manifests = cluster.api, objects(FOLDER)
    apply(api, next(one for one in manifests if one["kind"] == "Namespace"))
    for one in manifests:
        if one["kind"] not in ("Deployment", "CronJob"):  # the benchmark runs the program itself
            apply(api, one)
    for where in (f"{_RULES}/{plural(kind)}" for kind in KINDS):
        api.until(f"{where} is served", partial(api.request, "GET", where))
    namespace = cluster.namespace("fleet")
    for one in objects(FOLDER / "opt-in"):
        apply(api, {**one, "metadata": {**one["metadata"], "namespace": namespace}})
    cluster.controllers.stop()
    made = Fleet(cluster=cluster, namespace=namespace, names=tuple(f"w-{number:05d}" for number in range(size)))
    try:
        with ThreadPoolExecutor(_WRITERS) as pool:
            list(pool.map(lambda name: _make(cluster, namespace, name, documents=documents), made.names))
        yield made
    finally:
        for kind in ("HorizontalPodAutoscaler", "Deployment"):
            api.request("DELETE", path(kind, None, namespace))
        with suppress(ApiError):
            api.request("DELETE", f"{_RULES}/namespaces/{namespace}/scalingrules")
        cluster.controllers.start()


def _make(cluster: Cluster, namespace: str, name: str, *, documents: bool) -> None:
    api = cluster.api
    api.create(deployment(name, namespace, replicas=LOW))
    api.request(
        "PATCH", path("Deployment", name, namespace) + "/status", {"status": settled(LOW)}, content_type=MERGE
    )  # fmt: skip
    api.create(hpa(name, namespace, low=LOW, high=HIGH))
    status = {"currentReplicas": LOW, "desiredReplicas": LOW}
    where = path("HorizontalPodAutoscaler", name, namespace) + "/status"
    api.request("PATCH", where, {"status": status}, content_type=MERGE)
    if documents:
        api.request("POST", f"{_RULES}/namespaces/{namespace}/scalingrules", _rule(name, namespace))


def _rule(name: str, namespace: str) -> Object:
    found: Object = yaml.safe_load(RULE.format(name=name, namespace=namespace))
    return found


def settled(replicas: int) -> Object:
    """The status of a Deployment whose replicas are all there."""
    return {
        "observedGeneration": 1_000_000, "replicas": replicas, "readyReplicas": replicas, "updatedReplicas": replicas,
        "availableReplicas": replicas,
    }  # fmt: skip
