"""Random expressions of `combine`, and their plain meaning."""

from __future__ import annotations

from random import Random

from hypothesis import strategies as st

from rules.combine import Binary, Call, Name, Node, Number

TRIGGERS = ("rps", "queue", "cpu", "soon")
_numbers = st.integers(0, 40).map(lambda value: Number(value=float(value), column=1))
_names = st.sampled_from(TRIGGERS).map(lambda name: Name(name=name, column=1))


def _call(function: str, arguments: list[Node]) -> Node:
    return Call(function=function, arguments=tuple(arguments), column=1)


def _larger(inner: st.SearchStrategy[Node], operators: tuple[str, ...], choice: bool) -> st.SearchStrategy[Node]:
    made = [
        st.builds(_call, st.sampled_from(["max", "min"]), st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda x, low, high: _call("clamp", [x, low, high]), inner, _numbers, _numbers),
        st.builds(
            lambda operator, left, right: Binary(operator=operator, left=left, right=right, column=1),
            st.sampled_from(operators), inner, inner,
        ),
    ]  # fmt: skip
    if choice:
        made.append(
            st.builds(
                lambda operator, a, b, then, otherwise: _call(
                    "if", [Binary(operator=operator, left=a, right=b, column=1), then, otherwise]
                ),
                st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), inner, inner, inner, inner,
            )
        )  # fmt: skip
    return st.one_of(made)


def trees(*, monotone: bool = False) -> st.SearchStrategy[Node]:
    """Expressions with at least a name somewhere, most of the time."""
    operators = ("+", "*", "??") if monotone else ("+", "-", "*", "??")
    leaves: st.SearchStrategy[Node] = st.one_of(_names, _names, _numbers)
    return st.recursive(leaves, lambda inner: _larger(inner, operators, not monotone), max_leaves=8)


def random_tree(random: Random, *, monotone: bool = False, depth: int = 3) -> Node:
    """The same by a seeded generator: cheaper where thousands are needed; what is asked to be monotone is."""
    if depth == 0 or random.random() < 0.2:
        if random.random() < 0.25:
            return Number(value=float(random.randint(0, 40)), column=1)
        return Name(name=random.choice(TRIGGERS), column=1)
    inner = [random_tree(random, monotone=monotone, depth=depth - 1) for _ in range(3)]
    kind = random.choice(["call", "call", "operation", "clamp", "if"])
    if kind == "operation":
        operator = random.choice(["+", "*", "??"] if monotone else ["+", "-", "*", "??"])
        return Binary(operator=operator, left=inner[0], right=inner[1], column=1)
    if kind == "clamp":
        limits: list[Node] = [Number(value=float(random.randint(0, 40)), column=1) for _ in range(2)]
        return _call("clamp", [inner[0], *limits])
    if kind == "if" and not monotone:
        compared = Binary(operator=random.choice(["<", ">=", "=="]), left=inner[0], right=inner[1], column=1)
        return _call("if", [compared, inner[2], inner[0]])
    return _call(random.choice(["max", "min"]), inner[: random.randint(1, 3)])


class Failed(Exception):
    """A missing operand where it cannot be skipped."""


def meaning(node: Node, operands: dict[str, float | None]) -> float | None:
    """The value as the architecture says it, by recursion; None is missing."""
    match node:
        case Number():
            return node.value
        case Name():
            return operands[node.name]
        case Binary(operator="??"):
            try:
                left = meaning(node.left, operands)
            except Failed:
                left = None
            return meaning(node.right, operands) if left is None else left
        case Binary():
            return _operation(node.operator, meaning(node.left, operands), meaning(node.right, operands))
        case Call():
            return _called(node, operands)


def _operation(operator: str, left: float | None, right: float | None) -> float | None:
    if left is None or right is None:
        if operator in ("+", "-", "*"):
            raise Failed
        return None
    result: float = {
        "+": left + right, "-": left - right, "*": left * right, "<": left < right, "<=": left <= right,
        ">": left > right, ">=": left >= right, "==": left == right, "!=": left != right,
    }[operator]  # fmt: skip
    return min(max(float(result), -1e15), 1e15)


def _is_constant(node: Node) -> bool:
    match node:
        case Number():
            return True
        case Name():
            return False
        case Binary():
            return _is_constant(node.left) and _is_constant(node.right)
        case Call():
            return all(map(_is_constant, node.arguments))


def _called(node: Call, operands: dict[str, float | None]) -> float | None:
    if node.function == "if":
        return _chosen(node, operands)
    values = [meaning(argument, operands) for argument in node.arguments]
    constant = [_is_constant(argument) for argument in node.arguments]
    missing = any(value is None for value in values)
    only_constants = all(value is None or fixed for value, fixed in zip(values, constant, strict=True))
    if missing and only_constants:
        return None
    there = [value for value in values if value is not None]
    if node.function in ("max", "min"):
        return max(there) if node.function == "max" else min(there)
    if missing:
        raise Failed
    return min(max(there[0], there[1]), there[2])


def _chosen(node: Call, operands: dict[str, float | None]) -> float | None:
    parts: list[float | None | Failed] = []
    for argument in node.arguments:
        try:
            parts.append(meaning(argument, operands))
        except Failed as failed:
            parts.append(failed)
    condition, then, otherwise = parts
    if isinstance(condition, Failed):
        raise condition
    chosen = otherwise if condition == 0 else then
    if condition is not None and isinstance(chosen, Failed):
        raise chosen
    if condition is not None and chosen is not None:
        return chosen  # type: ignore[return-value]
    fixed = map(_is_constant, node.arguments)
    if all(value is None or constant for value, constant in zip(parts, fixed, strict=True)):
        return None
    raise Failed
