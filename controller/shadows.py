"""The shadows of all rules that do not act: each tick a second decision, from the shadow's own replicas.

``Decide`` is the live loop's own way from signals to a decision. What a shadow needs besides its score (which
recommendations it made) is not kept over a restart, as the live loop's is not.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from controller import hpa, shadow
from controller.decide import CostOf
from controller.memory import Memory
from controller.shadow import Observed
from controller.startup import UNKNOWN_START
from controller.triggers import Reading
from domain.scaling import Decision, Workload
from domain.shadow import ShadowScore
from rules.schema import ScalingRule

Decide = Callable[[Workload, Memory], tuple[Decision | None, Memory]]
"""The rule's decision with these replicas and this memory, and the memory after it."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shadow:
    score: ShadowScore
    memory: Memory


class Shadows:
    """Told of every rule at each tick by the loop, read from any thread."""

    def __init__(
        self,
        *,
        cost_of: CostOf,
        startup_of: Callable[[ScalingRule], timedelta | None] = lambda rule: None,
        capacity_of: Callable[[ScalingRule], float | None] = lambda rule: None,
        known: Iterable[ShadowScore] = (),
    ) -> None:
        """Begin with the scores of before a restart.

        Args:
            cost_of: Price of a number of replicas.
            startup_of: How long a rule's replicas take to start; None where that was not measured: then 180 s.
            capacity_of: What one ready replica carries; None where that was not learned: then what it is to carry.
            known: Scores that were kept.
        """
        self._cost_of, self._startup_of, self._capacity_of = cost_of, startup_of, capacity_of
        self._lock = threading.Lock()
        self._scores = {score.rule: score for score in known}
        self._memories: dict[str, Memory] = {}
        self._digests: dict[str, tuple[ScalingRule, str]] = {}

    def of(self, rule: str) -> ShadowScore | None:
        """The score of a rule that is in shadow."""
        with self._lock:
            return self._scores.get(rule)

    def all(self) -> list[ShadowScore]:
        """Every score."""
        with self._lock:
            return list(self._scores.values())

    def keep(self, rules: Collection[str]) -> None:
        """Forget the scores of all other rules: they are gone, or act now."""
        with self._lock:
            self._scores = {rule: score for rule, score in self._scores.items() if rule in rules}
        self._memories = {rule: memory for rule, memory in self._memories.items() if rule in rules}
        self._digests = {rule: known for rule, known in self._digests.items() if rule in rules}

    def follow(
        self, rule: ScalingRule, *, real: Workload, signals: Mapping[str, Reading], decide: Decide, now: datetime
    ) -> None:
        """One tick of a rule that does not act; without a replica count there is nothing to compare with."""
        if real.current_replicas is None:
            return
        own = self._digest(rule)
        score = self.of(rule.key)
        if score is None or score.digest != own:
            score = shadow.begin(rule, real.current_replicas, own_digest=own, now=now)
            self._memories.pop(rule.key, None)
        score = shadow.counted(score, self._observed(rule, score, real, signals), now=now)
        memory = self._memories.get(rule.key) or Memory.beginning(score.replicas, at=now)
        decision, memory = decide(shadow.workload(score, real, now), memory)
        desired = None if decision is None else decision.desired_replicas
        if desired is not None and desired != score.replicas:
            keep = hpa.longest_period(rule.spec.behavior)
            memory = memory.with_scale_event(desired - score.replicas, at=now, keep=keep)
        score = shadow.followed(score, desired, startup=self._startup_of(rule) or UNKNOWN_START, now=now)
        self._memories[rule.key] = memory
        with self._lock:
            self._scores[rule.key] = score

    def _observed(
        self, rule: ScalingRule, score: ShadowScore, real: Workload, signals: Mapping[str, Reading]
    ) -> Observed:
        asked, replicas = shadow.demand(rule, signals, real), real.current_replicas or 0
        load, target = asked if asked is not None else (None, None)
        return Observed(
            replicas=replicas, ready=real.ready_replicas, load=load, capacity=self._capacity_of(rule) or target,
            shadow_price=self._cost_of(real, score.replicas), real_price=self._cost_of(real, replicas),
        )  # fmt: skip

    def _digest(self, rule: ScalingRule) -> str:
        """Made once for each rule object: hashing thousands of rules at each tick would cost more than deciding."""
        known = self._digests.get(rule.key)
        if known is None or known[0] is not rule:
            known = self._digests[rule.key] = (rule, shadow.digest(rule))
        return known[1]
