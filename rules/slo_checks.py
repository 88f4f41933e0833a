"""Mistakes of an SLO that need two of its fields, and of its queries with a range in place of ``{{window}}``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from rules.slo import WINDOW, over_window
from rules.written import CheckQuery, Fault, Mapping, at, given, query, text_at
from rules.yaml_tree import Path

_INDICATORS: Final = ("ratio", "latency", "threshold")
_AT: Final[Path] = ("spec", "indicator")


def within_slo(data: object, check_query: CheckQuery) -> Iterator[Fault]:
    """What is wrong inside an SLO, beyond its single fields."""
    indicator = at(data, *_AT)
    if not isinstance(indicator, dict):
        return
    found = given(indicator, _INDICATORS)
    if not found:
        yield _AT, "needs one of ratio, latency and threshold"
    for name in found[1:]:
        yield (*_AT, name), f"stands beside {found[0]}; an indicator has exactly one of ratio, latency and threshold"
    if isinstance(at(indicator, "ratio"), dict):
        yield from _ratio(at(indicator, "ratio"), (*_AT, "ratio"), check_query)
    threshold = at(indicator, "threshold")
    yield from query(threshold, (*_AT, "threshold"), "query", check_query)


def _ratio(ratio: object, path: Path, check_query: CheckQuery) -> Iterator[Fault]:
    found = given(ratio, ("good", "bad"))
    if not found:
        yield (*path, "good"), "this field is required: the good requests (or give bad)"
    if len(found) > 1:
        yield (*path, "bad"), "stands beside good; give one of the two"
    for name in ("good", "bad", "total"):
        yield from _ranged(ratio, path, name, check_query)
    sources = {name: text_at(ratio, name, "source") for name in (*found, "total")}
    for name in found:
        if sources[name] != sources["total"]:
            yield (*path, name), "is asked at another source than total; one query divides them, so give both the same"


def _ranged(ratio: object, path: Path, name: str, check_query: CheckQuery) -> Iterator[Fault]:
    """The query as it will be asked, over 5 minutes."""
    written = at(ratio, name)
    expr = written if isinstance(written, str) else text_at(written, "expr")
    if expr is None or not expr.strip():
        return
    place = (*path, name) if isinstance(written, str) else (*path, name, "expr")
    asked = over_window(expr, "5m")
    if asked is None:
        example = f"sum(rate(http_requests_total[{WINDOW}]))"
        yield place, f"has no range: write {WINDOW} where one stands, as in {example}, or a counter alone"
        return
    again: Mapping = {name: asked if isinstance(written, str) else {**dict(written or {}), "expr": asked}}  # type: ignore[call-overload]
    yield from query(again, path, name, check_query)
