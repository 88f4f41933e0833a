"""From proposals to one number: small stages in a fixed order, each leaving its line in the trace.

need → forecast floor → bounds → stabilisation → policies. A later issue puts schedule bounds, ceilings, the SLO guard,
pause and step limits between them; a stage only ever sees the number so far and the situation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from controller import hpa
from controller.memory import Memory
from controller.triggers import Want
from domain.scaling import Reason, TraceLine
from rules.schema import Behavior, ScalingRules

FORECAST_STAGE: Final = "forecast"
"""The number in its line is the recommendation that stabilisation remembers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What every stage may look at; ``current_replicas`` lies within the bounds and is not 0."""

    current_replicas: int
    min_replicas: int
    max_replicas: int
    behavior: Behavior
    wants: tuple[Want, ...]
    memory: Memory
    now: datetime

    def bounded(self, replicas: int) -> int:
        """``replicas`` within [min, max]."""
        return min(max(replicas, self.min_replicas), self.max_replicas)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """The number so far, the word and the sentence for it, and how it came about."""

    replicas: int
    reason: Reason = Reason.DESIRED_WITHIN_RANGE
    message: str = ""
    limited_by: tuple[str, ...] = ()
    trace: tuple[TraceLine, ...] = ()

    def kept(self, stage: str, why: str) -> Candidate:
        """The stage leaves the number as it is."""
        line = TraceLine(stage=stage, replicas=self.replicas, message=why)
        return replace(self, trace=(*self.trace, line))

    def moved(self, stage: str, replicas: int, reason: Reason, why: str, *, message: str, limit: str) -> Candidate:
        """The stage sets the number; ``limit`` names it in ``limited_by``."""
        line = TraceLine(stage=stage, replicas=replicas, message=why)
        return replace(
            self, replicas=replicas, reason=reason, message=message,
            limited_by=(*self.limited_by, limit), trace=(*self.trace, line),
        )  # fmt: skip


Stage = Callable[[Candidate, Situation], Candidate]


def reactive_need(candidate: Candidate, situation: Situation) -> Candidate:
    """The largest proposal of the triggers that measure; without data, or against missing data, the current number.

    HPA's rule for several metrics: with some of them invalid a scale-up may go on, a scale-down may not.
    """
    best = largest(situation.wants)
    silent = [want.proposal for want in situation.wants if not want.is_forecast and want.replicas is None]
    current = situation.current_replicas
    if best is None or best.replicas is None:
        why = "; ".join(proposal.reason for proposal in silent) or "the rule has no trigger that measures"
        word, replicas = Reason.NO_DATA, current
        message = f"{current} held without data: {why}"
    elif silent and best.replicas < current:
        word, replicas = Reason.MISSING_METRIC, current
        message = f"scale-down held at {current}: {silent[0].reason}; {best.proposal.reason}"
    else:
        word, replicas, message = best.word, best.replicas, best.proposal.reason
    started = replace(candidate, replicas=replicas, reason=word, message=message)
    return started.kept("triggers", message)


def forecast_floor(candidate: Candidate, situation: Situation) -> Candidate:
    """The largest forecast, where it asks for more than the reactive need: a forecast may only raise."""
    floor = largest(situation.wants, forecast=True)
    if floor is None or floor.replicas is None:
        silent = [want.proposal.reason for want in situation.wants if want.is_forecast]
        return candidate.kept(FORECAST_STAGE, "; ".join(silent) or "the rule has no forecast trigger")
    if floor.replicas <= candidate.replicas:
        return candidate.kept(FORECAST_STAGE, f"{floor.proposal.reason}, no more than {candidate.replicas}")
    known = candidate.reason not in (Reason.NO_DATA, Reason.MISSING_METRIC)
    beside = f"reactive need {candidate.replicas}" if known else candidate.message
    message = f"{floor.proposal.reason}; {beside}"
    return candidate.moved(
        FORECAST_STAGE, floor.replicas, Reason.FORECAST_FLOOR, message, message=message, limit="forecast"
    )


def bounds(candidate: Candidate, situation: Situation) -> Candidate:
    """Within [min, max]."""
    low, high = situation.min_replicas, situation.max_replicas
    if candidate.replicas > high:
        why, word, limit = f"limited to max {high}", Reason.TOO_MANY_REPLICAS, "bounds.max"
    elif candidate.replicas < low:
        why, word, limit = f"raised to min {low}", Reason.TOO_FEW_REPLICAS, "bounds.min"
    else:
        return candidate.kept("bounds", f"within {low} and {high}")
    message = f"{candidate.message}; {why}"
    return candidate.moved("bounds", situation.bounded(candidate.replicas), word, why, message=message, limit=limit)


def stabilization(candidate: Candidate, situation: Situation) -> Candidate:
    """HPA's windows over what was recommended before, seen through today's bounds."""
    behavior, current = situation.behavior, situation.current_replicas
    past = [replace(one, replicas=situation.bounded(one.replicas)) for one in situation.memory.recommendations]
    replicas = hpa.stabilize(candidate.replicas, current, past, behavior=behavior, now=situation.now)
    if replicas == candidate.replicas:
        return candidate.kept("stabilization", "no earlier recommendation stands against it")
    down = replicas > candidate.replicas
    rules: ScalingRules = behavior.scale_down if down else behavior.scale_up
    seen = [one.replicas for one in past if one.at > situation.now - hpa.window(rules)]
    held = "held" if replicas == current else f"only to {replicas}"
    extreme = f"highest recommendation of the last {rules.stabilization_window_seconds} s is {max(seen)}"
    if not down:
        extreme = f"lowest recommendation of the last {rules.stabilization_window_seconds} s is {min(seen)}"
    why = f"scale-{'down' if down else 'up'} {held}: {extreme}"
    word = Reason.SCALE_DOWN_STABILIZED if down else Reason.SCALE_UP_STABILIZED
    message = f"{why}; now {candidate.message}"
    return candidate.moved("stabilization", replicas, word, why, message=message, limit="stabilization")


def policies(candidate: Candidate, situation: Situation) -> Candidate:
    """HPA's scaling policies: how much may change within their periods."""
    current, events, now = situation.current_replicas, situation.memory.scale_events, situation.now
    behavior, wanted = situation.behavior, candidate.replicas
    if wanted == current:
        return candidate.kept("policies", "nothing changes")
    rules: ScalingRules = behavior.scale_up if wanted > current else behavior.scale_down
    if wanted > current:
        direction, word = "up", Reason.SCALE_UP_LIMIT
        allowed = min(wanted, hpa.scale_up_limit(current, events, rules=rules, now=now))
    else:
        direction, word = "down", Reason.SCALE_DOWN_LIMIT
        allowed = max(wanted, hpa.scale_down_limit(current, events, rules=rules, now=now))
    if allowed == wanted:
        return candidate.kept("policies", f"scale-{direction} policies allow it")
    why = f"scale-{direction} limited to {allowed} by {_described(rules)}"
    message = f"{candidate.message}; {why}"
    return candidate.moved("policies", allowed, word, why, message=message, limit="policies")


STAGES: Final[tuple[Stage, ...]] = (reactive_need, forecast_floor, bounds, stabilization, policies)


def apply(situation: Situation) -> Candidate:
    """The candidate after every stage, in their order."""
    candidate = Candidate(replicas=situation.current_replicas)
    for stage in STAGES:
        candidate = stage(candidate, situation)
    return candidate


def largest(wants: tuple[Want, ...], *, forecast: bool = False) -> Want | None:
    """The first of the largest proposals, of the forecasts or of all others; None when none has a say."""
    having = [want for want in wants if want.is_forecast == forecast and want.replicas is not None]
    return max(having, key=lambda want: want.replicas or 0, default=None)


def _described(rules: ScalingRules) -> str:
    """The policies of one direction in words."""
    if rules.select_policy == "Disabled" or not rules.policies:
        return "selectPolicy Disabled" if rules.select_policy == "Disabled" else "an empty list of policies"
    each = [f"{policy.value} {'pods' if policy.type == 'Pods' else '%'} in {policy.period_seconds} s"
            for policy in rules.policies]  # fmt: skip
    return f"policy {each[0]}" if len(each) == 1 else f"policies {' and '.join(each)} ({rules.select_policy})"
