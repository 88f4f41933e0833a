"""The words of a decision: for each stage one line in the trace, and its reason where it moved the number.

The numbers are those that ``core.decide`` recorded; nothing here calculates one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from controller import core, guardrails, hpa
from controller.guardrails import FORECAST_STAGE, Candidate, Ceiling, Circumstances, Situation, SloState
from controller.memory import Recommendation
from controller.need import Need
from domain.scaling import Reason
from rules.schema import ScalingRules

_CEILING_WORDS: Final = {
    "downstream": Reason.DOWNSTREAM_CEILING,
    "budget": Reason.BUDGET_CEILING,
    "cluster": Reason.CLUSTER_CEILING,
}
_WITHOUT_DATA: Final = (
    Reason.NO_DATA, Reason.INACTIVE, Reason.MISSING_METRIC, Reason.MISSING_OPERAND, Reason.INCOMPLETE_SIGNAL,
)  # fmt: skip

Tell = Callable[[Candidate, int, Situation], Candidate]
"""From the candidate before a stage and the number after it to the candidate after it."""


def told(situation: Situation, needs: Need, record: core.Recorder) -> Candidate:
    """The whole decision in words, from the numbers after each stage."""
    candidate = Candidate(
        replicas=needs.replicas, reason=needs.word, message=needs.message, trace=needs.trace
    )  # fmt: skip
    candidate = _forecast(candidate, int(record[core.AT_FORECAST]), needs)
    for place, tell in _TELLERS:
        candidate = tell(candidate, int(record[place]), situation)
    return candidate


def _forecast(candidate: Candidate, replicas: int, needs: Need) -> Candidate:
    """A forecast may only raise."""
    if needs.floor is None:
        return candidate.kept(FORECAST_STAGE, needs.floor_message)
    if replicas == candidate.replicas:
        return candidate.kept(FORECAST_STAGE, f"{needs.floor_message}, no more than {replicas}")
    known = candidate.reason not in _WITHOUT_DATA
    beside = f"reactive need {candidate.replicas}" if known else candidate.message
    message = f"{needs.floor_message}; {beside}"
    return candidate.moved(FORECAST_STAGE, replicas, Reason.FORECAST_FLOOR, message, message=message, limit="forecast")


def _schedule(candidate: Candidate, replicas: int, situation: Situation) -> Candidate:
    around = situation.circumstances
    low, high = around.schedule_min, around.schedule_max
    if low is None and high is None:
        return candidate.kept("schedule", "no schedule is in force")
    if replicas == candidate.replicas:
        return candidate.kept("schedule", f"within {around.schedule}")
    if replicas > candidate.replicas:
        why, word, limit = f"raised to min {replicas} of {around.schedule}", Reason.SCHEDULE_MIN, "min"
    else:
        why, word, limit = f"limited to max {replicas} of {around.schedule}", Reason.SCHEDULE_MAX, "max"
    name = f"schedule.{around.schedule}.{limit}"
    return candidate.moved("schedule", replicas, word, why, message=f"{candidate.message}; {why}", limit=name)


def _ceilings(candidate: Candidate, replicas: int, situation: Situation) -> Candidate:
    ceilings = situation.circumstances.ceilings
    if not ceilings:
        return candidate.kept("ceilings", "no ceiling is in force")
    if replicas == candidate.replicas:
        return candidate.kept("ceilings", _below(_lowest(ceilings)))
    lowest = _lowest(ceilings)
    said = f" ({lowest.said})" if lowest.said else ""
    why = f"limited to {replicas} by {lowest.kind} {lowest.name}{said}"
    limit = f"{lowest.kind}.{lowest.name}"
    message = f"{candidate.message}; {why}"
    return candidate.moved("ceilings", replicas, _CEILING_WORDS[lowest.kind], why, message=message, limit=limit)


def _below(ceiling: Ceiling) -> str:
    return f"below {ceiling.name} {ceiling.replicas}{f' ({ceiling.said})' if ceiling.said else ''}"


def _slo(candidate: Candidate, replicas: int, situation: Situation) -> Candidate:
    around = situation.circumstances
    state = {SloState.OK: "is kept", SloState.BURNING: "burns", SloState.UNKNOWN: "has no data"}[around.slo]
    named = f"the SLO {around.slo_name}" if around.slo_name else "the SLO"
    state = f"{state} ({around.slo_said})" if around.slo_said else state
    if replicas == candidate.replicas:
        return candidate.kept("slo", f"{named} {state}" if around.slo_name else "no SLO guards the rule")
    lifted = _lifted(around, candidate.replicas, replicas, situation.current_replicas)
    why = f"{named} {state}: {' and '.join(lifted)}"
    word = Reason.SLO_BURNING if around.slo is SloState.BURNING else Reason.SLO_UNKNOWN
    return candidate.moved("slo", replicas, word, why, message=f"{why}; {candidate.message}", limit="slo")


def _lifted(around: Circumstances, before: int, replicas: int, current: int) -> list[str]:
    """What the guard did to come from ``before`` to ``replicas``."""
    said = []
    if guardrails.lowest_ceiling(around, "budget") <= before:
        said.append("the budget's ceiling is lifted")
    adds = around.slo is SloState.BURNING and (around.slo_add or around.slo_add_millionths)
    if adds and replicas > max(before, current):
        more = f"{around.slo_add_millionths / 10_000:g} %" if around.slo_add_millionths else str(around.slo_add)
        said.append(f"{more} more are asked for, {replicas} instead of {before}")
    elif replicas > guardrails.lowest_ceiling(around, "downstream", "cluster") or not said:
        said.append(f"{replicas} are not lowered to {before}")
    return said


def _bounds(candidate: Candidate, replicas: int, situation: Situation) -> Candidate:
    current, low, high = situation.current_replicas, situation.min_replicas, situation.max_replicas
    outside = not low <= current <= high
    if outside:
        more = current > high
        why = (
            f"{current} replicas are {'more than max' if more else 'fewer than min'} {replicas}, which applies at once"
        )
        word = Reason.TOO_MANY_REPLICAS if more else Reason.TOO_FEW_REPLICAS
        why = why if more else why + _lowered(situation)
        limit = "bounds.max" if more else "bounds.min"
        return replace(candidate, limited_by=()).moved("bounds", replicas, word, why, message=why, limit=limit)
    if replicas == candidate.replicas:
        return candidate.kept("bounds", f"within {low} and {high}{_lowered(situation)}")
    if replicas < candidate.replicas:
        why, word, limit = f"limited to max {high}", Reason.TOO_MANY_REPLICAS, "bounds.max"
    else:
        why, word, limit = f"raised to min {low}{_lowered(situation)}", Reason.TOO_FEW_REPLICAS, "bounds.min"
    return candidate.moved("bounds", replicas, word, why, message=f"{candidate.message}; {why}", limit=limit)


def _lowered(situation: Situation) -> str:
    lowered = situation.circumstances.lowered
    if lowered is None:
        return ""
    if situation.circumstances.slo is not SloState.OK:
        return f" (not lowered by budget {lowered.by}: the SLO goes before)"
    return f" (min lowered to {lowered.replicas} by budget {lowered.by})"


def _tolerance(candidate: Candidate, replicas: int, situation: Situation) -> Candidate:
    """Measured where the exact ratio is known, at the triggers: after rounding up, 18 of 20 would look like 10 %."""
    held = [want for want in situation.wants if want.word is Reason.WITHIN_TOLERANCE]
    names = ", ".join(want.proposal.trigger for want in held)
    if not held:
        return candidate.kept("tolerance", "no trigger is within its tolerance")
    verb = "is" if len(held) == 1 else "are"
    return candidate.kept("tolerance", f"{names} {verb} within tolerance of {situation.current_replicas}")


def _stabilization(candidate: Candidate, replicas: int, situation: Situation) -> Candidate:
    if _is_outside(situation):
        return candidate.kept("stabilization", "a bound does not wait")
    if replicas == candidate.replicas:
        return candidate.kept("stabilization", "no earlier recommendation stands against it")
    down = replicas > candidate.replicas
    behavior = situation.behavior
    rules: ScalingRules = behavior.scale_down if down else behavior.scale_up
    seen = _seen(situation, rules)
    held = "held" if replicas == situation.current_replicas else f"only to {replicas}"
    extreme = f"highest recommendation of the last {rules.stabilization_window_seconds} s is {max(seen)}"
    if not down:
        extreme = f"lowest recommendation of the last {rules.stabilization_window_seconds} s is {min(seen)}"
    why = f"scale-{'down' if down else 'up'} {held}: {extreme}"
    word = Reason.SCALE_DOWN_STABILIZED if down else Reason.SCALE_UP_STABILIZED
    message = f"{why}; now {candidate.message}"
    return candidate.moved("stabilization", replicas, word, why, message=message, limit="stabilization")


def _seen(situation: Situation, rules: ScalingRules) -> list[int]:
    """The recommendations within the window of one direction, as today's limits let them be."""
    since = situation.now - hpa.window(rules)
    past: list[Recommendation] = [one for one in situation.memory.recommendations if one.at > since]
    given = guardrails.inputs(situation, wanted=0, floor=None)
    return [core.limited(one.replicas, given, guardrails.blank_record()) for one in past]


