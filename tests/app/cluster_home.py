"""A whole house whose documents are objects of a cluster, its passes made one by one."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from app.cluster_documents import DOCUMENT_KINDS
from app.settings import read_settings
from app.system_clock import SystemClock
from app.wiring import House
from kube import Connection, Writer, read
from tests.app.world import rising
from tests.controller.cluster.world import eventually

KIND = DOCUMENT_KINDS["ScalingRule"]


class Home:
    """Leads from the beginning. ``admin`` is whoever edits objects in ``namespace``."""

    def __init__(self, admin: Connection, namespace: str, folder: Path) -> None:
        settings = read_settings(config=None, environment={"FORETIDE_PORT": "0"}, working_dir=folder)
        settings.data_dir.mkdir(exist_ok=True)
        self.admin, self.namespace = admin, namespace
        self.house = House(settings, clock=SystemClock(), version="9", base_url="http://127.0.0.1:1", environment={})
        self.now = SystemClock().now()
        self.loads(72.0)
        self.house.prepare()
        assert self.house._kubernetes is not None
        assert self.house._kubernetes.objects is not None
        self.objects = self.house._kubernetes.objects
        eventually(self.house._kubernetes.elector.leading, "we lead")
        eventually(lambda: self.objects.known, "the documents are read")

    def loads(self, per_second: float, **labels: str) -> None:
        """Requests, until in 15 minutes."""
        end = self.now + timedelta(minutes=15)
        self.house.metrics.load([rising("requests_total", per_second=per_second, end=end, minutes=85, **labels)])

    def tick(self, seconds: float = 1.0) -> None:
        """Documents are read and decided on, and what is new is written."""
        self.now += timedelta(seconds=seconds)
        self.house._poll_rules(self.now)
        self.house.decide(self.now)
        assert self.house._statuses is not None
        self.house._statuses.tick(self.now)

    def edit(self, name: str, spec: dict[str, Any]) -> None:
        """As kubectl does, and until we have seen it."""
        Writer(self.admin, "kubectl-edit").patch_merge(KIND, self.namespace, name, {"spec": spec})
        generation = self.rule(name)["metadata"]["generation"]
        eventually(lambda: self._seen(name) == generation, "the edit is seen")

    def rule(self, name: str = "web") -> dict[str, Any]:
        return read(self.admin, KIND, namespace=self.namespace, name=name)

    def ready(self, name: str = "web") -> dict[str, Any]:
        condition: dict[str, Any] = self.rule(name)["status"]["conditions"][0]
        return condition

    def _seen(self, name: str) -> int:
        title = f"ScalingRule {self.namespace}/{name}"
        return max(
            (int(one["metadata"]["generation"]) for at, _, one in self.objects.objects() if at == title), default=0
        )
