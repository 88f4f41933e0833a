"""Mistakes of a trigger that need two of its fields, or another trigger of the rule, to be seen."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from domain.errors import UnknownSourceError
from rules.triggers import LATENCIES, REASONS, Trigger
from rules.wording import listed, nearest, quote, suggestion
from rules.written import CheckQuery, Fault, Mapping, at, given, quantity_at, query, text_at
from rules.yaml_tree import Path

_REASONS: Final = listed(REASONS, "and")
_NO_GATE: Final = "goes with quantile: nothing closes the forecast of a price, its spread is doubled while it misses"
TARGETS: Final = {
    "perReplica": "query, pods, trace (rate, inFlight) and forecast with document",
    "learn": "query and its perReplica",
    "value": "query and trace (a latency)",
    "asReplicas": "query",
    "replicas": "schedule and event",
    "activate": "query, queue and trace",
    "fallback": "what measures",
}
_FIELDS: Final = tuple(field.alias or name for name, field in Trigger.model_fields.items())
_DURATION: Final = re.compile(r"(?:[0-9]{1,9}(?:ms|[ywdhms]))+", re.ASCII)
ALLOWED: Final = {
    "query": ("perReplica", "learn", "value", "asReplicas", "activate", "fallback"),
    "resource": ("fallback",),
    "pods": ("perReplica", "fallback"),
    "queue": ("activate", "fallback"),
    "trace": ("perReplica", "value", "activate", "fallback"),
    "forecast": ("perReplica",),
    "schedule": ("replicas",),
    "event": ("replicas", "fallback"),
}
NEEDED: Final = {
    "pods": ("perReplica", "how much of it one replica carries"),
    "schedule": ("replicas", "how many replicas it asks for"),
    "event": ("replicas", "how many replicas it asks for"),
}


def within_triggers(triggers: Sequence[tuple[int, Mapping]], check_query: CheckQuery) -> Iterator[Fault]:
    """What is wrong with a rule's triggers."""
    for index, trigger in triggers:
        path: Path = ("spec", "triggers", index)
        reasons = given(trigger, REASONS)
        yield from _one_reason(trigger, reasons, path)
        if len(reasons) == 1:
            yield from _goes_with(trigger, reasons[0], path)
            yield from _target(trigger, reasons[0], path)
        yield from _learned(trigger, path)
        yield from _inside(trigger, path, check_query)
    yield from _forecasts(triggers)
    yield from _fallbacks(triggers)


def _one_reason(trigger: Mapping, reasons: list[str], path: Path) -> Iterator[Fault]:
    misspelt = (name for name in trigger if name not in _FIELDS and nearest(name, _FIELDS) in REASONS)
    if not reasons and not any(misspelt):
        yield path, f"needs one of {_REASONS}"
    for name in reasons[1:]:
        yield (*path, name), f"stands beside {reasons[0]}; a trigger has one reason, so write two triggers"


def _goes_with(trigger: Mapping, reason: str, path: Path) -> Iterator[Fault]:
    for name, others in TARGETS.items():
        if name in ALLOWED[reason] or not _is_set(trigger, name):
            continue
        hint = ""
        if name == "fallback":
            hint = ": a missing forecast raises nothing" if reason == "forecast" else ": it is never missing"
        elif reason == "queue" and name == "perReplica":
            hint = "; write perReplicaRate in queue: how many items a second one replica works off"
        yield (*path, name), f"goes with {others}, not with {reason}{hint}"


def _is_set(trigger: Mapping, name: str) -> bool:
    """``asReplicas: false`` says nothing."""
    return at(trigger, name) is not None and at(trigger, name) is not False


def _target(trigger: Mapping, reason: str, path: Path) -> Iterator[Fault]:
    if reason == "query":
        yield from _target_of_query(trigger, path)
    elif reason == "trace":
        yield from _target_of_trace(trigger, path)
    elif reason == "forecast":
        of_document = text_at(trigger, "forecast", "document") is not None
        if of_document and at(trigger, "perReplica") is None:
            message = "this field is required with document: how much of its series one replica carries"
            yield (*path, "perReplica"), message
        elif not of_document and at(trigger, "perReplica") is not None:
            yield (*path, "perReplica"), "goes with document; of a trigger the forecast takes that trigger's"
    elif reason in NEEDED and at(trigger, NEEDED[reason][0]) is None:
        name, what = NEEDED[reason]
        yield (*path, name), f"this field is required with {reason}: {what}"


