"""KEDA's ``scalingModifiers.formula`` as a ``combine``, where that can say it.

KEDA combines the values of metrics and divides by one target; ``combine`` speaks replicas, each trigger divided and
rounded up by itself. With the same target for all, ``max``, ``min`` and ``??`` come out the same; a sum may come out
higher by less than one replica for each term; a product of two metrics is no number of replicas at all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from domain.errors import ExpressionError
from rules.combine import Binary, Call, Name, Node, Number, parse

_WORD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ONE: Final = Decimal(1)
_ARITHMETIC: Final = {"+": 1, "-": 1, "*": 2, "??": 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Combined:
    """The expression, and whether it comes out exactly the same."""

    text: str
    exact: bool


def as_combine(formula: str, names: Mapping[str, str], *, target: Decimal) -> Combined:
    """The formula over triggers that all have ``target`` as what a replica carries.

    Args:
        formula: KEDA's, over the names of its triggers.
        names: What our triggers are called, by KEDA's names.
        target: ``scalingModifiers.target``, above 0.

    Raises:
        ExpressionError: ``combine`` cannot say it.
    """
    text = _WORD.sub(lambda found: names.get(found[0], found[0]), formula)
    tree = parse(text, triggers=set(names.values()))
    if not _is_demand(tree):
        raise ExpressionError("a constant is no demand", 1)
    return Combined(text=_written(tree, target, 0), exact=_is_exact(tree))


def _is_demand(node: Node) -> bool:
    """Whether it grows with a metric: False for what is made of numbers alone."""
    match node:
        case Number():
            return False
        case Name():
            return True
        case Binary(operator="*"):
            left, right = _is_demand(node.left), _is_demand(node.right)
            if left and right:
                raise ExpressionError("a product of two metrics is no number of replicas", node.column)
            return left or right
        case Binary():
            if node.operator not in _ARITHMETIC:
                raise ExpressionError("metrics are not compared here: replicas are rounded up before", node.column)
            return any([_is_demand(node.left), _is_demand(node.right)])
        case Call():
            return any([_is_demand(one) for one in node.arguments])


def _is_exact(node: Node) -> bool:
    match node:
        case Binary():
            return node.operator == "??" and _is_exact(node.left) and _is_exact(node.right)
        case Call():
            return all(_is_exact(one) for one in node.arguments)
        case _:
            return True


def _written(node: Node, target: Decimal, around: int) -> str:
    """As text; a number that is added to a demand is divided by the target, a factor is not."""
    match node:
        case Number():
            return f"{round(Decimal(str(node.value)) / target, 9).normalize():f}"
        case Name():
            return node.name
        case Binary(operator="*"):
            first = not _is_demand(node.right)  # of two numbers one is divided, too
            divided = ((node.left, first), (node.right, not first))
            return _bracketed(" * ".join(_written(one, target if by else _ONE, 2) for one, by in divided), 2, around)
        case Binary():
            strength = _ARITHMETIC[node.operator]
            right = _written(node.right, target, strength + 1)
            return _bracketed(f"{_written(node.left, target, strength)} {node.operator} {right}", strength, around)
        case Call():
            inside = ", ".join(_written(one, target, 0) for one in node.arguments)
            return f"{node.function}({inside})"


def _bracketed(text: str, strength: int, around: int) -> str:
    return f"({text})" if strength < around else text
