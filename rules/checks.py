"""Mistakes that need two fields, or two documents, to be seen.

They look at the data as written, not at the models, so that a mistake in one field hides none in another. Each check
is a small function over what it can read; what it cannot read is somebody else's mistake.
"""

from __future__ import annotations

from collections.abc import Iterator

from rules import price_checks, rule_checks
from rules.slo_checks import within_slo
from rules.written import CheckQuery, Fault, at, given, mappings, query, text_at, unique_names
from rules.yaml_tree import Path


def within(data: object, check_query: CheckQuery) -> Iterator[Fault]:
    """What is wrong inside one document, beyond its single fields."""
    match text_at(data, "kind"):
        case "ScalingRule":
            yield from rule_checks.within_rule(data, check_query)
        case "Forecast":
            yield from _within_forecast(data, check_query)
        case "SLO":
            yield from within_slo(data, check_query)
        case "PriceSheet":
            yield from price_checks.within_sheet(data)
            yield from price_checks.commitments_of(data)


def warnings(data: object) -> Iterator[Fault]:
    """What is allowed inside one document and probably not meant."""
    if text_at(data, "kind") == "ScalingRule":
        yield from rule_checks.warnings(data)
    if text_at(data, "kind") == "PriceSheet":
        yield from price_checks.warnings(data)


def _within_forecast(data: object, check_query: CheckQuery) -> Iterator[Fault]:
    spec = at(data, "spec")
    if not isinstance(spec, dict):
        return
    yield from query(spec, ("spec",), "query", check_query)
    path: Path = ("spec", "capacity", "limits")
    limits = mappings(spec, "capacity", "limits")
    for index, limit in limits:
        found = given(limit, ("value", "query"))
        if len(found) != 1:
            yield (*path, index, *found[1:]), "a limit has exactly one of value and query"
        yield from query(limit, (*path, index), "query", check_query)
    yield from unique_names(limits, path)
