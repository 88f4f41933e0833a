"""The list of recommendations: computed once an hour, kept with where each item stands, and answered for by somebody.

Steps of a pass: read the present, look for items, simulate them in sequence, keep them. What could not be looked at
stays as it was; what was looked at and is not there any more expires.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, TypeVar

from app import recommendations_mix as mix
from app import recommendations_sizes as sizes
from app import recommendations_sources as sources
from app.cost_allocation import Allocations
from app.cost_commitments_live import LiveAdvice
from app.cost_spot_objects import Seen
from app.queries import Queries
from app.recommendations_present import today
from cost.recommendations import states
from cost.recommendations.effects import Candidate
from cost.recommendations.sequence import Simulated, simulate
from cost.unused.finding import Kind
from cost.unused.survey import Survey
from domain.errors import KubeError, QueryError
from domain.recommendations import KeptRecommendation, RecommendationKind, RecommendationState
from rules import RuleSet
from store.state import Recommendations, State

log = logging.getLogger(__name__)

T = TypeVar("T")
COMPUTE_EVERY: Final = timedelta(hours=1)
LOOK_EVERY: Final = timedelta(minutes=1)
"""So often it is asked whether an hour is over, and after a start whether there is a node by now."""
SMALL_RATIO: Final = Decimal("0.01")
SMALL_MONTHLY: Final = Decimal(5)
"""What saves less than a hundredth of the bill, or less than this, is not worth anybody's morning."""
_K: Final = RecommendationKind
_S: Final = RecommendationState
WITHOUT_MONEY: Final = frozenset({_K.HPA_PINNED_AT_MAX})
"""Told all the same: an HPA that cannot grow is about load, not about money."""
SHOWN: Final = frozenset({_S.OPEN, _S.ACCEPTED, _S.APPLIED})
_BY_USE: Final = frozenset({_K.RIGHT_SIZE_REQUESTS, _K.RIGHT_SIZE_HPA, _K.OFF_HOURS_SCHEDULE})


