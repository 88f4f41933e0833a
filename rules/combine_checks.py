"""What is wrong with an expression of ``combine`` although it parses.

A forecast may only raise, so the expression must have a value without forecasts; and one in which more of something
means fewer replicas deserves a warning, because the promise "more demand never means fewer" then ends.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Literal

from domain.errors import ExpressionError
from rules.combine import Binary, Call, Name, Node, Number, names

State = Literal["present", "constant", "missing"]
_UNBOUNDED: Final = float("inf")


def check_without_forecasts(tree: Node, *, forecasts: Collection[str]) -> None:
    """Raises where the expression has no value while every forecast is missing and all else is there."""
    if _state(tree, frozenset(forecasts)) == "missing":
        used = ", ".join(sorted(set(names(tree)) & set(forecasts)))
        raise ExpressionError(
            f"without a forecast ({used}) nothing is left; a forecast only raises, so name a trigger that measures", 1
        )


def not_monotone(tree: Node) -> frozenset[str]:
    """The triggers of which more may mean fewer replicas; empty where that is proved impossible.

    The proof goes by the sign and the range of each part, so it may warn of an expression that is harmless.
    """
    slope = _slope(tree)
    return frozenset(name for name, direction in slope.directions.items() if direction != 1)


def _state(node: Node, lost: frozenset[str]) -> State:
    match node:
        case Number():
            return "constant"
        case Name():
            return "missing" if node.name in lost else "present"
        case Binary(operator="??"):
            left, right = _state(node.left, lost), _state(node.right, lost)
            return right if left == "missing" else left
        case Binary():
            return _state_of_operation(node, lost)
        case Call():
            return _state_of_call(node, lost)


def _state_of_operation(node: Binary, lost: frozenset[str]) -> State:
    states = {_state(node.left, lost), _state(node.right, lost)}
    if "missing" in states and node.operator in ("+", "-", "*"):
        lacking = ", ".join(sorted(set(names(node)) & lost))
        message = f"{lacking} may be missing here: write ({lacking} ?? 0), or another number"
        raise ExpressionError(message, node.column)
    if "missing" in states:
        return "missing"
    return "present" if "present" in states else "constant"


def _state_of_call(node: Call, lost: frozenset[str]) -> State:
    states = [_state(argument, lost) for argument in node.arguments]
    if "missing" not in states:
        return "present" if "present" in states else "constant"
    if "present" not in states:
        return "missing"
    if node.function in ("clamp", "if"):
        lacking = ", ".join(sorted(set(names(node)) & lost))
        raise ExpressionError(f"{lacking} may be missing in {node.function}: give it a number with ??", node.column)
    return "present"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Slope:
    """How a part moves with each trigger (1 up, -1 down, 0 unknown), and the range of its values."""

    directions: dict[str, int]
    low: float
    high: float

    def turned(self, factor: int) -> dict[str, int]:
        return {name: factor * direction for name, direction in self.directions.items()}


def _slope(node: Node) -> _Slope:
    match node:
        case Number():
            return _Slope(directions={}, low=node.value, high=node.value)
        case Name():
            return _Slope(directions={node.name: 1}, low=0.0, high=_UNBOUNDED)
        case Binary():
            return _of_operation(node.operator, _slope(node.left), _slope(node.right))
        case Call():
            return _of_call(node.function, [_slope(argument) for argument in node.arguments])


def _of_operation(operator: str, left: _Slope, right: _Slope) -> _Slope:
    if operator == "+":
        return _Slope(directions=_both(left, right), low=left.low + right.low, high=left.high + right.high)
    if operator == "-":
        minus = _Slope(directions=right.turned(-1), low=-right.high, high=-right.low)
        return _Slope(directions=_both(left, minus), low=left.low + minus.low, high=left.high + minus.high)
    if operator == "??":
        return _Slope(directions=_both(left, right), low=min(left.low, right.low), high=max(left.high, right.high))
    if operator == "*":
        return _of_product(left, right)
    return _Slope(directions=dict.fromkeys((*left.directions, *right.directions), 0), low=0.0, high=1.0)


def _of_product(left: _Slope, right: _Slope) -> _Slope:
    corners = [_times(a, b) for a in (left.low, left.high) for b in (right.low, right.high)]
    directions = _both(
        _Slope(directions=left.turned(_sign(right)), low=0, high=0),
        _Slope(directions=right.turned(_sign(left)), low=0, high=0),
    )
    return _Slope(directions=directions, low=min(corners), high=max(corners))


def _of_call(function: str, arguments: list[_Slope]) -> _Slope:
    if function == "if":
        return _of_choice(*arguments)
    directions: dict[str, int] = {}
    for argument in arguments:
        directions = _both(_Slope(directions=directions, low=0, high=0), argument)
    lows, highs = [one.low for one in arguments], [one.high for one in arguments]
    if function == "max":
        return _Slope(directions=directions, low=max(lows), high=max(highs))
    if function == "min":
        return _Slope(directions=directions, low=min(lows), high=min(highs))
    return _Slope(directions=directions, low=min(max(lows[0], lows[1]), lows[2]), high=min(max(highs[:2]), highs[2]))


def _of_choice(condition: _Slope, then: _Slope, otherwise: _Slope) -> _Slope:
    """A choice that jumps is monotone only where its condition does not move at all."""
    directions = _both(then, otherwise) | dict.fromkeys(condition.directions, 0)
    return _Slope(directions=directions, low=min(then.low, otherwise.low), high=max(then.high, otherwise.high))


def _both(left: _Slope, right: _Slope) -> dict[str, int]:
    merged = dict(left.directions)
    for name, direction in right.directions.items():
        merged[name] = direction if merged.get(name, direction) == direction else 0
    return merged


def _sign(slope: _Slope) -> int:
    """1 where no value is below 0, -1 where none is above, else 0."""
    if slope.low >= 0:
        return 1
    return -1 if slope.high <= 0 else 0


def _times(a: float, b: float) -> float:
    """Without the NaN of 0 × ∞."""
    return 0.0 if a == 0 or b == 0 else a * b


def reach(tree: Node) -> tuple[float, float]:
    """Below and above which the expression can never be, whatever the triggers ask for."""
    slope = _slope(tree)
    return slope.low, slope.high
