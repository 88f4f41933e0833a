"""The expression of ``combine``: from text to a tree, every mistake with its column.

The grammar speaks replicas: numbers, trigger names, ``+ - *``, ``max``, ``min``, ``clamp(x, low, high)``,
``if(a < b, then, otherwise)`` and ``a ?? b`` (b where a is missing; binds tighter than ``*``, as in KEDA's formulas). A
name may hold hyphens, so a minus between two names stands between spaces.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Final

from domain.errors import ExpressionError
from rules.wording import quote, suggestion

LONGEST: Final = 1024
MOST_NODES: Final = 200
DEEPEST: Final = 30
LARGEST_NUMBER: Final = 1e9
FUNCTIONS: Final = {"max": (1, MOST_NODES), "min": (1, MOST_NODES), "clamp": (3, 3), "if": (3, 3)}
COMPARISONS: Final = ("<=", ">=", "==", "!=", "<", ">")


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A constant number of replicas, or a factor."""

    value: float
    column: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """What a trigger asks for."""

    name: str
    column: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Binary:
    """``+``, ``-``, ``*``, ``??`` or a comparison."""

    operator: str
    left: Node
    right: Node
    column: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """``max``, ``min``, ``clamp`` or ``if``."""

    function: str
    arguments: tuple[Node, ...]
    column: int


