"""What one replica of each workload carries, where a trigger learns it; told by the loop, read from any thread."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from controller import capacity
from controller.capacity import Observation
from domain.capacity import Carried, Learning
from rules.schema import ScalingRule, Trigger

_EARLY: Final = timedelta(seconds=5)
"""Passes are not on the second."""
Key = tuple[str, str]
"""A rule's key, a trigger's name."""


def learning_triggers(rule: ScalingRule) -> tuple[Trigger, ...]:
    """Those that learn what one replica carries."""
    return tuple(one for one in rule.spec.triggers if one.learn is not None)


class Capacities:
    """One learning for each trigger that asks for it."""

    def __init__(self, known: Iterable[Learning] = ()) -> None:
        """Begin with what was learned before a restart."""
        self._lock = threading.Lock()
        self._known: dict[Key, Learning] = {(one.rule, one.trigger): one for one in known}

    def is_due(self, rule: ScalingRule, trigger: Trigger, now: datetime) -> bool:
        """Whether the last look is a minute ago."""
        known = self._of(rule, trigger)
        return known is None or now - known.at >= capacity.EVERY - _EARLY

    def see(self, rule: ScalingRule, trigger: Trigger, seen: Observation) -> None:
        """One observation."""
        known = self._of(rule, trigger)
        if known is None:
            known = capacity.begin(seen, rule=rule.key, trigger=trigger.name, subject=_subject(trigger))
        elif seen.at - known.at > 3 * capacity.EVERY:  # nobody saw what happened in between
            known = replace(known, ready=None, load=None, settled_since=None)
        known = capacity.observe(known, seen)
        with self._lock:
            self._known[rule.key, trigger.name] = known

    def carried(self, rule: ScalingRule) -> Mapping[str, Carried]:
        """By trigger, of those that learn."""
        return {
            one.name: capacity.carried(
                self._of(rule, one), start=float(one.per_replica), most=float(one.learn.max)
            )
            for one in rule.spec.triggers
            if one.learn is not None and one.per_replica is not None
        }  # fmt: skip

    def of(self, rule: ScalingRule) -> float | None:
        """What was learned of the trigger that tells the rule's load (``shadow.demand``); None where nothing was."""
        for trigger in rule.spec.triggers:
            if trigger.per_replica is not None and trigger.forecast is None:
                found = self.carried(rule).get(trigger.name)
                return found.value if found is not None and found.learned else None
            if trigger.resource is not None:
                return None
        return None

    def all(self) -> list[Learning]:
        """Everything that is to survive a restart."""
        with self._lock:
            return list(self._known.values())

    def keep(self, rules: Collection[ScalingRule]) -> None:
        """Forget what no rule learns any more."""
        wanted = {(rule.key, one.name) for rule in rules for one in learning_triggers(rule)}
        with self._lock:
            self._known = {key: known for key, known in self._known.items() if key in wanted}

    def _of(self, rule: ScalingRule, trigger: Trigger) -> Learning | None:
        with self._lock:
            known = self._known.get((rule.key, trigger.name))
        return known if known is not None and known.subject == _subject(trigger) else None


def _subject(trigger: Trigger) -> str:
    query = trigger.query
    return "" if query is None else sha256(f"{query.source}\n{query.expr}".encode()).hexdigest()[:16]
