"""The snapshot of a cluster in which unused things are looked for: every kind listed once, page by page, read only.

A kind that may not be listed is told and leaves the others as they are; a server that does not answer at all is asked
for one kind only. Secrets are never read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, TypeVar

import msgspec

from app import cost_unused_kinds as kinds
from controller.actuation.stamp import SET_MAX
from cost.pricing.things import REGIONS, NodeFacts
from cost.unused.finding import Target
from cost.unused.snapshot import (
    KEEP,
    About,
    Autoscaler,
    Claim,
    ContainerAsks,
    LoadBalancer,
    Owner,
    Pod,
    PodShape,
    Snapshot,
    Volume,
    Workload,
)
from domain.errors import KubeError
from domain.units import parse_quantity
from kube import Connection, listed, ownerships
from kube.kinds import Kind, Meta, Resources

T = TypeVar("T")
TEMPLATED: Final = frozenset({
    "apps.kruise.io", "apps.openshift.io", "argoproj.io", "batch.volcano.sh", "flink.apache.org", "jobset.x-k8s.io",
    "keda.sh", "kubeflow.org", "kubevirt.io", "leaderworkerset.x-k8s.io", "ray.io", "serving.knative.dev",
    "sparkoperator.k8s.io", "tekton.dev", "trainer.kubeflow.org",
})  # fmt: skip
"""Groups known to have pod templates of their own (Rollouts, CloneSets, ScaledJobs …); others nobody can know."""
_SERVICE_NAME: Final = "kubernetes.io/service-name"
_AT_ONCE: Final = 50
"""Names in one label selector: a URL of 8 KB holds them."""
_GIB: Final = Decimal(2) ** 30


class ClusterReader:
    """Lists from one API server, and notes what could not be listed."""

    def __init__(self, connection: Connection, *, namespace: str = "") -> None:
        """Nothing is asked yet; ``namespace`` empty is all.

        ``missing`` says why a kind could not be listed, ``unanswered`` that the server did not answer at all.
        """
        self._connection, self._namespace = connection, namespace
        self.missing: dict[str, str] = {}
        self.unanswered = ""

    def snapshot(self, at: datetime) -> Snapshot:
        """Everything, one kind after the other: it is no moment, but the rules look at weeks.

        Claims come before all that may refer to them, so that a referrer made meanwhile is seen.
        """
        services, claims = self._all(kinds.SERVICE), self._staying(kinds.CLAIM)
        return Snapshot(
            at=at, namespace=self._namespace,
            namespaces=tuple(_about(one.metadata, "Namespace") for one in self._spaces()),
            pods=tuple(_pod(one) for one in self._all(kinds.POD)),
            workloads=tuple(_workload(one, kind.kind) for kind in kinds.WORKLOADS for one in self._all(kind)),
            claims=tuple(_claim(one) for one in claims),
            volumes=tuple(_volume(one) for one in self._staying(kinds.VOLUME)),
            services=tuple(_about(one.metadata, "Service").target for one in services),
            load_balancers=tuple(self._load_balancers(services)),
            autoscalers=tuple(_autoscaler(one) for one in self._all(kinds.HPA)),
            nodes=tuple(_node(one) for one in self._all(kinds.NODE)),
            foreign=tuple(self._foreign()), missing=self.missing,
        )  # fmt: skip

    def _all(self, kind: Kind[T], label_selector: str | None = None) -> list[T]:
        if self.unanswered:
            self.missing[kind.plural] = self.unanswered
            return []
        namespace = self._namespace or None
        try:
            found = listed(self._connection, kind, namespace=namespace, label_selector=label_selector)
        except KubeError as error:
            self._note(kind, error)
            return []
        return list(found.objects.values())

    def _note(self, kind: Kind[Any], error: KubeError) -> None:
        if error.status == 0:
            self.unanswered = f"the API server does not answer: {error}"
            self.missing[kind.plural] = self.unanswered
        elif error.status in (401, 403):
            where = f" in {self._namespace}" if self._namespace and kind.namespaced else ""
            self.missing[kind.plural] = f"may not list {kind.plural}{where}"
        else:
            self.missing[kind.plural] = f"could not list {kind.plural}: {error}"

    def _spaces(self) -> list[kinds.Space]:
        mine = self._staying(kinds.NAMESPACE)
        return [one for one in mine if self._namespace in ("", one.metadata.name)]

    def _staying(self, kind: Kind[Any]) -> list[Any]:
        """Without those that are being deleted."""
        return [one for one in self._all(kind) if one.metadata.deletion_timestamp is None]

    def _load_balancers(self, services: Iterable[kinds.Service]) -> Iterator[LoadBalancer]:
        ours = [one for one in services if one.spec.type == "LoadBalancer" and one.metadata.deletion_timestamp is None]
        slices: dict[tuple[str, str], list[kinds.Slice]] = defaultdict(list)
        names = sorted({one.metadata.name for one in ours})
        for first in range(0, len(names), _AT_ONCE):
            chosen = f"{_SERVICE_NAME} in ({','.join(names[first : first + _AT_ONCE])})"
            for one in self._all(kinds.SLICE, chosen):
                slices[one.metadata.namespace, (one.metadata.labels or {}).get(_SERVICE_NAME, "")].append(one)
        for service in ours:
            yield _load_balancer(service, slices[service.metadata.namespace, service.metadata.name])

    def _foreign(self) -> list[str]:
        if self.unanswered:
            return []
        try:
            told = msgspec.json.decode(self._connection.request("GET", "/apis"))
            return sorted(TEMPLATED & {str(group.get("name")) for group in told.get("groups") or ()})
        except (KubeError, msgspec.DecodeError, AttributeError):
            return []


def _about(meta: Meta, kind: str) -> About:
    owners = (
        Owner(group=one.api_version.rpartition("/")[0], kind=one.kind, name=one.name, controller=bool(one.controller))
        for one in meta.owner_references or ()
    )
    target = Target(namespace=meta.namespace, kind=kind, name=meta.name)
    keep = (meta.annotations or {}).get(KEEP)
    return About(target=target, created=meta.creation_timestamp, owners=tuple(owners), keep=keep)


def _pod(one: kinds.Pod) -> Pod:
    return Pod(
        about=_about(one.metadata, "Pod"), shape=_shape(one.spec), phase=one.status.phase, node=one.spec.node_name
    )  # fmt: skip


def _shape(spec: kinds.Spec) -> PodShape:
    sidecars = (one for one in spec.init_containers or () if one.restart_policy == "Always")
    volumes = spec.volumes or ()
    return PodShape(
        claims=frozenset(one.persistent_volume_claim.claim_name for one in volumes if one.persistent_volume_claim),
        ephemeral=frozenset(one.name for one in volumes if one.ephemeral is not None),
        containers=tuple(_asks(one.name, one.resources) for one in (*(spec.containers or ()), *sidecars)),
        whole=None if spec.resources is None else _asks("", spec.resources), host_network=spec.host_network,
    )  # fmt: skip


def _asks(name: str, resources: Resources) -> ContainerAsks:
    asked = {**(resources.limits or {}), **(resources.requests or {})}
    return ContainerAsks(
        name=name, cpu_cores=_quantity(asked, "cpu"), memory_bytes=_quantity(asked, "memory"),
        gpus=_quantity(asked, "nvidia.com/gpu") or Decimal(0),
    )  # fmt: skip


def _workload(one: kinds.Workload, kind: str) -> Workload:
    spec = one.spec
    template = spec.template if spec.job_template is None else spec.job_template.spec.template
    ended = one.status.completion_time or next(
        (own.last_transition_time for own in one.status.conditions or ()
         if own.type in ("Complete", "Failed") and own.status == "True"), None,
    )  # fmt: skip
    return Workload(
        about=_about(one.metadata, kind), shape=PodShape() if template is None else _shape(template.spec),
        claim_templates=tuple(own.metadata.name for own in spec.volume_claim_templates or ()),
        replicas=spec.replicas, finished=ended if kind == "Job" else None, ttl_seconds=spec.ttl_seconds_after_finished,
    )  # fmt: skip


def _claim(one: kinds.Claim) -> Claim:
    size = {**(one.spec.resources.requests or {}), **(one.status.capacity or {})}
    return Claim(
        about=_about(one.metadata, "PersistentVolumeClaim"), phase=one.status.phase, volume=one.spec.volume_name,
        storage_class=one.spec.storage_class_name, gib=_gib(size),
    )  # fmt: skip


def _volume(one: kinds.Volume) -> Volume:
    spec, labels = one.spec, one.metadata.labels or {}
    return Volume(
        about=_about(one.metadata, "PersistentVolume"), phase=one.status.phase,
        phase_since=one.status.last_phase_transition_time, storage_class=spec.storage_class_name,
        claim="" if spec.claim_ref is None else f"{spec.claim_ref.namespace}/{spec.claim_ref.name}",
        region=next((labels[name] for name in REGIONS if labels.get(name)), ""), gib=_gib(spec.capacity or {}),
        reclaim=spec.persistent_volume_reclaim_policy, handle="" if spec.csi is None else spec.csi.volume_handle,
    )  # fmt: skip


def _load_balancer(service: kinds.Service, slices: Iterable[kinds.Slice]) -> LoadBalancer:
    mine = list(slices)
    addresses = [one.hostname or one.ip for one in service.status.load_balancer.ingress or ()]
    ready = sum(end.conditions.ready is not False for one in mine for end in one.endpoints or ())
    written = [_written(one) for one in mine]
    known = [one for one in written if one is not None]
    return LoadBalancer(
        about=_about(service.metadata, "Service"), address=", ".join(addresses), slices=len(mine), ready=ready,
        unchanged_since=max(known) if known and len(known) == len(written) else None,
    )  # fmt: skip


def _written(one: kinds.Slice) -> datetime | None:
    """The last write, by whomever: the server stamps it with each change of a field."""
    times = [entry.time for entry in ownerships(one.metadata)]
    return max((datetime.fromisoformat(time) for time in times if time), default=None)


def _autoscaler(one: kinds.Hpa) -> Autoscaler:
    spec = one.spec
    return Autoscaler(
        about=_about(one.metadata, "HorizontalPodAutoscaler"), min_replicas=spec.min_replicas,
        max_replicas=spec.max_replicas, scales=f"{spec.scale_target_ref.kind}/{spec.scale_target_ref.name}",
        held=SET_MAX in (one.metadata.annotations or {}),
    )  # fmt: skip


def _node(one: kinds.Node) -> NodeFacts:
    has = one.status.capacity or {}
    return NodeFacts(
        name=one.metadata.name, provider_id=one.spec.provider_id, labels=one.metadata.labels or {},
        cpu_cores=_quantity(has, "cpu") or Decimal(0), memory_gib=(_quantity(has, "memory") or Decimal(0)) / _GIB,
        gpus=_quantity(has, "nvidia.com/gpu") or Decimal(0),
    )  # fmt: skip


def _gib(size: Mapping[str, str]) -> Decimal:
    return (_quantity(size, "storage") or Decimal(0)) / _GIB


def _quantity(amounts: Mapping[str, str], name: str) -> Decimal | None:
    """None also of a text that is no quantity: the server takes none."""
    try:
        return parse_quantity(amounts[name]) if name in amounts else None
    except ValueError:
        return None