def _target_of_query(trigger: Mapping, path: Path) -> Iterator[Fault]:
    targets = [name for name in ("perReplica", "value", "asReplicas") if _is_set(trigger, name)]
    if not targets and "perReplica" not in (nearest(name, _FIELDS) for name in trigger if name not in _FIELDS):
        message = "this field is required with query: how much of it one replica carries (or give value, or asReplicas)"
        yield (*path, "perReplica"), message
    for name in targets[1:]:
        yield (*path, name), f"stands beside {targets[0]}; a query has exactly one of perReplica, value and asReplicas"
    if "value" in targets and _is_duration(at(trigger, "value")):
        yield (*path, "value"), "expected a number or a quantity; a duration goes with a latency of trace"


def _target_of_trace(trigger: Mapping, path: Path) -> Iterator[Fault]:
    measure = text_at(trigger, "trace", "measure")
    if measure not in (*LATENCIES, "rate", "inFlight"):
        return
    wanted, other = ("value", "perReplica") if measure in LATENCIES else ("perReplica", "value")
    what = "the latency to keep, such as 300ms" if measure in LATENCIES else "how much of it one replica carries"
    if at(trigger, other) is not None:
        yield (*path, other), f"does not go with measure: {measure}; write {wanted}: {what}"
    elif at(trigger, wanted) is None:
        yield (*path, wanted), f"this field is required with measure: {measure}: {what}"
    if measure in LATENCIES and at(trigger, "value") is not None and not _is_duration(at(trigger, "value")):
        yield (*path, "value"), "expected a duration such as 300ms (300m is a quantity, 0.3)"


def _learned(trigger: Mapping, path: Path) -> Iterator[Fault]:
    """``learn`` stands beside the number that it starts from, and ends above it."""
    if at(trigger, "learn") is None or at(trigger, "query") is None:
        return
    start, most = quantity_at(trigger, "perReplica"), quantity_at(trigger, "learn", "max")
    if _is_set(trigger, "value") or _is_set(trigger, "asReplicas"):
        yield (*path, "learn"), "goes with perReplica: what a replica is taken to carry until it is learned"
    elif start is not None and most is not None and most < start:
        yield (*path, "learn", "max"), f"must be at least perReplica ({float(start):g}), where learning starts"


def _is_duration(value: object) -> bool:
    """Whether ``value`` reads as a duration and not as a quantity: ``300ms`` and ``1h30m``, not ``300m``."""
    return isinstance(value, str) and quantity_at(value) is None and _DURATION.fullmatch(value) is not None


def _inside(trigger: Mapping, path: Path, check_query: CheckQuery) -> Iterator[Fault]:
    """What is wrong within the reasons."""
    for name in ("query", "pods"):
        yield from query(trigger, path, name, check_query)
    for name in ("length", "arrivals", "partitions"):
        yield from query(at(trigger, "queue"), (*path, "queue"), name, check_query)
    source = text_at(trigger, "event", "source")
    if source is not None:
        asked: Mapping = {"query": {"expr": "ALERTS", "source": source}}
        yield from (((*path, "event", "source"), said) for _, said in query(asked, (), "query", check_query))
    yield from _trace_source(text_at(trigger, "trace", "source"), (*path, "trace", "source"), check_query)
    if isinstance(at(trigger, "resource"), dict):
        yield from _resource(at(trigger, "resource"), (*path, "resource"))


def _trace_source(source: str | None, path: Path, check_query: CheckQuery) -> Iterator[Fault]:
    try:
        if source is not None:
            check_query("", source, traces=True)
    except UnknownSourceError as error:
        yield path, str(error)


def _resource(resource: object, path: Path) -> Iterator[Fault]:
    targets = given(resource, ("utilization", "averageValue"))
    if not targets:
        yield (*path, "utilization"), "this field is required: percent of the request (or give averageValue)"
    if len(targets) > 1:
        yield (*path, "averageValue"), "stands beside utilization; give one of the two"
    elif targets == ["averageValue"] and at(resource, "of") is not None:
        yield (*path, "of"), "goes with utilization; averageValue is compared with no request and no limit"


