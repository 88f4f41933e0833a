"""Targets that are neither Deployment nor StatefulSet: Argo's Rollouts, and anything else with a scale subresource.

The API server says what a kind is called in a path, and whether it can be scaled. How many replicas are wanted says the
scale subresource: which field of the object that is, only its definition knows. It is asked once after each change.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import msgspec

from controller.actuation.holds import Rollout
from domain.errors import KubeError
from domain.scaling import WorkloadRef
from kube import Connection, read_scale
from kube.kinds import Fields, Kind, Meta, PodTemplate, Scale, Workload, WorkloadSpec, WorkloadStatus
from kube.reflector import Reflector

_ASK_AGAIN_SECONDS: Final = 60.0
_FIRST_LOOK_SECONDS: Final = 2.0
_ARGO: Final = "argoproj.io"
_UNDER_WAY: Final = {"Progressing": "is under way", "Paused": "is paused", "Degraded": "is degraded"}


class Target(Fields, frozen=True, gc=False, rename="camel"):
    """An object of any such kind."""

    metadata: Meta
    spec: dict[str, Any] | None = None
    status: dict[str, Any] | None = None


@dataclass(slots=True, kw_only=True)
class _Known:
    """A kind as the API server told of it: its objects, or why there are none."""

    why: str = ""
    asked_at: float
    reflector: Reflector[Target] | None = None
    kind: Kind[Target] | None = None
    scales: dict[tuple[str, str], tuple[str, Scale]] = field(default_factory=dict)


class Targets:
    """Of one cluster; a kind is watched from when a rule is first about one of its objects."""

    def __init__(self, connection: Connection) -> None:
        """Nothing is asked yet."""
        self._connection = connection
        self._kinds: dict[tuple[str, str], _Known] = {}
        self._lock = threading.Lock()

    def stop(self) -> None:
        """Ends the threads."""
        for one in self._kinds.values():
            if one.reflector is not None:
                one.reflector.stop()

    def workload(self, ref: WorkloadRef) -> Workload | None:
        """As if it were a Deployment; None where there is none, or nobody knows."""
        known = self._known(ref)
        found = self._found(ref)
        scale = None if found is None else self._scale(known, ref, found)
        return None if found is None or scale is None else _as_workload(found, scale)

    def kind_of(self, ref: WorkloadRef) -> Kind[Target] | None:
        """Where it lives in the API; None where that is not known."""
        return self._known(ref).kind

    def rollout(self, ref: WorkloadRef, known: Rollout) -> Rollout:
        """With what its own controller says: of Argo's Rollouts, whether a canary is under way."""
        found = self._found(ref)
        if found is None or not ref.api_version.startswith(f"{_ARGO}/"):
            return known
        return replace(known, says=_canary(found))

    def why(self, ref: WorkloadRef) -> str:
        """Why nothing is known of its kind; empty: it is known."""
        known = self._known(ref)
        return known.why or ("" if known.reflector is None else known.reflector.problem)

    def age_seconds(self, ref: WorkloadRef) -> float:
        """Since its kind was last heard of."""
        reflector = self._known(ref).reflector
        return 0.0 if reflector is None else reflector.age_seconds()

    def _found(self, ref: WorkloadRef) -> Target | None:
        reflector = self._known(ref).reflector
        return None if reflector is None else reflector.objects().get((ref.namespace, ref.name))

    def _known(self, ref: WorkloadRef) -> _Known:
        """Asked once for each kind; one that is not there again after a minute."""
        key, now = (ref.api_version, ref.kind), self._connection.clock.monotonic()
        with self._lock:
            known = self._kinds.get(key)
            if known is None or (known.reflector is None and now - known.asked_at >= _ASK_AGAIN_SECONDS):
                known = self._kinds[key] = self._asked(ref, now)
            return known

    def _asked(self, ref: WorkloadRef, now: float) -> _Known:
        kind, why = self._discovered(ref)
        if kind is None:
            return _Known(why=why, asked_at=now)
        reflector = Reflector(self._connection, kind)
        reflector.start()
        reflector.wait_synced(_FIRST_LOOK_SECONDS)
        return _Known(asked_at=now, reflector=reflector, kind=kind)

    def _discovered(self, ref: WorkloadRef) -> tuple[Kind[Target] | None, str]:
        """The kind with its path, or why it cannot be scaled."""
        group, _, version = ref.api_version.rpartition("/")
        try:
            raw = self._connection.request("GET", f"/{'apis' if group else 'api'}/{ref.api_version}")
            listed = msgspec.json.decode(raw, type=_Resources).resources
        except KubeError as error:
            return None, f"no API {ref.api_version} here" if error.status == 404 else str(error)
        except msgspec.MsgspecError as error:
            return None, f"API {ref.api_version} does not say what it has: {error}"
        names = {one.name for one in listed}
        own = next((one for one in listed if one.kind == ref.kind and "/" not in one.name), None)
        if own is None or not own.namespaced:
            return None, f"API {ref.api_version} has no {ref.kind} in namespaces"
        if f"{own.name}/scale" not in names:
            return None, f"kind {ref.kind} of {ref.api_version} has no scale subresource"
        kind = Kind(group=group, version=version, kind=ref.kind, plural=own.name, namespaced=True, type=Target)
        return kind, ""

    def _scale(self, known: _Known, ref: WorkloadRef, found: Target) -> Scale | None:
        key, version = (ref.namespace, ref.name), found.metadata.resource_version
        before = known.scales.get(key)
        if before is not None and before[0] == version:
            return before[1]
        assert known.kind is not None
        try:
            scale = read_scale(self._connection, known.kind, namespace=ref.namespace, name=ref.name)
        except KubeError as error:
            known.why = f"its scale cannot be read: {error}"
            return None
        known.why, known.scales[key] = "", (version, scale)
        return scale


