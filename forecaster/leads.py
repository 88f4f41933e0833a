"""The lead forecasts of every price trigger: begun from history in a worker, then carried by the decisions' readings.

``outlook`` takes what the decision read and gives what lies ahead; ``tick`` begins what is not there yet, and what a
long gap has made useless. Nothing is written down: after a restart the past is read again from where it is kept.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Lock
from typing import Final, Protocol

import numpy as np
from prometheus_client import CollectorRegistry

from domain.errors import ForetideError, HistoryTooShortError, NoDataError
from domain.load_ahead import TICK, Outlook, longest, windows
from domain.series import FloatArray
from domain.units import format_duration
from forecaster import lead_live, lead_outlook
from forecaster.lead import Clock
from forecaster.lead_live import LeadState
from forecaster.metrics import LeadMetrics
from rules.schema import ScalingRule

log = logging.getLogger(__name__)

HISTORY: Final = timedelta(days=14)
"""Two half-lives of what is learned; a week is the least that the weekly analog needs."""
DAY: Final = timedelta(days=1)
LEADS_OF_A_DAY: Final = 10
"""A season shorter than so many leads is none to look ahead by: the day is taken."""
LONGEST_GAP: Final = timedelta(hours=1)
"""After a longer one the history is read again."""
ANOTHER_LEAD: Final = 0.25
"""A third too short costs violations that no price makes good; a little more or less costs next to nothing."""
AGAIN_AFTER: Final = timedelta(minutes=5)
"""Until a signal that could not be begun is tried again; one that is too young grows by this much."""
SHORT: Final = 0.9
"""Of the history asked for: a state that began from less is begun anew, since a server gives its past in chunks."""
ANEW_AFTER: Final = (timedelta(hours=1), timedelta(days=1))
"""The first time, and from then on."""
MOST_BEGUN: Final = 4
"""Under way at once: each reads two weeks, some 80,000 values."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class LoadHistory(Protocol):
    """Reads the past of a query: one value for each ``TICK``, both ends included, NaN where there is none."""

    def __call__(self, expr: str, start: datetime, end: datetime, *, source: str | None = None) -> FloatArray:
        """Raise an error of the ForetideError tree when the query has no answer."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadPlan:
    """One signal to look ahead of.

    Attributes:
        signal: ``namespace/rule/trigger``.
        expr: PromQL of the trigger that is forecast.
        source: Where it is asked.
        season: The rule's; what is shorter than a day stands in its place.
        unit: Load of one replica.
    """

    signal: str
    expr: str
    source: str | None
    season: timedelta
    unit: float

    def clock(self, lead: timedelta) -> Clock:
        """The grid. The newest value is what the decision reads; how old that is belongs to the lead."""
        short = LEADS_OF_A_DAY * longest(lead) * TICK <= self.season < DAY
        day = (self.season if short else DAY) // TICK
        return Clock(day=day, minute=timedelta(minutes=1) // TICK, delay=0)


@dataclass(slots=True)
class _Lead:
    """A plan and what became of it: a state, or why there is none; readings wait while it is being begun."""

    plan: LeadPlan
    lead: timedelta | None = None
    """What the decisions last asked for; None before the first one."""
    state: LeadState | None = None
    number: int = -1
    """Of the state's newest tick, counted in ticks since the epoch."""
    missing: int = 0
    why: str = "its history is about to be read"
    try_at: datetime | None = None
    """When it is begun, if it is not there; begun anew, if it is; None: at once, or not."""
    begun: int = 0
    in_flight: bool = False
    waiting: dict[int, float] = field(default_factory=dict)


