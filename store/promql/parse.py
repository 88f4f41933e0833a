"""PromQL text to plan: promql-parser reads the grammar, this file refuses by name what Foretide does not evaluate."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from functools import lru_cache
from typing import Any, Final, Literal

import promql_parser as pp

from domain.errors import QuerySyntaxError, UnsupportedQueryError
from domain.labels import METRIC_NAME
from store.metrics.matchers import Matcher
from store.promql.functions import SUPPORTED_AGGREGATIONS, SUPPORTED_FUNCTIONS
from store.promql.places import Places, depth_at_most, without_comments
from store.promql.plan import (
    Aggregation,
    Binary,
    Call,
    Instant,
    Matching,
    Negation,
    Node,
    Number,
    RangeSelector,
    Selector,
    String,
    Subquery,
)

_CACHED_QUERIES: Final = 2048
"""A plan is a few KB; 73 µs of parsing is saved for each rule, panel and tick."""

_MAX_LENGTH: Final = 65_536
_MAX_DEPTH: Final = 200
"""promql-parser 0.11 overflows the stack, and with it ends the process, between 1,000 and 10,000 levels (8 MB stack);
Python's own limit of 1,000 frames is reached at about 300."""
_MAX_ESCAPES: Final = 2_000
"""Its lexer goes a call deeper for each escape in a string and for each comment: the end from some 20,000 on."""

_NATIVE_HISTOGRAMS: Final = frozenset(
    {"histogram_avg", "histogram_count", "histogram_stddev", "histogram_stdvar", "histogram_sum"}
)


@lru_cache(maxsize=_CACHED_QUERIES)
def parse(query: str) -> Node:
    """The plan of ``query``.

    Raises:
        QuerySyntaxError: The text is no PromQL; the message is the parser's.
        UnsupportedQueryError: It is, but holds a construct that Foretide does not evaluate; the message names it.
    """
    _refuse_excess(query)
    try:
        return _Converter(query).node(pp.parse(without_comments(query)))
    except (ValueError, OverflowError) as error:  # also from attributes that are computed late, such as @ 1e300
        raise QuerySyntaxError(f"parse error: {error}") from error


def check(query: str) -> None:
    """Refuse what ``parse`` refuses, without data.

    Raises:
        QuerySyntaxError: The text is no PromQL.
        UnsupportedQueryError: It holds a construct that Foretide does not evaluate.
    """
    parse(query)


def check_syntax(query: str) -> None:
    """Refuse what no server can evaluate: what is no PromQL at all.

    Raises:
        QuerySyntaxError: The text is no PromQL.
    """
    with suppress(UnsupportedQueryError):
        parse(query)


def _refuse_excess(query: str) -> None:
    if len(query) > _MAX_LENGTH:
        raise QuerySyntaxError(f"parse error: the query is longer than {_MAX_LENGTH:,} characters")
    if query.count("\\") > _MAX_ESCAPES:
        raise QuerySyntaxError(f"parse error: the query has more than {_MAX_ESCAPES:,} backslashes")
    if depth_at_most(query) > _MAX_DEPTH:
        raise QuerySyntaxError(f"parse error: the query is nested more than {_MAX_DEPTH} levels deep")


