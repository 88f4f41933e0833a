"""CapacityBuffers of our own: nodes that are ready before the pods are there, where the cluster has that API.

cluster-autoscaler has brought it as ``autoscaling.x-k8s.io``, in v1alpha1 and v1beta1; the same group has other kinds
in other versions, so the API server is asked which has this one. To delete one frees a placeholder: no pod goes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import msgspec

from controller.actuation import buffer as buffers
from controller.actuation.buffer import BufferOrder, Kept
from controller.actuation.holds import NO_DOWN_AFTER
from controller.actuation.stamp import FLOOR_LASTS
from controller.cluster.kubernetes_autoscalers import MANAGER
from controller.cluster.kubernetes_errors import undone
from controller.cluster.kubernetes_guard import Guard
from domain.errors import ActuationError, KubeError, RefusedError
from kube import Connection, Writer, owners, read
from kube.decoding import decoded
from kube.kinds import Fields, Kind, OwnedMeta
from kube.reflector import Reflector

GROUP: Final = "autoscaling.x-k8s.io"
NAME: Final = "CapacityBuffer"
NONE_HERE: Final = f"NoCapacityBuffers: API {GROUP} has no {NAME} here"
_ASK_AGAIN_SECONDS: Final = 60.0
_LOOK_SECONDS: Final = 600.0
"""Where no rule wants one: for what an earlier version of a rule has left."""
_FIRST_LOOK_SECONDS: Final = 2.0


class BufferSpec(Fields, frozen=True, gc=False, rename="camel"):
    """How much room, and for whose pods."""

    replicas: int | None = None
    scalable_ref: dict[str, Any] | None = None


class CapacityBuffer(Fields, frozen=True, gc=False, rename="camel"):
    """CapacityBuffer, whichever version."""

    metadata: OwnedMeta
    spec: BufferSpec = BufferSpec()

    @property
    def annotations(self) -> Mapping[str, str]:
        """Never None."""
        return self.metadata.annotations or {}

    @property
    def replicas(self) -> int:
        """Without a number it keeps none that we know."""
        return self.spec.replicas or 0

    def __str__(self) -> str:
        """``CapacityBuffer shop/checkout``."""
        return f"{NAME} {self.metadata.namespace}/{self.metadata.name}"


class _Version(msgspec.Struct):
    version: str


class _Group(msgspec.Struct):
    versions: list[_Version] = []


class _Resource(msgspec.Struct):
    name: str
    kind: str


class _Resources(msgspec.Struct):
    resources: list[_Resource] = []


def discovered(connection: Connection) -> Kind[CapacityBuffer] | None:
    """The kind in the version that the API server prefers; None where there is none.

    Raises:
        KubeError: It does not say.
    """
    try:
        versions = decoded(connection.request("GET", f"/apis/{GROUP}"), _Group).versions
    except KubeError as error:
        if error.status == 404:
            return None
        raise
    for one in versions:
        there = decoded(connection.request("GET", f"/apis/{GROUP}/{one.version}"), _Resources).resources
        for resource in there:
            if resource.kind == NAME and "/" not in resource.name:
                return Kind(
                    group=GROUP, version=one.version, kind=NAME, plural=resource.name, namespaced=True,
                    type=CapacityBuffer,
                )  # fmt: skip
    return None


def note_of(found: CapacityBuffer) -> Kept | None:
    """What we noted on it; None where it is somebody else's. Raises ``RefusedError`` where the note is none of ours."""
    kept = buffers.read(found.annotations, found.metadata.uid)
    if kept is not None and not kept.uid:
        managers = {one.manager for one in owners(found.metadata, "spec", "replicas")}
        if managers != {MANAGER}:
            raise RefusedError(f"{found} has an annotation of ours and was made by somebody else")
    return kept


