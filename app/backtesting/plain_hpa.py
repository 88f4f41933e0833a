"""The best settings of a plain HPA on the same workload, as a patch: often that is all it takes, and then we say so."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

import numpy as np

from app.backtesting.assume import load_trigger
from app.backtesting.report import PlainHpa
from controller import core, hpa
from controller.simulate import loop, plain_patch, plain_search
from controller.simulate import rule as replaying
from controller.simulate.figures import Figures
from controller.simulate.loop import Reactive
from controller.simulate.plain_search import Written
from controller.simulate.pods import IntArray
from controller.simulate.rule import Assumptions, Signals
from rules.schema import Behavior, ScalingRule, ScalingRules, Trigger

AS_GOOD: Final = 0.01
"""Costs within 1 % are the same."""
LEAST_ALLOWED_SHARE: Final = 0.0005
"""What the rule misses is what plain HPA may miss, and at least this: 22 minutes in 30 days."""
_KINDS: Final = {core.PODS: "Pods", core.PERCENT: "Percent"}
_SELECT: Final = {core.SELECT_MAX: "Max", core.SELECT_MIN: "Min", core.DISABLED: "Disabled"}


def best_plain(
    present: ScalingRule, signals: Signals, given: Assumptions, *, rule: Figures,
    figures_of: Callable[[ScalingRule], Figures],
) -> tuple[PlainHpa | None, Figures | None]:  # fmt: skip
    """Settings, patch and figures of the cheapest that misses no more than the rule does.

    Args:
        present: What runs now; its bounds and its metric are kept.
        signals: Of the replay.
        given: What is assumed.
        rule: The rule's figures.
        figures_of: Replays a rule.

    Returns:
        None, where no metric is one that an HPA could use.
    """
    metric = _metric(present, signals, given)
    if metric is None:
        return None, None
    trigger, kind, per_unit = metric
    world, now = replaying.world(signals, given), _reactive(present, kind, per_unit, trigger, signals.tick_seconds)
    written = Written(per_unit=per_unit, whole=trigger.resource is not None)
    allowed = max(rule.violated_pct / 100, LEAST_ALLOWED_SHARE)
    found = plain_search.search(world, now, written=written, allowed_share=allowed)
    made = _with(present, trigger, found.best, written, signals.tick_seconds)
    figures = figures_of(made)
    number = written.number(found.best.target)
    fields = plain_patch.fields(
        now, found.best, tick_seconds=signals.tick_seconds, metric=_metric_field(trigger, number)
    )
    name = present.spec.target.name
    notes = () if trigger.resource is not None else (f"the metric's name is a guess: {trigger.name}",)
    patch = plain_patch.text(fields, namespace=present.metadata.namespace, name=name, notes=notes) if fields else ""
    if _misses_more(figures, rule):
        return PlainHpa(settings={}, patch="", message=_message(figures, rule, number, trigger)), None
    settings = {"target": f"{number:g}", "scaleDown": f"{round(found.best.down_ticks * signals.tick_seconds)}s"}
    return PlainHpa(settings=settings, patch=patch, message=_message(figures, rule, number, trigger)), figures


def _message(plain: Figures, rule: Figures, number: float, trigger: Trigger) -> str:
    """Honest words: does the rule earn its keep?"""
    what = f"{trigger.name} at {number:g}{' %' if trigger.resource is not None else ' per replica'}"
    missed = f"{plain.violated_pct:.2f} % missed against {rule.violated_pct:.2f} %"
    if _misses_more(plain, rule):
        return f"no settings miss as little as this rule; the nearest ({what}) come to {missed}"
    change = plain.replica_hours / max(rule.replica_hours, 1e-9) - 1
    if change <= AS_GOOD:
        side = "costs the same" if abs(change) <= AS_GOOD else f"costs {-100 * change:.1f} % less"
        return (
            f"a plain HPA does as well: {what} {side} as this rule, {missed}; the forecast adds nothing here".replace(
                "less as", "less than"
            )
        )
    return f"a plain HPA at its best ({what}) costs {100 * change:.1f} % more than this rule, {missed}"


def _misses_more(plain: Figures, rule: Figures) -> bool:
    return plain.violated_pct > max(rule.violated_pct, 100 * LEAST_ALLOWED_SHARE) + 0.05


def _metric(present: ScalingRule, signals: Signals, given: Assumptions) -> tuple[Trigger, int, float] | None:
    """The metric, its kind in the loop, and the loop's target for 1 in the document."""
    demand = load_trigger(present)
    if demand is not None:
        return demand, loop.RPS, 1.0
    for trigger in present.spec.triggers:
        if trigger.resource is None or trigger.resource.utilization is None:
            continue
        if not (request := given.requests.get(trigger.resource.name)):
            continue
        per_load = given.usage_per_load.get(trigger.resource.name)
        if trigger.name in signals.values:
            per_load = float(np.nansum(signals.values[trigger.name]) / signals.load.sum())
        if per_load:
            capacity = given.safe_per_replica / given.largest_utilization_ratio
            return trigger, loop.CPU, request / 100 / (per_load * capacity)
    return None


