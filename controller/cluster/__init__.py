"""Where replica counts come from and where decisions go: one interface, and one implementation for each world."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

from controller.actuation.limits import Limits
from controller.actuation.shares import Granted
from domain.pods import PodQuery, PodState
from domain.scaling import Workload, WorkloadRef
from domain.startup import PodStart

Resource = Literal["cpu", "memory"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnHpa:
    """What an HPA has to be that is ours, besides the bounds of the moment.

    Attributes:
        bounds: The rule's own, within which those of the moment move.
        shape: Target, metrics and behavior, as ``spec`` of the HPA.
        takes_over: Whether the rule names it, so that one of somebody else's may be taken over.
    """

    bounds: Limits
    shape: Mapping[str, Any]
    takes_over: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundsOrder:
    """What a decision wants of an autoscaler: one that is there, or one of our own.

    Attributes:
        rule: ``namespace/name``.
        target: The workload that the autoscaler has to be about.
        kind: ``HorizontalPodAutoscaler`` or ``ScaledObject``.
        name: Of the autoscaler, in the target's namespace.
        limits: Floor and ceiling; how far one step goes is the cluster's to say.
        reason: The decision's word, for whoever reads the autoscaler.
        own: What it has to be where it is ours; None where it is somebody else's and only its bounds are set.
        median_need: Replicas that the forecast's median needs; None without a forecast.
        because: Why the bounds are higher than decided; empty: they are not.
        ceiling_before: A ceiling that a rollback would bring back and that is above the rule's ``max``: how far it
            counts depends on what stood there before us; None: none.
    """

    rule: str
    target: WorkloadRef
    kind: str
    name: str
    limits: Limits
    reason: str
    own: OwnHpa | None = None
    median_need: int | None = None
    because: str = ""
    ceiling_before: int | None = None

    def __str__(self) -> str:
        """``HorizontalPodAutoscaler shop/checkout``."""
        return f"{self.kind} {self.target.namespace}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicasOrder:
    """What a decision wants of a workload itself.

    Attributes:
        rule: ``namespace/name``.
        target: The workload.
        replicas: How many.
        least: The rule's own ``min``: up to there nothing is added to what its author asks for anyway.
        because: Why they are more than decided; empty: they are not.
    """

    rule: str
    target: WorkloadRef
    replicas: int
    least: int = 0
    because: str = ""


Order = BoundsOrder | ReplicasOrder


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundsDone:
    """What became of an order: the bounds before and after, equal where nothing was written, and the sentence."""

    before: Limits
    after: Limits
    said: str


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

    def scale(self, ref: WorkloadRef, replicas: int, *, because: str = "") -> None:
        """Ask for so many replicas (more than decided ``because``), return at once; raises an ``ActuationError``."""
        ...

    def begin(self, orders: Sequence[Order], now: datetime) -> Mapping[str, Granted]:
        """The beginning of a pass, with all that it will ask for: what is limited for all is shared out.

        Returns:
            By rule, how many replicas it may ask for; one that is not in it may ask for any. Floors are held by
            ``set_bounds`` itself.
        """
        ...

    def set_bounds(self, order: BoundsOrder, now: datetime) -> BoundsDone:
        """One step of an autoscaler's bounds towards what is wanted, often none; raises an ``ActuationError``."""
        ...

    def settle(self, acting: Collection[str], now: datetime) -> None:
        """The end of a pass: what rules that act no more left behind returns, step by step. Raises nothing."""
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
