"""A Kubernetes cluster: looked at through watches, written to one step at a time, by the leader only.

Each write carries the uid and the resourceVersion of the object that it was planned for, so that whoever was faster
wins; a plan that lost is made anew from a fresh read, a few times. The plan itself is made in ``controller.actuation``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from controller.actuation import giving_back, step
from controller.actuation import stamp as stamps
from controller.actuation.limits import Limits
from controller.actuation.shares import Granted
from controller.actuation.stamp import KEPT, Stamp
from controller.actuation.step import Clean, Rest, Seen, Step, Wanted, Write
from controller.cluster import BoundsDone, BoundsOrder, Order, Resource
from controller.cluster import kubernetes_autoscalers as autoscalers
from controller.cluster import kubernetes_room as room
from controller.cluster.kubernetes_autoscalers import Autoscaler
from controller.cluster.kubernetes_buffer import Buffers
from controller.cluster.kubernetes_errors import undone
from controller.cluster.kubernetes_guard import Guard, Say
from controller.cluster.kubernetes_own import DELETED, RETURNED, OwnHpas, return_step
from controller.cluster.kubernetes_pools import Pools
from controller.cluster.kubernetes_switch import Switch
from controller.cluster.kubernetes_view import View, resources_of
from controller.cluster.observe import ObserveCluster
from domain.errors import ActuationError, ConflictError, RefusedError
from domain.pods import PodQuery, PodState
from domain.scaling import Workload, WorkloadRef
from domain.startup import PodStart
from domain.workloads import WorkloadFacts
from kube import Connection, Fence, Writer, kinds, read

log = logging.getLogger(__name__)

TRIES: Final = 4
"""With 30 % conflicts, four tries fail once in 120."""


class KubernetesCluster:
    """Acts on one cluster."""

    actuations = ("scale", "bounds", "hpa")

    def __init__(
        self,
        connection: Connection,
        *,
        name: str,
        view: View,
        writer: Writer,
        fence: Callable[[], Fence],
        switch: Switch,
        metrics: ObserveCluster,
        say: Say,
        own_namespace: str,
        changes_per_minute: int,
        most_added_cores: float | None = None,
        announce: Callable[[str, str], object] = lambda reason, message: None,
    ) -> None:
        """Everything comes from outside.

        Args:
            connection: The API server, for fresh reads.
            name: For the ledger.
            view: What is known of it.
            writer: Writes to it.
            fence: Leave to write, and our epoch; raises ``NotLeadingError``.
            switch: The kill switch.
            metrics: Answers what the API server does not tell: usage, starts, pods one by one.
            say: Tells Kubernetes events.
            own_namespace: Foretide's, where nothing is scaled.
            changes_per_minute: How many autoscalers' bounds move within a minute at most.
            most_added_cores: What all raised floors and replicas may add together; None: as much as they want.
            announce: Tells events about the whole: a word and a sentence.
        """
        self.name = name
        self._connection, self._writer = connection, writer
        self._metrics = metrics
        self._guard = Guard(
            view=view, fence=fence, switch=switch, tell=say, own_namespace=own_namespace,
            changes_per_minute=changes_per_minute,
        )  # fmt: skip
        self._own = OwnHpas(connection, writer, self._guard)
        self.buffers = Buffers(connection, writer, self._guard)
        self._pools = Pools(connection)
        self._most_added_cores, self._granted = most_added_cores, dict[str, Granted]()
        self._ordered: set[tuple[str, str, str]] = set()
        self._otherwise: set[tuple[str, str, str]] = set()
        self._left: dict[tuple[str, str, str], str] = {}
        self.tally, self._announce = self._guard.tally, announce

    # ---- what is there

    def workload(self, ref: WorkloadRef) -> Workload:
        """As the API server tells it."""
        found = self._guard.view.workload(ref)
        if found is None:
            return Workload(ref=ref, current_replicas=None, ready_replicas=None, source=self._guard.absence(ref))
        held = self._guard.holds(ref, found, found.metadata.annotations)
        return Workload(
            ref=ref, current_replicas=found.spec.replicas, ready_replicas=found.status.ready_replicas,
            requests=resources_of(found, "requests"), limits=resources_of(found, "limits"),
            freeze=held.everything, rollout=held.downs, floor=self._floor(ref), source="the Kubernetes API",
        )  # fmt: skip

    def known(self) -> tuple[WorkloadFacts, ...]:
        """What policies choose from."""
        return self._guard.view.known()

    def highest_epoch(self) -> int:
        """In any stamp that can be read: where the Lease was deleted, epochs go on from there."""
        return max((stamp.epoch for one in self._guard.view.stamped() if (stamp := _stamp_or_none(one))), default=0)

    # ---- what is done

    def scale(self, ref: WorkloadRef, replicas: int, *, because: str = "") -> None:
        """Through the scale subresource."""
        found, kind = self._guard.view.workload(ref), self._guard.view.kind_of(ref)
        if found is None or kind is None:
            raise RefusedError(f"{ref} is not set to {replicas}: {self._guard.absence(ref)}")
        self._guard.allowed(ref.namespace)
        self._unscaled(ref, replicas, found)
        held = self._guard.holds(ref, found, found.metadata.annotations)
        why = held.everything or (held.downs if replicas < found.spec.replicas else "")
        if why:
            raise RefusedError(f"{ref} is not set to {replicas}: held, {why}")
        body = {"spec": {"replicas": replicas}}
        with self.tally.counting(ref.namespace), undone(f"{ref} is not set to {replicas}"):
            self._writer.patch_merge(kind, ref.namespace, ref.name, body, subresource="scale", uid=found.metadata.uid)
        if because:
            self._guard.tell(self._guard.about(ref), "RolledBack", because)

    def _unscaled(self, ref: WorkloadRef, replicas: int, workload: kinds.Workload) -> None:
        """Raises ``RefusedError`` where an autoscaler scales it; one that we keep is at rest while there are none."""
        for one in self._guard.view.scalers_of(ref):
            if KEPT not in one.annotations:
                raise RefusedError(f"{ref} is scaled by {one}: use actuate bounds")
            if replicas and workload.spec.replicas:
                self._otherwise.add(one.key)
                raise RefusedError(f"{ref} is scaled by {one}, which we keep: it is given back first")

    def begin(self, orders: Sequence[Order], now: datetime) -> Mapping[str, Granted]:
        """Says how high each may go, of all that is asked for together."""
        pools = self._pools.rooms(self._guard.view) if orders else ()
        self._granted = room.shared(orders, self._guard.view, self._most_added_cores, pools)
        return self._granted

    def set_bounds(self, order: BoundsOrder, now: datetime) -> BoundsDone:
        """One step, if one is due; a plan that somebody overtook is made anew from a fresh read."""
        self._guard.epoch()  # who does not lead has nothing to say about the object either
        order, less = room.within(order, self._granted)
        found = self._guard.view.autoscaler(order.kind, order.target.namespace, order.name)
        if found is not None and order.because:
            self._guard.event(found, "RolledBack", order.because)
        if order.own is not None:
            self._ordered.add((order.kind, order.target.namespace, order.name))
            done = self._own.keep(order, order.own, now)
        else:
            done = self._set(order, found, now)
        return replace(done, said=f"{done.said}; {less}") if less else done

    def _set(self, order: BoundsOrder, found: Autoscaler | None, now: datetime) -> BoundsDone:
        if found is None:
            why = f"{order} is not there{self._guard.unread()}"
            if self._guard.view.age() is not None:  # what nobody has read yet is no news
                self._guard.tell(self._guard.about(order.target), "BoundsNotSet", why)
            raise RefusedError(why)
        if KEPT in found.annotations:
            self._otherwise.add(found.key)
            raise RefusedError(f"{found} was kept by a rule with actuate hpa, and is given back first")
        self._ordered.add(found.key)
        try:
            return self._stepped(order, found, now)
        except RefusedError as error:
            self._guard.event(found, "BoundsNotSet", str(error))
            raise

    def _stepped(self, order: BoundsOrder, found: Autoscaler, now: datetime) -> BoundsDone:
        for tried in range(TRIES):
            self._checked(order, found, now)
            before, taken = found.limits, self._plan(order, found, now)
            if isinstance(taken, Rest):
                return BoundsDone(before=before, after=before, said=f"{found} keeps {before}{_because(taken.why)}")
            if isinstance(taken, Write) and taken.limits != before:
                self._guard.rationed(now)
            try:
                return self._carried_out(found, taken, now)
            except ConflictError:
                if tried == TRIES - 1:
                    raise
            found = self._fresh(found)
        raise AssertionError("the last try returns or raises")

    def settle(self, acting: Collection[str], now: datetime) -> None:
        """Gives back, step by step, what rules that act no more set, and what nobody has renewed."""
        self._guard.view.look_for_keda()
        ordered, self._ordered = self._ordered, set()
        otherwise, self._otherwise, self._own.former = self._otherwise | self._own.former, set(), set()
        try:
            self._guard.epoch()
            self._give_back(ordered, otherwise, acting, now)
        except RefusedError:
            return
        finally:
            if why := self.tally.abort():
                self._announce("ReleasesStopped", f"{why}, the last: {self.tally.pass_.why}")
            self.tally.end_pass()

    def _give_back(
        self, ordered: Collection[tuple[str, str, str]], otherwise: Collection[tuple[str, str, str]],
        acting: Collection[str], now: datetime,
    ) -> None:  # fmt: skip
        for found in self._guard.view.stamped():
            if found.key in ordered:
                continue
            try:
                self._given_back(found, () if found.key in otherwise else acting, now)
                self._left.pop(found.key, None)
            except ConflictError:
                continue  # on the next pass
            except ActuationError as error:
                if self._left.get(found.key) != str(error):
                    self._left[found.key] = str(error)
                    log.warning("bounds not given back", extra={**_fields(found), "error": str(error)})

    # ---- what nobody but metrics knows

    def usage_query(self, ref: WorkloadRef, resource: Resource, container: str | None = None) -> str:
        """By cAdvisor's series."""
        return self._metrics.usage_query(ref, resource, container)

    def pod_usage_query(self, ref: WorkloadRef, resource: Resource, container: str | None = None) -> PodQuery | None:
        """By cAdvisor's series."""
        return self._metrics.pod_usage_query(ref, resource, container)

    def pods(self, ref: WorkloadRef, now: datetime, container: str | None = None) -> Mapping[str, PodState]:
        """By kube-state-metrics' series."""
        return self._metrics.pods(ref, now, container)

    def versions(self, ref: WorkloadRef) -> frozenset[str]:
        """By kube-state-metrics' series."""
        return self._metrics.versions(ref)

    def starts(self, ref: WorkloadRef) -> Mapping[str, PodStart]:
        """By kube-state-metrics' series."""
        return self._metrics.starts(ref)

    # ---- the plan

    def _plan(self, order: BoundsOrder, found: Autoscaler, now: datetime) -> Step:
        workload = self._guard.view.workload(order.target)
        wanted = Wanted(
            limits=order.limits, rule=order.rule, reason=order.reason, epoch=self._guard.epoch(),
            median_need=order.median_need, ceiling_before=order.ceiling_before,
        )  # fmt: skip
        seen = Seen(
            limits=found.limits, stamp=stamps.read(found.annotations),
            ready=None if workload is None else workload.status.ready_replicas,
            holds=self._guard.holds(order.target, workload, found.annotations),
        )  # fmt: skip
        return step.towards(wanted, seen, now=now)

    def _checked(self, order: BoundsOrder, found: Autoscaler, now: datetime) -> None:
        """Whether it may be written to at all.

        Raises:
            RefusedError: It may not; the sentence says why.
        """
        self._guard.allowed(found.metadata.namespace)
        if owner := autoscalers.owner_of(found):
            raise RefusedError(f"{found} is not ours to write to: {owner}")
        if found.target != (order.target.kind, order.target.name):
            kind, name = found.target
            raise RefusedError(f"{found} scales {kind} {name}, the rule is about {order.target}")
        if why := self._guard.memory.objection(found, now):
            raise RefusedError(f"{found}: {why}")

    def _given_back(self, found: Autoscaler, acting: Collection[str], now: datetime) -> None:
        stamp = stamps.read(found.annotations)
        if stamp is None or (stamp.rule in acting and not stamp.is_expired(now)):
            return
        self._guard.allowed(found.metadata.namespace)
        if why := self._guard.memory.objection(found, now):
            raise RefusedError(f"{found} keeps {found.limits}: {why}")
        epoch = self._guard.epoch()
        if stamp.epoch > epoch:
            raise RefusedError(f"{found}: its stamp has epoch {stamp.epoch}, ours is {epoch}")
        if held := self._guard.frozen(found.annotations):
            raise RefusedError(f"{found} keeps {found.limits}: held, {held}")
        if KEPT in found.annotations:
            return self._handed_back(found, stamp, stays=stamp.rule in acting, epoch=epoch, now=now)
        taken = giving_back.next_step(found.limits, replace(stamp, epoch=epoch), now=now)
        if isinstance(taken, Write) and taken.limits.low < found.limits.low and (why := self.tally.abort()):
            raise RefusedError(f"{found} keeps {found.limits}: held, {why}")
        if not isinstance(taken, Rest):
            self._carried_out(found, taken, now)

    def _handed_back(self, found: Autoscaler, stamp: Stamp, *, stays: bool, epoch: int, now: datetime) -> None:
        """One that we keep; while its rule acts and only decides nothing, it stays."""
        namespace = found.metadata.namespace
        with self.tally.counting(namespace), undone(f"{found} keeps {found.limits}"):
            _, said, _ = return_step(self._connection, self._writer, found, stays=stays, epoch=epoch, now=now)
        if said in (DELETED, RETURNED):
            self._guard.memory.wrote(found, None)
            self._guard.event(found, "HpaGivenBack", f"rule {stamp.rule} keeps it no more: {said}")

    # ---- the write

    def _carried_out(self, found: Autoscaler, taken: Write | Clean, now: datetime) -> BoundsDone:
        """Raises an ``ActuationError``."""
        before = found.limits
        after = taken.limits if isinstance(taken, Write) else before
        version, uid = found.metadata.resource_version, found.metadata.uid
        with self.tally.counting(found.metadata.namespace), undone(f"{found} keeps {before}"):
            if isinstance(taken, Write):
                self._writer.apply(
                    found.kind, found.metadata.namespace, found.metadata.name,
                    autoscalers.bounds_body(found, after, taken.stamp), resource_version=version, uid=uid, force=True,
                )  # fmt: skip
            else:
                self._writer.patch_merge(
                    found.kind, found.metadata.namespace, found.metadata.name, autoscalers.clean_body(found),
                    resource_version=version, uid=uid,
                )  # fmt: skip
        self._guard.memory.wrote(found, taken.stamp if isinstance(taken, Write) else None)
        return self._done(found, before, after, taken, now)

    def _done(
        self, found: Autoscaler, before: Limits, after: Limits, taken: Write | Clean, now: datetime
    ) -> BoundsDone:
        if isinstance(taken, Clean):
            return BoundsDone(before=before, after=after, said=f"{found} has its own {before} again")
        until = f"until {taken.stamp.expires_at:%H:%M}"
        if before == after:
            return BoundsDone(before=before, after=after, said=f"{found} keeps {after} {until}{_because(taken.why)}")
        self._guard.changed(now)
        said = f"{found} {before} → {after} {until}{_because(taken.why)}"
        self._guard.event(found, "BoundsSet", f"{before} → {after} for rule {taken.stamp.rule}: {taken.stamp.reason}")
        return BoundsDone(before=before, after=after, said=said)

    def _fresh(self, found: Autoscaler) -> Autoscaler:
        """As it is now; raises an ``ActuationError`` where it cannot be read or is gone."""
        with undone(f"{found} cannot be read"):
            one: Any = read(self._connection, found.kind, namespace=found.metadata.namespace, name=found.metadata.name)
        return autoscalers.of_hpa(one) if isinstance(one, kinds.Hpa) else autoscalers.of_scaled_object(one)

    def _floor(self, ref: WorkloadRef) -> int | None:
        """The highest of ours that stands."""
        stamps_of_ours = (_stamp_or_none(one) for one in self._guard.view.scalers_of(ref))
        floors = [stamp.low.value for stamp in stamps_of_ours if stamp is not None and stamp.low is not None]
        return max(floors, default=None)


def _stamp_or_none(found: Autoscaler) -> Stamp | None:
    try:
        return stamps.read(found.annotations)
    except RefusedError:
        return None


def _because(why: str) -> str:
    return f": {why}" if why else ""


def _fields(found: Autoscaler) -> dict[str, str]:
    kind, namespace, name = found.key
    return {"k8s.namespace.name": namespace, "k8s.kind": kind, "k8s.hpa.name": name}
