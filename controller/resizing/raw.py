"""Workloads, pods and HPAs with every field, and what is read out of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from controller.resizing.change import NOTE, Where
from domain.errors import KubeError
from domain.scaling import WorkloadRef
from kube import Connection, read
from kube.kinds import DEPLOYMENT, HPA, POD, STATEFUL_SET, Fields, Kind, Meta, OwnedMeta

MANAGER: Final = "foretide-resize"
"""Not ``foretide``: what an apply leaves out it gives up, and that manager applies bounds."""
KINDS: Final[Mapping[str, Kind[dict[str, Any]]]] = {
    "Deployment": DEPLOYMENT.as_dicts(), "StatefulSet": STATEFUL_SET.as_dicts(),
}  # fmt: skip
HPAS: Final = HPA.as_dicts()
PODS: Final = POD.as_dicts()
Raw = dict[str, Any]


class Noted(Fields, frozen=True, gc=False, rename="camel"):
    """Only the metadata: whoever looks for notes lists every workload of a cluster in a small pod."""

    metadata: Meta

    @property
    def has_note(self) -> bool:
        """Of ours."""
        return NOTE in (self.metadata.annotations or {})


def noted(kind: str) -> Kind[Noted]:
    """A kind of workload, by its metadata alone."""
    of = KINDS[kind]
    return Kind(
        group=of.group, version=of.version, kind=of.kind, plural=of.plural, namespaced=of.namespaced, type=Noted
    )  # fmt: skip


def workload(connection: Connection, ref: WorkloadRef) -> Raw | None:
    """Every field of it; None where there is none."""
    return _or_none(connection, KINDS[ref.kind], ref.namespace, ref.name)


def pod(connection: Connection, namespace: str, name: str) -> Raw | None:
    """Every field of it; None where there is none."""
    return _or_none(connection, PODS, namespace, name)


def hpa(connection: Connection, namespace: str, name: str) -> Raw | None:
    """Every field of it; None where there is none."""
    return _or_none(connection, HPAS, namespace, name)


def containers(raw: Raw) -> list[Raw]:
    """Of a workload's template."""
    found: list[Raw] = raw["spec"]["template"]["spec"].get("containers") or []
    return found


def annotations_of(raw: Raw) -> Mapping[str, str]:
    """Never None."""
    return raw["metadata"].get("annotations") or {}


def metadata(raw: Raw) -> OwnedMeta:
    """As ``kube.ownership`` reads it."""
    return msgspec.json.decode(msgspec.json.encode(raw["metadata"]), type=OwnedMeta)


def target_of(hpa: Raw | None, resource: str) -> int | None:
    """Its utilisation target of a resource of whole pods; None where it has none."""
    for one in (hpa or {}).get("spec", {}).get("metrics") or ():
        if one.get("type") == "Resource" and one["resource"]["name"] == resource:
            percent = one["resource"]["target"].get("averageUtilization")
            return None if percent is None else int(percent)
    return None


def rolled_out(raw: Raw, kind: str) -> tuple[bool, str]:
    """Whether all pods are of the newest template, and why they will not be."""
    status, wanted = raw.get("status") or {}, raw["spec"].get("replicas", 1)
    if int(status.get("observedGeneration", 0)) < int(raw["metadata"].get("generation", 0)):
        return False, ""
    for one in status.get("conditions") or ():
        if one.get("type") == "Progressing" and one.get("reason") == "ProgressDeadlineExceeded":
            return False, f"the rollout is stuck: {one.get('message', 'ProgressDeadlineExceeded')}"
    updated, there = int(status.get("updatedReplicas", 0)), int(status.get("replicas", 0))
    ready = int(status.get("availableReplicas" if kind == "Deployment" else "readyReplicas", 0))
    return updated >= wanted and there == updated and ready >= wanted, ""


def path_of(field: Where) -> tuple[str, ...]:
    """In ``managedFields``."""
    container, part, resource = field
    key = json.dumps({"name": container}, separators=(",", ":"))
    return "spec", "template", "spec", "containers", key, "resources", part, resource


def _or_none(connection: Connection, kind: Kind[Raw], namespace: str, name: str) -> Raw | None:
    try:
        return read(connection, kind, namespace=namespace, name=name)
    except KubeError as error:
        if error.status == 404:
            return None
        raise
