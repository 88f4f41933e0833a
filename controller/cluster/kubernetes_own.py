"""HPAs of our own: made, or taken over where the rule names one, and given back as they were.

To delete an HPA leaves its workload with the replicas that it has, and nobody scales it from then on. So one that we
made is deleted only when its rule acts no more or a person says so, never because we were gone for an hour: then its
bounds go back to the rule's own, and it goes on by its own metrics.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import msgspec

from controller.actuation import giving_back, owned
from controller.actuation import stamp as stamps
from controller.actuation.flapping import Reverts
from controller.actuation.holds import NO_DOWN_AFTER
from controller.actuation.limits import Limits
from controller.actuation.owned import Owned
from controller.actuation.step import Clean, Rest, Seen, Step, Wanted, Write
from controller.cluster import BoundsDone, BoundsOrder, OwnHpa
from controller.cluster import kubernetes_autoscalers as autoscalers
from controller.cluster.kubernetes_autoscalers import MANAGER, Autoscaler
from controller.cluster.kubernetes_errors import undone
from controller.cluster.kubernetes_guard import Guard
from domain.errors import ConflictError, KubeError, RefusedError
from kube import Connection, Writer, owners, read
from kube.decoding import decoded
from kube.kinds import HPA, SCALED_OBJECT, Hpa

TRIES: Final = 4
STAYS: Final = "is ours and stays, with its rule's own bounds: without it nothing would scale"
DELETED: Final = "deleted, as we had made it: its replicas stay as they are, and nothing scales them now"
RETURNED: Final = "given back"
_TOLERANCE: Final = "100m"
"""The HPA's default, written out where somebody else's would stay behind."""


class OwnHpas:
    """Of one cluster."""

    def __init__(self, connection: Connection, writer: Writer, guard: Guard) -> None:
        """Nothing is asked yet."""
        self._connection, self._writer, self._guard = connection, writer, guard
        self._undone: dict[tuple[str, str, str], Reverts] = {}
        self._made: set[tuple[str, str, str]] = set()
        self.former: set[tuple[str, str, str]] = set()
        """Those of rules that name another by now; who gives back takes them out."""

    def keep(self, order: BoundsOrder, own: OwnHpa, now: datetime) -> BoundsDone:
        """One step; makes the HPA where there is none. Raises an ``ActuationError``."""
        namespace = order.target.namespace
        self._guard.allowed(namespace)
        self._alone(order)
        found = self._guard.view.autoscaler(HPA.kind, namespace, order.name)
        if found is None:
            return self._make(order, own, now)
        try:
            for tried in range(TRIES):
                try:
                    return self._stepped(order, own, found, now)
                except ConflictError:
                    if tried == TRIES - 1:
                        raise
                found = self._fresh(found)
        except RefusedError as error:
            self._guard.event(found, "BoundsNotSet", str(error))
            raise
        raise AssertionError("the last try returns or raises")

    # ---- one that is there

    def _stepped(self, order: BoundsOrder, own: OwnHpa, found: Autoscaler, now: datetime) -> BoundsDone:
        kept = self._ours(order, own, found, now)
        stamp, shape = stamps.read(found.annotations), _shape(own, found)
        fresh = kept is None or not kept.uid
        if kept is None:
            kept = Owned(uid=found.metadata.uid, original=self._original(found), shape=shape)
        stands = owned.has(autoscalers.shape_of(found), shape)
        if kept.shape == shape and not stands and not fresh:
            self._noted(found.key, now)
        workload = self._guard.view.workload(order.target)
        seen = Seen(
            limits=found.limits, stamp=stamp, ready=None if workload is None else workload.status.ready_replicas,
            holds=self._guard.holds(order.target, workload, found.annotations),
        )  # fmt: skip
        again = fresh or not stands or kept.shape != shape
        taken = owned.towards(self._wanted(order), seen, own.bounds, now=now, again=again, was=kept.was)
        if not isinstance(taken, Write):
            return _rests(found, taken)
        kept = replace(kept, shape=shape, uid=found.metadata.uid)
        return self._written(found, taken, kept, now)

    def _ours(self, order: BoundsOrder, own: OwnHpa, found: Autoscaler, now: datetime) -> Owned | None:
        """What is noted of it; None: it is to be taken over. Raises ``RefusedError`` where it may not be."""
        if owner := autoscalers.owner_of(found):
            raise RefusedError(f"{found} is not ours to keep: {owner}")
        if found.target != (order.target.kind, order.target.name):
            kind, name = found.target
            raise RefusedError(f"{found} scales {kind} {name}, the rule is about {order.target}")
        if why := self._guard.memory.objection(found, now) or self._stopped(found.key, now):
            raise RefusedError(f"{found}: {why}")
        kept = owned.read(found.annotations, found.metadata.uid)
        if kept is None and not own.takes_over:
            raise RefusedError(f"{found} is somebody else's: actuate.hpa: {order.name} takes it over")
        if kept is not None and not kept.uid and not _made_by_us(found):
            raise RefusedError(f"{found} has an annotation of ours and was made by somebody else")
        return kept

    def _original(self, found: Autoscaler) -> dict[str, Any]:
        """Its whole spec; bounds that a rule of ours moved are as they were before that."""
        raw = self._raw(found)
        if raw["metadata"]["resourceVersion"] != found.metadata.resource_version:
            raise ConflictError(f"{found}: somebody has changed it since we looked")
        spec: dict[str, Any] = raw["spec"]
        stamp = stamps.read(found.annotations)
        if stamp is None:
            return spec
        was = stamp.after(found.limits).baseline
        return {**spec, "minReplicas": was.low, "maxReplicas": was.high}

    def _written(self, found: Autoscaler, taken: Write, kept: Owned, now: datetime) -> BoundsDone:
        before, after, metadata = found.limits, taken.limits, found.metadata
        body = autoscalers.kept_body(after, taken.stamp, kept)
        took = not stamps.is_stamped(found.annotations)
        if after != before or took:
            self._guard.rationed(now)
        with self._guard.tally.counting(metadata.namespace), undone(f"{found} keeps {before}"):
            self._writer.apply(
                HPA, metadata.namespace, metadata.name, body, resource_version=metadata.resource_version,
                uid=metadata.uid, force=True,
            )  # fmt: skip
        self._guard.memory.wrote(found, taken.stamp)
        because = f": {taken.why}" if taken.why else ""
        if took:
            self._guard.event(found, "HpaTakenOver", f"taken over for rule {taken.stamp.rule}, its spec kept whole")
        if after == before:
            return BoundsDone(before=before, after=after, said=f"{found} keeps {after}{because}")
        self._guard.changed(now)
        self._guard.event(found, "BoundsSet", f"{before} → {after} for rule {taken.stamp.rule}: {taken.stamp.reason}")
        until = f"until {taken.stamp.expires_at:%H:%M}"
        return BoundsDone(before=before, after=after, said=f"{found} {before} → {after} {until}{because}")

    # ---- one that is not

    def _make(self, order: BoundsOrder, own: OwnHpa, now: datetime) -> BoundsDone:
        """With the rule's own bounds, or the first step from them; never so that replicas would go at once."""
        workload, view = self._guard.view.workload(order.target), self._guard.view
        if workload is None:
            raise RefusedError(f"{order} is not made: {self._guard.absence(order.target)}")
        held = self._guard.holds(order.target, workload, workload.metadata.annotations)
        key = (HPA.kind, order.target.namespace, order.name)
        if why := held.everything or self._stopped(key, now):
            raise RefusedError(f"{order} is not made: {why}")
        if (age := view.age()) is None or age > NO_DOWN_AFTER:
            raise RefusedError(f"{order} is not made: what is known of the cluster is too old to say that it is absent")
        self._guard.rationed(now)
        begins = Limits(low=own.bounds.low, high=max(own.bounds.high, workload.spec.replicas or 0))
        seen = Seen(limits=begins, stamp=None, ready=workload.status.ready_replicas, holds=held)
        taken = owned.towards(self._wanted(order), seen, own.bounds, now=now, again=True)
        if not isinstance(taken, Write):
            raise RefusedError(f"{order} is not made: {taken}")
        if key in self._made:
            self._noted(key, now)
        return self._created(order, taken, Owned(uid="", original=None, shape=own.shape), key, now)

    def _created(
        self, order: BoundsOrder, taken: Write, kept: Owned, key: tuple[str, str, str], now: datetime
    ) -> BoundsDone:
        """Made, and then told its own uid, so that a copy of it is not taken for ours."""
        namespace, name = order.target.namespace, order.name
        body = autoscalers.kept_body(taken.limits, taken.stamp, kept)
        with self._guard.tally.counting(namespace), undone(f"{order} is not made"):
            made = _ours_alone(self._writer.apply(HPA, namespace, name, body))  # not by force: it is to be ours alone
            self._made.add(key)
            whole = autoscalers.kept_body(taken.limits, taken.stamp, replace(kept, uid=made.metadata.uid))
            self._writer.apply(
                HPA, namespace, name, whole, resource_version=made.metadata.resource_version, uid=made.metadata.uid
            )
        self._guard.memory.wrote(made, taken.stamp)
        self._guard.changed(now)
        said = f"{order} made with {taken.limits} for rule {order.rule}"
        self._guard.event(made, "HpaMade", said)
        return BoundsDone(before=taken.limits, after=taken.limits, said=said)

    # ---- what it takes

    def _alone(self, order: BoundsOrder) -> None:
        """Raises ``RefusedError`` where something else scales the target."""
        for one in self._guard.view.scalers_of(order.target):
            if one.key == (HPA.kind, order.target.namespace, order.name):
                continue
            if one.kind is SCALED_OBJECT:
                raise RefusedError(
                    f"{one} scales {order.target}: KEDA keeps an HPA for it; use bounds with scaledObject"
                )
            if owner := autoscalers.owner_of(one):
                raise RefusedError(f"{one} scales {order.target}: {owner}")
            if stamps.KEPT in one.annotations and one.annotations.get(stamps.RULE) == order.rule:
                self.former.add(one.key)
                raise RefusedError(f"{one} is what this rule kept before it named another, and is given back first")
            name = one.metadata.name
            raise RefusedError(f"{one} scales {order.target} already: actuate.hpa: {name} takes it over")

    def _wanted(self, order: BoundsOrder) -> Wanted:
        return Wanted(
            limits=order.limits, rule=order.rule, reason=order.reason, epoch=self._guard.epoch(),
            median_need=order.median_need, ceiling_before=order.ceiling_before,
        )  # fmt: skip

    def _noted(self, key: tuple[str, str, str], now: datetime) -> None:
        """Somebody has undone what we did, by an edit or by deleting it; raises ``RefusedError`` the third time."""
        reverts = self._undone[key] = self._undone.get(key, Reverts()).with_one(now)
        if why := reverts.stopped(now):
            raise RefusedError(f"{key[0]} {key[1]}/{key[2]}: {why}")

    def _stopped(self, key: tuple[str, str, str], now: datetime) -> str:
        return self._undone.get(key, Reverts()).stopped(now)

    def _raw(self, found: Autoscaler) -> dict[str, Any]:
        with undone(f"{found} cannot be read"):
            metadata = found.metadata
            return read(self._connection, HPA.as_dicts(), namespace=metadata.namespace, name=metadata.name)

    def _fresh(self, found: Autoscaler) -> Autoscaler:
        with undone(f"{found} cannot be read"):
            metadata = found.metadata
            return autoscalers.of_hpa(read(self._connection, HPA, namespace=metadata.namespace, name=metadata.name))


