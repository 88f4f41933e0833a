"""CronJobs that a budget suspends, and gives back: the journal is an annotation on the CronJob itself.

So it outlives our database, and ``foretide reap`` gives back what has expired. Whatever somebody else says of
``suspend`` wins: a field that a server-side apply or a last applied configuration states is not taken, and what was
changed after us is left as it is; then only our traces go.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from controller.budgets.deeds import Change
from domain.errors import KubeError
from kube import Connection, Writer, listed, read
from kube.kinds import Fields, Kind, OwnedMeta
from kube.ownership import owners

RESTORE: Final = "foretide.dev/budget-restore"
MANAGER: Final = "foretide"
ON_CRON_JOB: Final = "CronJob "
FIELD: Final = "spec.suspend"
_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"


class CronJobSpec(Fields, frozen=True, gc=False, rename="camel"):
    """Whether it runs."""

    suspend: bool | None = None


class CronJob(Fields, frozen=True, gc=False, rename="camel"):
    """CronJob, batch/v1."""

    metadata: OwnedMeta
    spec: CronJobSpec = CronJobSpec()

    @property
    def is_suspended(self) -> bool:
        """The server's default is false."""
        return bool(self.spec.suspend)

    @property
    def annotations(self) -> Mapping[str, str]:
        """Never None."""
        return self.metadata.annotations or {}


