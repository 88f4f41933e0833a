"""What bounds are written to: a HorizontalPodAutoscaler or a KEDA ScaledObject, seen as one thing, and the two bodies.

An apply holds the bounds that we moved and our annotations, nothing else: a field that is left out of it falls to its
default, so one that we have set once stays in until everything is taken away. That is done by a merge patch, which also
takes our entry out of ``managedFields``: its owner's next server-side apply shall not meet a conflict with us.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from controller.actuation import owned
from controller.actuation import stamp as stamps
from controller.actuation.limits import Limits
from controller.actuation.owned import Owned
from controller.actuation.stamp import Stamp
from kube.kinds import HPA, SCALED_OBJECT, Hpa, HpaSpec, Kind, OwnedMeta, ScaledObject

MANAGER: Final = "foretide"
_KEDA_DEFAULTS: Final = Limits(low=0, high=100)
_FIELDS: Final = {
    HPA.kind: ("minReplicas", "maxReplicas"),
    SCALED_OBJECT.kind: ("minReplicaCount", "maxReplicaCount"),
}
_UNSET: Final = ("", "min", "max", "min,max")
_PAUSED: Final = ("autoscaling.keda.sh/paused", "autoscaling.keda.sh/paused-replicas")


@dataclass(frozen=True, slots=True, kw_only=True)
class Autoscaler:
    """One of them as it was last seen.

    Attributes:
        kind: Its kind.
        metadata: Its own.
        target: Kind and name of the workload that it scales.
        limits: Its bounds; what is left out is what its controller takes for it.
        unset: Which bounds it leaves out: ``""``, ``min``, ``max`` or ``min,max``.
        spec: Of an HPA, all of it that we may come to write.
    """

    kind: Kind[Any]
    metadata: OwnedMeta
    target: tuple[str, str]
    limits: Limits
    unset: str = ""
    spec: HpaSpec | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """Kind, namespace, name."""
        return self.kind.kind, self.metadata.namespace, self.metadata.name

    @property
    def annotations(self) -> Mapping[str, str]:
        """Never None."""
        return self.metadata.annotations or {}

    def __str__(self) -> str:
        """``HorizontalPodAutoscaler shop/checkout``."""
        return f"{self.kind.kind} {self.metadata.namespace}/{self.metadata.name}"


def of_hpa(hpa: Hpa) -> Autoscaler:
    """As one of both."""
    spec = hpa.spec
    return Autoscaler(
        kind=HPA, metadata=hpa.metadata, target=(spec.scale_target_ref.kind, spec.scale_target_ref.name),
        limits=Limits(low=spec.min_replicas, high=spec.max_replicas), spec=spec,
    )  # fmt: skip


def of_scaled_object(one: ScaledObject) -> Autoscaler:
    """As one of both."""
    low, high, target = one.spec.min_replica_count, one.spec.max_replica_count, one.spec.scale_target_ref
    return Autoscaler(
        kind=SCALED_OBJECT, metadata=one.metadata,
        target=(str(target.get("kind") or "Deployment"), str(target.get("name", ""))),
        limits=Limits(
            low=_KEDA_DEFAULTS.low if low is None else low, high=_KEDA_DEFAULTS.high if high is None else high
        ),
        unset=",".join(name for name, value in (("min", low), ("max", high)) if value is None),
    )  # fmt: skip


def owner_of(found: Autoscaler) -> str:
    """Why it is somebody else's, in a sentence; empty: it is nobody's."""
    for owner in found.metadata.owner_references or ():
        if owner.kind == SCALED_OBJECT.kind:
            return f"KEDA keeps it for ScaledObject {owner.name} and would undo it: name that as actuate.scaledObject"
        if owner.controller:
            return f"it belongs to {owner.kind} {owner.name}"
    paused = [name for name in _PAUSED if found.annotations.get(name) not in (None, "false")]
    return f"KEDA is paused by {paused[0]}" if paused and found.kind is SCALED_OBJECT else ""


def bounds_body(found: Autoscaler, limits: Limits, stamp: Stamp) -> dict[str, Any]:
    """For an apply: the bounds that have a note in the stamp, and the stamp."""
    low, high = _FIELDS[found.kind.kind]
    sides = ((low, stamp.low, limits.low), (high, stamp.high, limits.high))
    annotations = stamps.written(stamp)
    if unset := _unset_before(found):
        annotations[stamps.UNSET] = unset
    return {
        "metadata": {"annotations": annotations},
        "spec": {field: value for field, note, value in sides if note is not None},
    }


def clean_body(found: Autoscaler) -> dict[str, Any]:
    """For a merge patch: nothing of ours is left, and what was not there before is not there again."""
    gone = {name: None for name in stamps.OURS if name in found.annotations}
    low, high = _FIELDS[found.kind.kind]
    unset = _unset_before(found).split(",")
    sides = ((low, "min", found.limits.low, _KEDA_DEFAULTS.low), (high, "max", found.limits.high, _KEDA_DEFAULTS.high))
    spec = {field: None for field, name, value, default in sides if name in unset and value == default}
    body: dict[str, Any] = {"metadata": {"annotations": gone, "managedFields": without_ours(found.metadata)}}
    return body | ({"spec": spec} if spec else {})


def shape_of(found: Autoscaler) -> dict[str, Any]:
    """What an HPA is besides its bounds."""
    spec = found.spec
    if spec is None:
        return {}
    target = spec.scale_target_ref
    shape: dict[str, Any] = {
        "scaleTargetRef": {"apiVersion": target.api_version, "kind": target.kind, "name": target.name}
    }
    if raw := bytes(spec.metrics):
        shape["metrics"] = msgspec.json.decode(raw)
    return shape if spec.behavior is None else shape | {"behavior": spec.behavior}


def kept_body(limits: Limits, stamp: Stamp, kept: Owned, shape: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """For an apply to an HPA that we keep: the whole of it, with another ``shape`` where somebody has changed ours."""
    spec = {**(kept.shape if shape is None else shape), "minReplicas": limits.low, "maxReplicas": limits.high}
    return {"metadata": {"annotations": {**stamps.written(stamp), **owned.written(kept)}}, "spec": spec}


def _unset_before(found: Autoscaler) -> str:
    """Which bounds were not there before us."""
    if not stamps.is_stamped(found.annotations):
        return found.unset
    told = found.annotations.get(stamps.UNSET, "")
    return told if told in _UNSET and found.kind is SCALED_OBJECT else ""


def without_ours(metadata: OwnedMeta) -> list[dict[str, Any]]:
    """The others' entries; one empty entry says that there is none (an empty list would change nothing)."""
    raw = bytes(metadata.managed_fields)
    entries = msgspec.json.decode(raw, type=list[dict[str, Any]] | None) if raw else None
    return [entry for entry in entries or () if entry.get("manager") != MANAGER] or [{}]
