"""Volumes and the claims on them."""

from __future__ import annotations

from typing import Any, Final

from kube.kinds import Fields, Kind, Meta, ObjectReference


class VolumeSpec(Fields, frozen=True, gc=False, rename="camel"):
    """How large a volume is, who claims it, and what is behind it; of the many sources those that clouds bill."""

    capacity: dict[str, str] | None = None
    storage_class_name: str = ""
    claim_ref: ObjectReference | None = None
    persistent_volume_reclaim_policy: str = ""
    csi: dict[str, Any] | None = None
    aws_elastic_block_store: dict[str, Any] | None = None
    gce_persistent_disk: dict[str, Any] | None = None
    azure_disk: dict[str, Any] | None = None
    nfs: dict[str, Any] | None = None
    local: dict[str, Any] | None = None


class Phase(Fields, frozen=True, gc=False, rename="camel"):
    """``status``: Bound, Released, Pending and so on."""

    phase: str = ""


class Volume(Fields, frozen=True, gc=False, rename="camel"):
    """PersistentVolume, v1."""

    metadata: Meta
    spec: VolumeSpec = VolumeSpec()
    status: Phase = Phase()


class StorageRequests(Fields, frozen=True, gc=False, rename="camel"):
    """What a claim asks for, as quantities."""

    requests: dict[str, str] | None = None


class ClaimSpec(Fields, frozen=True, gc=False, rename="camel"):
    """What a claim asks for, and which volume it got."""

    resources: StorageRequests = StorageRequests()
    storage_class_name: str | None = None
    volume_name: str = ""
    volume_mode: str = ""


class Claim(Fields, frozen=True, gc=False, rename="camel"):
    """PersistentVolumeClaim, v1."""

    metadata: Meta
    spec: ClaimSpec = ClaimSpec()
    status: Phase = Phase()


VOLUME: Final = Kind(
    group="", version="v1", kind="PersistentVolume", plural="persistentvolumes", namespaced=False, type=Volume
)
CLAIM: Final = Kind(
    group="", version="v1", kind="PersistentVolumeClaim", plural="persistentvolumeclaims", namespaced=True, type=Claim
)
