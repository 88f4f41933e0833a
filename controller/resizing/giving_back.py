"""Gives back a right-sizing by the note on the workload alone: where it still is as we wrote it, and only there.

By itself nothing is given back that would take from pods: a request that rose stays. Somebody who asks for everything
gets that, too, its HPA's target only when all pods are of the old size again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from controller.actuation.stamp import FREEZE
from controller.resizing import raw as objects
from controller.resizing.change import NOTE, Field, Note, Patch, Target, from_note, same
from controller.resizing.merges import afresh, aim, pinned, resize_pod
from controller.resizing.pods import values_of, with_values
from controller.resizing.raw import HPAS, KINDS, MANAGER, Raw
from domain.errors import KubeError, RefusedError
from domain.scaling import WorkloadRef
from kube import Connection, Writer, listed, owners


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaped:
    """What became of one workload's note."""

    ref: WorkloadRef
    said: str
    done: bool


class Givings:
    """Of one cluster."""

    def __init__(self, connection: Connection, writer: Writer) -> None:
        """``writer`` is of the manager ``foretide-resize``."""
        self._connection, self._writer = connection, writer

    def back(self, ref: WorkloadRef, note: Note, *, everything: bool) -> tuple[str, str]:
        """What was done, and what is still to be done; again goes on where it stopped.

        Raises:
            KubeError: Not written.
        """
        said: list[str] = []
        pending = afresh(lambda: self._back(ref, note, said, everything=everything))
        return "; ".join(filter(None, dict.fromkeys(said))) or "nothing of it was written", pending

    def _back(self, ref: WorkloadRef, note: Note, said: list[str], *, everything: bool) -> str:
        patch, falling = note.patch, note.patch.falling()
        raw = objects.workload(self._connection, ref)
        said.append(self._canary(ref, note))
        if raw is None or NOTE not in objects.annotations_of(raw):
            said.append("the workload is gone" if raw is None else "somebody has taken our note away: left as it is")
            return ""
        for one in patch.targets:
            if one.resource in falling:  # first: until pods have their old size the HPA sees them busier
                said.append(self._target(ref, one))
        chosen = [one for one in patch.fields if everything or one.resource in falling]
        said += self._template(ref, raw, chosen)
        risen = [one for one in patch.targets if everything and one.resource not in falling]
        if risen and not self._has_all_pods(ref):
            return "the HPA's target follows when all pods have their old size"
        said += [self._target(ref, one) for one in risen]
        self.leave(ref, patch)
        return ""

    def leave(self, ref: WorkloadRef, patch: Patch) -> None:
        """Takes our note away, and our name in managed fields; no value changes by that."""
        afresh(lambda: self._left(ref, patch))

    def _left(self, ref: WorkloadRef, patch: Patch) -> None:
        for name in sorted({one.hpa for one in patch.targets}):
            hpa = objects.hpa(self._connection, ref.namespace, name)
            if hpa is not None and _is_manager(hpa):
                self._untraced(HPAS, hpa, {})
        raw = objects.workload(self._connection, ref)
        if raw is not None and (NOTE in objects.annotations_of(raw) or _is_manager(raw)):
            self._untraced(KINDS[ref.kind], raw, {"annotations": {NOTE: None}})

    def _untraced(self, kind: Any, raw: Raw, metadata: dict[str, Any]) -> None:
        # One empty entry says that there is none; an empty list would change nothing.
        left = [one for one in raw["metadata"].get("managedFields") or () if one.get("manager") != MANAGER] or [{}]
        body = {"metadata": {**metadata, "managedFields": left}}
        self._writer.patch_merge(kind, raw["metadata"]["namespace"], raw["metadata"]["name"], pinned(raw, body))

    def _canary(self, ref: WorkloadRef, note: Note) -> str:
        if note.canary is None:
            return ""
        raw = objects.pod(self._connection, ref.namespace, note.canary.name)
        if raw is None or raw["metadata"]["uid"] != note.canary.uid:
            return ""
        live = values_of(raw["spec"]["containers"], note.patch.fields)
        ours = [one for one in _changed(note.patch.fields) if same(live.get(one.where), one.after)]
        if not ours:
            return ""
        try:
            resize_pod(self._writer, raw, {one.where: one.before for one in ours})
        except KubeError as error:
            if error.status not in (404, 422):
                raise
            return f"pod {note.canary.name} keeps its size until it is replaced: {error.message}"
        return f"pod {note.canary.name} has its old size"

    def _template(self, ref: WorkloadRef, raw: Raw, chosen: Sequence[Field]) -> Iterator[str]:
        live, about = values_of(objects.containers(raw), chosen), objects.metadata(raw)
        ours = []
        for one in _changed(chosen):
            others = {each.manager for each in owners(about, *objects.path_of(one.where))} - {MANAGER}
            if same(live.get(one.where), one.after) and not others:
                ours.append(one)
            elif not same(live.get(one.where), one.before):
                who = ", ".join(sorted(others)) or "somebody"
                yield f"{one.part}.{one.resource} of {one.container} left as {who} has it"
        if ours:
            containers = with_values(objects.containers(raw), {one.where: one.before for one in ours})
            body = {"spec": {"template": {"spec": {"containers": containers}}}}
            self._writer.patch_merge(KINDS[ref.kind], ref.namespace, ref.name, pinned(raw, body))
            yield "the template has its old size"

    def _target(self, ref: WorkloadRef, one: Target) -> str:
        raw = objects.hpa(self._connection, ref.namespace, one.hpa)
        stands = objects.target_of(raw, one.resource)
        if raw is None:
            return f"HPA {one.hpa} is gone"
        if stands != one.after or one.before == one.after:
            return "" if stands == one.before else f"target of HPA {one.hpa} left at {stands or 'none'}"
        applied = {each.manager for each in owners(objects.metadata(raw), "spec", "metrics")
                   if each.operation == "Apply"} - {MANAGER}  # fmt: skip
        if applied:
            return f"target of HPA {one.hpa} left as {', '.join(sorted(applied))} has it"
        aim(self._writer, raw, one.resource, one.before)
        return f"HPA {one.hpa} has its old target"

    def _has_all_pods(self, ref: WorkloadRef) -> bool:
        raw = objects.workload(self._connection, ref)
        return raw is None or objects.rolled_out(raw, ref.kind)[0]


