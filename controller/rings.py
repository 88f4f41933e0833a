"""Rings over the passes of the loop: who may act now, kept where the next leader finds it.

The state is read at the beginning of each pass and written when it has changed, so that an operator's word counts
within seconds and nothing is remembered that a new leader would not know. Only what a ring's halt is judged by is
counted here, from the ring's beginning or from when we began to lead.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime

from controller.actuation import ring_trouble, rings
from controller.actuation.ring_trouble import Count, Told
from controller.actuation.rings import Plan, Release, State
from domain.errors import ForetideError, RefusedError

log = logging.getLogger(__name__)

Say = Callable[[str, str], object]
"""Tells an event about the whole: a word and a sentence."""


class Rings:
    """Of one process; asked once in each pass."""

    def __init__(
        self,
        *,
        read: Callable[[], State],
        write: Callable[[State], object],
        plan: Plan,
        controller: str,
        tried: Callable[[], Mapping[str, Count]],
        say: Say,
    ) -> None:
        """Everything comes from outside.

        Args:
            read: The state as it is kept; raises a ``ForetideError``, ``RefusedError`` where another process leads.
            write: What is kept from now on, unless somebody changed it since it was read; raises likewise.
            plan: The rings.
            controller: Which Foretide this is, its configuration included.
            tried: By namespace, the writes since it was last asked.
            say: Tells events.
        """
        self._read, self._write, self._plan, self._controller = read, write, plan, controller
        self._tried, self._say = tried, say
        self._counted: dict[tuple[str, int], tuple[Count, Count]] = {}
        self._problem = ""
        self.status: tuple[str, ...] = ()
        """A sentence for each release on its way."""
        self.halted = 0

    def held(self, told: Mapping[str, Told], now: datetime) -> dict[str, str]:
        """By rule, why it does not act yet; rules that may are not in it. Raises nothing.

        Where another process leads, or nobody can say how far the rings are, nothing changes here; in the latter case
        everything is held.
        """
        tried = self._tried()
        wishes = {rule: one for rule, one in told.items() if one.acts}
        try:
            before = self._read()
            state = self._moved(before, told, wishes, tried, now)
            if state != before:
                self._write(state)
                self._tell(before, state)
        except RefusedError:
            return {}
        except ForetideError as error:
            if str(error) != self._problem:
                log.warning("rings not known", extra={"error": str(error)})
            self._problem = str(error)
            return dict.fromkeys(wishes, f"held: how far the rings are is not known: {error}")
        self._problem = ""
        return self._shown(state, wishes)

    def _moved(
        self, before: State, told: Mapping[str, Told], wishes: Mapping[str, Told], tried: Mapping[str, Count],
        now: datetime,
    ) -> State:  # fmt: skip
        state = rings.joined(before, wishes, told, controller=self._controller)
        trouble = {one.name: self._trouble(one, told, tried) for one in state.releases}
        at = {(one.name, one.ring) for one in state.releases if not one.halted and one.since is not None}
        self._counted = {key: counts for key, counts in self._counted.items() if key in at}
        return rings.moved(state, told, trouble, plan=self._plan, now=now)

    def _trouble(self, release: Release, told: Mapping[str, Told], tried: Mapping[str, Count]) -> str:
        if release.halted or release.since is None:
            return ""
        inside = {rule for rule in release.members if rings.space(rule) in release.open}
        failed = sum(told[rule].failed for rule in inside if rule in told)
        writes, evaluations = self._counted.get((release.name, release.ring), (Count(), Count()))
        writes = sum((tried.get(one, Count()) for one in release.open), writes)
        evaluations += Count(len(inside), failed)
        self._counted[release.name, release.ring] = writes, evaluations
        burns = ring_trouble.burns_more(told, inside, release.burning)
        return ring_trouble.trouble(writes, evaluations, burns)

    def _shown(self, state: State, wishes: Mapping[str, Told]) -> dict[str, str]:
        held = rings.held(state, wishes, self._plan)
        self.status = tuple(f"{one.name}: {rings.said(one, self._plan)}" for one in state.releases)
        self.halted = sum(bool(one.halted) for one in state.releases)
        return held

    def _tell(self, before: State, after: State) -> None:
        """Events and lines in the log: a ring begins, halts, and everything acts."""
        old, new = ({one.name: one for one in state.releases} for state in (before, after))
        for name, one in new.items():
            was = old.get(name)
            if was is None or (was.ring, was.halted) != (one.ring, one.halted):
                self._said("RingHalted" if one.halted else "RingOpened", f"{name}: {rings.said(one, self._plan)}")
        for name in old.keys() - new.keys():
            self._said("RingsDone", f"{name}: acts everywhere")

    def _said(self, reason: str, message: str) -> None:
        level = logging.WARNING if reason == "RingHalted" else logging.INFO
        log.log(level, "rings", extra={"reason": reason, "said": message})
        self._say(reason, message)
