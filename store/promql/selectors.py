"""What a query reads: its selectors, and the metrics that they name."""

from __future__ import annotations

from collections.abc import Iterator

from domain.labels import METRIC_NAME
from store.promql.plan import Aggregation, Binary, Call, Negation, Node, RangeSelector, Selector, Subquery


def selectors(node: Node) -> Iterator[Selector]:
    """Every selector of a plan, in the order of the text."""
    match node:
        case Selector():
            yield node
        case RangeSelector():
            yield node.selector
        case Subquery() | Negation() | Aggregation():
            yield from selectors(node.expr)
        case Call():
            for arg in node.args:
                yield from selectors(arg)
        case Binary():
            yield from selectors(node.left)
            yield from selectors(node.right)


def metric_names(node: Node) -> set[str]:
    """The metrics that selectors name outright, not by a regular expression."""
    return {
        matcher.value
        for selector in selectors(node)
        for matcher in selector.matchers
        if matcher.name == METRIC_NAME and matcher.op == "="
    }
