"""What is seen of a workload that is being right-sized: its template, its HPAs, who states them, its pods."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from controller.actuation.stamp import FREEZE, KEPT
from controller.cluster.kubernetes_guard import SYSTEM_NAMESPACES
from controller.resizing import pods as of_pods
from controller.resizing.case import Case, Live, Stage
from controller.resizing.change import NOTE, Field, Patch, same
from controller.resizing.raw import (
    HPAS,
    KINDS,
    PODS,
    Raw,
    annotations_of,
    containers,
    pod,
    rolled_out,
    target_of,
    workload,
)
from controller.resizing.rivals import rival
from domain.scaling import WorkloadRef
from kube import Connection, listed


@dataclass(frozen=True, slots=True, kw_only=True)
class Harm:
    """What the pods themselves tell: how often they ran out of memory and restarted, and whether CPU is limited."""

    ooms: int = 0
    restarts: int = 0
    pods: tuple[str, ...] = ()
    limited: bool = False


class Sights:
    """Of one cluster; nothing is written."""

    def __init__(self, connection: Connection, *, switch: Callable[[], str], own_namespace: str) -> None:
        """``switch`` says why nothing may be written."""
        self._connection, self._switch, self._own = connection, switch, own_namespace

    def look(self, case: Case) -> Live:
        """At everything that its stage asks for.

        Raises:
            KubeError: It cannot be seen; nothing is known then, not even that it is gone.
        """
        ref, patch = case.patch.ref, case.patch
        if ref.kind not in KINDS:
            return Live(template={}, unfit=f"a {ref.kind} is not right-sized")
        raw = workload(self._connection, ref)
        if raw is None:
            return Live(template=None, blocked=self._switch())
        hpas = self._hpas(ref)
        falling = [one for one in patch.fields if one.resource in patch.falling()]
        begins = case.stage is Stage.ACCEPTED and case.in_place and bool(falling)
        found, why = self._candidate(raw, falling) if begins else (None, "")
        canary = self._canary(case)
        done, stuck = rolled_out(raw, ref.kind)
        return Live(
            template=of_pods.values_of(containers(raw), patch.fields),
            targets={(one.hpa, one.resource): target_of(hpas.get(one.hpa), one.resource) for one in patch.targets},
            rival=rival(raw, hpas, patch), unfit=self._unfit(raw, hpas, patch), blocked=self._blocked(raw, hpas, case),
            candidate=found, not_in_place=why,
            canary=None if canary is None else of_pods.values_of(canary["spec"]["containers"], patch.fields),
            resized=canary is not None and of_pods.is_resized(canary, falling),
            unresizable="" if canary is None else of_pods.put_off(canary), rolled_out=done, stuck=stuck,
            replicas=int(raw["spec"].get("replicas", 1)),
        )  # fmt: skip

    def pods(self, ref: WorkloadRef) -> list[Raw]:
        """Of the workload, by its labels and name."""
        raw = workload(self._connection, ref)
        return [] if raw is None else self._pods(raw)

    def harm(self, case: Case) -> Harm:
        """Since it began, of the pods that have what was written.

        Raises:
            KubeError: They cannot be seen.
        """
        if case.began_at is None:
            return Harm()
        since = case.began_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        raws = [one for one in self.pods(case.patch.ref) if _counts(case, one, case.began_at)]
        uid, had = ("", 0) if case.canary is None else (case.canary.uid, case.canary.restarts)
        before = sum(had for one in raws if one["metadata"]["uid"] == uid)
        ooms = sum(of_pods.ended_for_memory(one, since) for one in raws)
        again = max(0, sum(map(of_pods.restarts, raws)) - before)
        asked = (each.get("resources") or {} for one in raws for each in one["spec"]["containers"])
        return Harm(
            ooms=ooms, restarts=again, pods=tuple(sorted(one["metadata"]["name"] for one in raws)),
            limited=any("cpu" in (one.get("limits") or {}) for one in asked),
        )  # fmt: skip

    def _pods(self, raw: Raw) -> list[Raw]:
        labels = (raw["spec"].get("selector") or {}).get("matchLabels") or {}
        chosen = ",".join(f"{name}={value}" for name, value in sorted(labels.items()))
        namespace, name = raw["metadata"]["namespace"], raw["metadata"]["name"]
        found = listed(self._connection, PODS, namespace=namespace, label_selector=chosen or None).objects
        return [pod for (_, pod_name), pod in sorted(found.items()) if pod_name.startswith(f"{name}-")]

    def _candidate(self, raw: Raw, falling: Sequence[Field]) -> tuple[Any, str]:
        served = msgspec.json.decode(self._connection.request("GET", "/api/v1"))
        if not any(one.get("name") == f"pods/{of_pods.SUBRESOURCE}" for one in served.get("resources") or ()):
            return None, "the API server cannot resize pods in place"
        return of_pods.candidate(self._pods(raw), falling)

    def _canary(self, case: Case) -> Raw | None:
        if case.canary is None:
            return None
        found = pod(self._connection, case.patch.ref.namespace, case.canary.name)
        gone = found is None or found["metadata"]["uid"] != case.canary.uid or "deletionTimestamp" in found["metadata"]
        return None if gone else found

    def _hpas(self, ref: WorkloadRef) -> dict[str, Raw]:
        found = listed(self._connection, HPAS, namespace=ref.namespace).objects.values()
        targets = ((one, one["spec"]["scaleTargetRef"]) for one in found)
        return {
            one["metadata"]["name"]: one for one, target in targets
            if (target.get("kind"), target.get("name")) == (ref.kind, ref.name)
        }  # fmt: skip

    def _unfit(self, raw: Raw, hpas: Mapping[str, Raw], patch: Patch) -> str:
        ref, spec = patch.ref, raw["spec"]
        if ref.namespace in SYSTEM_NAMESPACES or ref.namespace == self._own:
            return f"nothing is written in namespace {ref.namespace}"
        if spec.get("paused"):
            return f"{ref} is paused"
        how = spec.get("updateStrategy") or {}
        if how.get("type") == "OnDelete" or (how.get("rollingUpdate") or {}).get("partition"):
            return f"{ref} does not replace its pods by itself (updateStrategy)"
        return next(filter(None, (_hpa_objection(one, patch) for one in hpas.values())), "")

    def _blocked(self, raw: Raw, hpas: Mapping[str, Raw], case: Case) -> str:
        if why := self._switch():
            return f"the kill switch: {why}"
        for one in (raw, *hpas.values()):
            if FREEZE in annotations_of(one):
                return f"{one['metadata']['name']} is frozen: {annotations_of(one)[FREEZE]}"
        note = annotations_of(raw).get(NOTE)
        if case.stage is Stage.ACCEPTED and note is not None and f'"id":{json.dumps(case.id)}' not in note:
            return "another change of ours is on its way there"
        return ""


def _counts(case: Case, raw: Raw, began_at: datetime) -> bool:
    """While one pod goes first, that one; then those that the new template has made."""
    if case.stage in (Stage.CANARY, Stage.SOAKING):
        return case.canary is not None and bool(raw["metadata"]["uid"] == case.canary.uid)
    live = of_pods.values_of(raw["spec"].get("containers") or (), case.patch.fields)
    return all(same(live.get(one.where), one.after) for one in case.patch.fields)


def _hpa_objection(hpa: Raw, patch: Patch) -> str:
    name, moved = hpa["metadata"]["name"], {(one.hpa, one.resource) for one in patch.targets}
    asked = {one.resource for one in patch.fields if one.part == "requests"}
    for one in hpa["spec"].get("metrics") or ():
        source = one.get("resource") or one.get("containerResource") or {}
        scales = source.get("name") in asked and "averageUtilization" in (source.get("target") or {})
        if not scales:
            continue
        if one.get("type") != "Resource" or (name, source["name"]) not in moved:
            return f"HPA {name} scales by {source['name']}, and its target is not part of what was accepted"
        if any(owner.get("kind") == "ScaledObject" for owner in hpa["metadata"].get("ownerReferences") or ()):
            return f"HPA {name} belongs to a ScaledObject of KEDA, which would set its target back"
        if KEPT in annotations_of(hpa):
            return f"HPA {name} is kept by a rule: its target is set there"
    return ""
