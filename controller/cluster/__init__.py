"""Where replica counts come from and where decisions go: one interface, and one implementation for each world."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Literal, Protocol

from domain.pods import PodQuery, PodState
from domain.scaling import Workload, WorkloadRef
from domain.startup import PodStart

Resource = Literal["cpu", "memory"]


class Cluster(Protocol):
    """What the control loop needs of a cluster."""

    @property
    def name(self) -> str:
        """For the ledger: which cluster an action was done to."""
        ...

    @property
    def actuations(self) -> Collection[str]:
        """The words of ``actuate.with`` that it can carry out; ``scale`` may still be refused, with an error."""
        ...

    def workload(self, ref: WorkloadRef) -> Workload:
        """What is known of ``ref`` now; unknown counts are None, an unknown workload is no error."""
        ...

    def scale(self, ref: WorkloadRef, replicas: int) -> None:
        """Ask for so many replicas and return at once; raises an ``ActuationError``."""
        ...

    def usage_query(self, ref: WorkloadRef, resource: Resource, container: str | None = None) -> str:
        """PromQL for the usage of all replicas together, of all containers or one, in base units: cores, bytes."""
        ...

    def pod_usage_query(self, ref: WorkloadRef, resource: Resource, container: str | None = None) -> PodQuery | None:
        """The same pod by pod, also of others of its namespace; None where pods cannot be told apart."""
        ...

    def pods(self, ref: WorkloadRef, now: datetime, container: str | None = None) -> Mapping[str, PodState]:
        """Its pods that count, with the requests and limits of all containers or one; empty where nobody knows."""
        ...

    def versions(self, ref: WorkloadRef) -> frozenset[str]:
        """Of the replicas that are ready: two during a rollout, none where nobody knows."""
        ...

    def starts(self, ref: WorkloadRef) -> Mapping[str, PodStart]:
        """By pod: when those that are ready were created and became so; empty where nobody knows."""
        ...
