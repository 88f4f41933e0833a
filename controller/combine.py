"""Evaluates the expression of ``combine``: compiled once to a program, then run on a stack without allocation.

A missing operand is skipped by ``max`` and ``min``; a call of which only constants are left is itself missing; a
missing operand elsewhere fails the whole, unless ``??`` is given. The functions from ``evaluate`` on know only numbers
and sequences, as those of ``core``.
"""

from __future__ import annotations

import math
from collections.abc import MutableSequence, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from controller.compiled import compiled as may_be_compiled
from controller.core import NOTHING, Ints, ceil32
from rules.combine import Binary, Call, Name, Node, Number, names
from rules.combine_checks import not_monotone

Floats = Sequence[float] | NDArray[np.float64]
Stack = MutableSequence[float] | NDArray[np.float64]

(PUSH, OPERAND, ADD, SUBTRACT, MULTIPLY, OR_ELSE, LESS, LESS_EQUAL, EQUAL, NOT_EQUAL, MAXIMUM, MINIMUM, CLAMP,
 CHOOSE) = range(14)  # fmt: skip
_OPERATORS: Final = {
    "+": ADD, "-": SUBTRACT, "*": MULTIPLY, "??": OR_ELSE, "==": EQUAL, "!=": NOT_EQUAL,
    "<": LESS, ">": LESS, "<=": LESS_EQUAL, ">=": LESS_EQUAL,
}  # fmt: skip
_FUNCTIONS: Final = {"max": MAXIMUM, "min": MINIMUM, "clamp": CLAMP, "if": CHOOSE}

MISSING: Final = math.nan
FAILED: Final = -math.inf
"""A missing operand where it cannot be skipped; every value is finite."""
UNDECIDABLE: Final = -2
"""In place of a number of replicas: the expression failed."""
LARGEST: Final = 1e15
"""Values are cut there, so that none becomes infinite; all whole numbers below are exact."""
_ROUNDING: Final = 1e-9
"""10 × 1.1 is 11.000000000000002 in binary; it shall be 11 replicas, not 12."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """An expression, compiled.

    Attributes:
        codes: The operations, in the order of a stack machine.
        arguments: Of each: the constant, the operand's index, or for calls how many constants it holds.
        sizes: How many values each takes from the stack.
        triggers: The names of the operands, by index.
        used: Those that the expression names.
        monotone: Whether more of an operand provably never gives less.
    """

    codes: tuple[int, ...]
    arguments: tuple[float, ...]
    sizes: tuple[int, ...]
    triggers: tuple[str, ...]
    used: frozenset[str]
    monotone: bool


def compiled(tree: Node, *, triggers: Sequence[str]) -> Program:
    """The program of an expression whose operands are given in the order of ``triggers``."""
    steps: list[tuple[int, float, int]] = []
    _emit(tree, tuple(triggers), steps)
    codes, arguments, sizes = zip(*steps, strict=True)
    return Program(
        codes=codes, arguments=arguments, sizes=sizes, triggers=tuple(triggers), used=frozenset(names(tree)),
        monotone=not not_monotone(tree),
    )  # fmt: skip


def largest_of(triggers: Sequence[str]) -> Program:
    """What a rule without ``combine`` means: the largest proposal."""
    calls = tuple(Name(name=name, column=1) for name in triggers)
    return compiled(Call(function="max", arguments=calls, column=1), triggers=triggers)


def _emit(node: Node, triggers: tuple[str, ...], steps: list[tuple[int, float, int]]) -> None:
    match node:
        case Number():
            steps.append((PUSH, node.value, 0))
        case Name():
            steps.append((OPERAND, triggers.index(node.name), 0))
        case Binary():
            turned = node.operator in (">", ">=")  # a > b is b < a
            for side in (node.right, node.left) if turned else (node.left, node.right):
                _emit(side, triggers, steps)
            steps.append((_OPERATORS[node.operator], 0, 2))
        case Call():
            # Constants last, so that a call can see by their number whether they are all that is left.
            ordered = node.arguments
            if node.function in ("max", "min"):
                ordered = tuple(sorted(node.arguments, key=_is_constant))
            for argument in ordered:
                _emit(argument, triggers, steps)
            steps.append((_FUNCTIONS[node.function], _constant_places(node), len(node.arguments)))


def _is_constant(node: Node) -> bool:
    return not any(names(node))


def _constant_places(node: Call) -> float:
    """How many constants (max, min), or which places hold one (1, 2, 4 for the first, second, third)."""
    if node.function in ("max", "min"):
        return sum(map(_is_constant, node.arguments))
    return sum(1 << place for place, one in enumerate(node.arguments) if _is_constant(one))


@may_be_compiled
def replicas(
    codes: Ints, arguments: Floats, sizes: Ints, monotone: bool, asked: Floats, low: Floats, high: Floats,
    current: int, stack: Stack,
) -> int:  # fmt: skip
    """The expression's number of replicas, ``NOTHING`` where it is missing, ``UNDECIDABLE`` where it failed.

    HPA holds a metric that is within tolerance at the current number. Here the tolerance goes through the expression:
    where the current number lies between the values for the least and the most that the operands ask for, it stays.
    For ``max`` this is HPA's result exactly; a product does not feed on itself.

    Args:
        codes: Of the program.
        arguments: Of the program.
        sizes: Of the program.
        monotone: Of the program.
        asked: What each operand asks for without tolerance; ``MISSING`` where it has no say.
        low: The same, but the current number where the tolerance holds it there and it asks for more.
        high: The same, but the current number where the tolerance holds it there and it asks for fewer.
        current: The replicas now.
        stack: Scratch, as long as ``codes``.
    """
    value = evaluate(codes, arguments, sizes, asked, stack)
    if value != value:
        return NOTHING
    if value == FAILED:
        return UNDECIDABLE
    least = _rounded(evaluate(codes, arguments, sizes, low, stack))
    most = _rounded(evaluate(codes, arguments, sizes, high, stack))
    if least <= current <= most or (not monotone and most <= current <= least):
        return current
    return _rounded(value)


@may_be_compiled
def _rounded(value: float) -> int:
    return max(0, ceil32(value - _ROUNDING * max(1.0, abs(value))))


@may_be_compiled
def evaluate(codes: Ints, arguments: Floats, sizes: Ints, operands: Floats, stack: Stack) -> float:
    """The program's value, ``MISSING`` or ``FAILED``."""
    top = 0
    for i in range(len(codes)):
        code = codes[i]
        top -= sizes[i]
        if code == PUSH:
            stack[top] = arguments[i]
        elif code == OPERAND:
            stack[top] = operands[int(arguments[i])]
        elif code == MAXIMUM or code == MINIMUM:
            stack[top] = _extreme(code, int(arguments[i]), sizes[i], stack, top)
        elif code == CLAMP:
            stack[top] = _clamped(int(arguments[i]), stack[top], stack[top + 1], stack[top + 2])
        elif code == CHOOSE:
            stack[top] = _chosen(int(arguments[i]), stack[top], stack[top + 1], stack[top + 2])
        else:
            stack[top] = _of_two(code, stack[top], stack[top + 1])
        top += 1
    return float(stack[0])


