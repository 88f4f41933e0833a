"""What pods hang on, as samples with kube-state-metrics' names, labels and values: volumes, claims, Services and their
endpoints.

Of an EndpointSlice's labels the one that names its Service is always told; whoever asks whose pods stand behind a
Service needs no other. Labels of pods, claims and Services are told only where somebody names them.

Source:
    kube-state-metrics v2, docs/metrics/{storage,service}; internal/store/{persistentvolume,persistentvolumeclaim,
    service,endpointslice}.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from collector.kubernetes.kinds import Pod
from collector.kubernetes.roles import SERVICE_NAME
from collector.kubernetes.series import Pair, Told, at, number, prefixed
from collector.kubernetes.service_kinds import Endpoint, EndpointSlice, Service
from collector.kubernetes.storage_kinds import Claim, Volume
from kube.kinds import Meta

_VOLUME_PHASES: Final = tuple(("phase", phase) for phase in ("Pending", "Available", "Bound", "Released", "Failed"))
_CLAIM_PHASES: Final = tuple(("phase", phase) for phase in ("Lost", "Bound", "Pending"))
_OLD_CLASS: Final = "volume.beta.kubernetes.io/storage-class"


def volume(one: Volume) -> Iterator[Told]:
    """How large it is, of which class, whose, and whether anybody still claims it."""
    spec, ref = one.spec, one.spec.claim_ref
    yield "kube_persistentvolume_info", _info(one), 1.0
    yield from at("kube_persistentvolume_created", one.metadata.creation_timestamp)
    yield from _bytes("kube_persistentvolume_capacity_bytes", spec.capacity)
    if ref is not None:
        yield "kube_persistentvolume_claim_ref", (("claim_namespace", ref.namespace), ("name", ref.name)), 1.0
    yield from _phases("kube_persistentvolume_status_phase", one.status.phase, _VOLUME_PHASES)


def claim(one: Claim, label_names: Iterable[str] = ()) -> Iterator[Told]:
    """What it asks for, and which volume it got."""
    meta, spec = one.metadata, one.spec
    pairs = (
        ("storageclass", (meta.annotations or {}).get(_OLD_CLASS) or spec.storage_class_name or ""),
        ("volumemode", spec.volume_mode),
        ("volumename", spec.volume_name),
    )
    yield "kube_persistentvolumeclaim_info", pairs, 1.0
    yield from at("kube_persistentvolumeclaim_created", meta.creation_timestamp)
    yield from _bytes("kube_persistentvolumeclaim_resource_requests_storage_bytes", spec.resources.requests)
    yield from _phases("kube_persistentvolumeclaim_status_phase", one.status.phase, _CLAIM_PHASES)
    yield from chosen_labels("kube_persistentvolumeclaim_labels", meta, label_names)


def mounts(one: Pod) -> Iterator[Told]:
    """The claims that a pod mounts; the claim of an ephemeral volume is called after both, by its controller."""
    for own in one.spec.volumes or ():
        if own.persistent_volume_claim is not None:
            called = str(own.persistent_volume_claim.get("claimName", ""))
        else:
            called = f"{one.metadata.name}-{own.name}"
        pairs = (("persistentvolumeclaim", called), ("volume", own.name))
        yield "kube_pod_spec_volumes_persistentvolumeclaims_info", pairs, 1.0


def service(one: Service, label_names: Iterable[str] = ()) -> Iterator[Told]:
    """How it is reached, and whether its load balancer has an address."""
    spec = one.spec
    pairs = (
        ("cluster_ip", spec.cluster_ip), ("external_name", spec.external_name),
        ("external_traffic_policy", spec.external_traffic_policy), ("load_balancer_ip", spec.load_balancer_ip),
    )  # fmt: skip
    yield "kube_service_info", pairs, 1.0
    yield from at("kube_service_created", one.metadata.creation_timestamp)
    yield "kube_service_spec_type", (("type", spec.type),), 1.0
    for given in one.status.load_balancer.ingress or ():
        own = (("hostname", str(given.get("hostname", ""))), ("ip", str(given.get("ip", ""))))
        yield "kube_service_status_load_balancer_ingress", own, 1.0
    yield from chosen_labels("kube_service_labels", one.metadata, label_names)


def endpoint_slice(one: EndpointSlice) -> Iterator[Told]:
    """Which Service it is of, and what stands behind that."""
    yield "kube_endpointslice_info", (("addresstype", one.address_type),), 1.0
    yield from chosen_labels("kube_endpointslice_labels", one.metadata, (SERVICE_NAME,))
    for endpoint in one.endpoints or ():
        pairs = _endpoint(endpoint)
        for address in endpoint.addresses or ():
            yield "kube_endpointslice_endpoints", (*pairs, ("address", address)), 1.0


def chosen_labels(name: str, meta: Meta, label_names: Iterable[str]) -> Iterator[Told]:
    """Of an object's labels those that somebody named; nothing where it has none of them."""
    found = {label: meta.labels[label] for label in label_names if meta.labels and label in meta.labels}
    if found:
        yield name, prefixed("label", found), 1.0


def _info(one: Volume) -> tuple[Pair, ...]:
    spec = one.spec
    sources = (
        ("csi_driver", spec.csi, "driver"), ("csi_volume_handle", spec.csi, "volumeHandle"),
        ("ebs_volume_id", spec.aws_elastic_block_store, "volumeID"),
        ("gce_persistent_disk_name", spec.gce_persistent_disk, "pdName"),
        ("azure_disk_name", spec.azure_disk, "diskName"), ("nfs_server", spec.nfs, "server"),
        ("nfs_path", spec.nfs, "path"), ("local_path", spec.local, "path"), ("local_fs", spec.local, "fsType"),
    )  # fmt: skip
    own = (("storageclass", spec.storage_class_name), ("reclaim_policy", spec.persistent_volume_reclaim_policy))
    return (*own, *((label, str((source or {}).get(field, ""))) for label, source, field in sources))


def _bytes(name: str, amounts: dict[str, str] | None) -> Iterator[Told]:
    amount = number((amounts or {}).get("storage", ""))
    if amount is not None:
        yield name, (), amount


def _phases(name: str, phase: str, every: tuple[Pair, ...]) -> Iterator[Told]:
    if phase:
        yield from ((name, (own,), float(own[1] == phase)) for own in every)


def _endpoint(endpoint: Endpoint) -> tuple[Pair, ...]:
    conditions, ref = endpoint.conditions, endpoint.target_ref
    flags: dict[str, Any] = {
        "ready": conditions.ready, "serving": conditions.serving, "terminating": conditions.terminating,
    }  # fmt: skip
    texts = {
        "hostname": endpoint.hostname, "endpoint_nodename": endpoint.node_name, "endpoint_zone": endpoint.zone,
        "targetref_kind": ref and ref.kind, "targetref_name": ref and ref.name,
        "targetref_namespace": ref and ref.namespace,
    }  # fmt: skip
    told = [(name, str(flag).lower()) for name, flag in flags.items() if flag is not None]
    return (*told, *((name, text) for name, text in texts.items() if text))
