"""The cluster at one moment, as far as these rules look at it: who refers to what, since when, and whose it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from cost.pricing.things import NodeFacts
from cost.unused.finding import Target

WEEK: Final = timedelta(days=7)
KEEP: Final = "foretide.dev/keep"
"""Annotation with a reason: the object is left out and told; on a Namespace, all that is in it."""
WORKLOADS: Final = (
    "deployments", "statefulsets", "daemonsets", "replicasets", "replicationcontrollers", "jobs", "cronjobs",
)  # fmt: skip
"""Kinds of Kubernetes' own that have a pod template."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Whose an object is; ``group`` is empty for the core group, ``controller`` true of the one that made it."""

    group: str
    kind: str
    name: str
    controller: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What every object has.

    Attributes:
        target: Which one.
        created: When; None where the server does not say.
        owners: All of its owner references.
        keep: The annotation ``foretide.dev/keep``; None without it.
    """

    target: Target
    created: datetime | None = None
    owners: tuple[Owner, ...] = ()
    keep: str | None = None

    def is_older_than(self, age: timedelta, at: datetime) -> bool:
        """False also where its age is not known."""
        return self.created is not None and at - self.created > age


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerAsks:
    """What a container requests, a limit counting as its request; None is nothing."""

    name: str
    cpu_cores: Decimal | None = None
    memory_bytes: Decimal | None = None
    gpus: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class PodShape:
    """What a pod, or a template of pods, refers to and asks for.

    Attributes:
        claims: PersistentVolumeClaims by name.
        ephemeral: Volumes whose claim Kubernetes makes for each pod, ``<pod>-<volume>``.
        containers: Without init containers, but with sidecars.
        whole: What is requested for the pod as a whole; None where nothing is.
        host_network: Its traffic is its node's.
    """

    claims: frozenset[str] = frozenset()
    ephemeral: frozenset[str] = frozenset()
    containers: tuple[ContainerAsks, ...] = ()
    whole: ContainerAsks | None = None
    host_network: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """A pod; ``node`` is empty before it has one."""

    about: About
    shape: PodShape
    phase: str = "Running"
    node: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Anything with a pod template.

    Attributes:
        about: Its kind among others.
        shape: Of the template.
        claim_templates: A StatefulSet's, by name: it makes ``<template>-<name>-<n>`` and takes them again.
        replicas: That are wanted; None where it has no such number.
        finished: A Job's end, whether it succeeded or failed.
        ttl_seconds: Of a Job that is deleted after its end; None: it stays.
    """

    about: About
    shape: PodShape = field(default_factory=PodShape)
    claim_templates: tuple[str, ...] = ()
    replicas: int | None = None
    finished: datetime | None = None
    ttl_seconds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A PersistentVolumeClaim; ``gib`` is what it has, else what it asks for."""

    about: About
    phase: str = "Bound"
    volume: str = ""
    storage_class: str = ""
    gib: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """A PersistentVolume.

    Attributes:
        about: Without a namespace.
        phase: ``Released``: its claim is gone.
        phase_since: When it came into this phase (Kubernetes 1.28 and later say it).
        claim: Whose it is or was, ``namespace/name``.
        reclaim: ``Retain`` or ``Delete``.
        handle: The driver's name of the disk.
    """

    about: About
    phase: str = "Bound"
    phase_since: datetime | None = None
    claim: str = ""
    storage_class: str = ""
    region: str = ""
    gib: Decimal = Decimal(0)
    reclaim: str = ""
    handle: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadBalancer:
    """A Service of type LoadBalancer and what is behind it.

    Attributes:
        about: The Service.
        address: By which it is reached; empty before it has one.
        slices: EndpointSlices that are its; 0: nobody keeps any, and nothing is known.
        ready: Endpoints that are ready now.
        unchanged_since: The last write to any of its slices; None where the server does not say.
    """

    about: About
    address: str = ""
    slices: int = 0
    ready: int = 0
    unchanged_since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Autoscaler:
    """A HorizontalPodAutoscaler; ``held`` where Foretide holds its bounds, which is no news then."""

    about: About
    scales: str
    min_replicas: int
    max_replicas: int
    held: bool = False

    @property
    def scaled_object(self) -> str:
        """KEDA's object that keeps it; empty where it is nobody's."""
        return next((one.name for one in self.about.owners if one.kind == "ScaledObject"), "")


Thing = Pod | Workload | Claim | Volume | LoadBalancer | Autoscaler


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All of it.

    Attributes:
        at: When it was read.
        namespaces: Those that are not going.
        services: Of any type.
        missing: By plural, of kinds that could not be listed: why. Nothing is concluded from their absence.
        foreign: API groups whose objects may have pod templates that nobody here can read.
        namespace: Only this one was read; empty: all.
    """

    at: datetime
    namespaces: tuple[About, ...] = ()
    pods: tuple[Pod, ...] = ()
    workloads: tuple[Workload, ...] = ()
    claims: tuple[Claim, ...] = ()
    volumes: tuple[Volume, ...] = ()
    services: tuple[Target, ...] = ()
    load_balancers: tuple[LoadBalancer, ...] = ()
    autoscalers: tuple[Autoscaler, ...] = ()
    nodes: tuple[NodeFacts, ...] = ()
    missing: Mapping[str, str] = field(default_factory=dict)
    foreign: tuple[str, ...] = ()
    namespace: str = ""


def is_system(namespace: str) -> bool:
    """Whether it is Kubernetes' own."""
    return namespace.startswith("kube-")