@may_be_compiled
def _of_two(code: int, left: float, right: float) -> float:
    if code == OR_ELSE:
        return right if left != left or left == FAILED else left
    if left == FAILED or right == FAILED:
        return FAILED
    if left != left or right != right:  # only `if` may pass over a comparison that is missing
        return FAILED if code in (ADD, SUBTRACT, MULTIPLY) else MISSING
    if code == ADD:
        return min(max(left + right, -LARGEST), LARGEST)
    if code == SUBTRACT:
        return min(max(left - right, -LARGEST), LARGEST)
    if code == MULTIPLY:
        return min(max(left * right, -LARGEST), LARGEST)
    if code == LESS:
        return 1.0 if left < right else 0.0
    if code == LESS_EQUAL:
        return 1.0 if left <= right else 0.0
    return 1.0 if (left == right) == (code == EQUAL) else 0.0


@may_be_compiled
def _extreme(code: int, constants: int, size: int, stack: Stack, at: int) -> float:
    """The constants stand last and count only beside something else."""
    found = MISSING
    for i in range(at, at + size):
        value = stack[i]
        if value == FAILED:
            return FAILED
        if value != value or (i >= at + size - constants and found != found and constants < size):
            continue
        if found != found or (value > found) == (code == MAXIMUM):
            found = value
    return found


@may_be_compiled
def _clamped(constant: int, value: float, low: float, high: float) -> float:
    if value == FAILED or low == FAILED or high == FAILED:
        return FAILED
    if value == value and low == low and high == high:
        return min(max(value, low), high)
    return MISSING if _only_constants(constant, value, low, high) else FAILED


@may_be_compiled
def _chosen(constant: int, condition: float, then: float, otherwise: float) -> float:
    if condition == FAILED:
        return FAILED
    chosen = otherwise if condition == 0.0 else then
    if condition == condition and chosen == chosen:
        return chosen
    return MISSING if _only_constants(constant, condition, then, otherwise) else FAILED


@may_be_compiled
def _only_constants(constant: int, first: float, second: float, third: float) -> bool:
    """Whether every argument is missing or a constant."""
    return (
        (first != first or constant & 1 == 1)
        and (second != second or constant & 2 == 2)
        and (third != third or constant & 4 == 4)
    )
