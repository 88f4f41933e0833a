"""A cluster that is two dictionaries: what it was told is what it has."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from controller.actuation.limits import Limits
from controller.actuation.shares import Granted
from controller.cluster import BoundsDone, BoundsOrder, Order
from domain.errors import ActuationError, RefusedError
from domain.pods import PodQuery, PodState
from domain.scaling import Workload, WorkloadRef
from domain.startup import PodStart


class FakeCluster:
    name = "fake"
    actuations: tuple[str, ...] = ("scale", "bounds")

    def __init__(self, workloads: Mapping[WorkloadRef, Workload]) -> None:
        self.workloads = dict(workloads)
        self.failing: dict[WorkloadRef, Exception] = {}
        self.started: dict[WorkloadRef, Mapping[str, PodStart]] = {}
        self.states: dict[WorkloadRef, Mapping[str, PodState]] = {}
        self.running: dict[WorkloadRef, tuple[str, ...]] = {}
        self.asked: list[tuple[WorkloadRef, int]] = []
        self.autoscalers: dict[tuple[str, str, str], Limits] = {}
        self.settled: list[Collection[str]] = []
        self.begun: list[list[str]] = []
        self.room: dict[str, Granted] = {}
        self.told: list[str] = []

    @classmethod
    def of(cls, ref: WorkloadRef, replicas: int, *, requests: Mapping[str, float] | None = None) -> FakeCluster:
        workload = Workload(
            ref=ref, current_replicas=replicas, ready_replicas=replicas, requests=requests or {}, source="fake"
        )
        return cls({ref: workload})

    def workload(self, ref: WorkloadRef) -> Workload:
        unknown = Workload(ref=ref, current_replicas=None, ready_replicas=None, source=self.name)
        return self.workloads.get(ref, unknown)

    def scale(self, ref: WorkloadRef, replicas: int, *, because: str = "") -> None:
        self.asked.append((ref, replicas))
        if because:
            self.told.append(because)
        if ref in self.failing:
            raise self.failing[ref]
        if ref not in self.workloads:
            raise ActuationError(f"{ref} is not in the fake cluster")
        self.workloads[ref] = replace(self.workloads[ref], current_replicas=replicas, ready_replicas=replicas)

    def set_bounds(self, order: BoundsOrder, now: datetime) -> BoundsDone:
        key = (order.kind, order.target.namespace, order.name)
        if order.target in self.failing:
            raise self.failing[order.target]
        if key not in self.autoscalers:
            raise RefusedError(f"{order} is not there")
        if order.because:
            self.told.append(order.because)
        before, self.autoscalers[key] = self.autoscalers[key], order.limits
        return BoundsDone(before=before, after=order.limits, said=f"{before} → {order.limits}")

    def begin(self, orders: Sequence[Order], now: datetime) -> Mapping[str, Granted]:
        self.begun.append([order.rule for order in orders])
        return self.room

    def settle(self, acting: Collection[str], now: datetime) -> None:
        self.settled.append(acting)

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