def return_step(
    connection: Connection, writer: Writer, found: Autoscaler, *, stays: bool, epoch: int | None, now: datetime,
    at_once: bool = False,
) -> tuple[Limits, str, bool]:  # fmt: skip
    """The next write towards what was there before us.

    Args:
        connection: For a fresh look at the whole spec.
        writer: Writes.
        found: As it was last seen; every write names its uid, and but for a deletion its resourceVersion.
        stays: Whether one that we made stays, with its rule's own bounds.
        epoch: Of the leader; None leaves the one that stands there.
        now: Time of the step.
        at_once: Bounds in one step.

    Returns:
        The bounds after it, what was done as a sentence (empty: nothing), and whether nothing is left to do.

    Raises:
        RefusedError: Its annotations are none that we have written.
        KubeError: Not written.
    """
    metadata = found.metadata
    kept, stamp = owned.read(found.annotations, metadata.uid), stamps.read(found.annotations)
    if kept is None or stamp is None:
        raise RefusedError(f"{found} is none that we keep")
    if not kept.uid and not _made_by_us(found):
        raise RefusedError(f"{found} has an annotation of ours and was made by somebody else")
    if kept.was is None and not stays:
        writer.delete(HPA, metadata.namespace, metadata.name, uid=metadata.uid)
        return found.limits, DELETED, True
    goal = kept.was if kept.was is not None and not stays else stamp.baseline
    stamp = replace(stamp, baseline=goal, epoch=stamp.epoch if epoch is None else epoch)
    taken = giving_back.next_step(found.limits, stamp, now=now, at_once=at_once)
    if isinstance(taken, Write):
        body = autoscalers.kept_body(taken.limits, taken.stamp, kept, autoscalers.shape_of(found))
        writer.apply(
            HPA, metadata.namespace, metadata.name, body, resource_version=metadata.resource_version, uid=metadata.uid,
            force=True,
        )  # fmt: skip
        return taken.limits, f"on its way to {goal}", False
    if isinstance(taken, Rest) or stays:
        return found.limits, STAYS if isinstance(taken, Clean) else "", isinstance(taken, Clean)
    _respecified(connection, writer, found, kept)
    return found.limits, RETURNED, True