CRON_JOB: Final = Kind(
    group="batch", version="v1", kind="CronJob", plural="cronjobs", namespaced=True, type=CronJob
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Of one write: ``failure`` is empty where it is done, ``lasting`` where trying again changes nothing."""

    said: str = ""
    failure: str = ""
    lasting: bool = False


class CronJobs:
    """Those of one cluster."""

    def __init__(self, connection: Connection, writer: Writer, *, switch: Callable[[], str]) -> None:
        """``switch`` says why nothing may be written."""
        self._connection, self._writer, self._switch = connection, writer, switch

    def running(self, namespaces: tuple[str, ...], labels: Mapping[str, str]) -> list[tuple[Change, Mapping[str, str]]]:
        """The patch for each that is not suspended, and its labels.

        Raises:
            KubeError: They cannot be listed.
        """
        found = []
        for namespace in namespaces:
            for one in listed(self._connection, CRON_JOB, namespace=namespace).objects.values():
                own = one.metadata.labels or {}
                if labels.items() <= own.items() and not one.is_suspended:
                    target = f"{ON_CRON_JOB}{namespace}/{one.metadata.name}"
                    found.append((Change(target=target, field=FIELD, before=False, after=True), own))
        return sorted(found, key=lambda pair: pair[0].target)

    def suspend(self, change: Change, *, deed: str, expires: datetime) -> Outcome:
        """Suspends one; again does nothing. An annotation of ours that is there is never overwritten."""
        namespace, name = _name_of(change)
        try:
            one: CronJob = read(self._connection, CRON_JOB, namespace=namespace, name=name)
            if RESTORE in one.annotations or one.is_suspended:
                return Outcome(said="is suspended already")
            if rival := _states_it(one):
                return Outcome(failure=f"conflict: {rival} states {FIELD} of {change.target}", lasting=True)
            if why := self._switch():
                return Outcome(failure=f"the kill switch: {why}")
            note = {"field": FIELD, "before": False, "after": True, "deed": deed, "expires": expires.isoformat()}
            body = {"metadata": {"annotations": {RESTORE: json.dumps(note)}}, "spec": {"suspend": True}}
            version, uid = one.metadata.resource_version, one.metadata.uid
            # By force: who made it by `kubectl create` owns the default, and says nothing by it.
            self._writer.apply(CRON_JOB, namespace, name, body, resource_version=version, uid=uid, force=True)
        except KubeError as error:
            if error.status == 404:
                return Outcome(said="is gone")
            return Outcome(failure=str(error), lasting=error.status == 403)
        return Outcome(said="suspended")

    def resume(self, change: Change) -> Outcome:
        """Gives one back: what was there, where it still is as we wrote it and nobody else's; else what is there."""
        namespace, name = _name_of(change)
        if why := self._switch():
            return Outcome(failure=f"the kill switch: {why}")
        try:
            one: CronJob = read(self._connection, CRON_JOB, namespace=namespace, name=name)
            return self._given_back(one)
        except KubeError as error:
            return Outcome(said="is gone") if error.status == 404 else Outcome(failure=str(error))

    def resume_expired(self, now: datetime, *, everything: bool = False) -> list[tuple[str, Outcome]]:
        """For the reaper: by the annotations alone, without a database or a document.

        Raises:
            KubeError: They cannot be listed; 403 and 404 are none.
        """
        try:
            there = listed(self._connection, CRON_JOB).objects.values()
        except KubeError as error:
            if error.status in (403, 404):
                return []
            raise
        stamped = [one for one in there if RESTORE in one.annotations and (everything or _is_expired(one, now))]
        told = []
        for one in sorted(stamped, key=lambda each: (each.metadata.namespace, each.metadata.name)):
            target = f"{one.metadata.namespace}/{one.metadata.name}"
            why = "" if everything else self._switch()
            try:
                told.append((target, Outcome(failure=f"the kill switch: {why}") if why else self._given_back(one)))
            except KubeError as error:
                told.append((target, Outcome(failure=str(error))))
        return told

    def _given_back(self, one: CronJob) -> Outcome:
        if RESTORE not in one.annotations:
            return Outcome(said="somebody has taken our note away: left as it is")
        theirs = _others(one)
        ours = one.is_suspended and not theirs
        namespace, name = one.metadata.namespace, one.metadata.name
        version, uid = one.metadata.resource_version, one.metadata.uid
        if ours:
            back = {"metadata": {"annotations": {RESTORE: one.annotations[RESTORE]}}, "spec": {"suspend": False}}
            self._writer.apply(CRON_JOB, namespace, name, back, resource_version=version, uid=uid, force=True)
            one = read(self._connection, CRON_JOB, namespace=namespace, name=name)
        self._leave(one)
        if ours:
            return Outcome(said="resumed")
        return Outcome(
            said=f"left as {', '.join(theirs) or 'somebody'} has it: suspend {str(one.is_suspended).lower()}"
        )

    def _leave(self, one: CronJob) -> None:
        """Our note and our name in its managed fields go; no value changes by that."""
        traces = {"annotations": {RESTORE: None}, "managedFields": _without_ours(one.metadata)}
        self._writer.patch_merge(
            CRON_JOB, one.metadata.namespace, one.metadata.name, {"metadata": traces},
            resource_version=one.metadata.resource_version, uid=one.metadata.uid,
        )  # fmt: skip


def _name_of(change: Change) -> tuple[str, str]:
    namespace, _, name = change.target.removeprefix(ON_CRON_JOB).partition("/")
    return namespace, name


def _states_it(one: CronJob) -> str:
    """Who keeps the field by a declaration, and would undo us or be undone."""
    for owner in owners(one.metadata, "spec", "suspend"):
        if owner.operation == "Apply" and owner.manager != MANAGER:
            return owner.manager
    applied = one.annotations.get(_LAST_APPLIED)
    try:
        stated = json.loads(applied) if applied else {}
    except ValueError:
        return "a last applied configuration that cannot be read"
    return "the last applied configuration" if "suspend" in (stated.get("spec") or {}) else ""


def _others(one: CronJob) -> list[str]:
    """Who has written the field since: then it is theirs, also where they wrote the same."""
    return sorted({owner.manager for owner in owners(one.metadata, "spec", "suspend")} - {MANAGER})


def _is_expired(one: CronJob, now: datetime) -> bool:
    """A note that cannot be read is nobody's promise: it is given back."""
    try:
        return datetime.fromisoformat(json.loads(one.annotations[RESTORE])["expires"]).astimezone(UTC) <= now
    except (ValueError, KeyError, TypeError):
        return True


def _without_ours(metadata: OwnedMeta) -> list[dict[str, Any]]:
    """The others' entries; one empty entry says that there is none (an empty list would change nothing)."""
    raw = bytes(metadata.managed_fields)
    entries = msgspec.json.decode(raw, type=list[dict[str, Any]] | None) if raw else None
    return [entry for entry in entries or () if entry.get("manager") != MANAGER] or [{}]
