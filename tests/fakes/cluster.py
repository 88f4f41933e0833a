"""A cluster that is two dictionaries: what it was told is what it has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from domain.errors import ActuationError
from domain.pods import PodQuery, PodState
from domain.scaling import Workload, WorkloadRef
from domain.startup import PodStart


class FakeCluster:
    name = "fake"
    actuations = ("scale",)

    def __init__(self, workloads: Mapping[WorkloadRef, Workload]) -> None:
        self.workloads = dict(workloads)
        self.failing: dict[WorkloadRef, Exception] = {}
        self.started: dict[WorkloadRef, Mapping[str, PodStart]] = {}
        self.states: dict[WorkloadRef, Mapping[str, PodState]] = {}
        self.running: dict[WorkloadRef, tuple[str, ...]] = {}
        self.asked: list[tuple[WorkloadRef, int]] = []

    @classmethod
    def of(cls, ref: WorkloadRef, replicas: int, *, requests: Mapping[str, float] | None = None) -> FakeCluster:
        workload = Workload(
            ref=ref, current_replicas=replicas, ready_replicas=replicas, requests=requests or {}, source="fake"
        )
        return cls({ref: workload})

    def workload(self, ref: WorkloadRef) -> Workload:
        unknown = Workload(ref=ref, current_replicas=None, ready_replicas=None, source=self.name)
        return self.workloads.get(ref, unknown)

    def scale(self, ref: WorkloadRef, replicas: int) -> None:
        self.asked.append((ref, replicas))
        if ref in self.failing:
            raise self.failing[ref]
        if ref not in self.workloads:
            raise ActuationError(f"{ref} is not in the fake cluster")
        self.workloads[ref] = replace(self.workloads[ref], current_replicas=replicas, ready_replicas=replicas)

    def usage_query(self, ref: WorkloadRef, resource: str, container: str | None = None) -> str:
        return f'usage{{workload="{ref.name}", resource="{resource}"}}'

    def pod_usage_query(self, ref: WorkloadRef, resource: str, container: str | None = None) -> PodQuery | None:
        return PodQuery(expr=f"usage_of_pods_{resource}", window=timedelta(minutes=1)) if self.states else None

    def pods(self, ref: WorkloadRef, now: datetime, container: str | None = None) -> Mapping[str, PodState]:
        return self.states.get(ref, {})

    def versions(self, ref: WorkloadRef) -> frozenset[str]:
        return frozenset(self.running.get(ref, ()))

    def starts(self, ref: WorkloadRef) -> Mapping[str, PodStart]:
        return self.started.get(ref, {})