class _Converter:
    """Walks one tree in the order of the text, so that ``Places`` can count the calls along."""

    def __init__(self, query: str) -> None:
        self._places = Places(query)

    def node(self, tree: Any) -> Node:
        match tree:
            case pp.ParenExpr():
                return self.node(tree.expr)
            case pp.NumberLiteral():
                return Number(value=float(tree.val))
            case pp.StringLiteral():
                return String(value=tree.val)
            case pp.UnaryExpr():
                return Negation(expr=self.node(tree.expr))
            case pp.VectorSelector():
                return _selector(tree)
            case pp.MatrixSelector():
                return RangeSelector(selector=_selector(tree.vector_selector), range_ms=_ms(tree.range))
            case pp.SubqueryExpr():
                return self._subquery(tree)
            case pp.Call():
                return self._call(tree)
            case pp.AggregateExpr():
                return self._aggregation(tree)
            case pp.BinaryExpr():
                return self._binary(tree)
        raise UnsupportedQueryError(f"Foretide does not evaluate {type(tree).__name__} yet ({tree.prettify()})")

    def _subquery(self, tree: Any) -> Subquery:
        return Subquery(
            expr=self.node(tree.expr),
            range_ms=_ms(tree.range),
            step_ms=None if tree.step is None else _ms(tree.step),
            offset_ms=_ms(tree.offset),
            at=_at(tree.at),
        )

    def _call(self, tree: Any) -> Call:
        name = tree.func.name
        if name in _NATIVE_HISTOGRAMS:
            raise UnsupportedQueryError(f"Foretide does not evaluate native histograms yet ({name})")
        if name not in SUPPORTED_FUNCTIONS:
            raise UnsupportedQueryError(f"Foretide does not evaluate the function {name}() yet")
        places = self._places.next_call(name)
        return Call(name=name, args=tuple(self.node(arg) for arg in tree.args), places=places)

    def _aggregation(self, tree: Any) -> Aggregation:
        op, modifier = str(tree.op), tree.modifier
        if op not in SUPPORTED_AGGREGATIONS:
            raise UnsupportedQueryError(f"Foretide does not evaluate the aggregation {op} yet")
        places = self._places.next_call(op)
        return Aggregation(
            op=op,
            param=None if tree.param is None else self.node(tree.param),
            expr=self.node(tree.expr),
            without=modifier is not None and modifier.type == pp.AggModifierType.Without,
            labels=tuple(modifier.labels) if modifier is not None else (),
            places=places,
        )

    def _binary(self, tree: Any) -> Binary:
        return Binary(
            op=str(tree.op),
            left=self.node(tree.lhs),
            right=self.node(tree.rhs),
            returns_bool=tree.modifier is not None and tree.modifier.return_bool,
            matching=_matching(tree.modifier),
        )


def _matching(modifier: Any) -> Matching:
    if modifier is None:
        return Matching(on=False, labels=(), many=None, include=())
    fill = modifier.fill_values
    if fill is not None and (fill.lhs is not None or fill.rhs is not None):
        raise UnsupportedQueryError("Foretide does not evaluate the modifiers fill, fill_left and fill_right yet")
    many: Literal["left", "right"] | None = None
    if modifier.card == pp.VectorMatchCardinality.ManyToOne:
        many = "left"
    elif modifier.card == pp.VectorMatchCardinality.OneToMany:
        many = "right"
    join = modifier.matching
    return Matching(
        on=join is not None and join.type == pp.LabelModifierType.Include,
        labels=tuple(join.labels) if join is not None else (),
        many=many,
        include=tuple(modifier.group_labels or ()),
    )


def _selector(tree: Any) -> Selector:
    if tree.matchers.or_matchers:
        raise UnsupportedQueryError(f"Foretide does not evaluate 'or' between label matchers yet ({tree.prettify()})")
    matchers = [_matcher(matcher) for matcher in tree.matchers.matchers]
    if tree.name:
        matchers.insert(0, Matcher(name=METRIC_NAME, op="=", value=tree.name))
    return Selector(matchers=tuple(matchers), offset_ms=_ms(tree.offset), at=_at(tree.at))


def _matcher(tree: Any) -> Matcher:
    op: Literal["=", "!=", "=~", "!~"]
    if tree.op == pp.MatchOp.Equal:
        op = "="
    elif tree.op == pp.MatchOp.NotEqual:
        op = "!="
    else:
        op = "=~" if tree.op == pp.MatchOp.Re else "!~"
    return Matcher(name=tree.name, op=op, value=tree.value)


def _at(tree: Any) -> Instant | None:
    if tree is None:
        return None
    if tree.type == pp.AtModifierType.Start:
        return Instant(at="start")
    if tree.type == pp.AtModifierType.End:
        return Instant(at="end")
    return Instant(at=round(tree.at.timestamp() * 1000))


def _ms(duration: timedelta | None) -> int:
    return 0 if duration is None else round(duration / timedelta(milliseconds=1))