def reap(
    connection: Connection, writer: Writer, *, switch: Callable[[], str], everything: bool, now: datetime
) -> list[Reaped]:
    """Gives back what has expired, or everything, without a database: for ``foretide reap`` and ``restore``.

    Raises:
        KubeError: Workloads cannot be listed; 403 and 404 are none.
    """
    givings, told = Givings(connection, writer), []
    for ref, raw in _noted(connection):
        told.append(_reaped(givings, ref, raw, switch=switch, everything=everything, now=now))
    return [one for one in told if one is not None]


def _reaped(
    givings: Givings, ref: WorkloadRef, raw: Raw, *, switch: Callable[[], str], everything: bool, now: datetime
) -> Reaped | None:
    try:
        note = from_note(ref, objects.annotations_of(raw)[NOTE])
        if not everything and note.expires > now:
            return None
        why = "" if everything else switch() or objects.annotations_of(raw).get(FREEZE, "")
        if why:
            return Reaped(ref=ref, said=f"held: {why}", done=False)
        said, pending = givings.back(ref, note, everything=everything)
        return Reaped(ref=ref, said=pending or said, done=not pending)
    except RefusedError as error:
        return Reaped(ref=ref, said=f"left alone: {error}", done=False)
    except KubeError as error:
        return Reaped(ref=ref, said=f"not written: {error}", done=False)


def _noted(connection: Connection) -> Iterator[tuple[WorkloadRef, Raw]]:
    for kind in KINDS:
        try:
            there = listed(connection, objects.noted(kind)).objects
        except KubeError as error:
            if error.status in (403, 404):
                continue
            raise
        for namespace, name in sorted(key for key, one in there.items() if one.has_note):
            ref = WorkloadRef(kind=kind, namespace=namespace, name=name)
            raw = objects.workload(connection, ref)
            if raw is not None and NOTE in objects.annotations_of(raw):
                yield ref, raw


def _changed(fields: Sequence[Field]) -> list[Field]:
    return [one for one in fields if not same(one.before, one.after)]


def _is_manager(raw: Raw) -> bool:
    return any(one.get("manager") == MANAGER for one in raw["metadata"].get("managedFields") or ())
