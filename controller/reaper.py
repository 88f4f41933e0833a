"""Gives back what a controller that is gone has left behind: no database, no forecast, no rules, only the annotations.

Ceilings first and at once, since a ceiling that is left behind costs an outage. Then floors, a tenth a minute, each
object at its own ten seconds of the minute, so that 2,000 floors do not fall together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from zlib import crc32

from controller.actuation import giving_back, owned
from controller.actuation import stamp as stamps
from controller.actuation.limits import Limits
from controller.actuation.stamp import FLOOR_LASTS, FREEZE, Stamp
from controller.actuation.step import Clean, Rest, Write
from controller.cluster import kubernetes_autoscalers as autoscalers
from controller.cluster.kubernetes_autoscalers import Autoscaler
from controller.cluster.kubernetes_own import return_step
from domain.errors import KubeError, RefusedError
from kube import Connection, Writer, listed, read
from kube.kinds import HPA, SCALED_OBJECT, Hpa

SLOTS: Final = 6
ROUND_SECONDS: Final = 60.0
TRIES: Final = 5
"""Rounds in which one object may fail before it is left to the next run; a refusal that lasts is not tried again."""
_SKEW: Final = timedelta(minutes=5)
Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What is to be given back.

    Attributes:
        everything: Also what has not expired, and what is frozen: a person asks for it.
        at_once: Floors in one step.
        seconds: How long to go on; None until all is done.
    """

    everything: bool = False
    at_once: bool = False
    seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """What became of one autoscaler."""

    kind: str
    namespace: str
    name: str
    before: Limits
    after: Limits
    said: str
    done: bool


