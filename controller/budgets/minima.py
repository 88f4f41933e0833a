"""The lower bound of HPAs that no rule of ours is about: lowered once, given back by a tenth a minute.

The note on the HPA says what was there and what we wrote last, so that it is given back from wherever it is. Whoever
has written the bound since keeps his value.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from controller.actuation.stamp import FREEZE, is_stamped
from controller.budgets import notes
from controller.budgets.deeds import CONFLICT, Change
from controller.budgets.notes import RESTORE, Outcome
from domain.errors import KubeError
from kube import Connection, Writer, listed, read
from kube.kinds import HPA, Hpa

ON_HPA: Final = "HorizontalPodAutoscaler "
FIELD: Final = "spec.minReplicas"
LABEL: Final = "foretide.dev/lower-min"
"""On an HPA: ``allowed``."""
_PATH: Final = ("spec", "minReplicas")
_TRIES: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class LowHpa:
    """An HPA that lets its lower bound be lowered, and the workload that it scales."""

    namespace: str
    name: str
    kind: str
    workload: str
    least: int
    labels: Mapping[str, str]


class Minima:
    """Those of one cluster."""

    def __init__(
        self, connection: Connection, writer: Writer, *, switch: Callable[[], str], own_namespace: str
    ) -> None:
        """``switch`` says why nothing may be written; in ``own_namespace`` nothing ever is."""
        self._connection, self._writer, self._switch, self._own = connection, writer, switch, own_namespace

    def allowed(self, namespaces: tuple[str, ...], labels: Mapping[str, str]) -> list[LowHpa]:
        """HPAs whose label lets us, that nobody else steers: no rule's bounds, no ScaledObject.

        Raises:
            KubeError: They cannot be listed.
        """
        found = []
        for namespace in namespaces:
            if notes.spared(namespace, self._own):
                continue
            for one in listed(self._connection, HPA, namespace=namespace).objects.values():
                own, annotations = one.metadata.labels or {}, one.metadata.annotations or {}
                keda = any(owner.kind == "ScaledObject" for owner in one.metadata.owner_references or ())
                steered = keda or is_stamped(annotations) or FREEZE in annotations
                if own.get(LABEL) == "allowed" and labels.items() <= own.items() and not steered:
                    ref = one.spec.scale_target_ref
                    found.append(
                        LowHpa(
                            namespace=namespace, name=one.metadata.name, kind=ref.kind, workload=ref.name,
                            least=one.spec.min_replicas, labels=own,
                        )
                    )  # fmt: skip
        return sorted(found, key=lambda each: (each.namespace, each.name))

    def do(self, change: Change, *, deed: str, now: datetime, expires: datetime) -> Outcome:
        """Lowers one; again does nothing."""

        def step(one: Hpa) -> Outcome:
            if notes.is_noted(one.metadata):
                return Outcome(said="is lowered already")
            if is_stamped(one.metadata.annotations or {}):
                return Outcome(failure=f"{CONFLICT}a rule steers {change.target}", lasting=True)
            if one.spec.min_replicas != change.before:
                return Outcome(failure=f"{change.target} has {one.spec.min_replicas} by now", lasting=True)
            if rival := notes.states_it(one.metadata, *_PATH):
                return Outcome(failure=f"{CONFLICT}{rival} states {FIELD} of {change.target}", lasting=True)
            if why := self._switch():
                return Outcome(failure=f"the kill switch: {why}")
            note = notes.written(FIELD, change.before, change.after, deed=deed, expires=expires)
            self._apply(one, int(change.after or 1), note)
            return Outcome(said="lowered")

        return self._stepped(change, step)

    def undo(self, change: Change, *, now: datetime) -> Outcome:
        """A tenth of what was there at each look."""
        if why := self._switch():
            return Outcome(failure=f"the kill switch: {why}")
        return self._stepped(change, lambda one: self._given_back(one, at_once=False))

    def expired(self, now: datetime, *, everything: bool = False) -> list[tuple[str, Outcome]]:
        """For the reaper, a step at each of its runs; at once where everything is wanted back."""

        def give_back(one: Hpa) -> Outcome:
            target = f"{ON_HPA}{one.metadata.namespace}/{one.metadata.name}"
            change = Change(target=target, field=FIELD, before=None, after=None)
            return self._stepped(change, lambda fresh: self._given_back(fresh, at_once=everything))

        return notes.reaped(self._connection, HPA, now, everything=everything, switch=self._switch, give_back=give_back)

    def _given_back(self, one: Hpa, *, at_once: bool) -> Outcome:
        if not notes.is_noted(one.metadata):
            return Outcome(said="nothing of ours is there")
        note, least = notes.read(one.metadata), one.spec.min_replicas
        before, after = note.get("before"), note.get("after")
        theirs = notes.others(one.metadata, *_PATH)
        if theirs or least != after or not isinstance(before, int):
            self._clean(one)
            return Outcome(said=f"left as {', '.join(theirs) or 'somebody'} has it: min {least}")
        most = min(before, one.spec.max_replicas)
        back = most if at_once else min(least + max(math.ceil(before / 10), 1), most)
        if back != least:
            text = notes.written(FIELD, before, back, deed=str(note.get("deed")), expires=_when(note))
            self._apply(one, back, text)
        if back < most:
            return Outcome(said=f"min {back}, on its way to {before}", goes_on=True)
        name, namespace = one.metadata.name, one.metadata.namespace
        change = Change(target=f"{ON_HPA}{namespace}/{name}", field=FIELD, before=None, after=None)
        cleaned = self._stepped(change, self._clean)
        return Outcome(said="given back") if not cleaned.failure else cleaned

    def _clean(self, one: Hpa) -> Outcome:
        meta = one.metadata
        if notes.is_noted(meta):
            self._writer.patch_merge(
                HPA, meta.namespace, meta.name, notes.traces_gone(meta), resource_version=meta.resource_version,
                uid=meta.uid,
            )  # fmt: skip
        return Outcome()

    def _apply(self, one: Hpa, least: int, note: str) -> None:
        meta = one.metadata
        body: dict[str, Any] = {"metadata": {"annotations": {RESTORE: note}}, "spec": {"minReplicas": least}}
        # By force: who made it by `kubectl create` owns the number, and says nothing by it.
        self._writer.apply(
            HPA, meta.namespace, meta.name, body, resource_version=meta.resource_version, uid=meta.uid, force=True
        )

    def _stepped(self, change: Change, step: Callable[[Hpa], Outcome]) -> Outcome:
        """With a fresh look each time: an HPA's status moves all the time."""
        namespace, name = notes.placed(change)
        for tried in range(1, _TRIES + 1):
            try:
                return step(read(self._connection, HPA, namespace=namespace, name=name))
            except KubeError as error:
                if error.status == 404:
                    return Outcome(said="is gone")
                if not error.is_outdated or tried == _TRIES:
                    return Outcome(failure=str(error), lasting=error.status == 403)
        raise AssertionError("the last try returns")


def _when(note: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(str(note["expires"]))
