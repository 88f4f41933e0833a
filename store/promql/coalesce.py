"""Queries that differ only in the values of labels are asked as one and told apart again.

2,000 rules with ``sum(rate(http_requests_total{app="…"}[2m]))`` are a few queries for the server, not 2,000. A
question that the server cannot answer is asked in halves, down to single queries: one broken query costs the others
of its group a few questions more, never their answer.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, TypeVar

import numpy as np

from domain.errors import QueryError, QueryExecutionError, QueryLimitError, QuerySyntaxError
from domain.labels import METRIC_NAME, Labels
from store.metrics.matchers import Matcher
from store.promql.parse import parse
from store.promql.plan import Binary, Call, Node, Number, RangeSelector, Subquery
from store.promql.render import render
from store.promql.results import Matrix, Result, Vector
from store.promql.spread import Carried, TangledError, equalities, spread

MAX_ALTERNATIVES: Final = 1_000
"""Values of one group; Prometheus 2.42 answered 1,000 of them with 3 series each in about 20 ms."""
MAX_LENGTH: Final = 15_000
"""Characters of one query: VictoriaMetrics refuses more than 16 KiB (-search.maxQueryLen)."""
_OPEN: Final = "\x00"
_CACHED: Final = 65_536
_META: Final = re.compile(r"([\\.+*?()|\[\]{}^$])")

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A query without the values of its open labels.

    Attributes:
        key: The same for all queries that differ in those values only.
        plan: The query's own plan, without a default.
        labels: The open labels, in order of name.
        values: Theirs in this query.
        kept: Those that the query's own answer carries.
        default: ``c`` of a query that ends in ``or vector(c)``; None otherwise.
    """

    key: str
    plan: Node
    labels: tuple[str, ...]
    values: tuple[str, ...]
    kept: frozenset[str]
    default: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One query to ask, and whose answer is in it.

    Attributes:
        query: The text.
        labels: By whose values its rows are handed out; empty for a query that is asked alone.
        members: The queries that are answered, by those values.
        shapes: The members' shapes, where there are several.
    """

    query: str
    labels: tuple[str, ...]
    members: Mapping[tuple[str, ...], tuple[str, ...]]
    shapes: Mapping[str, Shape]

    @property
    def queries(self) -> tuple[str, ...]:
        """Whose answer is in it."""
        return tuple(query for queries in self.members.values() for query in queries)


@lru_cache(maxsize=_CACHED)
def shape_of(query: str) -> Shape | None:
    """The query's shape; None for one that has to be asked alone."""
    try:
        plan, default = _without_default(parse(query))
    except QueryError:  # what Foretide does not evaluate itself, another server may
        return None
    if isinstance(plan, RangeSelector | Subquery):
        return None
    values: dict[str, set[str]] = defaultdict(set)
    for matcher in equalities(plan):
        values[matcher.name].add(matcher.value)
    opened: Node = plan
    open_labels: dict[str, str] = {}
    kept: set[str] = set()
    for name in sorted(values):
        if name == METRIC_NAME or len(values[name]) > 1:
            continue
        try:
            opened, carried = spread(opened, Matcher(name=name, op="=", value=_OPEN))
        except TangledError:
            continue
        open_labels[name] = values[name].pop()
        if carried is Carried.OWN:
            kept.add(name)
    if not open_labels:
        return None
    labels = tuple(open_labels)
    return Shape(
        key=f"{render(opened)} {labels} {sorted(kept)} {default}", plan=plan, labels=labels,
        values=tuple(open_labels.values()), kept=frozenset(kept), default=default,
    )  # fmt: skip


def questions(
    queries: Iterable[str], *, max_alternatives: int = MAX_ALTERNATIVES, max_length: int = MAX_LENGTH
) -> list[Question]:
    """What to ask so that every one of ``queries`` is answered."""
    groups: dict[str, dict[str, Shape]] = defaultdict(dict)
    found: list[Question] = []
    for query in dict.fromkeys(queries):
        shape = shape_of(query)
        if shape is None:
            found.append(_alone(query))
        else:
            groups[shape.key][query] = shape
    for shapes in groups.values():
        found += _grouped(shapes, max_alternatives, max_length)
    return found


def ask(
    question: Question, once: Callable[[str], T], split: Callable[[Question, T], dict[str, T]]
) -> dict[str, T | QueryError]:
    """The answers of a question's queries; a group that the server cannot answer is asked in halves."""
    try:
        answer = once(question.query)
    except (QueryExecutionError, QueryLimitError, QuerySyntaxError) as error:
        if len(question.shapes) < 2:
            return dict.fromkeys(question.queries, error)
        halves = (_among(part) for part in _halves(question.shapes))
        return {query: answer for half in halves for query, answer in ask(half, once, split).items()}
    except QueryError as error:
        return dict.fromkeys(question.queries, error)
    return dict(split(question, answer)) if question.labels else dict.fromkeys(question.queries, answer)


