"""Writes of a right-sizing: the note first, then one pod, the template by server-side apply, HPA targets around it.

Each from a fresh read, and refused by the server where the object is another by then. By force only over what
somebody's single command has set: ``objects`` has looked who else states it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from controller.resizing import raw as objects
from controller.resizing.case import Case, Deed
from controller.resizing.change import NOTE, Field, Note, Patch, Target, same, to_note
from controller.resizing.giving_back import Givings
from controller.resizing.merges import afresh, aim, pinned, resize_pod
from controller.resizing.pods import values_of
from controller.resizing.raw import KINDS
from controller.resizing.stages import NOTE_LASTS
from domain.errors import KubeError
from kube import Connection, Writer

OPT_IN: Final = "deploy/kubernetes/opt-in/resize.yaml"
_WITHOUT_RIGHTS: Final = re.compile(r"cannot \w+ resource ")
"""RBAC's words; an admission that refuses answers 403, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Of one deed: ``failure`` is empty where it is done, ``lasting`` where trying again changes nothing."""

    said: str = ""
    failure: str = ""
    lasting: bool = False


class Writes:
    """Of one cluster."""

    def __init__(self, connection: Connection, writer: Writer, *, switch: Callable[[], str]) -> None:
        """``writer`` is of the manager ``foretide-resize``; ``switch`` says why nothing may be written."""
        self._connection, self._writer, self._switch = connection, writer, switch
        self._givings = Givings(connection, writer)

    def rehearsed(self, case: Case, now: datetime) -> Outcome:
        """Whether the API server would take the template: rights, admission, its schema. Nothing is kept."""
        try:
            self._apply(case, now, dry_run=True)
        except KubeError as error:
            namespace = case.patch.ref.namespace
            if error.status == 403 and _WITHOUT_RIGHTS.search(error.message):
                return Outcome(failure=f"{namespace} has not opted in (kubectl apply -n {namespace} -f {OPT_IN})")
            return _failed(error)
        return Outcome()

    def do(self, case: Case, deed: Deed, now: datetime) -> Outcome:
        """One deed; again does nothing that is done."""
        if why := self._switch():
            return Outcome(failure=f"the kill switch: {why}")
        try:
            return afresh(lambda: self._done(case, deed, now))
        except KubeError as error:
            return _failed(error)

    def _done(self, case: Case, deed: Deed, now: datetime) -> Outcome:
        patch, falling = case.patch, case.patch.falling()
        if deed is Deed.GIVE_BACK:
            said, pending = self._givings.back(patch.ref, _note(case, now), everything=case.everything)
            return Outcome(said=said, failure=pending)
        if deed is Deed.LEAVE:
            self._givings.leave(patch.ref, patch)
            return Outcome()
        if deed is Deed.TEMPLATE:
            self._apply(case, now, dry_run=False)
            return Outcome()
        self._noted(case, now)
        if deed is Deed.RESIZE_POD:
            return self._resize(case, [one for one in patch.fields if one.resource in falling])
        if deed is Deed.RENEW:
            return Outcome()
        falls = deed is Deed.FALLEN_TARGETS
        return self._aimed([one for one in patch.targets if (one.resource in falling) is falls], patch)

    def _noted(self, case: Case, now: datetime) -> None:
        """The journal on the workload itself, before anything else is written."""
        ref = case.patch.ref
        raw = objects.workload(self._connection, ref)
        if raw is None:
            raise KubeError(f"{ref} is gone", status=404, reason="NotFound")
        body = {"metadata": {"annotations": {NOTE: to_note(_note(case, now))}}}
        self._writer.patch_merge(KINDS[ref.kind], ref.namespace, ref.name, pinned(raw, body))

    def _resize(self, case: Case, fields: Sequence[Field]) -> Outcome:
        assert case.canary is not None
        namespace, name = case.patch.ref.namespace, case.canary.name
        raw = objects.pod(self._connection, namespace, name)
        if raw is None or raw["metadata"]["uid"] != case.canary.uid:
            return Outcome()  # the next look sees that it is gone
        resize_pod(self._writer, raw, {one.where: one.after for one in fields})
        return Outcome()

    def _apply(self, case: Case, now: datetime, *, dry_run: bool) -> None:
        ref, patch = case.patch.ref, case.patch
        raw = objects.workload(self._connection, ref)
        if raw is None:
            raise KubeError(f"{ref} is gone", status=404, reason="NotFound")
        live = values_of(objects.containers(raw), patch.fields)
        strangers = [one for one in patch.fields if not same(live.get(one.where), one.before)
                     and not same(live.get(one.where), one.after)]  # fmt: skip
        if strangers:
            raise KubeError(f"somebody has changed {strangers[0].part} meanwhile", status=409, reason="Conflict")
        body = {"metadata": {"annotations": {NOTE: to_note(_note(case, now))}}, **_template(patch)}
        self._writer.apply(KINDS[ref.kind], ref.namespace, ref.name, pinned(raw, body), force=True, dry_run=dry_run)

    def _aimed(self, targets: Sequence[Target], patch: Patch) -> Outcome:
        for one in targets:
            raw = objects.hpa(self._connection, patch.ref.namespace, one.hpa)
            stands = objects.target_of(raw, one.resource)
            if raw is None or stands not in (one.before, one.after):
                return Outcome(failure=f"HPA {one.hpa} has a target of {stands or 'none'} by now", lasting=True)
            if stands == one.before:
                aim(self._writer, raw, one.resource, one.after)
        return Outcome()


def _template(patch: Patch) -> dict[str, Any]:
    by_name: dict[str, dict[str, dict[str, str]]] = {}
    for one in patch.fields:
        by_name.setdefault(one.container, {}).setdefault(one.part, {})[one.resource] = one.after
    wanted = [{"name": name, "resources": resources} for name, resources in by_name.items()]
    return {"spec": {"template": {"spec": {"containers": wanted}}}}


def _note(case: Case, now: datetime) -> Note:
    return Note(id=case.id, patch=case.patch, expires=now + NOTE_LASTS, canary=case.canary)


def _failed(error: KubeError) -> Outcome:
    passing = error.is_passing or error.is_outdated or error.is_recreated or error.status == 404
    return Outcome(failure=str(error), lasting=not passing and error.status not in (0, 409))
