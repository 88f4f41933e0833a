"""A ResourceQuota of our own that lets a namespace grow no further: made, and deleted where it is still as we made it.

It never kills: what runs stays, and what it allows is more than what runs. The note names the object's uid, so that a
copy of it is not taken for ours; one that somebody has edited is his from then on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, Final

from controller.budgets import notes, quota_sums
from controller.budgets.deeds import CONFLICT, Change
from controller.budgets.notes import RESTORE, Outcome
from controller.budgets.quota_sums import LimitItem, PodParts, Use
from domain.errors import KubeError
from domain.units import parse_quantity
from kube import Connection, Writer, listed, read
from kube.kinds import Fields, Kind, Meta, OwnedMeta

ON_QUOTA: Final = "ResourceQuota "
FIELD: Final = "spec.hard"
NAME: Final = "foretide-cost-cap-"
OWNER: Final = "foretide.dev/budget"
_ENDED: Final = ("Succeeded", "Failed")


class QuotaSpec(Fields, frozen=True, gc=False, rename="camel"):
    """What it allows."""

    hard: dict[str, str] | None = None


class OurQuota(Fields, frozen=True, gc=False, rename="camel"):
    """ResourceQuota, v1, with who wrote it."""

    metadata: OwnedMeta
    spec: QuotaSpec = QuotaSpec()


class PodPhase(Fields, frozen=True, gc=False, rename="camel"):
    """Whether a pod has ended."""

    phase: str = ""


class PodAsking(Fields, frozen=True, gc=False, rename="camel"):
    """A pod, as far as a quota counts it."""

    metadata: Meta
    spec: PodParts = PodParts()
    status: PodPhase = PodPhase()


class TemplateAsking(Fields, frozen=True, gc=False, rename="camel"):
    """A pod template."""

    spec: PodParts = PodParts()


class MakerSpec(Fields, frozen=True, gc=False, rename="camel"):
    """Of a Deployment, StatefulSet, DaemonSet or Job."""

    template: TemplateAsking = TemplateAsking()
    parallelism: int | None = None


class JobTemplate(Fields, frozen=True, gc=False, rename="camel"):
    """Of a CronJob."""

    spec: MakerSpec = MakerSpec()


class CronSpec(Fields, frozen=True, gc=False, rename="camel"):
    """Of a CronJob."""

    job_template: JobTemplate = JobTemplate()
    suspend: bool | None = None


class Maker(Fields, frozen=True, gc=False, rename="camel"):
    """Whatever makes pods from a template."""

    metadata: Meta
    spec: MakerSpec = MakerSpec()


class CronMaker(Fields, frozen=True, gc=False, rename="camel"):
    """A CronJob, as a maker of pods."""

    metadata: Meta
    spec: CronSpec = CronSpec()


class LimitSpec(Fields, frozen=True, gc=False, rename="camel"):
    """Of a LimitRange."""

    limits: list[LimitItem] = []


class LimitRange(Fields, frozen=True, gc=False, rename="camel"):
    """LimitRange, v1."""

    metadata: Meta
    spec: LimitSpec = LimitSpec()


def _kind(group: str, kind: str, plural: str, made_into: Any) -> Kind[Any]:
    return Kind(group=group, version="v1", kind=kind, plural=plural, namespaced=True, type=made_into)


QUOTA: Final = _kind("", "ResourceQuota", "resourcequotas", OurQuota)
_PODS: Final = _kind("", "Pod", "pods", PodAsking)
_LIMITS: Final = _kind("", "LimitRange", "limitranges", LimitRange)
_CRON_JOBS: Final = _kind("batch", "CronJob", "cronjobs", CronMaker)
_MAKERS: Final = tuple(
    _kind("apps", kind, f"{kind.lower()}s", Maker) for kind in ("Deployment", "StatefulSet", "DaemonSet")
)


class Quotas:
    """Those of one cluster."""

    def __init__(
        self, connection: Connection, writer: Writer, *, switch: Callable[[], str], own_namespace: str
    ) -> None:
        """``switch`` says why nothing may be written; in ``own_namespace`` nothing ever is."""
        self._connection, self._writer, self._switch, self._own = connection, writer, switch, own_namespace

    def use(self, namespace: str) -> Use:
        """What its pods ask for, and its CronJobs' as if they ran now: else none could start at the next full hour.

        Raises:
            KubeError: It cannot be read.
        """
        if why := notes.spared(namespace, self._own):
            return Use(rejected=why)
        ranges = listed(self._connection, _LIMITS, namespace=namespace).objects.values()
        given = quota_sums.defaults(item for one in ranges for item in one.spec.limits)
        return quota_sums.use_of(list(self._asking(namespace)), given)

    def do(self, change: Change, *, deed: str, now: datetime, expires: datetime) -> Outcome:
        """Makes it; again does nothing."""
        namespace, name = notes.placed(change)
        hard = str(change.after)
        try:
            if (there := self._read(namespace, name)) is not None:
                if notes.read(there.metadata).get("deed") == deed:
                    return Outcome(said="is there already")
                return Outcome(failure=f"{CONFLICT}there is a {change.target} that is not of {deed}", lasting=True)
            use = self.use(namespace)
            if use.rejected:
                return Outcome(failure=use.rejected, lasting=True)
            if use.exceeds(quota_sums.amounts(hard)):
                said = f"more is used by now than {hard}: it would hold back what runs"
                return Outcome(failure=said)
            if why := self._switch():
                return Outcome(failure=f"the kill switch: {why}")
            self._make(namespace, name, hard, deed=deed, expires=expires)
        except KubeError as error:
            return Outcome(failure=str(error), lasting=error.status == 403)
        return Outcome(said=f"allows {hard}")

    def undo(self, change: Change, *, now: datetime) -> Outcome:
        """Deletes it where it is still as we made it; what somebody has edited is his, and only our note goes."""
        namespace, name = notes.placed(change)
        if why := self._switch():
            return Outcome(failure=f"the kill switch: {why}")
        try:
            one = self._read(namespace, name)
            return Outcome(said="is gone") if one is None else self._given_back(one)
        except KubeError as error:
            return Outcome(failure=str(error))

    def expired(self, now: datetime, *, everything: bool = False) -> list[tuple[str, Outcome]]:
        """For the reaper: by the notes alone."""
        return notes.reaped(
            self._connection, QUOTA, now, everything=everything, switch=self._switch, give_back=self._given_back
        )

    def _asking(self, namespace: str) -> Iterator[tuple[str, PodParts, int]]:
        for one in listed(self._connection, _PODS, namespace=namespace).objects.values():
            if one.status.phase not in _ENDED:
                yield f"Pod {namespace}/{one.metadata.name}", one.spec, 1
        for kind in _MAKERS:
            for maker in listed(self._connection, kind, namespace=namespace).objects.values():
                yield f"{kind.kind} {namespace}/{maker.metadata.name}", maker.spec.template.spec, 0
        for cron in listed(self._connection, _CRON_JOBS, namespace=namespace).objects.values():
            jobs = cron.spec.job_template.spec
            count = 0 if cron.spec.suspend else jobs.parallelism or 1
            yield f"CronJob {namespace}/{cron.metadata.name}", jobs.template.spec, count

    def _make(self, namespace: str, name: str, hard: str, *, deed: str, expires: datetime) -> None:
        labels = {"app.kubernetes.io/managed-by": "foretide", OWNER: name.removeprefix(NAME)}
        note = notes.written(FIELD, None, hard, deed=deed, expires=expires)
        metadata = {"name": name, "labels": labels, "annotations": {RESTORE: note}}
        made = self._writer.create(
            QUOTA, namespace, {"metadata": metadata, "spec": {"hard": quota_sums.parsed(hard)}}
        )  # fmt: skip
        uid = made["metadata"]["uid"]
        named = notes.written(FIELD, None, hard, deed=deed, expires=expires, uid=uid)
        self._writer.patch_merge(QUOTA, namespace, name, {"metadata": {"annotations": {RESTORE: named}}}, uid=uid)

    def _read(self, namespace: str, name: str) -> OurQuota | None:
        try:
            found: OurQuota = read(self._connection, QUOTA, namespace=namespace, name=name)
            return found
        except KubeError as error:
            if error.status == 404:
                return None
            raise

    def _given_back(self, one: OurQuota) -> Outcome:
        note, meta = notes.read(one.metadata), one.metadata
        if not note or OWNER not in (meta.labels or {}):
            return Outcome(said="left as somebody has it: our note or label is not there")
        if note.get("uid", meta.uid) != meta.uid:
            return Outcome(said="left as it is: a copy of ours, made by somebody else")
        if _same(one.spec.hard or {}, str(note.get("after", ""))):
            self._writer.delete(QUOTA, meta.namespace, meta.name, uid=meta.uid)
            return Outcome(said="deleted")
        gone = notes.traces_gone(meta)
        gone["metadata"]["labels"] = {OWNER: None, "app.kubernetes.io/managed-by": None}
        self._writer.patch_merge(
            QUOTA, meta.namespace, meta.name, gone, resource_version=meta.resource_version, uid=meta.uid
        )
        return Outcome(said=f"left as somebody has it: hard {one.spec.hard}")


def _same(hard: dict[str, str], after: str) -> bool:
    try:
        wanted = quota_sums.parsed(after)
        return hard.keys() == wanted.keys() and all(
            parse_quantity(hard[name]) == parse_quantity(value) for name, value in wanted.items()
        )
    except ValueError:
        return False
