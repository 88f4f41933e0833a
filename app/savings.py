"""Holds each applied change against what would have been, once a week for four weeks, and says what it saved.

Steps of a tick: carry on with rules; of every applied change whose week is over read the hours, measure, keep the
verdict, and set it to verified. A change that is still under way is measured, but not verified before it stands.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from app.recommendations import RecommendationDesk
from app.savings_hours import CostByHour, Demand, can_tell
from app.savings_rules import RuleSaving, RuleSavings
from cost.allocation.rollup import HourCosts
from cost.recommendations import states
from cost.recommendations.states import IllegalStateError
from cost.verified import before_after, twins
from cost.verified.before_after import LONGEST, Hours
from cost.verified.interval import DAY, LEAST_DAYS, Measured, NotYet
from cost.verified.verdict import advice, is_due, told, verdict
from domain.recommendations import KeptRecommendation, RecommendationState, Target
from domain.verdicts import Verdict
from store.state import ResizingCases, State, Verdicts

log = logging.getLogger(__name__)

EVERY: Final = timedelta(minutes=5)
"""Rules are carried on so often; changes are looked at once an hour."""
MEASURE_EVERY: Final = timedelta(hours=1)
BY: Final = "foretide"
_S: Final = RecommendationState
_IN_FORCE: Final = frozenset({_S.APPLIED, _S.VERIFIED})


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeSaving:
    """One applied change.

    Attributes:
        kept: The advice and where it stands.
        changed_at: Since when it is in force.
        verdict: The newest; None before there is one.
        why: Why there is none; empty where there is.
        advice: What to do about it; empty: nothing.
    """

    kept: KeptRecommendation
    changed_at: datetime
    verdict: Verdict | None
    why: str
    advice: str


class Savings:
    """Thread-safe: one loop measures, everybody reads."""

    def __init__(
        self, *, state: State, desk: RecommendationDesk, hours: Callable[[datetime], Iterator[HourCosts]],
        demand: Callable[[], Demand], rules: RuleSavings, leads: Callable[[], bool],
        twins_of: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        """Nothing is measured yet.

        Args:
            state: Where verdicts are kept.
            desk: Whose items are measured.
            hours: Hours of cost from a time on.
            demand: Of workloads, by the rules that run.
            rules: What these save by the ledger.
            leads: Whether this process measures.
            twins_of: ``namespace/Kind/name`` by the same of what it is the twin of.
        """
        self._state, self._desk, self._hours, self._demand = state, desk, hours, demand
        self._rules, self._leads, self._twins = rules, leads, twins_of or {}
        self._lock = threading.Lock()
        self._why: dict[str, str] = {}
        self._measured_at: datetime | None = None

    def tick(self, now: datetime) -> None:
        """One pass."""
        self._rules.tick(now)
        if self._leads() and (self._measured_at is None or now - self._measured_at >= MEASURE_EVERY):
            self._measure(now)
            self._measured_at = now

    def rules(self) -> list[RuleSaving]:
        """What rules save."""
        return self._rules.all()

    def changes(self, now: datetime) -> list[ChangeSaving]:
        """Those in force, newest first."""
        known = self._verdicts()
        found = [self._change(one, known.get(one.id, []), now) for one in self._desk.items(wanted=_IN_FORCE)]
        return sorted(found, key=lambda one: (-one.changed_at.timestamp(), one.kept.id))

    def _change(self, kept: KeptRecommendation, verdicts: Sequence[Verdict], now: datetime) -> ChangeSaving:
        changed_at, mine = _of_this_time(kept, verdicts)
        with self._lock:
            why = self._why.get(kept.id, "")
        if not why or now - changed_at < LEAST_DAYS * DAY:
            why = _waiting(kept.advice.target, changed_at, now)
        return ChangeSaving(
            kept=kept, changed_at=changed_at, verdict=mine[-1] if mine else None, why="" if mine else why,
            advice=advice(mine),
        )  # fmt: skip

    def _measure(self, now: datetime) -> None:
        known, under_way = self._verdicts(), self._under_way()
        due = []
        for kept in self._desk.items(wanted=_IN_FORCE):
            changed_at, mine = _of_this_time(kept, known.get(kept.id, []))
            if can_tell(kept.advice.target) and is_due(mine, changed_at, now):
                due.append(kept)
            elif mine and kept.standing.state is _S.APPLIED and kept.id not in under_way:
                self._verify(kept, mine, now)  # it was still being watched when it was measured
        if not due:
            return
        oldest = min(_of_this_time(one, known.get(one.id, []))[0] for one in due) - LONGEST
        costs, demand = CostByHour(self._hours(oldest)), self._demand()
        for kept in due:
            self._judge(kept, known.get(kept.id, []), costs, demand, now, done=kept.id not in under_way)

    def _judge(
        self, kept: KeptRecommendation, verdicts: Sequence[Verdict], costs: CostByHour, demand: Demand, now: datetime,
        *, done: bool,
    ) -> None:  # fmt: skip
        changed_at, mine = _of_this_time(kept, verdicts)
        found, method = self._measured(kept.advice.target, changed_at, costs, demand, now)
        saving = kept.advice.saving
        if isinstance(found, Measured) and saving.currency != costs.currency:
            found = NotYet(why=f"promised in {saving.currency}, but hours of cost are in {costs.currency}")
        with self._lock:
            self._why[kept.id] = found.why if isinstance(found, NotYet) else ""
        if isinstance(found, NotYet):
            return
        one = verdict(found, id_=kept.id, method=method, changed_at=changed_at, at=now, promised=saving.monthly,
                      currency=costs.currency)  # fmt: skip
        with self._state.transaction() as session:
            Verdicts(session).put(one)
        if done and kept.standing.state is _S.APPLIED:
            self._verify(kept, [*mine, one], now)

    def _verify(self, kept: KeptRecommendation, verdicts: Sequence[Verdict], now: datetime) -> None:
        said = "; ".join(filter(None, (told(verdicts[-1]), advice(verdicts))))
        try:
            self._desk.change(kept.id, lambda item: states.verify(item, by=BY, now=now, reason=said))
        except IllegalStateError as error:  # taken back in this very moment
            log.info("a change was measured, and is not applied any more", extra={"error": str(error)})

    def _measured(
        self, target: Target, changed_at: datetime, costs: CostByHour, demand: Demand, now: datetime
    ) -> tuple[Measured | NotYet, str]:
        hours = costs.of(target)
        if hours is None:
            return NotYet(why="no hour of cost is known yet"), "beforeAfter"
        twin = self._twins.get(str(target))
        if twin is not None:
            return self._by_twin(hours, twin, changed_at, costs, now), "twin"
        hours = replace(hours, demand=demand.of(target, hours))
        found = before_after.measure(hours, changed_at, now)
        return found, "beforeAfterByDemand" if isinstance(found, Measured) and found.scaled else "beforeAfter"

    @staticmethod
    def _by_twin(hours: Hours, twin: str, changed_at: datetime, costs: CostByHour, now: datetime) -> Measured | NotYet:
        namespace, kind, name = twin.split("/")
        other = costs.of(Target(namespace=namespace, kind=kind, name=name))
        if other is None:
            return NotYet(why=f"no cost is known of the twin {twin}")
        return twins.measure(hours, other, changed_at, now)

    def _under_way(self) -> set[str]:
        with self._state.transaction() as session:
            return set(ResizingCases(session).all(over=False))

    def _verdicts(self) -> dict[str, list[Verdict]]:
        with self._state.transaction() as session:
            return Verdicts(session).all()


def _of_this_time(kept: KeptRecommendation, verdicts: Sequence[Verdict]) -> tuple[datetime, list[Verdict]]:
    """Since when the change is in force, and what was measured since: the same id may have been applied before."""
    if kept.standing.state is _S.VERIFIED and verdicts:
        changed_at = verdicts[-1].changed_at
    else:
        changed_at = kept.standing.since
    return changed_at, [one for one in verdicts if one.changed_at == changed_at]


def _waiting(target: Target, changed_at: datetime, now: datetime) -> str:
    if not can_tell(target):
        return f"hours of cost are kept by workload: what this {target.kind} cost cannot be told apart"
    return f"not yet: {min((now - changed_at) // DAY, LEAST_DAYS)} of {LEAST_DAYS} days"
