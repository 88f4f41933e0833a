"""Mistakes of a whole ScalingRule: bounds that cannot be reached, an expression that cannot be used, half a window."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from domain.errors import ExpressionError
from rules.combine import Node, names, parse
from rules.combine_checks import check_without_forecasts, not_monotone, reach
from rules.trigger_checks import within_triggers
from rules.triggers import REASONS
from rules.wording import quote
from rules.written import (
    CheckQuery,
    Fault,
    Mapping,
    at,
    given,
    mappings,
    quantity_at,
    query,
    text_at,
    unique_names,
    whole_at,
)
from rules.yaml_tree import Path

_AGAIN: Final = ("start", "end")
_ONCE: Final = ("at", "for")
_WAKING: Final = frozenset(REASONS) - {"resource", "pods"}


def within_rule(data: object, check_query: CheckQuery) -> Iterator[Fault]:
    """What is wrong inside a ScalingRule, beyond its single fields."""
    triggers = mappings(data, "spec", "triggers")
    yield from within_triggers(triggers, check_query)
    yield from unique_names(triggers, ("spec", "triggers"))
    yield from _zero(data)
    yield from _buffer(data, triggers)
    yield from _combine(data)
    yield from _schedule(data)
    yield from _ceilings(data, check_query)


def warnings(data: object) -> Iterator[Fault]:
    """What is allowed in a ScalingRule and probably not meant."""
    guard: Path = ("spec", "guard", "whenBurning")
    if at(data, *guard, "blockScaleDown") is False and at(data, *guard, "add") is None:
        yield guard, "does nothing: it blocks no scale-down and adds nothing"
    if text_at(data, "spec", "mode") in ("approve", "enforce") and text_at(data, "spec", "actuate", "with") == "none":
        yield ("spec", "mode"), "acts on nothing: actuate is with none"
    yield from _warnings_of_combine(data)


def _warnings_of_combine(data: object) -> Iterator[Fault]:
    tree = _tree(data)
    if tree is None:
        return
    path: Path = ("spec", "combine")
    for name in sorted(not_monotone(tree)):
        yield path, f"more of {quote(name)} may mean fewer replicas"
    used = set(names(tree))
    for index, trigger in mappings(data, "spec", "triggers"):
        called = text_at(trigger, "name")
        if called is not None and called not in used | _stand_behind(data):
            yield ("spec", "triggers", index, "name"), f"{quote(called)} is not in combine, so nothing depends on it"


def _stand_behind(data: object) -> set[str]:
    """Triggers that others need: as the source of a forecast, or as a stand-in."""
    triggers = [one for _, one in mappings(data, "spec", "triggers")]
    named = [text_at(one, "forecast", "of") for one in triggers] + [text_at(one, "fallback", "use") for one in triggers]
    return {name for name in named if name is not None}


def _zero(data: object) -> Iterator[Fault]:
    """Idle to zero is only for what can be woken again."""
    if whole_at(data, "spec", "replicas", "min") != 0:
        return
    path: Path = ("spec", "replicas", "min")
    if at(data, "spec", "replicas", "idleAfter") is None:
        yield path, "0 needs idleAfter beside it: how long there must be no work before the last replica goes"
    triggers = [one for _, one in mappings(data, "spec", "triggers")]
    if triggers and not any(_WAKING & set(given(one, REASONS)) for one in triggers):
        yield (
            path,
            "0 needs a trigger that measures without pods (query, queue, trace, event …): resource and pods do not",
        )
    with_ = text_at(data, "spec", "actuate", "with")
    if with_ in ("bounds", "none"):
        yield path, f"0 needs actuate with scale or hpa; it is {with_}"


def _buffer(data: object, triggers: list[tuple[int, Mapping]]) -> Iterator[Fault]:
    """It is sized by a quantile of a forecast; of a price only a floor follows."""
    if at(data, "spec", "actuate", "buffer") is None:
        return
    sizing = [one for _, one in triggers if at(one, "forecast") is not None and at(one, "forecast", "price") is None]
    if triggers and not sizing:
        yield ("spec", "actuate", "buffer"), "needs a trigger with forecast (and without price): it is sized by it"


def _tree(data: object) -> Node | None:
    try:
        return _parsed(data)
    except ExpressionError:
        return None


def _parsed(data: object) -> Node | None:
    text = text_at(data, "spec", "combine")
    if text is None:
        return None
    triggers = [one for _, one in mappings(data, "spec", "triggers")]
    known = [name for one in triggers if (name := text_at(one, "name")) is not None]
    return _parse(text, tuple(known))


@lru_cache(maxsize=4096)
def _parse(text: str, known: tuple[str, ...]) -> Node:
    """Once for the checks and the warnings, and for all rules of a fleet that say the same."""
    return parse(text, triggers=known)


def _combine(data: object) -> Iterator[Fault]:
    path: Path = ("spec", "combine")
    triggers = [one for _, one in mappings(data, "spec", "triggers")]
    forecasts = [str(text_at(one, "name")) for one in triggers if at(one, "forecast") is not None]
    try:
        tree = _parsed(data)
        if tree is None:
            return
        check_without_forecasts(tree, forecasts=forecasts)
    except ExpressionError as error:
        yield path, f"{error} (character {error.column})"
        return
    low, high = reach(tree)
    least, most = whole_at(data, "spec", "replicas", "min"), whole_at(data, "spec", "replicas", "max")
    if most is not None and low > most:
        yield path, f"is never below {low:g}, while replicas.max is {most}: the rule would always stand at its max"
    if least is not None and high < least:
        yield path, f"is never above {high:g}, while replicas.min is {least}: the rule would always stand at its min"


def _schedule(data: object) -> Iterator[Fault]:
    path: Path = ("spec", "schedule")
    windows = mappings(data, *map(str, path))
    yield from unique_names(windows, path)
    for index, window in windows:
        yield from _form(window, (*path, index))
        yield from _unreachable(data, window, (*path, index))


def _form(window: Mapping, path: Path) -> Iterator[Fault]:
    again, once = given(window, _AGAIN), given(window, (*_ONCE, "ramp"))
    if not again and not given(window, _ONCE):
        yield path, "needs start and end (cron, comes again), or at and for (comes once)"
    elif again and once:
        yield (*path, once[0]), f"stands beside {again[0]}; a window has start and end, or at and for"
    else:
        for name in _AGAIN if again else _ONCE:
            if at(window, name) is None:
                yield (*path, name), f"this field is required with {(again or once)[0]}"
    if at(window, "min") is None and at(window, "max") is None:
        yield path, "needs min, max or both: the bounds while it lasts"
    if at(window, "ramp") is not None and at(window, "min") is None:
        yield (*path, "ramp"), "goes with min: it is how long before at the minimum begins to rise"


def _unreachable(data: object, window: Mapping, path: Path) -> Iterator[Fault]:
    """A schedule moves within [min, max], which nothing leaves."""
    least, most = whole_at(data, "spec", "replicas", "min"), whole_at(data, "spec", "replicas", "max")
    for name in ("min", "max"):
        bound = whole_at(window, name)
        if bound is not None and most is not None and bound > most:
            yield (*path, name), f"{bound} is never reached: replicas.max is {most}"
        elif bound is not None and least is not None and bound < least:
            yield (*path, name), f"{bound} is never reached: replicas.min is {least}"


def _ceilings(data: object, check_query: CheckQuery) -> Iterator[Fault]:
    path: Path = ("spec", "ceiling")
    ceilings = mappings(data, *map(str, path))
    yield from unique_names(ceilings, path)
    for index, ceiling in ceilings:
        limits = given(ceiling, ("limit", "query"))
        if len(limits) != 1:
            yield (*path, index, *limits[1:]), "a ceiling has exactly one of limit and query"
        yield from query(ceiling, (*path, index), "query", check_query)
        yield from _too_low(data, ceiling, (*path, index))


def _too_low(data: object, ceiling: Mapping, path: Path) -> Iterator[Fault]:
    limit, per_replica = quantity_at(ceiling, "limit"), quantity_at(ceiling, "perReplica")
    least = whole_at(data, "spec", "replicas", "min")
    if limit is None or per_replica is None or least is None or limit <= 0 or per_replica <= 0:
        return
    if (room := int(limit // per_replica)) < least:
        yield (*path, "limit"), f"has room for {room} replicas, while replicas.min is {least}"
