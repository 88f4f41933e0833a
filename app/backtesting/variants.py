"""Variants around a rule: what `--sweep` replays, each told by what it changes in the document."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from itertools import product
from typing import Final

from app.backtesting.assume import load_trigger
from rules.schema import Behavior, ScalingRule

TARGETS: Final = (0.6, 0.7, 0.8, 0.9, 1.1, 1.2, 1.35)
"""Times the rule's own."""
TOLERANCES: Final = (0.0, 0.02, 0.1)
WINDOWS: Final = (60, 300, 600)
QUANTILES: Final = (0.5, 0.7, 0.8, 0.9, 0.95, 0.98)

PRICES: Final = (10, 25, 50, 100, 200)
"""Of a violated minute, in minutes of a replica."""

Variant = tuple[dict[str, str], ScalingRule]


def around(rule: ScalingRule, *, few: bool = False) -> list[Variant]:
    """The rule itself first; then targets with tolerances and windows, and with quantiles of its forecasts.

    Args:
        rule: The rule.
        few: Without the compiled extra: one thing at a time.
    """
    made: list[Variant] = [({}, rule)]
    for factor in (1.0, *TARGETS):
        for variant in _reactive(rule, factor, few=few):
            made += [variant] if variant[0] else []
        if factor != 1.0 and few:
            continue
        forecasts = [one.forecast for one in rule.spec.triggers if one.forecast is not None]
        if any(one.price is None for one in forecasts):
            made += [_with_quantile(_with_target(rule, factor), level) for level in QUANTILES]
        if any(one.price is not None for one in forecasts):
            made += [_with_price(_with_target(rule, factor), price) for price in PRICES]
    return _different(made)


def _reactive(rule: ScalingRule, factor: float, *, few: bool) -> Iterator[Variant]:
    changed = _with_target(rule, factor)
    yield changed
    behavior = rule.spec.behavior
    own = (float(behavior.scale_down.tolerance), behavior.scale_down.stabilization_window_seconds)
    pairs = [(one, own[1]) for one in TOLERANCES] + [(own[0], one) for one in WINDOWS]
    if few:
        yield from (_with_behavior(changed, *pair) for pair in (pairs if factor == 1.0 else []))
        return
    for tolerance, window in product(TOLERANCES, WINDOWS):
        yield _with_behavior(changed, tolerance, window)


def _different(variants: list[Variant]) -> list[Variant]:
    seen: dict[str, Variant] = {}
    for changes, rule in variants:
        seen.setdefault(rule.spec.model_dump_json(), (changes, rule))
    return list(seen.values())


def _with_target(rule: ScalingRule, factor: float) -> Variant:
    """Every trigger that measures, by the same factor; the forecast of one follows it."""
    if factor == 1.0:
        return {}, rule
    triggers, told = [], {}
    for trigger in rule.spec.triggers:
        if trigger.per_replica is not None:
            value = _rounded(float(trigger.per_replica) * factor)
            triggers.append(trigger.model_copy(update={"per_replica": value}))
            told[f"{trigger.name}.perReplica"] = f"{value.normalize():f}"
        elif trigger.resource is not None and trigger.resource.utilization is not None:
            percent = min(max(round(trigger.resource.utilization * factor), 1), 1000)
            resource = trigger.resource.model_copy(update={"utilization": percent})
            triggers.append(trigger.model_copy(update={"resource": resource}))
            told[f"{trigger.name}.utilization"] = str(percent)
        else:
            triggers.append(trigger)
    return told, _with_spec(rule, triggers=tuple(triggers))


def _with_behavior(variant: Variant, tolerance: float, window: int) -> Variant:
    told, rule = variant
    old = rule.spec.behavior
    up = old.scale_up.model_copy(update={"tolerance": tolerance})
    down = old.scale_down.model_copy(update={"tolerance": tolerance, "stabilization_window_seconds": window})
    changes = {}
    if tolerance != old.scale_down.tolerance or tolerance != old.scale_up.tolerance:
        changes["tolerance"] = f"{tolerance:g}"
    if window != old.scale_down.stabilization_window_seconds:
        changes["scaleDown.stabilizationWindowSeconds"] = str(window)
    return {**told, **changes}, _with_spec(rule, behavior=Behavior(scale_up=up, scale_down=down))


def _with_quantile(variant: Variant, level: float) -> Variant:
    told, rule = variant
    triggers, changes = [], {}
    for trigger in rule.spec.triggers:
        if trigger.forecast is None or trigger.forecast.price is not None or trigger.forecast.quantile == level:
            triggers.append(trigger)
            continue
        changes[f"{trigger.name}.quantile"] = f"{level:g}"
        triggers.append(
            trigger.model_copy(update={"forecast": trigger.forecast.model_copy(update={"quantile": level})})
        )
    return {**told, **changes}, _with_spec(rule, triggers=tuple(triggers))


def _with_price(variant: Variant, worth: int) -> Variant:
    """A fixed worth of a violated minute, in place of the rule's own."""
    told, rule = variant
    triggers, changes = [], {}
    for trigger in rule.spec.triggers:
        if trigger.forecast is None or trigger.forecast.price is None:
            triggers.append(trigger)
            continue
        price = trigger.forecast.price.model_copy(update={"violated_minute": Decimal(worth), "budget": None})
        changes[f"{trigger.name}.price.violatedMinute"] = str(worth)
        triggers.append(trigger.model_copy(update={"forecast": trigger.forecast.model_copy(update={"price": price})}))
    return {**told, **changes}, _with_spec(rule, triggers=tuple(triggers))


def _with_spec(rule: ScalingRule, **changes: object) -> ScalingRule:
    return rule.model_copy(update={"spec": rule.spec.model_copy(update=changes)})


def _rounded(value: float) -> Decimal:
    """Three digits, as somebody would write it."""
    return Decimal(f"{value:.3g}")


def has_target(rule: ScalingRule) -> bool:
    """Whether there is something to vary."""
    return load_trigger(rule) is not None or any(one.resource is not None for one in rule.spec.triggers)