def _reactive(present: ScalingRule, kind: int, per_unit: float, trigger: Trigger, tick_seconds: float) -> Reactive:
    """The rule's HPA half as the plain loop has it."""
    behavior, replicas = present.spec.behavior, present.spec.replicas
    number = float(trigger.per_replica) if trigger.per_replica is not None else _percent(trigger)
    return Reactive(
        metric=kind, target=number * per_unit, window_ticks=1,
        tolerance_up=float(behavior.scale_up.tolerance), tolerance_down=float(behavior.scale_down.tolerance),
        up_ticks=_ticks(behavior.scale_up, tick_seconds), down_ticks=_ticks(behavior.scale_down, tick_seconds),
        up_policies=_policies(behavior.scale_up, tick_seconds),
        down_policies=_policies(behavior.scale_down, tick_seconds),
        up_select=hpa.flat(behavior.scale_up)[core.SELECT], down_select=hpa.flat(behavior.scale_down)[core.SELECT],
        min_replicas=replicas.min, max_replicas=replicas.max,
    )  # fmt: skip


def _percent(trigger: Trigger) -> float:
    return float(trigger.resource.utilization or 1) if trigger.resource is not None else 1.0


def _ticks(rules: ScalingRules, tick_seconds: float) -> int:
    return int(np.ceil(rules.stabilization_window_seconds / tick_seconds))


def _policies(rules: ScalingRules, tick_seconds: float) -> IntArray:
    flat = hpa.flat(rules)[core.POLICIES_FROM :]
    rows = np.array(flat, dtype=np.int64).reshape(-1, core.POLICY_SIZE)
    rows[:, 2] = np.maximum(np.ceil(rows[:, 2] / 1000 / tick_seconds), 1)
    return rows


def _with(present: ScalingRule, trigger: Trigger, best: Reactive, written: Written, tick_seconds: float) -> ScalingRule:
    """The present document with the settings that were found, and this trigger alone."""
    number = written.number(best.target)
    if trigger.resource is not None:
        changed = trigger.model_copy(
            update={"resource": trigger.resource.model_copy(update={"utilization": int(number)})}
        )
    else:
        changed = trigger.model_copy(update={"per_replica": Decimal(repr(number))})
    behavior = Behavior.model_validate(
        {
            "scaleUp": _rules(best.up_ticks, best.tolerance_up, best.up_select, best.up_policies, tick_seconds),
            "scaleDown": _rules(
                best.down_ticks, best.tolerance_down, best.down_select, best.down_policies, tick_seconds
            ),
        }
    )
    spec = present.spec.model_copy(update={"triggers": (changed,), "behavior": behavior})
    return present.model_copy(update={"spec": spec})


def _rules(ticks: int, tolerance: float, select: int, policies: IntArray, tick_seconds: float) -> dict[str, Any]:
    rows = [
        (_KINDS[int(kind)], int(value), min(round(int(span) * tick_seconds), 1800)) for kind, value, span in policies
    ]
    return {
        "stabilizationWindowSeconds": 0 if ticks <= 1 else round(ticks * tick_seconds),
        "tolerance": tolerance, "selectPolicy": _SELECT[select],
        "policies": [{"type": kind, "value": value, "periodSeconds": span} for kind, value, span in rows],
    }  # fmt: skip


def _metric_field(trigger: Trigger, number: float) -> dict[str, Any]:
    if trigger.resource is not None:
        return plain_patch.resource(trigger.resource.name, number)
    target = {"type": "AverageValue", "averageValue": f"{number:g}"}
    return {"type": "External", "external": {"metric": {"name": trigger.name}, "target": target}}
