"""What the API server can see by itself of what ``checks`` demand: CEL where it sees the fields, else which are there.

CEL sees no field without a type (queries, quantities: see ``structural``); whether such a field is there is said by
junctors. Messages are those of ``foretide check``, as far as CEL may speak. A model that is not named here has none.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from rules.structural import Additions, Node
from rules.trigger_checks import ALLOWED, NEEDED, TARGETS
from rules.triggers import LATENCIES, REASONS

_START_AND_END: Final = "!has(self.start) || !has(self.end) || self.start != self.end"
_NO_LENGTH: Final = "'is the same as start (%s); a window needs a length'.format([self.start])"
_IN_ORDER: Final = "'must be at least min (%d); found the number %d'.format([self.min, self.max])"


_QUANTITY: Final = r"[^smhdwy]$|[0-9]m$"
_DURATION: Final = r"[shdwy]$|[a-z][0-9]+m$|\}\}"
"""Told by its end, of a text that is one of the two (or a placeholder); ``300m`` is a quantity."""
_NO_NUMBER: Final = {"minimum": 1, "maximum": 0}


def _rule(rule: str, message: str, at: str = "") -> Node:
    """A message that begins with a quotation mark is an expression itself.

    By ``format``: the length of ``string(self.min)`` counts as unknown, and adding to it costs more than is allowed.
    """
    made: Node = {"rule": rule}
    if message.startswith("'"):
        made["messageExpression"] = message
        message = f"not {rule}"  # for the rare message that cannot be computed
    made["message"] = message
    return made | ({"fieldPath": f".{at}"} if at else {})


def _both(one: str, other: str, message: str) -> Node:
    return _rule(f"!has(self.{one}) || !has(self.{other})", message, other)


_FALLBACK: Final = (
    "self.triggers.all(t, !has(t.fallback) || type(t.fallback.use) == int || t.fallback.use == 'hold'"
    " || t.fallback.use.startsWith('max(') || self.triggers.exists(o, o.name == t.fallback.use && o.name != t.name))"
)
_OF: Final = (
    "self.triggers.all(t, !has(t.forecast) || !has(t.forecast.of)"
    " || self.triggers.exists(o, o.name == t.forecast.of{}))"
)
_A_DEMAND: Final = (
    "".join(f" && !has(o.{one})" for one in ("resource", "forecast", "schedule", "event"))
    + " && (!has(o.trace) || o.trace.measure == 'rate')"
)
_WITHIN: Final = (
    "!has(self.schedule) || self.schedule.all(w, (!has(w.min) || (w.min >= self.replicas.min && w.min <="
    " self.replicas.max)) && (!has(w.max) || (w.max >= self.replicas.min && w.max <= self.replicas.max)))"
)

CEL: Final[dict[str, tuple[Node, ...]]] = {
    "Replicas": (
        _rule("self.max >= self.min", _IN_ORDER, "max"),
        _rule("!has(self.idleAfter) || self.min == 0", "'goes with min: 0; found min: %d'.format([self.min])",
              "idleAfter"),
        _rule("self.min > 0 || has(self.idleAfter)",
              "0 needs idleAfter beside it: how long there must be no work before the last replica goes", "min"),
    ),
    "Target": (
        _rule("(has(self.apiVersion) && self.apiVersion != 'apps/v1') || !has(self.kind)"
              " || self.kind in ['Deployment', 'StatefulSet']",
              "apps/v1 scales Deployment and StatefulSet; another kind needs its own apiVersion", "kind"),
    ),
    "Actuate": (
        _rule("!has(self.with) || self.with != 'bounds' || has(self.hpa) || has(self.scaledObject)",
              "this field is required with bounds: the HPA whose bounds are set", "hpa"),
        _both("hpa", "scaledObject", "goes in place of hpa, not beside it: KEDA's own HPA is never written to"),
        _rule("!has(self.scaledObject) || (has(self.with) && self.with == 'bounds')", "goes with bounds",
              "scaledObject"),
        _rule("!has(self.hpa) || (has(self.with) && self.with in ['bounds', 'hpa'])",
              "goes with bounds or hpa", "hpa"),
        _rule("!has(self.buffer) || !has(self.with) || self.with != 'none'",
              "goes with scale, bounds or hpa, not with none", "buffer"),
    ),
    "ScalingRuleSpec": (
        _rule("self.replicas.min > 0 || !has(self.actuate) || !has(self.actuate.with)"
              " || self.actuate.with in ['scale', 'hpa']", "0 needs actuate with scale or hpa", "replicas.min"),
        _rule("self.replicas.min > 0 || self.triggers.exists(t, !has(t.resource))",
              "0 needs a trigger that measures without pods (query, queue, trace, event …): resource does not",
              "replicas.min"),
        _rule(_FALLBACK, "fallback.use must be hold, a number, max(hold,N) or the name of another trigger of this rule",
              "triggers"),
        _rule(_OF.format(""), "forecast.of must be the name of a trigger of this rule", "triggers"),
        _rule(_OF.format(_A_DEMAND), "a forecast is of a query, queue or trace trigger (rate)", "triggers"),
        _rule(_WITHIN, "a window's min and max must lie within replicas.min and replicas.max: nothing leaves them",
              "schedule"),
    ),
    "ForecastTrigger": (
        _rule("has(self.of) || has(self.document)", "needs one of of and document"),
        _both("of", "document", "stands beside of; a forecast has exactly one of of and document"),
        _both("quantile", "price", "stands beside quantile; the floor follows from one of the two"),
        _both("document", "price",
              "looks ahead of a trigger of this rule: give of, or a quantile of the document"),
        _both("price", "gate",
              "goes with quantile: nothing closes the forecast of a price, its spread is doubled while it misses"),
        _rule("!has(self.series) || has(self.document)", "goes with document: it names one of its series", "series"),
        _both("document", "step", "stands in the Forecast document that is named here"),
        _both("document", "timezone", "stands in the Forecast document that is named here"),
    ),
    "CronWindow": (_rule("self.start != self.end", _NO_LENGTH, "end"),),
    "ScheduledBounds": (
        _rule("has(self.start) || has(self.end) || has(self.at) || has(self.__for__)",
              "needs start and end (cron, comes again), or at and for (comes once)"),
        _rule("!(has(self.start) || has(self.end)) || !(has(self.at) || has(self.__for__) || has(self.ramp))",
              "a window has start and end, or at and for"),
        _rule("has(self.start) == has(self.end)", "start and end go together"),
        _rule("has(self.at) == has(self.__for__)", "at and for go together"),
        _rule(_START_AND_END, _NO_LENGTH, "end"),
        _rule("has(self.min) || has(self.max)", "needs min, max or both: the bounds while it lasts"),
        _rule("!has(self.min) || !has(self.max) || self.max >= self.min", _IN_ORDER, "max"),
        _rule("!has(self.ramp) || has(self.min)",
              "goes with min: it is how long before at the minimum begins to rise", "ramp"),
        _rule("!has(self.at) || has(self.timezone) || self.at.matches('(Z|[+-][0-9]{2}:[0-9]{2})$')",
              "write a UTC offset (2026-11-27T08:00:00Z), or give timezone", "at"),
    ),
    "Pause": (
        _rule("!has(self.replicas) || !has(self.direction) || self.direction == 'all'",
              "'a fixed number is neither in nor out; leave direction: ' + self.direction + ' away'", "replicas"),
    ),
    "Scope": (
        _both("__namespace__", "rule", "give namespace or rule, not both"),
        _both("__namespace__", "namespaces", "give namespace or namespaces, not both"),
        _both("namespaces", "rule", "goes alone: one rule is a whole scope"),
    ),
    "BudgetSpec": (
        _rule("has(self.limit) || (has(self.amount) && has(self.period))",
              "this field is required: limit: {amount, currency, per}, or amount and period", "limit"),
        _both("limit", "amount", "give limit, or amount and period, not both"),
        _both("limit", "period", "give limit, or amount and period, not both"),
    ),
    "Period": (
        _rule("self.every != 'week' || !has(self.anchorDay) || self.anchorDay <= 7",
              "of a week is 1 (Monday) to 7", "anchorDay"),
        _rule("!(self.every in ['hour', 'day']) || !has(self.anchorDay) || self.anchorDay == 1",
              "goes with week, month, quarter or year", "anchorDay"),
        _rule("self.every in ['quarter', 'year'] || !has(self.anchorMonth) || self.anchorMonth == 1",
              "goes with quarter or year", "anchorMonth"),
    ),
    "LabelRequirement": (
        _rule("!(self.operator in ['In', 'NotIn']) || (has(self.values) && self.values.size() > 0)",
              "'this field is required with ' + self.operator", "values"),
        _rule("self.operator in ['In', 'NotIn'] || !has(self.values) || self.values.size() == 0",
              "'goes with In and NotIn, not with ' + self.operator", "values"),
    ),
    "Holidays": (
        _rule("!has(self.subdivision) || has(self.country)", "goes with country", "subdivision"),
        _rule("has(self.country) || (has(self.dates) && self.dates.size() > 0)", "give country, dates or both",
              "country"),
    ),
    "Event": (_both("change", "like", "give change or like, not both"),),
    "ForecastSpec": (
        _rule("!has(self.quantiles) || self.quantiles.isSorted()", "must rise, at most 20 of them", "quantiles"),
    ),
    "Indicator": (
        _rule("has(self.ratio) || has(self.latency) || has(self.threshold)",
              "needs one of ratio, latency and threshold"),
        _rule("[has(self.ratio), has(self.latency), has(self.threshold)].filter(is, is).size() <= 1",
              "an indicator has exactly one of ratio, latency and threshold"),
    ),
}  # fmt: skip


def _there(*names: str) -> Node:
    """All of the fields are there; ``asReplicas: false`` says nothing."""
    made: Node = {"required": list(names)}
    return made | ({"properties": {"asReplicas": {"enum": [True]}}} if "asReplicas" in names else {})


def _never(*groups: tuple[str, ...]) -> Node:
    """Of each group not all are there."""
    return {"not": {"anyOf": [_there(*names) for names in groups]}}


def _one_of(*names: str) -> Node:
    return {"oneOf": [_there(name) for name in names]}


def _if(reason: str, then: Node) -> Node:
    return {"anyOf": [{"not": _there(reason)}, then]}


def _of_trigger() -> Node:
    """Exactly one reason, and with it what ``trigger_checks`` let stand beside it."""
    beside = tuple((reason, name) for reason in REASONS for name in TARGETS if name not in ALLOWED[reason])
    needed: Iterator[Node] = (_if(reason, _there(name)) for reason, (name, _) in NEEDED.items())
    learns = _never(("learn", "value"), ("learn", "asReplicas"))
    query = {**_one_of("perReplica", "value", "asReplicas"), "properties": {"value": {"pattern": _QUANTITY}}}
    return {**_one_of(*REASONS), "allOf": [_never(*beside), learns, _if("query", query), *_of_trace(), *needed]}


def _of_trace() -> Iterator[Node]:
    """A latency has a duration to keep, everything else what a replica carries."""
    measures = (
        (
            list(LATENCIES),
            {"required": ["value"], "properties": {"value": {**_NO_NUMBER, "pattern": _DURATION}}},
            "perReplica",
        ),
        (["rate", "inFlight"], _there("perReplica"), "value"),
    )
    for measured, then, never in measures:
        trace = {"required": ["measure"], "properties": {"measure": {"enum": measured}}}
        when = {"required": ["trace"], "properties": {"trace": trace}}
        yield {"anyOf": [{"not": when}, {**then, **_never((never,))}]}


LOGIC: Final[dict[str, Node]] = {
    "Trigger": _of_trigger(),
    "ResourceTarget": {**_one_of("utilization", "averageValue"), **_never(("averageValue", "of"))},
    "DownstreamCeiling": _one_of("limit", "query"),
    "CapacityLimit": _one_of("value", "query"),
    "Ratio": _one_of("good", "bad"),
}
_NAMED: Final[tuple[tuple[str, str], ...]] = (
    ("ScalingRuleSpec", "triggers"), ("ScalingRuleSpec", "schedule"), ("ScalingRuleSpec", "ceiling"),
    ("Capacity", "limits"),
)  # fmt: skip
_CONDITIONS: Final[dict[tuple[str, str], str]] = {
    (status, "conditions"): "type" for status in ("Status", "RuleStatus", "PolicyStatus")
}
ADDITIONS: Final = Additions(cel=CEL, logic=LOGIC, named_lists={**dict.fromkeys(_NAMED, "name"), **_CONDITIONS})