Node = Number | Name | Binary | Call

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<word>[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)|(?P<operator>\?\?|<=|>=|==|!=|[-+*(),<>]))"
)
_NUMBER: Final = re.compile(r"\d+(\.\d+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Token:
    kind: str
    text: str
    column: int


def parse(text: str, *, triggers: Collection[str]) -> Node:
    """The tree of ``text``, whose names are all in ``triggers``.

    Raises:
        ExpressionError: It is no expression of the grammar, names a trigger that is not there, or uses none at all.
    """
    if len(text) > LONGEST:
        raise ExpressionError(f"expected at most {LONGEST} characters; found {len(text)}", 1)
    tree = _Parser(list(_tokens(text)), triggers).whole()
    if not set(names(tree)):
        raise ExpressionError("an expression without a trigger can only ever be missing; name at least one", 1)
    return tree


def names(node: Node) -> Iterator[str]:
    """Every trigger name in the tree, in order, repeated as often as it stands there."""
    match node:
        case Name():
            yield node.name
        case Binary():
            yield from names(node.left)
            yield from names(node.right)
        case Call():
            for argument in node.arguments:
                yield from names(argument)


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if not match:
            column = at + len(text[at:]) - len(text[at:].lstrip()) + 1
            raise ExpressionError(f"unexpected character {quote(text[column - 1])}", column)
        group = match.lastgroup or ""
        kind = "number" if _NUMBER.fullmatch(match[group]) else group
        yield _Token(kind=kind, text=match[group], column=match.start(group) + 1)
        at = match.end()
    yield _Token(kind="end", text="", column=len(text.rstrip()) + 1)


class _Parser:
    """Recursive descent; one method for each level of binding."""

    def __init__(self, tokens: list[_Token], triggers: Collection[str]) -> None:
        self._tokens, self._triggers = tokens, triggers
        self._at, self._nodes, self._depth = 0, 0, 0

    def whole(self) -> Node:
        tree = self._sum()
        if self._next.text in COMPARISONS:
            raise ExpressionError("a comparison is no number of replicas; it stands first in if(…)", self._next.column)
        if self._next.kind != "end":
            raise ExpressionError(f"expected an operator or the end; found {quote(self._next.text)}", self._next.column)
        return tree

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _take(self) -> _Token:
        token = self._next
        self._at += token.kind != "end"
        return token

    def _expect(self, text: str) -> None:
        if self._next.text != text:
            found = quote(self._next.text) if self._next.text else "the end"
            raise ExpressionError(f"expected {quote(text)}; found {found}", self._next.column)
        self._take()

    def _counted(self, node: Node) -> Node:
        self._nodes += 1
        if self._nodes > MOST_NODES:
            raise ExpressionError(f"expected at most {MOST_NODES} numbers, names and operators", node.column)
        return node

    def _sum(self) -> Node:
        return self._left_to_right(("+", "-"), self._product)

    def _product(self) -> Node:
        return self._left_to_right(("*",), self._or_else)

    def _or_else(self) -> Node:
        left = self._primary()
        if self._next.text != "??":
            return left
        column = self._take().column
        return self._counted(Binary(operator="??", left=left, right=self._or_else(), column=column))

    def _left_to_right(self, operators: tuple[str, ...], operand: Callable[[], Node]) -> Node:
        tree = operand()
        while self._next.text in operators:
            token = self._take()
            tree = self._counted(Binary(operator=token.text, left=tree, right=operand(), column=token.column))
        return tree

    def _primary(self) -> Node:
        token = self._take()
        if token.text == "(":
            return self._within(token)
        if token.text == "-" and self._next.kind == "number":
            return self._number(self._take(), -1)
        if token.kind == "number":
            return self._number(token, 1)
        if token.kind == "word" and self._next.text == "(":
            return self._call(token)
        if token.kind == "word":
            return self._name(token)
        found = quote(token.text) if token.text else "the end"
        raise ExpressionError(f"expected a number, a trigger or a function; found {found}", token.column)

    def _within(self, opening: _Token) -> Node:
        self._deeper(opening)
        inner = self._sum()
        self._expect(")")
        self._depth -= 1
        return inner

    def _number(self, token: _Token, sign: int) -> Node:
        value = float(token.text)
        if value > LARGEST_NUMBER:
            message = f"expected a number up to {LARGEST_NUMBER:g}; found {quote(token.text)}"
            raise ExpressionError(message, token.column)
        return self._counted(Number(value=sign * value, column=token.column))

    def _name(self, token: _Token) -> Node:
        if token.text not in self._triggers:
            raise ExpressionError(self._unknown(token.text), token.column)
        return self._counted(Name(name=token.text, column=token.column))

    def _unknown(self, text: str) -> str:
        parts = re.findall(r"[a-z0-9]+", text)
        if "-" in text and all(part in self._triggers or part.isdigit() for part in parts):
            return f"{quote(text)} is no trigger of this rule; to subtract, write {' - '.join(parts)}"
        known = sorted(self._triggers)
        hint = suggestion(text, known, otherwise=f"; it has {', '.join(known) or 'none'}")
        return f"{quote(text)} is not a trigger of this rule{hint}"

    def _call(self, token: _Token) -> Node:
        if token.text not in FUNCTIONS:
            hint = suggestion(token.text, list(FUNCTIONS), otherwise=f"; there are {', '.join(FUNCTIONS)}")
            raise ExpressionError(f"{quote(token.text)} is no function{hint}", token.column)
        self._deeper(token)
        self._expect("(")
        arguments = [self._condition() if token.text == "if" else self._sum()]
        while self._next.text == ",":
            self._take()
            arguments.append(self._sum())
        self._expect(")")
        self._depth -= 1
        least, most = FUNCTIONS[token.text]
        if not least <= len(arguments) <= most:
            raise ExpressionError(f"{token.text} takes {least} arguments; found {len(arguments)}", token.column)
        return self._counted(Call(function=token.text, arguments=tuple(arguments), column=token.column))

    def _condition(self) -> Node:
        left = self._sum()
        if self._next.text not in COMPARISONS:
            raise ExpressionError("expected a comparison such as a > 10 as the first argument of if", self._next.column)
        token = self._take()
        return self._counted(Binary(operator=token.text, left=left, right=self._sum(), column=token.column))

    def _deeper(self, token: _Token) -> None:
        self._depth += 1
        if self._depth > DEEPEST:
            raise ExpressionError(f"expected at most {DEEPEST} brackets within each other", token.column)
