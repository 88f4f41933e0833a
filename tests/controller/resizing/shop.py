"""A Deployment with its pods and its HPA on an API server, and whoever else writes there."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from controller.resizing import stages
from controller.resizing.case import Case, Deed, Ruling, Stage
from controller.resizing.change import Field, Patch, Target
from controller.resizing.objects import Sights
from controller.resizing.raw import HPAS, KINDS, MANAGER, PODS
from controller.resizing.writes import Writes
from domain.scaling import WorkloadRef
from kube import Connection, Writer

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
LABELS = {"app": "web"}
DEPLOYMENT = KINDS["Deployment"]
SIZE = {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "2Gi"}}
Raw = dict[str, Any]


def patch_of(namespace: str, *, hpa: bool = True, before: str = "1", after: str = "920m") -> Patch:
    """Of the example: 1 core at 80 % becomes 920m at 87 %."""
    return Patch(
        ref=WorkloadRef(kind="Deployment", namespace=namespace, name="web"),
        fields=(Field(container="web", part="requests", resource="cpu", before=before, after=after),),
        targets=(Target(hpa="web", resource="cpu", before=80, after=87),) if hpa else (),
    )


class Shop:
    """One namespace, the edits of others, and the kubelet's and the rollout's part, which a test plays."""

    def __init__(self, connection: Connection, *, namespace: str = "shop", admin: Connection | None = None) -> None:
        self.namespace, self.frozen, self.now = namespace, "", NOON
        self.connection, self.admin = connection, admin or connection
        self.sights = Sights(connection, switch=lambda: self.frozen, own_namespace="foretide")
        self.writes = Writes(
            connection, Writer(connection, MANAGER, qps=1000, burst=1000, pause=lambda _: None),
            switch=lambda: self.frozen,
        )  # fmt: skip

    def by(self, manager: str = "kubectl-create") -> Writer:
        return Writer(self.admin, manager, qps=1000, burst=1000)

    def make(self, *, manager: str = "kubectl-create", hpa: bool = True, node: str = "", **metadata: Any) -> None:
        container = {"name": "web", "image": "example.invalid/web:1", "resources": SIZE}
        template = {"metadata": {"labels": LABELS}, "spec": {"containers": [container]}}
        template["spec"] |= {"nodeName": node} if node else {}
        spec = {"replicas": 3, "selector": {"matchLabels": LABELS}, "template": template}
        self.by(manager).create(DEPLOYMENT, self.namespace, {"metadata": {"name": "web", **metadata}, "spec": spec})
        if hpa:
            cpu = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}
            of = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
            spec = {"scaleTargetRef": of, "minReplicas": 2, "maxReplicas": 9,
                    "metrics": [{"type": "Resource", "resource": cpu}]}  # fmt: skip
            self.by(manager).create(HPAS, self.namespace, {"metadata": {"name": "web"}, "spec": spec})

    def pod(self, name: str = "web-1", resources: Raw = SIZE, **container: Any) -> None:
        """Ready at once."""
        only = {"name": "web", "image": "example.invalid/web:1", "resources": resources, **container}
        self.by("kcm").create(PODS, self.namespace, {"metadata": {"name": name, "labels": LABELS},
                                                      "spec": {"containers": [only]}})  # fmt: skip
        self.kubelet(name, resources)

    def kubelet(self, name: str = "web-1", resources: Raw | None = None, **status: Any) -> None:
        """Has done what is asked for."""
        asked = self.raw(PODS, name)["spec"]["containers"][0]["resources"] if resources is None else resources
        told = {"name": "web", "restartCount": 0, "ready": True, "image": "w", "imageID": "w", "resources": asked}
        body = {"status": {"phase": "Running", "containerStatuses": [{**told, **status}],
                           "conditions": [{"type": "Ready", "status": "True"}]}}  # fmt: skip
        self.by("kubelet").patch_merge(PODS, self.namespace, name, body, subresource="status")

    def roll_out(self) -> None:
        about = self.raw(DEPLOYMENT)["metadata"]
        status = {"observedGeneration": about["generation"], "replicas": 3, "updatedReplicas": 3, "readyReplicas": 3,
                  "availableReplicas": 3}  # fmt: skip
        self.by("kcm").patch_merge(DEPLOYMENT, self.namespace, "web", {"status": status}, subresource="status")

    def edit(self, cpu: str, *, manager: str = "kubectl-edit") -> None:
        raw = self.raw(DEPLOYMENT)["spec"]["template"]["spec"]["containers"][0]
        container = {**raw, "resources": {**SIZE, "requests": {"cpu": cpu, "memory": "1Gi"}}}
        spec = {"template": {"spec": {"containers": [container]}}}
        self.by(manager).patch_merge(DEPLOYMENT, self.namespace, "web", {"spec": spec})

    def aim(self, percent: int, *, manager: str = "kubectl-edit") -> None:
        cpu = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": percent}}
        body = {"spec": {"metrics": [{"type": "Resource", "resource": cpu}]}}
        self.by(manager).patch_merge(HPAS, self.namespace, "web", body)

    def raw(self, kind: Any = DEPLOYMENT, name: str = "web") -> Raw:
        found: Raw = json.loads(self.admin.request("GET", kind.path(namespace=self.namespace, name=name)))
        return found

    @property
    def cpu(self) -> str:
        return str(self.raw()["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"]["cpu"])

    @property
    def percent(self) -> int:
        return int(self.raw(HPAS)["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"])

    def pod_cpu(self, name: str = "web-1") -> str:
        return str(self.raw(PODS, name)["spec"]["containers"][0]["resources"]["requests"]["cpu"])

    def annotations(self) -> list[str]:
        return [one for one in self.raw()["metadata"].get("annotations") or {} if "foretide" in one]

    def accepted(self, patch: Patch | None = None) -> Case:
        patch = patch or patch_of(self.namespace)
        return Case(id="rs-1", patch=patch, by="ada", accepted_at=self.now, since=self.now)

    def tick(self, case: Case, ruling: Ruling | None = None, *, after: timedelta = timedelta(minutes=1)) -> Case:
        """A look, a step, and the write that is due."""
        self.now += after
        live = self.sights.look(case)
        case = stages.step(case, live, ruling or Ruling(), self.now)
        deed = stages.due(case, live, self.now)
        if not deed:
            return case
        done = self.writes.do(case, deed, self.now)
        return stages.acted(case, deed, self.now, failure=done.failure, lasting=done.lasting, said=done.said)

    def until(self, case: Case, stage: Stage, ruling: Ruling | None = None) -> Case:
        for _ in range(12):
            case = self.tick(case, ruling)
            if case.stage is stage:
                return case
        raise AssertionError(f"{case.stage} {case.reason}")

    def soaking(self, case: Case) -> Case:
        case = self.until(case, Stage.CANARY)
        self.kubelet()
        return self.until(case, Stage.SOAKING)

    def watching(self, case: Case, ruling: Ruling) -> Case:
        """From the canary on."""
        case = self.until(case, Stage.REST, ruling)
        while Deed.TEMPLATE not in case.written:
            case = self.tick(case)
        self.roll_out()
        return self.until(case, Stage.WATCHING)
