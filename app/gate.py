"""Whether a rule in `enforce` may act: only as its newest backtest allows, or as an override with a reason does.

A proof is of a rule as it stood: ``digest_of`` tells what decides in it. The decision itself is made all the same; who
is refused changes nothing and says so, with the command that would change it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Final

from app.rule_digest import digest_of
from controller.simulate.verdict import Word
from domain.clock import Clock
from domain.errors import ForetideError
from domain.scaling import Mode
from rules.schema import ScalingRule
from store.state import BacktestBrief

log = logging.getLogger(__name__)

LOOK_EVERY: Final = timedelta(seconds=30)
"""Another process may have made a backtest; our own are known at once."""

Newest = Callable[[], Sequence[BacktestBrief]]
"""The newest backtest of each rule and digest."""


class Gate:
    """Asks the backtests that were kept; thread-safe."""

    def __init__(self, newest: Newest, *, clock: Clock) -> None:
        """Look where ``newest`` looks, every ``LOOK_EVERY``."""
        self._newest, self._clock = newest, clock
        self._lock = threading.Lock()
        self._known: Mapping[tuple[str, str], BacktestBrief] = {}
        self._proved: Mapping[str, BacktestBrief] = {}
        self._looked_at: float | None = None

    def objection(self, rule: ScalingRule) -> str:
        """Why a rule in ``enforce`` may not act, in a sentence with the command to run; empty where it may."""
        if rule.spec.mode is not Mode.ENFORCE or rule.spec.actuate.with_ == "none":
            return ""
        if rule.spec.backtest_override is not None:
            return ""
        self._look()
        command = f"run foretide backtest {rule.key}, or give backtestOverride a reason"
        found = self._known.get((rule.key, digest_of(rule)))
        if found is not None:
            word = Word(found.verdict)
            refusal = f"enforce is refused, the backtest says {word.value} ({found.message}): {command}"
            return "" if word.allows else refusal
        if rule.key in self._proved:
            return f"enforce is refused, the rule has changed since its backtest: {command}"
        return f"enforce is refused, there is no backtest of this rule: {command}"

    def forget(self) -> None:
        """Look again at the next question."""
        with self._lock:
            self._looked_at = None

    def _look(self) -> None:
        now = self._clock.monotonic()
        with self._lock:
            if self._looked_at is not None and now - self._looked_at < LOOK_EVERY.total_seconds():
                return
            self._looked_at = now
        try:
            found = self._newest()
        except ForetideError as error:  # what was known stays; who was never known stays refused
            log.warning("backtests not read", extra={"error": str(error)})
            return
        self._known = {(one.rule, one.digest): one for one in found}
        self._proved = {one.rule: one for one in found}
