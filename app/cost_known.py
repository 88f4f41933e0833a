"""What is known of a window before anything is priced."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cost.allocation.attached import Traffic, Use
from cost.allocation.nodes import Amounts, PodInterval
from cost.allocation.subject import Subject
from cost.pricing.things import NodeFacts, VolumeFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownNode:
    """A node as long as it was there, without its price."""

    subject: Subject
    start: datetime
    end: datetime | None
    capacity: Amounts
    allocatable: Amounts
    facts: NodeFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownVolume:
    """A volume while its capacity stays the same, and the pods that mount it."""

    cluster: str
    facts: VolumeFacts
    start: datetime
    end: datetime | None
    uses: tuple[Use, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownBalancer:
    """The load balancer of a Service, and the pods behind it."""

    cluster: str
    namespace: str
    service: str
    start: datetime
    end: datetime | None
    uses: tuple[Use, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Everything of a window.

    Attributes:
        nodes: Machines.
        pods: What ran on them.
        volumes: Persistent ones.
        balancers: Load balancers.
        traffic: What left its zone.
        notes: What was told and cannot be used, in sentences.
        missing: What should have told of nodes where there are none.
    """

    nodes: tuple[KnownNode, ...]
    pods: tuple[PodInterval, ...]
    volumes: tuple[KnownVolume, ...] = ()
    balancers: tuple[KnownBalancer, ...] = ()
    traffic: tuple[Traffic, ...] = ()
    notes: tuple[str, ...] = ()
    missing: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What has to be read besides: by what cost is grouped and filtered, and what prices ask for.

    Attributes:
        node_labels: Labels of nodes that prices ask for, under their real names: the series have others.
        pod_labels: Labels of pods, as well.
        services: Whether it is asked which Services pods stand behind.
    """

    node_labels: frozenset[str] = frozenset()
    pod_labels: tuple[str, ...] = ()
    services: bool = False
