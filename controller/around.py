"""What stands around a rule's decision at one time: its fields and what was read for them, as plain circumstances."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Final

from controller import ceilings
from controller.combine import Program, compiled
from controller.guardrails import NEUTRAL, Ceiling, Circumstances, Lowered, Pause, SloState
from controller.memory import Memory
from controller.slo import Burn
from controller.triggers import Missing, Reading
from domain.scaling import Workload
from rules import schedule_times
from rules.circumstances import pods
from rules.combine import parse
from rules.schema import Guard, ScalingRule, Steps

BudgetRoom = Callable[[ScalingRule, Workload, datetime], Ceiling | None]
"""How many replicas the linked budget leaves room for; None where nobody knows, or no budget is linked."""

Lower = Callable[[ScalingRule, datetime], Lowered | None]
"""What a budget puts in place of a rule's ``min``; None where none does."""


def nothing_lowered(rule: ScalingRule, now: datetime) -> Lowered | None:
    """Without budgets."""
    return None


def with_lowered(around: Circumstances, lowered: Lowered | None) -> Circumstances:
    """Most rules have none of it, and pay nothing for it."""
    return around if lowered is None else replace(around, lowered=lowered)


def circumstances(
    rule: ScalingRule, *, limits: Mapping[str, Reading], burn: Burn | None, money: Ceiling | None, workload: Workload,
    memory: Memory, now: datetime,
) -> tuple[Circumstances, Memory]:  # fmt: skip
    """Everything but the signals, and the memory with what was learnt of ceilings.

    Args:
        rule: The rule.
        limits: What was read for its ceilings, by their names.
        burn: State of the SLO that guards it; None without a guard.
        money: What its budget leaves room for; None without a link.
        workload: Its current replicas, and what holds it; where they are unknown there is nothing to decide.
        memory: Tells the ceilings that were known before.
        now: Time of the tick.
    """
    spec, current = rule.spec, workload.current_replicas
    if current is None or not (_has_any(rule) or money):
        around = NEUTRAL if spec.combine is None else replace(NEUTRAL, combine=_program(rule))
        return _held(around, workload), memory
    found = _ceilings(rule, limits, memory, current, now)
    if found:
        memory = replace(memory, ceilings=ceilings.remembered(found, limits, memory.ceilings, now))
    bounds = schedule_times.bounds(spec.schedule, now, lowest=spec.replicas.min)
    around = Circumstances(
        combine=None if spec.combine is None else _program(rule),
        schedule="+".join(bounds.names), schedule_min=bounds.min, schedule_max=bounds.max,
        ceilings=(*found.values(), *(() if money is None else (money,))),
        pause=_pause(rule, now), step_up=_step(spec.steps.up, current), step_down=_step(spec.steps.down, current),
    )  # fmt: skip
    return _held(around if spec.guard is None else _guarded(around, spec.guard, burn), workload), memory


def _held(around: Circumstances, workload: Workload) -> Circumstances:
    """With what the cluster says must not be done to the workload now."""
    if not workload.freeze and not workload.rollout:
        return around
    return replace(around, freeze=workload.freeze, rollout=workload.rollout)


def _has_any(rule: ScalingRule) -> bool:
    """Most rules have none of it, and 2,000 of them shall pay nothing for it."""
    spec = rule.spec
    return bool(
        spec.schedule or spec.ceiling or spec.guard or spec.pause or spec.budget or spec.steps != _NO_STEPS
    )  # fmt: skip


def _program(rule: ScalingRule) -> Program:
    return _compiled(rule.spec.combine or "", tuple(trigger.name for trigger in rule.spec.triggers))


@lru_cache(maxsize=16_384)
def _compiled(text: str, names: tuple[str, ...]) -> Program:
    """Once for each expression over the same triggers, as long as 16,384 others did not come in between."""
    return compiled(parse(text, triggers=names), triggers=names)


def _ceilings(
    rule: ScalingRule, limits: Mapping[str, Reading], memory: Memory, current: int, now: datetime
) -> dict[str, Ceiling]:
    unread = Missing(reason="it was not read")
    return {
        one.name: ceilings.of_limit(one)
        if one.query is None
        else ceilings.of_reading(one, limits.get(one.name, unread), memory.ceilings, current=current, now=now)
        for one in rule.spec.ceiling
    }


def _guarded(around: Circumstances, guard: Guard, burn: Burn | None) -> Circumstances:
    then = guard.when_burning
    add, share = 0, 0
    if isinstance(then.add, int):
        add = then.add
    elif then.add is not None:
        share = round(float(then.add.removesuffix("%")) * 10_000)
    state = burn or UNREAD
    return replace(
        around, slo=state.state, slo_name=guard.slo, slo_said=state.said, slo_releases=not then.block_scale_down,
        slo_add=add, slo_add_millionths=share,
    )  # fmt: skip


def _pause(rule: ScalingRule, now: datetime) -> Pause | None:
    pause = rule.spec.pause
    if pause is None or not pause.holds_at(now):
        return None
    return Pause(direction=pause.direction, reason=pause.reason, replicas=pause.replicas, until=pause.until)


def _step(amount: int | str | None, current: int) -> int | None:
    """From 0 at least one: of nothing, a percentage would be nothing for ever."""
    return None if amount is None else max(pods(amount, current), 1)


_NO_STEPS: Final = Steps()
UNREAD: Final = Burn(state=SloState.UNKNOWN, said="it was not read")
