"""Mistakes of a PriceSheet that need two of its rules to be seen, and prices that are probably not meant."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Final

from rules.written import Fault, Mapping, at, mappings
from rules.yaml_tree import Path

_RULES: Final[Path] = ("spec", "rules")
_SELECTORS: Final = ("instanceType", "region", "capacityType", "storageClass")


def within_sheet(data: object) -> Iterator[Fault]:
    """Two rules with as many selectors that fit the same thing: nobody could say which one counts."""
    rules = [(index, rule, _selectors(rule)) for index, rule in mappings(data, *_RULES)]
    for (first, one, chosen), (second, other, also) in combinations(rules, 2):
        if len(chosen) != len(also) or _is_discount(one) is not _is_discount(other):
            continue
        if _is_about_volumes(one) is not _is_about_volumes(other) and chosen and also:
            continue
        if all(also.get(name, value) == value for name, value in chosen.items()):
            same = "has the same selectors as" if chosen == also else "can match what is matched by"
            yield (*_RULES, second, "match"), f"{same} rules[{first}]; add a selector, so that one of them goes first"


def commitments_of(data: object) -> Iterator[Fault]:
    """Two commitments of one id: what is paid for would count twice."""
    known: dict[object, int] = {}
    for index, one in mappings(data, "spec", "commitments"):
        if (name := one.get("id")) is None:
            continue
        if name in known:
            yield ("spec", "commitments", index, "id"), f"is also the id of commitments[{known[name]}]"
        known.setdefault(name, index)


def warnings(data: object) -> Iterator[Fault]:
    """Prices of zero: allowed (a machine of your own may be free), and mostly a price that is missing."""
    spec = at(data, "spec")
    for name in ("cpuCoreHour", "memoryGiBHour", "loadBalancerHourly"):
        if _is_zero(at(spec, name)):
            yield ("spec", name), "a price of 0: what it is of costs nothing"
    for index, rule in mappings(data, *_RULES):
        if _is_zero(rule.get("hourly")):
            yield (*_RULES, index, "hourly"), "a price of 0: what it matches costs nothing"
        units = rule.get("perUnit")
        for name, value in units.items() if isinstance(units, dict) else ():
            if _is_zero(value):
                yield (*_RULES, index, "perUnit", name), "a price of 0: what it is of costs nothing"


def _selectors(rule: Mapping) -> dict[str, object]:
    match = rule.get("match")
    if not isinstance(match, dict):
        return {}
    labels = match.get("nodeLabels")
    own = {name: match[name] for name in _SELECTORS if match.get(name) is not None}
    return own | {f"nodeLabels.{name}": value for name, value in (labels if isinstance(labels, dict) else {}).items()}


def _is_discount(rule: Mapping) -> bool:
    return rule.get("discountFromOnDemand") is not None


def _is_about_volumes(rule: Mapping) -> bool:
    units = rule.get("perUnit")
    return "storageClass" in _selectors(rule) or (isinstance(units, dict) and units.get("gibMonth") is not None)


def _is_zero(value: object) -> bool:
    if isinstance(value, str):
        return value.strip("+.0") == "" and "0" in value
    return isinstance(value, int | float) and not isinstance(value, bool) and value == 0
