"""Workloads that a budget lets sleep by the clock: Deployments at 0 (their HPA stays, and idles), KEDA's paused at 0.

The note goes first, on the Deployment or the ScaledObject itself: how many there were, until when. Replicas are then
set by ``scale``, by us and by nobody else, or they are not ours to give back.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from controller.budgets import notes, off_hours
from controller.budgets.deeds import CONFLICT, Change
from controller.budgets.levers import BY_CLOCK
from controller.budgets.notes import RESTORE, Outcome
from controller.budgets.off_hours import Due, Seen, Step
from controller.budgets.sleeping import DEPLOYMENT, SCALED_OBJECT, Sleeper
from domain.errors import KubeError
from kube import Connection, Writer, read
from kube.kinds import Kind

PAUSED: Final = "autoscaling.keda.sh/paused-replicas"
KINDS: Final[dict[str, Kind[Any]]] = {one.kind: one for one in (DEPLOYMENT, SCALED_OBJECT)}
_TRIES: Final = 4
WOKEN: Final = "woken"
_REPLICAS: Final = ("spec", "replicas")
_PAUSED: Final = ("metadata", "annotations", PAUSED)


class Sleepers:
    """Those of one cluster."""

    def __init__(
        self, connection: Connection, writer: Writer, *, switch: Callable[[], str], own_namespace: str
    ) -> None:
        """``switch`` says why nothing may be written; in ``own_namespace`` nothing ever is."""
        self._connection, self._writer, self._switch, self._own = connection, writer, switch, own_namespace

    def do(self, change: Change, *, deed: str, now: datetime, expires: datetime) -> Outcome:
        """Nothing is written yet: ``keep`` does what the clock says. What Git states is told at once."""
        try:
            if (rival := notes.applied_by(self._read(change).metadata, *_path(change))) != "":
                return Outcome(failure=f"{CONFLICT}{rival} states the replicas of {change.target}", lasting=True)
        except KubeError as error:
            if error.status != 404:
                return Outcome(failure=str(error), lasting=error.status == 403)
        return Outcome()

    def keep(
        self,
        change: Change,
        *,
        deed: str,
        now: datetime,
        expires: datetime,
        awake: bool,
        hold: str,
        may_wake: bool = True,
    ) -> Outcome:
        """What the clock says; ``hold`` is why nothing may fall asleep now, ``may_wake`` whether its turn has come."""
        window = off_hours.window_of(change.after)

        def step(one: Sleeper) -> Outcome:
            found = off_hours.due(window, _seen(one, change), deed=deed, wanted=not awake and now < expires, now=now)
            if found.step is Step.WAKE and not may_wake:
                return Outcome(said=f"{change.target} wakes soon", goes_on=True)
            if found.step is not Step.SLEEP:
                return self._done(one, change, found)
            if hold:
                return Outcome(said=f"{change.target} stays awake: {hold}")
            if rival := notes.applied_by(one.metadata, *_path(change)):
                return Outcome(failure=f"{CONFLICT}{rival} states the replicas of {change.target}", lasting=True)
            ends = off_hours.end_of(window, now)
            return self._slept(one, change, deed, expires if ends is None else min(ends, expires))

        return self._stepped(change, step)

    def undo(self, change: Change, *, now: datetime) -> Outcome:
        """Wakes it where it sleeps by us, and takes our note away."""
        return self._stepped(change, lambda one: self._woken(one, change))

    def _stepped(self, change: Change, step: Callable[[Sleeper], Outcome]) -> Outcome:
        """With a fresh look each time: a Deployment's status moves all the time while its pods come and go."""
        for tried in range(1, _TRIES + 1):
            try:
                return step(self._read(change))
            except KubeError as error:
                if error.status == 404:
                    return Outcome(said="is gone")
                if not error.is_outdated or tried == _TRIES:
                    return Outcome(failure=str(error))
        raise AssertionError("the last try returns")

    def expired(self, now: datetime, *, everything: bool = False) -> list[tuple[str, Outcome]]:
        """For the reaper: by the notes alone."""
        told = []
        for kind in KINDS.values():
            told += notes.reaped(
                self._connection, kind, now, everything=everything, switch=self._switch, give_back=self._reaped
            )
        return told

    def _reaped(self, one: Sleeper) -> Outcome:
        kind = "ScaledObject" if one.spec.scale_target_ref is not None else "Deployment"
        target = f"{kind} {one.metadata.namespace}/{one.metadata.name}"
        change = Change(target=target, field=BY_CLOCK, before=None, after=None)
        return self._stepped(change, lambda fresh: self._reaped_now(fresh, change))

    def _reaped_now(self, one: Sleeper, change: Change) -> Outcome:
        if not notes.is_noted(one.metadata):
            return Outcome(said="is given back already")
        return self._written(one, change, off_hours.ending(_seen(one, change)))

    def _woken(self, one: Sleeper, change: Change) -> Outcome:
        if not notes.is_noted(one.metadata):
            return Outcome()
        return self._done(one, change, off_hours.ending(_seen(one, change)))

    def _done(self, one: Sleeper, change: Change, found: Due) -> Outcome:
        if found.step is Step.NOTHING:
            return Outcome(said=f"{change.target} {found.said}" if found.said else "")
        if why := self._switch():
            return Outcome(failure=f"the kill switch: {why}")
        return self._written(one, change, found)

    def _written(self, one: Sleeper, change: Change, found: Due) -> Outcome:
        if found.step is Step.LEAVE:
            who = ", ".join(notes.others(one.metadata, *_path(change))) or "somebody"
            note = json.dumps({**notes.read(one.metadata), "left": who})
            self._patch(one, change, {"metadata": {"annotations": {RESTORE: note}}})
            return Outcome(said=f"{change.target} is awake: {who} wants it so")
        if found.step is Step.WAKE:
            self._up(one, change)
            cleaned = self._stepped(change, lambda fresh: self._cleaned(fresh, change))  # it is up: no step back
            return replace(cleaned, said=WOKEN)
        self._cleaned(one, change)
        return Outcome(said=found.said)

    def _cleaned(self, one: Sleeper, change: Change) -> Outcome:
        if notes.is_noted(one.metadata):
            self._patch(one, change, notes.traces_gone(one.metadata))
        return Outcome()

    def _slept(self, one: Sleeper, change: Change, deed: str, expires: datetime) -> Outcome:
        if why := notes.spared(one.metadata.namespace, self._own) or self._switch():
            return Outcome(failure=why)
        before = (one.metadata.annotations or {}).get(PAUSED) if _is_keda(change) else one.spec.replicas
        note = notes.written(BY_CLOCK, before, 0, deed=deed, expires=expires)
        noted: dict[str, Any] = {"metadata": {"annotations": {RESTORE: note}}}
        if _is_keda(change):
            noted["metadata"]["annotations"][PAUSED] = "0"
            self._patch(one, change, noted)
            return Outcome(said=f"{change.target} sleeps")
        version = self._patch(one, change, noted)["metadata"]["resourceVersion"]
        try:
            self._scale(one, 0, version)
        except KubeError:
            self._patch(self._read(change), change, {"metadata": {"annotations": {RESTORE: None}}})
            raise
        return Outcome(said=f"{change.target} sleeps")

    def _up(self, one: Sleeper, change: Change) -> None:
        before = notes.read(one.metadata).get("before")
        if _is_keda(change):
            self._patch(one, change, {"metadata": {"annotations": {PAUSED: before}}})
        elif isinstance(before, int) and before > 0:
            self._scale(one, before, one.metadata.resource_version)

    def _scale(self, one: Sleeper, replicas: int, version: str) -> None:
        self._writer.patch_merge(
            DEPLOYMENT, one.metadata.namespace, one.metadata.name, {"spec": {"replicas": replicas}},
            resource_version=version, subresource="scale",
        )  # fmt: skip

    def _patch(self, one: Sleeper, change: Change, body: dict[str, Any]) -> dict[str, Any]:
        meta = one.metadata
        return self._writer.patch_merge(
            _kind(change), meta.namespace, meta.name, body, resource_version=meta.resource_version, uid=meta.uid
        )

    def _read(self, change: Change) -> Sleeper:
        namespace, name = notes.placed(change)
        found: Sleeper = read(self._connection, _kind(change), namespace=namespace, name=name)
        return found


def _kind(change: Change) -> Kind[Any]:
    return KINDS[change.target.partition(" ")[0]]


def _is_keda(change: Change) -> bool:
    return _kind(change) is SCALED_OBJECT


def _path(change: Change) -> tuple[str, ...]:
    return _PAUSED if _is_keda(change) else _REPLICAS


def _seen(one: Sleeper, change: Change) -> Seen:
    paused = (one.metadata.annotations or {}).get(PAUSED)
    asleep = paused == "0" if _is_keda(change) else one.spec.replicas == 0
    return Seen(asleep=asleep, note=notes.read(one.metadata), theirs=notes.others(one.metadata, *_path(change)))