class Reaper:
    """One run."""

    def __init__(
        self,
        connection: Connection,
        writer: Writer,
        *,
        now: Callable[[], datetime],
        wait: Callable[[float], None],
        switch: Callable[[], str],
        orders: Orders,
    ) -> None:
        """Act through ``writer``; ``switch`` says why nothing may be written, ``wait`` waits so many seconds."""
        self._connection, self._writer, self._orders = connection, writer, orders
        self._now, self._wait, self._switch = now, wait, switch
        self._results: dict[Key, Returned] = {}
        self._failures: Counter[Key] = Counter()

    def run(self) -> list[Returned]:
        """Until all is given back, or the time is over.

        Raises:
            KubeError: The autoscalers could not be listed.
        """
        monotonic = self._connection.clock.monotonic
        began = monotonic()
        while pending := self._round():
            slots = min(SLOTS, len(pending))
            for slot in range(slots):
                if self._orders.seconds is not None and monotonic() - began >= self._orders.seconds:
                    return self._told()
                for found in pending[slot::slots]:
                    self._step(found)
                if all(self._is_settled(found) for found in pending):
                    break
                self._wait(ROUND_SECONDS / slots)
        return self._told()

    def _round(self) -> list[Autoscaler]:
        """What is still to be given back, its ceilings already up."""
        if not self._orders.everything and (why := self._switch()):
            self._hold(f"held, by the kill switch: {why}")
            return []
        chosen = [found for found in self._stamped() if self._is_chosen(found)]
        for found in chosen:
            if stamps.SET_MAX in found.annotations:
                self._step(found)
        if self._orders.at_once:
            for found in chosen:
                if not self._is_settled(found):
                    self._step(found)
            return []
        left = [found for found in chosen if not self._is_settled(found)]
        return sorted(left, key=lambda found: crc32(found.metadata.uid.encode()))

    def _stamped(self) -> Iterator[Autoscaler]:
        for hpa in listed(self._connection, HPA).objects.values():
            if stamps.is_stamped(hpa.metadata.annotations or {}):
                yield autoscalers.of_hpa(hpa)
        try:
            scaled = listed(self._connection, SCALED_OBJECT).objects
        except KubeError as error:
            if error.status not in (403, 404):  # no KEDA, or none of our business
                raise
            return
        for one in scaled.values():
            if stamps.is_stamped(one.metadata.annotations or {}):
                yield autoscalers.of_scaled_object(one)

    def _is_chosen(self, found: Autoscaler) -> bool:
        try:
            stamp = stamps.read(found.annotations)
        except RefusedError as error:
            self._note(found, found.limits, f"left alone: {error}", done=False)
            return False
        if stamp is None or self._orders.everything:
            return stamp is not None
        if stamp.expires_at > self._now() + FLOOR_LASTS + _SKEW:
            self._note(found, found.limits, "left alone: it claims to live longer than any of ours", done=False)
            return False
        if FREEZE in found.annotations and stamp.is_expired(self._now()):
            self._note(found, found.limits, "left alone: its freeze annotation", done=False)
            return False
        return stamp.is_expired(self._now())

    def _step(self, found: Autoscaler) -> None:
        """One step from a fresh read; what goes wrong is noted, and tried again on the next round."""
        try:
            fresh = self._fresh(found)
            stamp = stamps.read(fresh.annotations)
            if stamp is None:
                return self._note(fresh, fresh.limits, "given back", done=True)
            if fresh.metadata.uid != found.metadata.uid or not self._is_chosen(fresh):
                return self._note(fresh, fresh.limits, "left alone: somebody has renewed or made it anew", done=True)
            self._taken(fresh, stamp)
        except RefusedError as error:
            self._note(found, found.limits, f"left alone: {error}", done=False)
        except KubeError as error:
            gone = error.status == 404
            self._note(found, found.limits, "is gone" if gone else f"not written: {error}", done=gone)
            lasting = not (error.is_passing or error.is_outdated or error.is_recreated)
            self._failures[found.key] += TRIES if lasting else 1

    def _taken(self, fresh: Autoscaler, stamp: Stamp) -> None:
        if stamps.KEPT in fresh.annotations:
            return self._handed_back(fresh)
        taken = giving_back.next_step(fresh.limits, stamp, now=self._now(), at_once=self._orders.at_once)
        if isinstance(taken, Rest):
            return
        namespace, name = fresh.metadata.namespace, fresh.metadata.name
        version, uid = fresh.metadata.resource_version, fresh.metadata.uid
        if isinstance(taken, Write):
            body = autoscalers.bounds_body(fresh, taken.limits, taken.stamp)
            self._writer.apply(fresh.kind, namespace, name, body, resource_version=version, uid=uid, force=True)
            self._note(fresh, taken.limits, f"on its way to {taken.stamp.baseline}", done=False)
            if taken.limits == taken.stamp.baseline:
                self._step(fresh)  # only the traces are left
        elif isinstance(taken, Clean):
            body = autoscalers.clean_body(fresh)
            self._writer.patch_merge(fresh.kind, namespace, name, body, resource_version=version, uid=uid)
            self._note(fresh, fresh.limits, "given back", done=True)

    def _handed_back(self, fresh: Autoscaler) -> None:
        """An HPA that we keep: one that we made is only deleted when a person asks for it."""
        kept = owned.read(fresh.annotations, fresh.metadata.uid)
        stays = not self._orders.everything and kept is not None and kept.was is None
        after, said, done = return_step(
            self._connection, self._writer, fresh, stays=stays, epoch=None, now=self._now(),
            at_once=self._orders.at_once,
        )  # fmt: skip
        if said:
            self._note(fresh, after, said, done=done)
        if said and not done:
            self._step(fresh)  # where only the traces are left

    def _fresh(self, found: Autoscaler) -> Autoscaler:
        one: Any = read(self._connection, found.kind, namespace=found.metadata.namespace, name=found.metadata.name)
        return autoscalers.of_hpa(one) if isinstance(one, Hpa) else autoscalers.of_scaled_object(one)

    def _note(self, found: Autoscaler, after: Limits, said: str, *, done: bool) -> None:
        known = self._results.get(found.key)
        kind, namespace, name = found.key
        before = found.limits if known is None else known.before
        self._results[found.key] = Returned(
            kind=kind, namespace=namespace, name=name, before=before, after=after, said=said, done=done
        )

    def _hold(self, why: str) -> None:
        for found in self._stamped():
            self._note(found, found.limits, why, done=False)

    def _is_settled(self, found: Autoscaler) -> bool:
        known = self._results.get(found.key)
        settled = known is not None and (known.done or known.said.startswith("left alone"))
        return settled or self._failures[found.key] >= TRIES

    def _told(self) -> list[Returned]:
        """Sorted by name."""
        return sorted(self._results.values(), key=lambda one: (one.namespace, one.kind, one.name))
