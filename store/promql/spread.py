"""One query becomes the query of many: an equality on a label is opened, and the label carried up to the answer.

``sum(rate(m{app="a"}[2m]))`` spread over ``app`` is ``sum by (app) (rate(m{app=~"a|b"}[2m]))``: its rows with
``app="a"``, without that label, are exactly the rows of the first. Every construct for which that does not hold is
refused (``TangledError``), and its query stays alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from enum import Enum
from typing import Final, TypeAlias

from store.metrics.matchers import Matcher
from store.promql.functions import DATES, ELEMENTWISE, RANGE_FUNCTIONS
from store.promql.plan import (
    Aggregation,
    Binary,
    Call,
    Matching,
    Negation,
    Node,
    Number,
    RangeSelector,
    Selector,
    String,
    Subquery,
)

SPREAD_AGGREGATIONS: Final = frozenset(
    {"sum", "avg", "min", "max", "count", "group", "stddev", "stdvar", "quantile"}
)  # fmt: skip
SPREAD_FUNCTIONS: Final = (
    (RANGE_FUNCTIONS | ELEMENTWISE | DATES | {"timestamp", "histogram_quantile", "histogram_fraction"})
    - {"absent_over_time"}
)  # fmt: skip
"""Each of their answers' series depends on series of the same label value only, and carries it."""
_SET_OPERATORS: Final = frozenset({"and", "or", "unless"})


class Carried(Enum):
    """Where the label is in a node's rows."""

    NOWHERE = "nowhere"
    """The node does not depend on the label's value: it is the same for all."""
    OWN = "own"
    """The rows of the query alone carry it as well."""
    ADDED = "added"
    """Only the rows of the query of many carry it."""


Spread: TypeAlias = tuple[Node, Carried]


class TangledError(Exception):
    """The label cannot be carried up through this construct."""


def spread(node: Node, matcher: Matcher) -> Spread:
    """``node`` with ``matcher`` in the place of every equality on its label, and where its rows then carry the label.

    Raises:
        TangledError: The rows could not be told apart again.
    """
    match node:
        case Number() | String():
            return node, Carried.NOWHERE
        case Selector():
            return _selector(node, matcher)
        case RangeSelector():
            inner, carried = _selector(node.selector, matcher)
            return replace(node, selector=inner), carried
        case Subquery() | Negation():
            expr, carried = spread(node.expr, matcher)
            return replace(node, expr=expr), carried
        case Call():
            return _call(node, matcher)
        case Aggregation():
            return _aggregation(node, matcher)
        case Binary():
            return _binary(node, matcher)


def equalities(node: Node) -> Iterator[Matcher]:
    """Every equality on a label's value in the selectors of ``node``."""
    match node:
        case Selector():
            yield from (one for one in node.matchers if one.op == "=" and one.value)
        case RangeSelector():
            yield from equalities(node.selector)
        case Subquery() | Negation():
            yield from equalities(node.expr)
        case Call():
            for arg in node.args:
                yield from equalities(arg)
        case Aggregation():
            yield from equalities(node.expr)
            if node.param is not None:
                yield from equalities(node.param)
        case Binary():
            yield from equalities(node.left)
            yield from equalities(node.right)


def _selector(node: Selector, matcher: Matcher) -> tuple[Selector, Carried]:
    on_it = [one for one in node.matchers if one.name == matcher.name]
    if not on_it:
        return node, Carried.NOWHERE
    if len(on_it) > 1 or on_it[0].op != "=" or not on_it[0].value:
        raise TangledError
    matchers = tuple(matcher if one is on_it[0] else one for one in node.matchers)
    return replace(node, matchers=matchers), Carried.OWN


def _call(node: Call, matcher: Matcher) -> Spread:
    args = [spread(arg, matcher) for arg in node.args]
    found = [carried for _, carried in args if carried is not Carried.NOWHERE]
    if not found:
        return node, Carried.NOWHERE
    if len(found) > 1 or node.name not in SPREAD_FUNCTIONS or matcher.name == "le":
        raise TangledError
    return replace(node, args=tuple(arg for arg, _ in args)), found[0]


def _aggregation(node: Aggregation, matcher: Matcher) -> Spread:
    expr, carried = spread(node.expr, matcher)
    if node.param is not None and spread(node.param, matcher)[1] is not Carried.NOWHERE:
        raise TangledError
    if carried is Carried.NOWHERE:
        return node, carried
    if node.op not in SPREAD_AGGREGATIONS:
        raise TangledError
    listed = matcher.name in node.labels
    if listed != node.without:  # the aggregation keeps it
        return replace(node, expr=expr), carried
    labels = tuple(one for one in node.labels if one != matcher.name) if listed else (*node.labels, matcher.name)
    return replace(node, expr=expr, labels=labels), Carried.ADDED


def _binary(node: Binary, matcher: Matcher) -> Spread:
    (left, in_left), (right, in_right) = spread(node.left, matcher), spread(node.right, matcher)
    joined = replace(node, left=left, right=right)
    if in_left is in_right is Carried.NOWHERE:
        return node, Carried.NOWHERE
    if is_scalar(node.left) or is_scalar(node.right):
        return joined, in_right if in_left is Carried.NOWHERE else in_left
    if Carried.NOWHERE in (in_left, in_right):
        return joined, _beside_the_same(node, matcher.name, in_left, in_right)
    return _joined(joined, matcher.name, in_left, in_right)


def _beside_the_same(node: Binary, label: str, in_left: Carried, in_right: Carried) -> Carried:
    """A side that is the same for all: it may only be looked up, by other labels than this one."""
    matching = node.matching
    if not matching.on or label in (*matching.labels, *matching.include):
        raise TangledError
    if node.op in ("and", "unless") and in_right is Carried.NOWHERE:
        return in_left
    if matching.many == "left" and in_right is Carried.NOWHERE:
        return in_left
    if matching.many == "right" and in_left is Carried.NOWHERE:
        return in_right
    raise TangledError


def _joined(node: Binary, label: str, in_left: Carried, in_right: Carried) -> Spread:
    """Both sides carry it, so that pairs keep to themselves once it is among the labels that are matched."""
    matching = node.matching
    if label in matching.include:
        raise TangledError
    added = matching.on and label not in matching.labels
    if not added and (in_left is not in_right or label in matching.labels and not matching.on):
        raise TangledError
    if added:
        node = replace(node, matching=_also_on(matching, label))
    if node.op == "or" and in_left is not in_right:
        raise TangledError
    if node.op in _SET_OPERATORS or matching.many == "left":
        return node, in_left
    if matching.many == "right":
        return node, in_right
    return node, Carried.ADDED if added else in_left


def _also_on(matching: Matching, label: str) -> Matching:
    return replace(matching, labels=(*matching.labels, label))


def is_scalar(node: Node) -> bool:
    """Whether the node yields a number without labels."""
    match node:
        case Number():
            return True
        case Negation():
            return is_scalar(node.expr)
        case Call():
            return node.name in ("scalar", "time", "pi")
        case Binary():
            return is_scalar(node.left) and is_scalar(node.right)
    return False
