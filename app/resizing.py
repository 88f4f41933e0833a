"""Accepted right-sizings, once a minute: look, judge, step, write down, write, tell.

Only the leader does. A yes that somebody takes back is given back; nobody's size is changed without one.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from app.kubernetes_parts import KubernetesParts
from app.queries import Queries
from app.resizing_health import Judge
from app.resizing_items import KINDS, case_of
from app.resizing_rules import Objection, objection_of
from app.resizing_standing import told
from controller.resizing import records, stages
from controller.resizing.case import Case, Deed, Live, Stage
from controller.resizing.change import Patch, spelled
from controller.resizing.objects import Sights
from controller.resizing.writes import Writes
from controller.slo import Burn
from cost.recommendations import states
from cost.sizing import rollout
from domain.errors import ForetideError
from domain.recommendations import KeptRecommendation, RecommendationState
from domain.scaling import WorkloadRef
from rules import RuleSet
from rules.schema import ScalingRule
from store.state import AuditEntry, AuditTrail, Recommendations, ResizingCases, State

log = logging.getLogger(__name__)
Say = Callable[[WorkloadRef, str, str], object]
"""Tells an event about a workload: its reason in one word, and the sentence."""
EVENTS = {
    Stage.CANARY: "ResizeBegun", Stage.REST: "ResizeApplied", Stage.DONE: "ResizeDone", Stage.HELD: "ResizeHeld",
    Stage.ROLLED_BACK: "ResizeRolledBack",
}  # fmt: skip
_RUNNING = (RecommendationState.ACCEPTED, RecommendationState.APPLIED)


class Resizings:
    """All of them; thread-safe."""

    def __init__(
        self, *, state: State, sights: Sights, writes: Writes, judge: Judge, say: Say,
        objection: Callable[[Patch, datetime], Objection], leads: Callable[[], bool] = lambda: True,
    ) -> None:  # fmt: skip
        """Nothing is read before the first tick.

        Args:
            state: Where advice, cases and the trail are kept.
            sights: Looks at the cluster.
            writes: Writes there.
            judge: Says how pods do.
            say: Tells events.
            objection: What our own rules say against taking capacity from a workload.
            leads: Whether this process may act.
        """
        self._state, self._sights, self._writes = state, sights, writes
        self._judge, self._say, self._objection, self._leads = judge, say, objection, leads
        self._lock = threading.Lock()
        self._rollouts: dict[str, int] = {}

    def tick(self, now: datetime) -> None:
        """Every accepted item, and what is under way."""
        with self._lock:
            if not self._leads():
                return
            kept, cases = self._read(now)
            turn = self._turn(cases, now)
            for id_, case in sorted(cases.items()):
                try:
                    self._stepped(case, kept.get(id_), turn, now)
                except ForetideError as error:
                    log.warning("right-sizing not looked at", extra={"recommendation": id_, "error": str(error)})

    def _read(self, now: datetime) -> tuple[Mapping[str, KeptRecommendation], dict[str, Case]]:
        """Advice of our kinds, and the cases under way with those that are new."""
        with self._state.transaction() as session:
            kept = {one.id: one for one in Recommendations(session).all() if one.advice.kind in KINDS}
            bodies = ResizingCases(session).all(over=False)
        cases = {id_: records.from_json(body) for id_, body in bodies.items()}
        for id_, one in kept.items():
            if one.standing.state is RecommendationState.ACCEPTED and id_ not in cases:
                try:
                    cases[id_] = case_of(one, now)
                except ValueError as error:
                    self._put(states.undo(one, by="foretide", now=now, reason=f"is not applied: {error}"))
        return kept, cases

    def _turn(self, cases: Mapping[str, Case], now: datetime) -> str | None:
        """Whose turn it is to be rolled out without a canary; None: nobody's, one is watched still."""
        soak = rollout.Conditions().soak
        for case in cases.values():
            if case.goes_by_rollout and (case.applied_at is None or now - case.applied_at < soak):
                return None
        waiting = {id_: pods for id_, pods in self._rollouts.items() if id_ in cases}
        self._rollouts = {}
        return rollout.canary(waiting) or ""

    def _stepped(self, case: Case, kept: KeptRecommendation | None, turn: str | None, now: datetime) -> None:
        before = case
        if kept is None or kept.standing.state not in _RUNNING:
            why = "the advice is gone" if kept is None else f"is {kept.standing.state} by {kept.standing.by}"
            case = stages.withdrawn(case, why, now)
        live = self._sights.look(case)
        if case.patch.falling() and case.stage in (Stage.ACCEPTED, Stage.REST) and Deed.TEMPLATE not in case.written:
            found = self._objection(case.patch, now)
            live = replace(live, unfit=live.unfit or found.lasting, blocked=live.blocked or found.now)
        if case.stage is Stage.ACCEPTED:
            case = replace(case, patch=spelled(case.patch, live.template or {}))
            live = self._admitted(case, live, turn, now)
        case = stages.step(case, live, self._judge.ruling(case, now), now)
        deed = stages.due(case, live, now)
        if deed is not Deed.NOTHING:
            self._keep(before, case, kept, now)  # the journal first
            done = self._writes.do(case, deed, now)
            before, case = case, stages.acted(
                case, deed, now, failure=done.failure, lasting=done.lasting, said=done.said
            )  # fmt: skip
        self._keep(before, case, kept, now)

    def _admitted(self, case: Case, live: Live, turn: str | None, now: datetime) -> Live:
        """With what only a rehearsal tells, and whether another workload goes first."""
        if live.template is None or live.unfit or live.rival or live.blocked:
            return live
        done = self._writes.rehearsed(case, now)
        if done.failure:
            return replace(live, unfit=done.failure) if done.lasting else replace(live, blocked=done.failure)
        if case.patch.falling() and (not case.in_place or live.candidate is None):
            self._rollouts[case.id] = live.replicas
            if turn != case.id:
                watched = "another workload was rolled out, and is watched for a day"
                return replace(live, blocked=watched if turn is None else "its turn to be rolled out comes")
        return live

    def _keep(self, before: Case, case: Case, kept: KeptRecommendation | None, now: datetime) -> None:
        with self._state.transaction() as session:
            ResizingCases(session).put(case.id, at=now, over=case.over, body=records.to_json(case))
            current = None if kept is None else Recommendations(session).get(case.id, to_change=True)
            if current is not None and (stands := told(current, case, now)) != current:
                Recommendations(session).put(stands)
            if before.stage is not case.stage:
                detail = {"from": before.stage.value, "to": case.stage.value, "reason": case.reason,
                          "patch": str(case.patch), "accepted_by": case.by}  # fmt: skip
                AuditTrail(session).record(AuditEntry(
                    at=now, actor="foretide", verb="resize", object=f"{case.patch.ref}", detail=detail
                ))  # fmt: skip
        if before.stage is not case.stage and (reason := EVENTS.get(case.stage)):
            self._say(case.patch.ref, reason, f"{case.patch}: {case.reason}"[:900])

    def _put(self, kept: KeptRecommendation) -> None:
        with self._state.transaction() as session:
            Recommendations(session).put(kept)


def wired(
    kubernetes: KubernetesParts | None, state: State, queries: Queries, *, rules: Callable[[], RuleSet],
    burn: Callable[[ScalingRule, datetime], Burn | None],
) -> Resizings | None:  # fmt: skip
    """None where there is no cluster to write to."""
    if kubernetes is None:
        return None
    sights, writes = kubernetes.resizing_hands()
    return Resizings(
        state=state, sights=sights, writes=writes, judge=Judge(queries, sights.harm), say=kubernetes.tell_of,
        leads=kubernetes.elector.leading,
        objection=lambda patch, now: objection_of(rules().rules, patch, lambda rule: burn(rule, now)),
    )  # fmt: skip
