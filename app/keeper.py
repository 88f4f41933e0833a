"""Writes down what happens: decisions, actions, forecasts, rules that changed; and forgets what is too old."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from app.settings import RetentionTimes
from controller import decide
from domain.capacity import Learning
from domain.clock import Clock
from domain.errors import RowRefusedError
from domain.forecasts import Forecast, ForecastMemory
from domain.scaling import GATE_STAGE, RING_STAGE, Action, Decision, Mode, Reason
from domain.shadow import ShadowScore
from rules import RuleSet
from rules.ruleset import source_key
from rules.schema import ScalingRule
from store.state import (
    AuditEntry,
    AuditTrail,
    BacktestBrief,
    Backtests,
    DecisionLedger,
    DocumentsSeen,
    ForecastMemories,
    ForecastShelf,
    LearnedCapacities,
    ShadowScores,
    State,
)

log = logging.getLogger(__name__)
_US: Final = "foretide"


Made = tuple[Decision, Action | None]
"""A decision and, where it was acted on, the deed."""


class Keeper:
    """Each deed is one transaction."""

    def __init__(self, state: State, *, clock: Clock, retention: RetentionTimes) -> None:
        """Write to ``state``."""
        self._state, self._clock, self._retention = state, clock, retention
        self._lock = threading.Lock()
        self._newest: dict[str, Forecast | None] = {}

    def record_decisions(self, made: Sequence[Made]) -> dict[str, str]:
        """A pass of decisions, each with the deed and its audit line where it was acted on.

        One transaction for all of them: a commit of its own costs each decision 7 ms on a disk. Where the database
        refuses a row, each goes alone, so that only that one is lost, and never without its action or the reverse.

        Returns:
            By decision id, why it was not written.

        Raises:
            StoreError: The database itself does not work; nothing was written.
        """
        try:
            self._write(made)
        except RowRefusedError as error:
            if len(made) == 1:
                return {made[0][0].id: str(error)}
            return {id_: why for one in made for id_, why in self.record_decisions([one]).items()}
        return {}

    def _write(self, made: Sequence[Made]) -> None:
        with self._state.transaction() as session:
            DecisionLedger(session).append_all(made)
            trail = AuditTrail(session)
            for decision, action in made:
                if action is not None:
                    trail.record(_scaled(decision, action))

    def replicas_before(self, rule: str, *, since: datetime) -> int | None:
        """What the rule's target had when it was last decided, not before ``since``; None where nobody knows."""
        with self._state.transaction() as session:
            newest = DecisionLedger(session).latest(rule)
        if newest is None or newest.at < since:
            return None
        refused = any(line.stage in (GATE_STAGE, RING_STAGE) for line in newest.trace)
        enforced = newest.mode is Mode.ENFORCE and not refused
        return newest.desired_replicas if enforced else newest.current_replicas

    def newest_backtests(self) -> list[BacktestBrief]:
        """Of each rule, as it stood at some time, the newest backtest."""
        with self._state.transaction() as session:
            return Backtests(session).newest()

    def slept(self, rule: str) -> bool:
        """Whether the rule's last decision was its own 0, and not one that it found."""
        with self._state.transaction() as session:
            newest = DecisionLedger(session).latest(rule)
        if newest is None or newest.mode is not Mode.ENFORCE:
            return False
        return newest.desired_replicas == 0 and newest.reason is not Reason.SCALING_DISABLED

    def cautions(self, rule: ScalingRule) -> Mapping[str, float]:
        """The error budget's level of each price trigger as the rule's last decision about this target left it."""
        with self._state.transaction() as session:
            newest = DecisionLedger(session).latest(rule.key)
        return decide.cautions(newest) if newest is not None and newest.target == rule.target else {}

    def save_forecast(self, forecast: Forecast) -> None:
        """A forecast; the signal's newest from now on."""
        with self._state.transaction() as session:
            ForecastShelf(session).put(forecast)
        with self._lock:
            self._newest[forecast.signal] = forecast

    def latest_forecast(self, signal: str) -> Forecast | None:
        """The newest forecast of a signal, read from the database only the first time."""
        with self._lock:
            if signal in self._newest:
                return self._newest[signal]
        with self._state.transaction() as session:
            found = ForecastShelf(session).latest(signal)
        with self._lock:
            return self._newest.setdefault(signal, found)

    def save_memory(self, memory: ForecastMemory) -> None:
        """What the forecaster wants to know again after a restart."""
        with self._state.transaction() as session:
            ForecastMemories(session).put(memory)

    def memory_of(self, signal: str) -> ForecastMemory | None:
        """What was kept of a signal."""
        with self._state.transaction() as session:
            return ForecastMemories(session).of(signal)

    def save_shadows(self, scores: Sequence[ShadowScore]) -> None:
        """The scores of all rules in shadow; others are forgotten."""
        with self._state.transaction() as session:
            kept = ShadowScores(session)
            kept.put(scores)
            kept.forget_others({score.rule for score in scores})

    def shadow_scores(self) -> list[ShadowScore]:
        """As they were saved."""
        with self._state.transaction() as session:
            return ShadowScores(session).all()

    def save_capacities(self, learned: Sequence[Learning]) -> None:
        """What replicas carry, of all triggers that learn it; others are forgotten."""
        with self._state.transaction() as session:
            LearnedCapacities(session).put_all(learned)

    def capacities(self) -> list[Learning]:
        """As they were saved."""
        with self._state.transaction() as session:
            return LearnedCapacities(session).all()

    def rules_changed(self, running: RuleSet, now: datetime) -> None:
        """Other rules run from now on: which, from where, and what they say."""
        with self._state.transaction() as session:
            for document in running.documents:
                body = document.model_dump(mode="json", by_alias=True, exclude_none=True)
                text = document.model_dump_json(by_alias=True)
                DocumentsSeen(session).record(
                    kind=document.kind,
                    key=document.key,
                    digest=hashlib.sha256(text.encode()).hexdigest(),
                    source=running.sources.get(source_key(document), ""),
                    body=body,
                    at=now,
                )
            detail = {"digest": running.digest, "rules": [rule.key for rule in running.rules]}
            entry = AuditEntry(at=now, actor=_US, verb="load rules", object="rules", detail=detail)
            AuditTrail(session).record(entry)

    def note(self, verb: str, thing: str, detail: Mapping[str, Any]) -> None:
        """One line of the audit trail."""
        with self._state.transaction() as session:
            entry = AuditEntry(at=self._clock.now(), actor=_US, verb=verb, object=thing, detail=detail)
            AuditTrail(session).record(entry)

    def forget(self, now: datetime) -> None:
        """Delete what is older than its retention; the audit trail stays."""
        with self._state.transaction() as session:
            gone = DecisionLedger(session).forget_before(now - self._retention.decisions)
            ForecastShelf(session).forget_before(now - self._retention.forecasts)
            ForecastMemories(session).forget_before(now - self._retention.forecasts)
        with self._lock:  # read again when asked for
            old = now - self._retention.forecasts
            self._newest = {signal: one for signal, one in self._newest.items() if one is None or one.made_at >= old}
        if gone:
            log.info("old decisions forgotten", extra={"decisions": gone})


def _scaled(decision: Decision, action: Action) -> AuditEntry:
    detail = {
        "decision": decision.id, "from": action.from_replicas, "to": action.to_replicas,
        "result": action.result.value, "error": action.error,
    }  # fmt: skip
    return AuditEntry(at=action.at, actor=action.actor, verb="scale", object=str(action.target), detail=detail)
