"""CronJobs that a budget suspends, and gives back: the journal is an annotation on the CronJob itself.

So it outlives our database, and ``foretide reap`` gives back what has expired. Whatever somebody else says of
``suspend`` wins: a field that a server-side apply or a last applied configuration states is not taken, and what was
changed after us is left as it is; then only our traces go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from controller.budgets import notes
from controller.budgets.deeds import Change
from controller.budgets.notes import RESTORE, Outcome
from domain.errors import KubeError
from kube import Connection, Writer, listed, read
from kube.kinds import Fields, Kind, OwnedMeta

ON_CRON_JOB: Final = "CronJob "
FIELD: Final = "spec.suspend"
_PATH: Final = ("spec", "suspend")


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

    def do(self, change: Change, *, deed: str, now: datetime, expires: datetime) -> Outcome:
        """Suspends one; again does nothing. An annotation of ours that is there is never overwritten."""
        namespace, name = notes.placed(change)
        try:
            one: CronJob = read(self._connection, CRON_JOB, namespace=namespace, name=name)
            if notes.is_noted(one.metadata) or one.is_suspended:
                return Outcome(said="is suspended already")
            if rival := notes.states_it(one.metadata, *_PATH):
                return Outcome(failure=f"conflict: {rival} states {FIELD} of {change.target}", lasting=True)
            if why := self._switch():
                return Outcome(failure=f"the kill switch: {why}")
            note = notes.written(FIELD, False, True, deed=deed, expires=expires)
            body = {"metadata": {"annotations": {RESTORE: note}}, "spec": {"suspend": True}}
            version, uid = one.metadata.resource_version, one.metadata.uid
            # By force: who made it by `kubectl create` owns the default, and says nothing by it.
            self._writer.apply(CRON_JOB, namespace, name, body, resource_version=version, uid=uid, force=True)
        except KubeError as error:
            if error.status == 404:
                return Outcome(said="is gone")
            return Outcome(failure=str(error), lasting=error.status == 403)
        return Outcome(said="suspended")

    def undo(self, change: Change, *, now: datetime) -> Outcome:
        """Gives one back: what was there, where it still is as we wrote it and nobody else's; else what is there."""
        namespace, name = notes.placed(change)
        if why := self._switch():
            return Outcome(failure=f"the kill switch: {why}")
        try:
            one: CronJob = read(self._connection, CRON_JOB, namespace=namespace, name=name)
            return self._given_back(one)
        except KubeError as error:
            return Outcome(said="is gone") if error.status == 404 else Outcome(failure=str(error))

    def expired(self, now: datetime, *, everything: bool = False) -> list[tuple[str, Outcome]]:
        """For the reaper: by the annotations alone, without a database or a document.

        Raises:
            KubeError: They cannot be listed; 403 and 404 are none.
        """
        return notes.reaped(
            self._connection, CRON_JOB, now, everything=everything, switch=self._switch, give_back=self._given_back
        )

    def _given_back(self, one: CronJob) -> Outcome:
        if not notes.is_noted(one.metadata):
            return Outcome(said="somebody has taken our note away: left as it is")
        theirs = notes.others(one.metadata, *_PATH)
        ours = one.is_suspended and not theirs
        namespace, name = one.metadata.namespace, one.metadata.name
        version, uid = one.metadata.resource_version, one.metadata.uid
        if ours:
            back = {"metadata": {"annotations": {RESTORE: one.annotations[RESTORE]}}, "spec": {"suspend": False}}
            self._writer.apply(CRON_JOB, namespace, name, back, resource_version=version, uid=uid, force=True)
            one = read(self._connection, CRON_JOB, namespace=namespace, name=name)
        self._writer.patch_merge(
            CRON_JOB, namespace, name, notes.traces_gone(one.metadata), resource_version=one.metadata.resource_version,
            uid=one.metadata.uid,
        )  # fmt: skip
        if ours:
            return Outcome(said="resumed")
        return Outcome(
            said=f"left as {', '.join(theirs) or 'somebody'} has it: suspend {str(one.is_suspended).lower()}"
        )