def _policies(candidate: Candidate, replicas: int, situation: Situation) -> Candidate:
    current = situation.current_replicas
    if _is_outside(situation):
        return candidate.kept("policies", "a bound does not wait")
    if candidate.replicas == current:
        return candidate.kept("policies", "nothing changes")
    up = candidate.replicas > current
    behavior, direction = situation.behavior, "up" if up else "down"
    if replicas == candidate.replicas:
        return candidate.kept("policies", f"scale-{direction} policies allow it")
    rules: ScalingRules = behavior.scale_up if up else behavior.scale_down
    word = Reason.SCALE_UP_LIMIT if up else Reason.SCALE_DOWN_LIMIT
    why = f"scale-{direction} limited to {replicas} by {_described(rules)}"
    message = f"{candidate.message}; {why}"
    return candidate.moved("policies", replicas, word, why, message=message, limit="policies")


def _holds(candidate: Candidate, replicas: int, situation: Situation) -> Candidate:
    around = situation.circumstances
    if replicas == candidate.replicas:
        held = around.freeze or around.rollout or (around.pause is not None)
        return candidate.kept("holds", "holds what is in force, nothing to hold" if held else "nothing is held")
    word, limit, why = _hold(around, down=replicas > candidate.replicas)
    said = f"{'held' if replicas == situation.current_replicas else 'set'} at {replicas}: {why}"
    return candidate.moved("holds", replicas, word, said, message=f"{said}; {candidate.message}", limit=limit)