def _forecasts(triggers: Sequence[tuple[int, Mapping]]) -> Iterator[Fault]:
    names = {name: trigger for _, trigger in triggers if (name := text_at(trigger, "name")) is not None}
    can_be = [name for name, trigger in names.items() if not _not_forecastable(trigger)]
    for index, trigger in triggers:
        forecast, path = at(trigger, "forecast"), ("spec", "triggers", index, "forecast")
        if not isinstance(forecast, dict):
            continue
        yield from _one_source(forecast, path)
        if forecast.get("quantile") is not None and forecast.get("price") is not None:
            yield (*path, "price"), "stands beside quantile; the floor follows from one of the two"
        if forecast.get("price") is not None and forecast.get("document") is not None:
            yield (*path, "price"), "looks ahead of a trigger of this rule: give of, or a quantile of the document"
        if forecast.get("price") is not None and forecast.get("gate") is not None:
            yield (*path, "gate"), _NO_GATE
        of = text_at(forecast, "of")
        if of is None:
            continue
        if of not in names:
            hint = suggestion(of, can_be, otherwise=f"; it has {', '.join(can_be) or 'none'} to forecast")
            yield (*path, "of"), f"{quote(of)} is not a trigger of this rule{hint}"
        elif why := _not_forecastable(names[of]):
            yield (*path, "of"), f"{quote(of)} cannot be forecast: {why}"
        elif forecast.get("price") is not None and at(names[of], "query") is not None:
            if at(names[of], "perReplica") is None:
                yield (*path, "price"), f"{quote(of)} has no perReplica: a price is about what a replica carries"
        elif forecast.get("price") is not None:
            yield (*path, "price"), f"looks ahead of a query trigger; {quote(of)} is none"


def _not_forecastable(trigger: Mapping) -> str:
    """Why its future cannot be turned into replicas; empty where it can."""
    reasons = given(trigger, REASONS)
    if len(reasons) != 1:  # which is a mistake of its own
        return ""
    match reasons[0]:
        case "query":
            return "a value that depends on the replicas is no demand" if at(trigger, "value") is not None else ""
        case "queue":
            return "" if at(trigger, "queue", "arrivals") is not None else "it needs arrivals; a backlog is no demand"
        case "trace":
            measure = text_at(trigger, "trace", "measure")
            return "" if measure in (None, "rate") else f"{measure} is no demand; forecast a trigger with measure: rate"
        case reason:
            return f"a forecast is of a query, queue or trace trigger, this is {reason}"


def _one_source(forecast: Mapping, path: Path) -> Iterator[Fault]:
    if forecast.get("document") is None:
        if forecast.get("of") is None:
            yield path, "needs one of of and document"
        if forecast.get("series"):
            yield (*path, "series"), "goes with document: it names one of its series"
        return
    if forecast.get("of") is not None:
        yield (*path, "document"), "stands beside of; a forecast has exactly one of of and document"


def _fallbacks(triggers: Sequence[tuple[int, Mapping]]) -> Iterator[Fault]:
    """Stand-ins that are not there, and those that stand in for each other in a circle."""
    names = [name for _, trigger in triggers if (name := text_at(trigger, "name")) is not None]
    stands_in = {name: use for _, one in triggers if (name := text_at(one, "name")) and (use := _stand_in(one))}
    for index, trigger in triggers:
        use, path = _stand_in(trigger), ("spec", "triggers", index, "fallback", "use")
        if use is None:
            continue
        if use not in names:
            choices = ["hold", *(name for name in names if name != trigger.get("name"))]
            hint = suggestion(use, choices, otherwise="; write hold, a number, max(hold,N) or a trigger's name")
            yield path, f"{quote(use)} is not a trigger of this rule{hint}"
        elif circle := _circle(str(trigger.get("name")), stands_in):
            yield path, f"goes in a circle: {' → '.join(circle)}"


def _stand_in(trigger: Mapping) -> str | None:
    use = text_at(trigger, "fallback", "use")
    return None if use is None or use == "hold" or "(" in use else use


def _circle(start: str, stands_in: dict[str, str]) -> list[str]:
    """The names from ``start`` back to ``start``; empty where the chain ends elsewhere."""
    chain = [start]
    while (following := stands_in.get(chain[-1])) is not None and len(chain) <= len(stands_in):
        chain.append(following)
        if following == start:
            return chain
    return []