def split_instant(question: Question, answer: Result) -> dict[str, Result]:
    """The instant vector of each query."""
    if not isinstance(answer, Vector):
        raise QueryExecutionError(f"expected an instant vector for {question.query}")
    rows = _rows_of(question, answer.labels)
    found: dict[str, Result] = {}
    for values, queries in question.members.items():
        own = np.array(rows.get(values, ()), dtype=np.int64)
        for query in queries:
            shape = question.shapes[query]
            labels = [_own_labels(answer.labels[row], question, shape) for row in own]
            vector = replace(answer, labels=labels, values=answer.values[own])
            found[query] = vector if shape.default is None else _or_default(vector, shape.default)
    return found


def split_range(question: Question, answer: Matrix) -> dict[str, Matrix]:
    """The range of each query, rows in label order."""
    rows = _rows_of(question, answer.labels)
    found: dict[str, Matrix] = {}
    for values, queries in question.members.items():
        for query in queries:
            shape = question.shapes[query]
            named = sorted((_own_labels(answer.labels[row], question, shape), row) for row in rows.get(values, ()))
            own = np.array([row for _, row in named], dtype=np.int64)
            matrix = replace(
                answer, labels=[one for one, _ in named], values=answer.values[own], present=answer.present[own]
            )
            found[query] = matrix if shape.default is None else _or_default_range(matrix, shape.default)
    return found


def _without_default(plan: Node) -> tuple[Node, float | None]:
    """``x or vector(0)`` without its last part: the default is put in when the answer is told apart."""
    match plan:
        case Binary(op="or", right=Call(name="vector", args=(Number(value=value),)), matching=matching):
            if not matching.on and not matching.labels:
                return plan.left, value
    return plan, None


def _alone(query: str) -> Question:
    return Question(query=query, labels=(), members={(): (query,)}, shapes={})


def _grouped(shapes: Mapping[str, Shape], max_alternatives: int, max_length: int) -> list[Question]:
    """One question, or as many as the limits ask for."""
    question = _among(shapes)
    if len(shapes) < 2 or (len(question.members) <= max_alternatives and len(question.query) <= max_length):
        return [question]
    return [one for half in _halves(shapes) for one in _grouped(half, max_alternatives, max_length)]


def _halves(shapes: Mapping[str, Shape]) -> list[dict[str, Shape]]:
    """Split by the coarsest label first: with its namespaces together a half names, and selects, no other's."""
    columns = list(zip(*(shape.values for shape in shapes.values()), strict=True))
    coarsest = sorted(range(len(columns)), key=lambda at: len(set(columns[at])))
    ordered = sorted(shapes.items(), key=lambda item: ([item[1].values[at] for at in coarsest], item[0]))
    middle = len(ordered) // 2
    return [dict(ordered[:middle]), dict(ordered[middle:])]


def _among(shapes: Mapping[str, Shape]) -> Question:
    """The question of these queries of one shape."""
    if len(shapes) == 1:
        return _alone(next(iter(shapes)))
    first = next(iter(shapes.values()))
    columns = list(zip(*(shape.values for shape in shapes.values()), strict=True))
    varying = [at for at, column in enumerate(columns) if len(set(column)) > 1]
    plan = first.plan
    for at in varying:
        alternatives = "|".join(escaped(value) for value in sorted(set(columns[at])))
        plan, _ = spread(plan, Matcher(name=first.labels[at], op="=~", value=alternatives))
    members: dict[tuple[str, ...], tuple[str, ...]] = {}
    for query, shape in shapes.items():
        values = tuple(shape.values[at] for at in varying)
        members[values] = (*members.get(values, ()), query)
    labels = tuple(first.labels[at] for at in varying)
    if not labels:  # the same query, spelt in several ways
        return Question(query=next(iter(shapes)), labels=(), members=members, shapes=shapes)
    return Question(query=render(plan), labels=labels, members=members, shapes=shapes)


def escaped(value: str) -> str:
    """A regular expression (RE2) that matches ``value`` alone."""
    return _META.sub(r"\\\1", value)


def _rows_of(question: Question, labels: Sequence[Labels]) -> dict[tuple[str, ...], list[int]]:
    rows: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for row, own in enumerate(labels):
        known = dict(own)
        rows[tuple(known.get(name, "") for name in question.labels)].append(row)
    return rows


def _own_labels(labels: Labels, question: Question, shape: Shape) -> Labels:
    return labels.without([name for name in question.labels if name not in shape.kept])


def _or_default(vector: Vector, default: float) -> Vector:
    if Labels() in vector.labels:
        return vector
    return replace(vector, labels=[*vector.labels, Labels()], values=np.append(vector.values, default))


def _or_default_range(matrix: Matrix, default: float) -> Matrix:
    if Labels() in matrix.labels:
        row = matrix.labels.index(Labels())
        values, present = matrix.values.copy(), matrix.present.copy()
        values[row, ~present[row]] = default
        present[row] = True
        return replace(matrix, values=values, present=present)
    steps = len(matrix.timestamps_ms)
    return replace(
        matrix,
        labels=[Labels(), *matrix.labels],
        values=np.vstack([np.full((1, steps), default), matrix.values]),
        present=np.vstack([np.ones((1, steps), dtype=np.bool_), matrix.present]),
    )
