"""A Kubernetes cluster: looked at through watches, written to one step at a time, by the leader only.

Each write carries the uid and the resourceVersion of the object that it was planned for, so that whoever was faster
wins; a plan that lost is made anew from a fresh read, a few times. The plan itself is made in ``controller.actuation``.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from controller.actuation import giving_back, holds, step
from controller.actuation import stamp as stamps
from controller.actuation.holds import Holds
from controller.actuation.limits import Limits
from controller.actuation.shares import Granted
from controller.actuation.stamp import FREEZE, Stamp
from controller.actuation.step import Clean, Rest, Seen, Step, Wanted, Write
from controller.actuation.tally import Tally
from controller.cluster import BoundsDone, BoundsOrder, Resource
from controller.cluster import kubernetes_autoscalers as autoscalers
from controller.cluster import kubernetes_room as room
from controller.cluster.kubernetes_autoscalers import Autoscaler
from controller.cluster.kubernetes_errors import undone
from controller.cluster.kubernetes_memory import AutoscalerMemory
from controller.cluster.kubernetes_switch import Switch
from controller.cluster.kubernetes_view import WORKLOADS, View, resources_of, rollout_of
from controller.cluster.observe import ObserveCluster
from domain.errors import ActuationError, ConflictError, NotLeadingError, RefusedError
from domain.pods import PodQuery, PodState
from domain.scaling import Workload, WorkloadRef
from domain.startup import PodStart
from domain.workloads import WorkloadFacts
from kube import Connection, Fence, Writer, kinds, read
from kube.events import Regarding

log = logging.getLogger(__name__)

Say = Callable[[Regarding, str, str], object]
"""Tells an event about an object: its reason in one word, and the sentence."""

SYSTEM_NAMESPACES: Final = frozenset({"kube-system", "kube-public", "kube-node-lease"})
TRIES: Final = 4
"""With 30 % conflicts, four tries fail once in 120."""
_A_MINUTE: Final = timedelta(minutes=1)


class KubernetesCluster:
    """Acts on one cluster."""

    actuations = ("scale", "bounds")

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
            most_added_cores: What all raised floors may add together; None: as much as they want.
            announce: Tells events about the whole: a word and a sentence.
        """
        self.name = name
        self._connection, self._view, self._writer, self._fence = connection, view, writer, fence
        self._switch, self._metrics, self._say, self._most = switch, metrics, say, changes_per_minute
        self._spared = SYSTEM_NAMESPACES | {own_namespace}
        self._memory = AutoscalerMemory()
        self._most_added_cores, self._granted = most_added_cores, dict[str, Granted]()
        self._ordered: set[tuple[str, str, str]] = set()
        self._changes: deque[datetime] = deque()
        self._left: dict[tuple[str, str, str], str] = {}
        self.tally, self._announce = Tally(), announce

    # ---- what is there

    def workload(self, ref: WorkloadRef) -> Workload:
        """As the API server tells it."""
        found = self._view.workload(ref)
        if found is None:
            return Workload(ref=ref, current_replicas=None, ready_replicas=None, source=self._absence(ref))
        held = self._holds(ref, found, found.metadata.annotations)
        return Workload(
            ref=ref, current_replicas=found.spec.replicas, ready_replicas=found.status.ready_replicas,
            requests=resources_of(found, "requests"), limits=resources_of(found, "limits"),
            freeze=held.everything, rollout=held.downs, floor=self._floor(ref), source="the Kubernetes API",
        )  # fmt: skip

    def known(self) -> tuple[WorkloadFacts, ...]:
        """What policies choose from."""
        return self._view.known()

    def highest_epoch(self) -> int:
        """In any stamp that can be read: where the Lease was deleted, epochs go on from there."""
        return max((stamp.epoch for one in self._view.stamped() if (stamp := _stamp_or_none(one))), default=0)

    # ---- what is done

    def scale(self, ref: WorkloadRef, replicas: int) -> None:
        """Through the scale subresource."""
        found = self._view.workload(ref)
        if found is None:
            raise RefusedError(f"{ref} is not set to {replicas}: {self._absence(ref)}")
        self._allowed(ref.namespace)
        if scalers := self._view.scalers_of(ref):
            raise RefusedError(f"{ref} is scaled by {scalers[0]}: use actuate bounds")
        held = self._holds(ref, found, found.metadata.annotations)
        why = held.everything or (held.downs if replicas < found.spec.replicas else "")
        if why:
            raise RefusedError(f"{ref} is not set to {replicas}: held, {why}")
        body = {"spec": {"replicas": replicas}}
        with self.tally.counting(ref.namespace), undone(f"{ref} is not set to {replicas}"):
            self._writer.patch_merge(
                WORKLOADS[ref.kind], ref.namespace, ref.name, body, subresource="scale", uid=found.metadata.uid
            )

    def begin(self, orders: Sequence[BoundsOrder], now: datetime) -> None:
        """Says how high each floor may go, of all that are asked for together."""
        self._granted = room.floors(orders, self._view, self._most_added_cores)

    def set_bounds(self, order: BoundsOrder, now: datetime) -> BoundsDone:
        """One step, if one is due; a plan that somebody overtook is made anew from a fresh read."""
        self._epoch()  # who does not lead has nothing to say about the object either
        order, less = room.within(order, self._granted)
        found = self._view.autoscaler(order.kind, order.target.namespace, order.name)
        if found is None:
            why = f"{order} is not there{self._unread()}"
            if self._view.age() is not None:  # what nobody has read yet is no news
                self._say(self._about(order.target), "BoundsNotSet", why)
            raise RefusedError(why)
        self._ordered.add(found.key)
        if order.because:
            self._event(found, "RolledBack", order.because)
        try:
            done = self._stepped(order, found, now)
        except RefusedError as error:
            self._event(found, "BoundsNotSet", str(error))
            raise
        return replace(done, said=f"{done.said}; {less}") if less else done

    def _stepped(self, order: BoundsOrder, found: Autoscaler, now: datetime) -> BoundsDone:
        for tried in range(TRIES):
            self._checked(order, found, now)
            before, taken = found.limits, self._plan(order, found, now)
            if isinstance(taken, Rest):
                return BoundsDone(before=before, after=before, said=f"{found} keeps {before}{_because(taken.why)}")
            if isinstance(taken, Write) and taken.limits != before:
                self._rationed(now)
            try:
                return self._carried_out(found, taken, now)
            except ConflictError:
                if tried == TRIES - 1:
                    raise
            found = self._fresh(found)
        raise AssertionError("the last try returns or raises")

    def settle(self, acting: Collection[str], now: datetime) -> None:
        """Gives back, step by step, what rules that act no more set, and what nobody has renewed."""
        self._view.look_for_keda()
        ordered, self._ordered = self._ordered, set()
        try:
            self._epoch()
            self._give_back(ordered, acting, now)
        except RefusedError:
            return
        finally:
            if why := self.tally.abort():
                self._announce("ReleasesStopped", f"{why}, the last: {self.tally.pass_.why}")
            self.tally.end_pass()

    def _give_back(self, ordered: Collection[tuple[str, str, str]], acting: Collection[str], now: datetime) -> None:
        for found in self._view.stamped():
            if found.key in ordered:
                continue
            try:
                self._given_back(found, acting, now)
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
        workload = self._view.workload(order.target)
        wanted = Wanted(limits=order.limits, rule=order.rule, reason=order.reason, epoch=self._epoch())
        seen = Seen(
            limits=found.limits, stamp=stamps.read(found.annotations),
            ready=None if workload is None else workload.status.ready_replicas,
            holds=self._holds(order.target, workload, found.annotations),
        )  # fmt: skip
        return step.towards(wanted, seen, now=now)

    def _checked(self, order: BoundsOrder, found: Autoscaler, now: datetime) -> None:
        """Whether it may be written to at all.

        Raises:
            RefusedError: It may not; the sentence says why.
        """
        self._allowed(found.metadata.namespace)
        if owner := autoscalers.owner_of(found):
            raise RefusedError(f"{found} is not ours to write to: {owner}")
        if found.target != (order.target.kind, order.target.name):
            kind, name = found.target
            raise RefusedError(f"{found} scales {kind} {name}, the rule is about {order.target}")
        if why := self._memory.objection(found, now):
            raise RefusedError(f"{found}: {why}")

    def _given_back(self, found: Autoscaler, acting: Collection[str], now: datetime) -> None:
        stamp = stamps.read(found.annotations)
        if stamp is None or (stamp.rule in acting and not stamp.is_expired(now)):
            return
        self._allowed(found.metadata.namespace)
        if why := self._memory.objection(found, now):
            raise RefusedError(f"{found} keeps {found.limits}: {why}")
        epoch = self._epoch()
        if stamp.epoch > epoch:
            raise RefusedError(f"{found}: its stamp has epoch {stamp.epoch}, ours is {epoch}")
        held = holds.of(
            switch=self._switch.why(), annotation=found.annotations.get(FREEZE), age=self._view.age(), budget="",
            rollout=None,
        )  # fmt: skip
        if held.everything:
            raise RefusedError(f"{found} keeps {found.limits}: held, {held.everything}")
        taken = giving_back.next_step(found.limits, replace(stamp, epoch=epoch), now=now)
        if isinstance(taken, Write) and taken.limits.low < found.limits.low and (why := self.tally.abort()):
            raise RefusedError(f"{found} keeps {found.limits}: held, {why}")
        if not isinstance(taken, Rest):
            self._carried_out(found, taken, now)

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
        self._memory.wrote(found, taken.stamp if isinstance(taken, Write) else None)
        return self._done(found, before, after, taken, now)

    def _done(
        self, found: Autoscaler, before: Limits, after: Limits, taken: Write | Clean, now: datetime
    ) -> BoundsDone:
        if isinstance(taken, Clean):
            return BoundsDone(before=before, after=after, said=f"{found} has its own {before} again")
        until = f"until {taken.stamp.expires_at:%H:%M}"
        if before == after:
            return BoundsDone(before=before, after=after, said=f"{found} keeps {after} {until}{_because(taken.why)}")
        self._changes.append(now)
        said = f"{found} {before} → {after} {until}{_because(taken.why)}"
        self._event(found, "BoundsSet", f"{before} → {after} for rule {taken.stamp.rule}: {taken.stamp.reason}")
        return BoundsDone(before=before, after=after, said=said)

    def _rationed(self, now: datetime) -> None:
        while self._changes and self._changes[0] <= now - _A_MINUTE:
            self._changes.popleft()
        if len(self._changes) >= self._most:
            raise RefusedError(f"the bounds of {self._most} autoscalers moved within the last minute: the others wait")

    def _fresh(self, found: Autoscaler) -> Autoscaler:
        """As it is now; raises an ``ActuationError`` where it cannot be read or is gone."""
        with undone(f"{found} cannot be read"):
            one: Any = read(self._connection, found.kind, namespace=found.metadata.namespace, name=found.metadata.name)
        return autoscalers.of_hpa(one) if isinstance(one, kinds.Hpa) else autoscalers.of_scaled_object(one)

    def _floor(self, ref: WorkloadRef) -> int | None:
        """The highest of ours that stands."""
        stamps_of_ours = (_stamp_or_none(one) for one in self._view.scalers_of(ref))
        floors = [stamp.low.value for stamp in stamps_of_ours if stamp is not None and stamp.low is not None]
        return max(floors, default=None)

    # ---- what holds

    def _holds(self, ref: WorkloadRef, workload: kinds.Workload | None, annotations: Mapping[str, str] | None) -> Holds:
        budget = "" if workload is None else self._view.blocking_budget(workload)
        if not self._view.knows_budgets():
            budget = "(none could be read)"
        held = holds.of(
            switch=self._switch.why(), annotation=(annotations or {}).get(FREEZE), age=self._view.age(),
            budget=budget, rollout=None if workload is None else rollout_of(workload),
        )  # fmt: skip
        return held.without_releases(self.tally.abort())

    def _allowed(self, namespace: str) -> None:
        if namespace in self._spared:
            raise RefusedError(f"nothing is written in namespace {namespace}")

    def _epoch(self) -> int:
        try:
            return self._fence().epoch
        except NotLeadingError as error:
            raise RefusedError(f"another process leads: {error}") from error

    def _absence(self, ref: WorkloadRef) -> str:
        return f"the Kubernetes API, which has no {ref}{self._unread()}"

    def _unread(self) -> str:
        """Why what is not known may well be there."""
        if self._view.age() is not None:
            return ""
        return "".join(f", as far as could be read ({one})" for one in self._view.problems()[:1]) or " (not read yet)"

    def _about(self, ref: WorkloadRef) -> Regarding:
        """The workload, also where it is not there: the event still stands in its namespace."""
        found = self._view.workload(ref)
        uid = "" if found is None else found.metadata.uid
        return Regarding(api_version="apps/v1", kind=ref.kind, namespace=ref.namespace, name=ref.name, uid=uid)

    def _event(self, found: Autoscaler, reason: str, message: str) -> None:
        regarding = Regarding(
            api_version=found.kind.api_version, kind=found.kind.kind, namespace=found.metadata.namespace,
            name=found.metadata.name, uid=found.metadata.uid,
        )  # fmt: skip
        self._say(regarding, reason, message)


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