class NoSuchRecommendationError(LookupError):
    """No item has this id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """The last one.

    Attributes:
        at: When.
        currency: Of the amounts.
        before: The bill of a month that items were simulated on.
        total: What all open items save together.
        notes: What was not looked at, or is not sure.
    """

    at: datetime
    currency: str
    before: Decimal
    total: Decimal
    notes: tuple[str, ...]


class RecommendationDesk:
    """Thread-safe: somebody's answer and a pass never overlap."""

    def __init__(
        self, *, state: State, allocations: Allocations, queries: Queries, rules: Callable[[], RuleSet],
        leads: Callable[[], bool], survey: Callable[[datetime], Survey | None] = lambda now: None,
        spot: Callable[[], Seen | None] = lambda: None, plans: Callable[[], LiveAdvice | None] = lambda: None,
    ) -> None:  # fmt: skip
        """Nothing is computed yet.

        Args:
            state: Where items are kept.
            allocations: What ran, and its prices.
            queries: What workloads used.
            rules: That run.
            leads: Whether this process computes; another answers from what is kept.
            survey: What is unused; None where nobody can look.
            spot: Workloads of the cluster with what the checklist asks; None where there is none.
            plans: What to commit to.
        """
        self._state, self._allocations, self._queries = state, allocations, queries
        self._rules, self._leads, self._survey = rules, leads, survey
        self._spot, self._plans = spot, plans
        self._lock = threading.Lock()
        self.last: Pass | None = None

    def tick(self, now: datetime) -> None:
        """A pass, where the last is an hour ago."""
        if self._leads() and (self.last is None or now - self.last.at >= COMPUTE_EVERY):
            self.compute(now)

    def compute(self, now: datetime) -> None:
        """A pass; without a priced node nothing is touched, and the next tick tries again.

        Raises:
            QueryError: The source does not answer.
        """
        seen = today(self._allocations, now)
        if not seen.present.nodes:
            return
        blind: list[str] = []
        survey = _asked(lambda: self._survey(now), "what is unused", blind)
        spot, plans = _asked(self._spot, "who stands spot", blind), _asked(self._plans, "what to commit to", blind)
        findings = () if survey is None else survey.findings
        used = sizes.candidates(self._queries, seen.present, self._rules(), now)
        present = sources.with_things(seen, findings)
        candidates = [
            *sources.unused(findings, present.currency), *used.found, *sources.node_pools(present),
            *sources.idle_commitments(seen), *(() if spot is None else mix.to_spot(present, spot)),
            *(() if plans is None else mix.to_commit(plans)),
        ]  # fmt: skip
        with self._lock:
            kept = {one.id: one for one in self._all()}
            found = simulate(
                present, [one for one in candidates if not _in_force(kept.get(one.advice.id), one)],
                aside=[one.id for one in kept.values() if _unwanted(one, now)],
            )  # fmt: skip
            self._keep(found, kept, now, silent=_silent(survey, spot, plans), unread=used.unread)
        notes = (*seen.notes, *used.notes, *blind, *_unsaid(survey))
        self.last = Pass(at=now, currency=found.currency, before=found.before, total=found.total, notes=notes)
        log.info("recommendations computed", extra={"count": len(found.items), "monthly": str(found.total)})

    def _keep(
        self, found: Simulated, kept: dict[str, KeptRecommendation], now: datetime, *, silent: Collection[str],
        unread: Collection[str],
    ) -> None:  # fmt: skip
        why = f"its evidence is gone: not there any more at {now:%Y-%m-%d %H:%M} UTC"
        with self._state.transaction() as session:
            repository = Recommendations(session)
            for item in found.items:
                kept.pop(item.id, None)
                before = repository.get(item.id, to_change=True)  # as it stands now: whoever applies it writes, too
                repository.put(states.first(item, now) if before is None else states.computed(before, item, now))
            for id_ in kept:
                if (one := repository.get(id_, to_change=True)) is None:
                    continue
                blind = one.advice.kind in silent or (
                    one.advice.kind in _BY_USE and str(one.advice.target) in unread
                )  # fmt: skip
                after = one if blind else states.gone(one, now, why=why)
                if after is not one:
                    repository.put(after)

    def _all(self, wanted: Collection[RecommendationState] = ()) -> list[KeptRecommendation]:
        with self._state.transaction() as session:
            return Recommendations(session).all(wanted)

    def items(
        self, *, every: bool = False, wanted: Collection[RecommendationState] = ()
    ) -> Sequence[KeptRecommendation]:
        """Best first; unless ``every`` without what is small, and of the states that wait for somebody."""
        found = self._all(wanted or (() if every else SHOWN))
        found = sorted(found, key=lambda one: (-one.advice.rank, one.id))
        return found if every else list(self._worth(found))

    def _worth(self, items: Sequence[KeptRecommendation]) -> Iterable[KeptRecommendation]:
        """Also what a shown item needs for its node to go, and whatever somebody has said yes to."""
        least = max(SMALL_MONTHLY, SMALL_RATIO * self.last.before) if self.last is not None else SMALL_MONTHLY
        large = [one for one in items if one.advice.saving.monthly >= least]
        needed = {id_ for one in large for id_ in one.advice.together} | {one.id for one in large}
        return (one for one in items if one.id in needed or one.standing.state is not _S.OPEN
                or one.advice.kind in WITHOUT_MONEY)  # fmt: skip

    def get(self, id_: str) -> KeptRecommendation:
        """One; raises ``NoSuchRecommendationError``."""
        with self._state.transaction() as session:
            found = Recommendations(session).get(id_)
        if found is None:
            raise _missing(id_)
        return found

    def change(self, id_: str, step: Callable[[KeptRecommendation], KeptRecommendation]) -> KeptRecommendation:
        """Make one step of ``cost.recommendations.states`` with an item, and keep it.

        Raises:
            NoSuchRecommendationError: There is none.
            IllegalStateError: The step is none from where it stands.
        """
        with self._lock, self._state.transaction() as session:
            repository = Recommendations(session)
            if (before := repository.get(id_, to_change=True)) is None:
                raise _missing(id_)
            after = step(before)
            repository.put(after)
        return after


def _missing(id_: str) -> NoSuchRecommendationError:
    return NoSuchRecommendationError(f"no recommendation {id_}: foretide cost recommendations --all lists them")


def _in_force(kept: KeptRecommendation | None, one: Candidate) -> bool:
    """Applied and still being measured, or verified as it is: its saving is in the bill already."""
    if kept is None:
        return False
    state = kept.standing.state
    return state is _S.APPLIED or (state is _S.VERIFIED and kept.standing.digest == one.advice.digest)


def _unwanted(one: KeptRecommendation, now: datetime) -> bool:
    return states.woken(one, now).standing.state in {_S.REJECTED, _S.SNOOZED}


def _asked(ask: Callable[[], T | None], what: str, blind: list[str]) -> T | None:
    """The answer; a cluster or a store that does not answer is a note, and what was found before stays."""
    try:
        return ask()
    except (KubeError, QueryError) as error:
        blind.append(f"{what} could not be looked for: {error}")
        return None


def _unsaid(survey: Survey | None) -> list[str]:
    """What the survey notes, and why it says nothing of whole kinds, each reason once."""
    if survey is None:
        return []
    by_why: dict[str, list[str]] = {}
    for one in survey.not_known:
        if not one.objects:
            by_why.setdefault(one.why, []).append(one.kind)
    return [*survey.notes, *(f"not known: {', '.join(kinds)}: {why}" for why, kinds in by_why.items())]


def _silent(survey: Survey | None, spot: Seen | None, plans: LiveAdvice | None) -> set[str]:
    """Kinds of which nobody could say anything this time."""
    unused = {str(kind) for kind in Kind} if survey is None else {
        str(one.kind) for one in survey.not_known if not one.objects
    }  # fmt: skip
    return unused | ({str(_K.SPOT_MOVE)} if spot is None else set()) | (
        {str(_K.COMMITMENT_BUY)} if plans is None else set()
    )  # fmt: skip