class Buffers:
    """Of one cluster; watched from when there is something to watch."""

    def __init__(self, connection: Connection, writer: Writer, guard: Guard) -> None:
        """Nothing is asked yet."""
        self._connection, self._writer, self._guard = connection, writer, guard
        self._kind: Kind[CapacityBuffer] | None = None
        self._reflector: Reflector[CapacityBuffer] | None = None
        self._asked_at, self._why = float("-inf"), NONE_HERE
        self._news: dict[str, str] = {}

    def stop(self) -> None:
        """Ends the thread."""
        if self._reflector is not None:
            self._reflector.stop()

    def keep(self, orders: Sequence[BufferOrder], staying: Collection[str], now: datetime) -> Mapping[str, str]:
        """One pass: a step of each that is ordered; what rules that keep none any more have left goes."""
        try:
            epoch = self._guard.epoch()
        except RefusedError as error:
            return {order.rule: str(error) for order in orders}
        self._look(_ASK_AGAIN_SECONDS if orders else _LOOK_SECONDS)
        if self._reflector is None or self._kind is None:
            return {order.rule: self._why for order in orders}
        said = {order.rule: self._ordered(order, self._kind, self._reflector, epoch, now) for order in orders}
        self._give_back(self._kind, self._reflector, staying, epoch, now)
        return said

    def _look(self, every_seconds: float) -> None:
        monotonic = self._connection.clock.monotonic()
        if self._reflector is not None or monotonic - self._asked_at < every_seconds:
            return
        self._asked_at = monotonic
        try:
            self._kind, self._why = discovered(self._connection), NONE_HERE
        except (KubeError, msgspec.MsgspecError) as error:
            self._why = f"NoCapacityBuffers, as far as could be read: {error}"
        if self._kind is not None:
            self._reflector = Reflector(self._connection, self._kind)
            self._reflector.start()
            self._reflector.wait_synced(_FIRST_LOOK_SECONDS)

    # ---- those that are wanted

    def _ordered(
        self, order: BufferOrder, kind: Kind[CapacityBuffer], there: Reflector[CapacityBuffer], epoch: int,
        now: datetime,
    ) -> str:  # fmt: skip
        try:
            said = self._stepped(order, kind, there, epoch, now)
        except ActuationError as error:
            said = f"no room is kept: {error}"
            if self._news.get(order.rule) != said:
                self._guard.tell(self._guard.about(order.target), "BufferNotSet", str(error))
            self._news[order.rule] = said
            return said
        self._news.pop(order.rule, None)
        return said

    def _stepped(
        self, order: BufferOrder, kind: Kind[CapacityBuffer], there: Reflector[CapacityBuffer], epoch: int,
        now: datetime,
    ) -> str:  # fmt: skip
        """Raises an ``ActuationError``."""
        self._guard.allowed(order.target.namespace)
        if not there.synced or there.age_seconds() > NO_DOWN_AFTER.total_seconds():
            raise RefusedError(f"{order}: {there.problem or 'what is known of them is too old'}")
        found = there.objects().get((order.target.namespace, order.target.name))
        last = None if found is None else self._ours(order, found, epoch)
        self._free(order, found)
        if order.need is None or order.beside is None:
            why = order.why if order.need is None else "how many replicas there are is not known"
            return f"{found} keeps {found.replicas} until it expires: {why}" if found is not None else ""
        room = buffers.wanted(order.need, beside=order.beside, most=order.most)
        stands = 0 if found is None else found.replicas
        if found is not None and last is not None:
            room = buffers.damped(room, beside=order.beside, stands=stands, last=last, now=now)
        if room == 0:
            return "" if found is None else self._deleted(kind, found)
        if found is not None and last is not None and room == stands and not last.is_due(now):
            return f"{found} keeps {stands}"
        noted = last if last is not None and room == stands else None
        kept = Kept(
            uid="" if found is None else found.metadata.uid, replicas=room, at=now if noted is None else noted.at,
            beside=order.beside if noted is None else noted.beside, expires_at=now + FLOOR_LASTS, epoch=epoch,
            rule=order.rule, reason=order.reason,
        )  # fmt: skip
        self._written(order, kind, found, kept)
        return f"{order} {stands} → {room} until {kept.expires_at:%H:%M}: {order.why}"

    def _ours(self, order: BufferOrder, found: CapacityBuffer, epoch: int) -> Kept:
        kept = note_of(found)
        if kept is None:
            raise RefusedError(f"{found} is somebody else's, and is left as it is")
        if kept.rule != order.rule:
            raise RefusedError(f"{found} is that of rule {kept.rule}, and goes first")
        if kept.epoch > epoch:
            raise RefusedError(f"{found}: its stamp has epoch {kept.epoch}, ours is {epoch}")
        return kept

    def _free(self, order: BufferOrder, found: CapacityBuffer | None) -> None:
        """Raises ``RefusedError`` where nothing may be written; rollouts and budgets hold no placeholder."""
        workload = self._guard.view.workload(order.target)
        if workload is None:
            raise RefusedError(f"{order} is not kept: {self._guard.absence(order.target)}")
        annotations = {**(workload.metadata.annotations or {}), **({} if found is None else found.annotations)}
        if held := self._guard.holds(order.target, workload, annotations).everything:
            raise RefusedError(f"{order}: held, {held}")

    def _written(
        self, order: BufferOrder, kind: Kind[CapacityBuffer], found: CapacityBuffer | None, kept: Kept
    ) -> None:
        """Not by force: who edits it wins until it expires. A new one is told its own uid."""
        namespace, name = order.target.namespace, order.target.name
        with self._guard.tally.counting(namespace), undone(f"{order} is not set to {kept.replicas}"):
            if found is None:
                made = _decoded(self._writer.apply(kind, namespace, name, _body(order, kept)))
                if {one.manager for one in owners(made.metadata, "spec", "replicas")} != {MANAGER}:
                    raise KubeError(f"{made} was made by somebody else", status=409, reason="AlreadyExists")
                found, kept = made, replace(kept, uid=made.metadata.uid)
            version, uid = found.metadata.resource_version, found.metadata.uid
            self._writer.apply(kind, namespace, name, _body(order, kept), resource_version=version, uid=uid)

    # ---- those that are not

    def _give_back(
        self, kind: Kind[CapacityBuffer], there: Reflector[CapacityBuffer], staying: Collection[str], epoch: int,
        now: datetime,
    ) -> None:  # fmt: skip
        for found in there.objects().values():
            try:
                if _goes(found, staying, now):
                    self._guard.allowed(found.metadata.namespace)
                    self._gone(kind, found, staying, epoch, now)
            except ActuationError:
                continue  # its own sentence stands where somebody asks for it; the reaper says it, too

    def _gone(
        self, kind: Kind[CapacityBuffer], found: CapacityBuffer, staying: Collection[str], epoch: int, now: datetime
    ) -> None:
        """From a fresh read: it may have been renewed in this very pass."""
        namespace, name = found.metadata.namespace, found.metadata.name
        with undone(f"{found} stays"):
            fresh = read(self._connection, kind, namespace=namespace, name=name)
        kept = note_of(fresh)
        if kept is None or kept.epoch > epoch or not _goes(fresh, staying, now):
            return
        if not self._guard.frozen(fresh.annotations):
            self._deleted(kind, fresh)

    def _deleted(self, kind: Kind[CapacityBuffer], found: CapacityBuffer) -> str:
        metadata = found.metadata
        with self._guard.tally.counting(metadata.namespace), undone(f"{found} stays"):
            self._writer.delete(kind, metadata.namespace, metadata.name, uid=metadata.uid)
        return f"{found} {found.replicas} → 0: deleted"


def _goes(found: CapacityBuffer, staying: Collection[str], now: datetime) -> bool:
    kept = note_of(found)
    return kept is not None and (kept.rule not in staying or kept.is_expired(now))


def _body(order: BufferOrder, kept: Kept) -> dict[str, Any]:
    """``provisioningStrategy`` is left to the API's own default: each autoscaler knows its own."""
    group = order.target.api_version.rpartition("/")[0]
    ref = {"apiGroup": group, "kind": order.target.kind, "name": order.target.name}
    spec = {"scalableRef": ref, "replicas": kept.replicas}
    return {"metadata": {"annotations": buffers.written(kept)}, "spec": spec}


def _decoded(raw: dict[str, Any]) -> CapacityBuffer:
    return decoded(msgspec.json.encode(raw), CapacityBuffer)
