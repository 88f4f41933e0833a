"""The cluster of a test: replicas that follow the decisions, ready after a start-up; newest go first."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta

from controller.actuation.shares import Granted
from controller.cluster import BoundsDone, BoundsOrder, Order, Resource
from domain.errors import RefusedError
from domain.pods import PodQuery, PodState
from domain.scaling import Workload, WorkloadRef
from domain.startup import PodStart


class FollowingReplicas:
    """One workload. Usage is asked for as ``cluster: observe`` does, so that a test writes the series of production."""

    name = "test"
    actuations = ("scale", "bounds", "hpa")

    def __init__(
        self,
        ref: WorkloadRef,
        replicas: int,
        *,
        startup: timedelta,
        requests: Mapping[str, float],
        now: Callable[[], datetime],
        usage_query: Callable[[WorkloadRef, Resource, str | None], str],
    ) -> None:
        """Begin with ``replicas`` that are ready."""
        self._ref, self._startup, self._requests, self._now = ref, startup, requests, now
        self._usage_query = usage_query
        self._ready_at = [now()] * replicas

    def workload(self, ref: WorkloadRef) -> Workload:
        """What there is at the present tick; nothing of any other workload."""
        if ref != self._ref:
            return Workload(ref=ref, current_replicas=None, ready_replicas=None, source=self.name)
        now = self._now()
        ready = sum(at <= now for at in self._ready_at)
        return Workload(
            ref=ref, current_replicas=len(self._ready_at), ready_replicas=ready, requests=self._requests,
            source="the test's replicas",
        )  # fmt: skip

    def scale(self, ref: WorkloadRef, replicas: int, *, because: str = "") -> None:
        """At once wanted; ready after the start-up."""
        more = replicas - len(self._ready_at)
        self._ready_at = self._ready_at[:replicas] + [self._now() + self._startup] * max(more, 0)

    def set_bounds(self, order: BoundsOrder, now: datetime) -> BoundsDone:
        """Refused: a rule is tested as if it set replicas."""
        raise RefusedError(f"{order} is not there: a test has no autoscalers")

    def begin(self, orders: Sequence[Order], now: datetime) -> Mapping[str, Granted]:
        """Nothing is shared."""
        return {}

    def settle(self, acting: Collection[str], now: datetime) -> None:
        """Nothing was left behind."""

    def usage_query(self, ref: WorkloadRef, resource: Resource, container: str | None = None) -> str:
        """As ``cluster: observe`` asks."""
        return self._usage_query(ref, resource, container)

    def pod_usage_query(self, ref: WorkloadRef, resource: Resource, container: str | None = None) -> PodQuery | None:
        """A test gives one number."""
        return None

    def pods(self, ref: WorkloadRef, now: datetime, container: str | None = None) -> Mapping[str, PodState]:
        """Nobody knows them by name."""
        return {}

    def versions(self, ref: WorkloadRef) -> frozenset[str]:
        """A test deploys nothing."""
        return frozenset()

    def starts(self, ref: WorkloadRef) -> Mapping[str, PodStart]:
        """Nobody measured them: a test says what it wants by ``follow``."""
        return {}