class Leads:
    """Every lead forecast of the running rules."""

    def __init__(
        self,
        *,
        history: LoadHistory,
        pool: Executor,
        registry: CollectorRegistry,
        plans: Callable[[], Iterable[LeadPlan]],
    ) -> None:
        """Nothing runs before the first ``tick``.

        Args:
            history: Reads a signal's past.
            pool: Begins states; scipy stays in its workers.
            registry: For how many there are and what they take.
            plans: What the running rules want.
        """
        self._history, self._pool, self._plans = history, pool, plans
        self._leads: dict[str, _Lead] = {}
        self._lock = Lock()
        self._metrics = LeadMetrics(registry)

    def tick(self, now: datetime) -> None:
        """Take over the rules as they are, and begin some of what is due. One signal's trouble stops no other."""
        wanted = {plan.signal: plan for plan in self._plans()}
        with self._lock:
            known = {signal: one for signal, one in self._leads.items() if one.plan == wanted.get(signal)}
            self._leads = {signal: known.get(signal) or _Lead(plan) for signal, plan in wanted.items()}
            under_way = sum(one.in_flight for one in self._leads.values())
            due = [
                one for one in self._leads.values()
                if one.lead is not None
                and not one.in_flight
                and (one.state is None if one.try_at is None else one.try_at <= now)
            ][: max(MOST_BEGUN - under_way, 0)]  # fmt: skip
            for one in due:
                one.in_flight, one.waiting, one.why = True, {}, "its history is being read"
        for one in due:
            self._begin(one, one.lead or DAY, now)
        self._count()

    def outlook(self, signal: str, load: float | None, lead: timedelta, now: datetime) -> Outlook:
        """What lies ahead, now that ``load`` was read; None: it could not be.

        Args:
            signal: ``namespace/rule/trigger``.
            load: What the decision read.
            lead: When a replica that starts now is ready; where it moved by a quarter, the state is begun anew.
            now: Time of the decision.

        Raises:
            NoDataError: There is nothing to say yet; the sentence tells why.
        """
        with self._lock:
            one = self._leads.get(signal)
            if one is None:
                raise NoDataError("its history is about to be read")
            if one.lead is None or abs(lead - one.lead) > ANOTHER_LEAD * one.lead:
                one.lead, one.try_at = lead, now
            number = _number(now)
            if one.state is not None and number - one.number > LONGEST_GAP // TICK:
                one.state, one.why, one.try_at = None, "its history is read again after a gap", now
            seen = math.nan if load is None else load
            if one.in_flight:
                one.waiting[number] = seen
            if one.state is None:
                raise NoDataError(one.why)
            self._advance(one, one.state, {number: seen}, number)
            return one.state.outlook()

    def _count(self) -> None:
        with self._lock:
            states = [one.state for one in self._leads.values() if one.state is not None]
            self._metrics.signals.labels(state="ahead").set(len(states))
            self._metrics.signals.labels(state="reactive").set(len(self._leads) - len(states))
            self._metrics.memory.set(sum(state.nbytes for state in states))

    def _begin(self, one: _Lead, lead: timedelta, now: datetime) -> None:
        try:
            end = _EPOCH + _number(now) * TICK
            read, clock = self._history(one.plan.expr, end - HISTORY, end, source=one.plan.source), one.plan.clock(lead)
            load, fewest = lead_outlook.filled(read, clock), lead_outlook.fewest(windows(lead), clock)
            if len(load) < fewest:
                raise HistoryTooShortError(needed=fewest * TICK, got=len(load) * TICK)
            future = self._pool.submit(_begun, load, clock, lead, one.plan.unit)
        except Exception as error:
            self._failed(one, error, now)
            return
        short = len(load) < SHORT * (HISTORY // TICK)
        again = now + ANEW_AFTER[min(one.begun, 1)] if short else None
        future.add_done_callback(partial(self._ended, one, now, again))

    def _ended(self, one: _Lead, now: datetime, again: datetime | None, done: Future[LeadState]) -> None:
        if done.cancelled():
            return
        error = done.exception()
        if error is not None:
            self._failed(one, error, now)
            return
        state = done.result()
        with self._lock:
            one.number, one.missing = _number(now), 0
            newest = max(one.waiting, default=one.number)
            self._advance(one, state, one.waiting, newest)
            one.state, one.in_flight, one.waiting, one.why = state, False, {}, ""
            one.begun, one.try_at = one.begun + 1, again

    def _failed(self, one: _Lead, error: BaseException, now: datetime) -> None:
        if not isinstance(error, ForetideError):
            log.error("lead forecast not begun", extra={"signal": one.plan.signal}, exc_info=error)
        with self._lock:
            one.why, one.in_flight, one.try_at, one.waiting = _sentence(error), False, now + AGAIN_AFTER, {}

    @staticmethod
    def _advance(one: _Lead, state: LeadState, readings: dict[int, float], newest: int) -> None:
        """Up to ``newest``, with what was read, and what bridges the ticks between."""
        for number in range(one.number + 1, newest + 1):
            load = readings.get(number, math.nan)
            if math.isfinite(load):
                one.missing, load = 0, max(load, 0.0)
            else:
                one.missing += 1
                load = lead_outlook.bridge(one.missing, state.newest, state.a_day_ago(), state.clock)
            state.advance(load)
            one.number = number


def plans(rules: Iterable[ScalingRule]) -> list[LeadPlan]:
    """One for each price trigger."""
    found = []
    for rule in rules:
        for trigger in rule.spec.triggers:
            wanted = trigger.forecast
            if wanted is None or wanted.price is None or wanted.of is None:
                continue
            of = rule.trigger(wanted.of)
            if of.query is None or of.per_replica is None:
                continue
            found.append(
                LeadPlan(
                    signal=rule.signal(trigger), expr=of.query.expr, source=of.query.source,
                    season=wanted.season, unit=float(of.per_replica),
                )
            )  # fmt: skip
    return found


def _begun(load: FloatArray, clock: Clock, lead: timedelta, unit: float) -> LeadState:
    """In a worker."""
    return lead_live.begun(load, windows=windows(lead), surge_last=longest(lead), clock=clock, unit=unit)


def spread(values: FloatArray, step: timedelta) -> FloatArray:
    """From one value per ``step`` to one per ``TICK``, each held until the next one comes."""
    times = step // TICK
    return values if times <= 1 else np.repeat(values, times)[: (len(values) - 1) * times + 1]


def _number(now: datetime) -> int:
    return (now - _EPOCH) // TICK


def _sentence(error: BaseException) -> str:
    if isinstance(error, HistoryTooShortError):
        known, needed = format_duration(error.got), format_duration(error.needed)
        return f"its load is known for {known}, {needed} are needed: until then the rule is reactive"
    return str(error) if isinstance(error, ForetideError) else f"{type(error).__name__}: {error}"