class _Resource(Fields, frozen=True, gc=False, rename="camel"):
    name: str
    kind: str = ""
    namespaced: bool = False


class _Resources(Fields, frozen=True, gc=False, rename="camel"):
    resources: list[_Resource] = []


def _as_workload(found: Target, scale: Scale) -> Workload:
    """What it does not tell counts as done: the newest spec seen, every replica new and ready."""
    spec, status, count = found.spec or {}, found.status or {}, scale.status.replicas
    ready = _number(status, "readyReplicas", _number(status, "availableReplicas", count))
    return Workload(
        metadata=found.metadata,
        spec=WorkloadSpec(
            replicas=scale.spec.replicas, template=_template(spec.get("template")), paused=spec.get("paused") is True
        ),
        status=WorkloadStatus(
            observed_generation=_number(status, "observedGeneration", found.metadata.generation), replicas=count,
            updated_replicas=_number(status, "updatedReplicas", count), ready_replicas=ready,
        ),
    )  # fmt: skip


def _number(status: Mapping[str, Any], name: str, otherwise: int) -> int:
    """Argo writes its generation as a text."""
    told = status.get(name)
    if isinstance(told, str) and told.isdecimal():
        return int(told)
    return told if isinstance(told, int) and not isinstance(told, bool) else otherwise


def _template(raw: object) -> PodTemplate | None:
    try:
        return msgspec.convert(raw, PodTemplate) if isinstance(raw, dict) else None
    except msgspec.ValidationError:
        return None


def _canary(found: Target) -> str:
    """A Rollout is at rest when the pods of its newest template are the stable ones."""
    spec, status = found.spec or {}, found.status or {}
    phase, newest, stable = (str(status.get(name) or "") for name in ("phase", "currentPodHash", "stableRS"))
    if newest == stable if newest else phase not in ("Progressing", "Paused"):
        return ""
    how = "was aborted" if status.get("abort") is True else _UNDER_WAY.get(phase, "is under way")
    return f"its {_strategy(spec)} {how}{_step(spec, status)}"


def _strategy(spec: Mapping[str, Any]) -> str:
    strategy = spec.get("strategy")
    return "blue-green rollout" if isinstance(strategy, dict) and "blueGreen" in strategy else "canary"


def _step(spec: Mapping[str, Any], status: Mapping[str, Any]) -> str:
    canary = (spec.get("strategy") or {}).get("canary") if isinstance(spec.get("strategy"), dict) else None
    steps, index = (canary.get("steps") if isinstance(canary, dict) else None), status.get("currentStepIndex")
    if not isinstance(steps, list) or not isinstance(index, int):
        return ""
    return f" at step {min(index + 1, len(steps))} of {len(steps)}"