def _hold(around: Circumstances, *, down: bool) -> tuple[Reason, str, str]:
    """The strongest of what holds a scale-down, or a scale-up: its word, its name among the limits, its sentence."""
    pause = around.pause
    if around.freeze:
        return Reason.FROZEN, "freeze", f"frozen, {around.freeze}"
    if pause is not None and (pause.replicas is not None or pause.direction in ("all", "in" if down else "out")):
        what = "scaling" if pause.direction == "all" else f"scale-{pause.direction}"
        paused = f"{what} is paused" if pause.replicas is None else f"paused at {pause.replicas}"
        lasts = f" until {pause.until:%Y-%m-%dT%H:%M:%SZ}" if pause.until is not None else ""
        reason = f"{lasts} ({pause.reason})" if pause.reason else lasts
        return Reason.PAUSED, f"pause.{pause.direction}", f"{paused}{reason}"
    return Reason.ROLLOUT_IN_PROGRESS, "rollout", around.rollout


def _steps(candidate: Candidate, replicas: int, situation: Situation) -> Candidate:
    if replicas == candidate.replicas:
        return candidate.kept("steps", "within the step limits")
    change = replicas - situation.current_replicas
    why = f"one step is at most {change:+d}, to {replicas}"
    message = f"{candidate.message}; {why}"
    return candidate.moved("steps", replicas, Reason.STEP_LIMIT, why, message=message, limit="steps")


def _is_outside(situation: Situation) -> bool:
    return not situation.min_replicas <= situation.current_replicas <= situation.max_replicas


def _lowest(ceilings: tuple[Ceiling, ...]) -> Ceiling:
    return min(ceilings, key=lambda one: one.replicas)


def _described(rules: ScalingRules) -> str:
    """The policies of one direction in words."""
    if rules.select_policy == "Disabled" or not rules.policies:
        return "selectPolicy Disabled" if rules.select_policy == "Disabled" else "an empty list of policies"
    each = [f"{policy.value} {'pods' if policy.type == 'Pods' else '%'} in {policy.period_seconds} s"
            for policy in rules.policies]  # fmt: skip
    return f"policy {each[0]}" if len(each) == 1 else f"policies {' and '.join(each)} ({rules.select_policy})"


_TELLERS: Final[tuple[tuple[int, Tell], ...]] = (
    (core.AT_SCHEDULE, _schedule),
    (core.AT_CEILINGS, _ceilings),
    (core.AT_SLO, _slo),
    (core.AT_BOUNDS, _bounds),
    (core.AT_BOUNDS, _tolerance),
    (core.AT_STABILIZATION, _stabilization),
    (core.AT_POLICIES, _policies),
    (core.AT_HOLDS, _holds),
    (core.AT_STEPS, _steps),
)
