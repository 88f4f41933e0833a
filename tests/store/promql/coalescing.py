"""Queries over ``@@`` (a place for matchers) and data with awkward label values, for the tests of coalescing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from hypothesis import strategies as st

from domain.errors import QueryError
from domain.labels import Labels
from domain.series import Series
from store.promql import coalesce
from store.promql.querying import QuerySource
from store.promql.render import quoted
from store.promql.results import Matrix, Result, Vector
from tests.fakes.series import series

START_MS = 1_700_000_010_000
STEP_MS = 15_000
AT_MS = START_MS + 40 * STEP_MS
APPS = ("a", "b", "a.b", "a|b", "c+", "(x)", "back\\slash", 'quo"te', "ümlaut", "new\nline", "absent")
NAMESPACES = ("shop", "edge")
PODS = ("p0", "p1")
MATCHINGS = (
    "", "", "on (pod)", "on (app)", "on (app, pod)", "ignoring (pod)", "ignoring (app)", "on ()",
    "on (pod) group_left ()", "on (app) group_left ()", "on (pod) group_right ()", "on (pod) group_left (app)",
    "on (app, namespace) group_left (pod)",
)  # fmt: skip
CLAUSES = ("", "by (pod) ", "by (app) ", "by (app, pod) ", "by (namespace) ", "without (pod) ", "without (app) ",
           "without (app, pod) ", "by (le) ")  # fmt: skip


def data() -> list[Series]:
    """Gauges ``m`` and ``n`` and a counter ``c``, a histogram ``h_bucket``; ``n`` lacks every third."""
    found = []
    generator = np.random.default_rng(7)
    rows = [(app, namespace, pod) for app in APPS[:-1] for namespace in NAMESPACES for pod in PODS]
    for number, (app, namespace, pod) in enumerate(rows):
        labels = {"app": app, "namespace": namespace, "pod": pod}
        walk = np.cumsum(generator.integers(0, 20, 41)).astype(float)
        found.append(series("m", START_MS, STEP_MS, generator.integers(-9, 9, 41).astype(float).tolist(), **labels))
        found.append(series("c", START_MS, STEP_MS, walk.tolist(), **labels))
        if number % 3:
            found.append(series("n", START_MS, STEP_MS, generator.integers(0, 3, 41).astype(float).tolist(), **labels))
        for at, le in enumerate(("0.1", "1", "+Inf")):
            found.append(series("h_bucket", START_MS, STEP_MS, (walk * (at + 1)).tolist(), le=le, **labels))
    return found


def selectors() -> st.SearchStrategy[str]:
    return st.sampled_from(
        ("m{@@}", "n{@@}", 'm{@@, pod="p1"}', 'n{@@, pod!="p0"}', '{__name__="m", @@}', 'n{pod="p1"}')
    )


def leaves() -> st.SearchStrategy[str]:
    ranges = ("rate(c{@@}[2m])", "increase(c{@@}[90s])", "avg_over_time(m{@@}[1m])", "last_over_time(n{@@}[1m])",
              "quantile_over_time(0.9, m{@@}[2m])", "absent_over_time(n{@@}[1m])", "rate(h_bucket{@@}[2m])",
              "m{@@} offset 1m", 'sum by (pod) (n{namespace="shop"})', "vector(2)")  # fmt: skip
    return selectors() | st.sampled_from(ranges)


def expressions() -> st.SearchStrategy[str]:
    """Instant vectors of all the forms that may be spread, and of some that may not."""

    def larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        aggregations = ("sum", "avg", "min", "max", "count", "group", "stddev", "topk", "quantile")
        operators = ("+", "-", "*", "/", ">", "<= bool", "and", "or", "unless")
        return st.one_of(
            st.builds(_aggregated, st.sampled_from(aggregations), st.sampled_from(CLAUSES), inner),
            st.builds(_joined, inner, st.sampled_from(operators), st.sampled_from(MATCHINGS), inner),
            st.builds(lambda one: f"({one}) * 2 > 1", inner),
            st.builds(lambda one: f"abs(-({one}))", inner),
            st.builds(lambda one: f"histogram_quantile(0.5, {one})", inner),
            st.builds(lambda one: f"max_over_time(({one})[1m:15s])", inner),
            st.builds(lambda one: f"({one}) or vector(0)", inner),
            st.builds(lambda one: f"({one}) / scalar(sum(n{{@@}}))", inner),
            st.builds(lambda one: f'label_replace({one}, "x", "$1", "pod", "(.*)")', inner),
            st.builds(lambda one: f"sort({one})", inner),
        )

    return st.recursive(leaves(), larger, max_leaves=4)


def _aggregated(op: str, clause: str, inner: str) -> str:
    param = {"topk": "1, ", "quantile": "0.5, "}.get(op, "")
    return f"{op} {clause}({param}{inner})"


def _joined(left: str, operator: str, matching: str, right: str) -> str:
    if operator in ("and", "or", "unless"):
        matching = matching.partition(" group_")[0]
    return f"({left}) {operator} {matching} ({right})"


def queries_of(form: str) -> list[str]:
    """One for each application, and for some of them in one namespace."""
    found = [form.replace("@@", f"app={quoted(app)}") for app in APPS]
    found += [
        form.replace("@@", f"app={quoted(app)}, namespace={quoted(namespace)}")
        for app in APPS[:4]
        for namespace in NAMESPACES
    ]
    return found


@dataclass
class Counting:
    """Passes questions on and counts them."""

    source: QuerySource
    asked: list[str] = field(default_factory=list)

    def instant(self, query: str, *, at_ms: int) -> Result:
        self.asked.append(query)
        return self.source.instant(query, at_ms=at_ms)

    def range(self, query: str, *, start_ms: int, end_ms: int, step_ms: int) -> Matrix:
        self.asked.append(query)
        return self.source.range(query, start_ms=start_ms, end_ms=end_ms, step_ms=step_ms)


def alone(source: QuerySource, query: str) -> Mapping[Labels, float] | str:
    try:
        return values_of(source.instant(query, at_ms=AT_MS))
    except QueryError:
        return "refused"


def together(source: QuerySource, queries: list[str]) -> dict[str, Mapping[Labels, float] | str]:
    found: dict[str, Mapping[Labels, float] | str] = {}
    for question in coalesce.questions(queries):
        answers = coalesce.ask(question, lambda text: source.instant(text, at_ms=AT_MS), coalesce.split_instant)
        for query, answer in answers.items():
            found[query] = "refused" if isinstance(answer, QueryError) else values_of(answer)
    return found


def values_of(result: Result) -> Mapping[Labels, float]:
    assert isinstance(result, Vector), result
    return dict(zip(result.labels, result.values.tolist(), strict=True))


def same(one: Mapping[Labels, float] | str, other: Mapping[Labels, float] | str) -> bool:
    """The same series with the same values, up to the order of a sum."""
    if isinstance(one, str) or isinstance(other, str):
        return one == other
    return one.keys() == other.keys() and all(_close(one[labels], other[labels]) for labels in one)


def _close(one: float, other: float) -> bool:
    return math.isnan(one) and math.isnan(other) or one == other or math.isclose(one, other, rel_tol=1e-12)