def _respecified(connection: Connection, writer: Writer, found: Autoscaler, kept: Owned) -> None:
    """The spec first and the annotations last: who is stopped in between finds what is left to do."""
    namespace, name, uid = found.metadata.namespace, found.metadata.name, found.metadata.uid
    raw = read(connection, HPA.as_dicts(), namespace=namespace, name=name)
    version = found.metadata.resource_version
    if patch := owned.merge(raw["spec"], owned.before(raw["spec"], kept)):
        answer = writer.patch_merge(HPA, namespace, name, {"spec": patch}, resource_version=version, uid=uid)
        found = _hpa(answer)
        version = found.metadata.resource_version
    writer.patch_merge(HPA, namespace, name, autoscalers.clean_body(found), resource_version=version, uid=uid)


def _shape(own: OwnHpa, found: Autoscaler) -> dict[str, Any]:
    """As the rule says it, on the target as it is written there; a tolerance of somebody else's does not stay."""
    there = autoscalers.shape_of(found)
    behavior = {
        name: {"tolerance": _TOLERANCE, **rules}
        if "tolerance" in (there.get("behavior") or {}).get(name, {})
        else rules
        for name, rules in own.shape["behavior"].items()
    }
    return {**own.shape, "behavior": behavior, "scaleTargetRef": there["scaleTargetRef"]}


def _rests(found: Autoscaler, taken: Step) -> BoundsDone:
    because = f": {taken.why}" if isinstance(taken, Rest) and taken.why else ""
    return BoundsDone(before=found.limits, after=found.limits, said=f"{found} keeps {found.limits}{because}")


def _made_by_us(found: Autoscaler) -> bool:
    return {one.manager for one in owners(found.metadata, "spec", "scaleTargetRef")} == {MANAGER}


def _hpa(raw: dict[str, Any]) -> Autoscaler:
    return autoscalers.of_hpa(decoded(msgspec.json.encode(raw), Hpa))


def _ours_alone(raw: dict[str, Any]) -> Autoscaler:
    made = _hpa(raw)
    if not _made_by_us(made):
        raise KubeError(f"{made} was made by somebody else at the same moment", status=409, reason="AlreadyExists")
    return made
