"""Where calls stand in a query's text: the parser's tree has no positions, and Prometheus' warnings name them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_STRING_OR_COMMENT: Final = re.compile(
    r"\"(?:\\.|[^\"\\])*(?:\"|\Z)|'(?:\\.|[^'\\])*(?:'|\Z)|`[^`]*(?:`|\Z)|#[^\n]*", re.DOTALL
)
_NESTING: Final = re.compile(r"[(\[{]|[)\]}]|,|[-+*/%^]|[=!<>][=~]?|\b(?:and|or|unless|atan2)\b", re.IGNORECASE)
_WORD: Final = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]*")


class Places:
    """Hands out the places of calls in the order in which they stand in the text."""

    def __init__(self, query: str) -> None:
        """Index every name of the query outside strings, comments and braces."""
        self._query = query
        self._bare = bare(query)
        self._words: dict[str, Iterator[int]] = {}

    def next_call(self, name: str) -> tuple[str, ...]:
        """``line:column`` of the next call of ``name`` and of each of its arguments; empty where it is not found."""
        words = self._words.setdefault(name, self._starts(name))
        for start in words:
            opening = self._opening(start + len(name))
            if opening >= 0:
                return (self._place(start), *(self._place(at) for at in self._arguments(opening)))
        return ()

    def _starts(self, name: str) -> Iterator[int]:
        wanted = name.lower()
        return (word.start() for word in _WORD.finditer(self._bare) if word.group().lower() == wanted)

    def _opening(self, at: int) -> int:
        """The parenthesis that opens the arguments, behind an optional ``by (…)`` clause; -1 where there is none."""
        rest = self._bare[at:]
        clause = re.match(r"\s*(?:by|without)\s*\([^)]*\)", rest, re.IGNORECASE)
        offset = clause.end() if clause else 0
        match = re.match(r"\s*\(", rest[offset:])
        return at + offset + match.end() if match else -1

    def _arguments(self, at: int) -> Iterator[int]:
        yield self._skip_space(at)
        depth = 0
        for index in range(at, len(self._bare)):
            character = self._bare[index]
            if character in "([{":
                depth += 1
            elif character in ")]}":
                if depth == 0:
                    return
                depth -= 1
            elif character == "," and depth == 0:
                yield self._skip_space(index + 1)

    def _skip_space(self, at: int) -> int:
        while at < len(self._query) and self._query[at].isspace():
            at += 1
        return at

    def _place(self, at: int) -> str:
        line = self._query.count("\n", 0, at) + 1
        return f"{line}:{at - self._query.rfind(chr(10), 0, at)}"


def bare(query: str) -> str:
    """The query with strings and comments blanked out, every other character in its place."""
    return _STRING_OR_COMMENT.sub(_blank, query)


def without_comments(query: str) -> str:
    """The query with comments blanked out, every other character in its place."""
    return _STRING_OR_COMMENT.sub(lambda match: _blank(match) if match[0].startswith("#") else match[0], query)


def depth_at_most(query: str) -> int:
    """An upper bound of the depth of the query's tree: brackets around each other, operators beside each other."""
    stack = [[0, 0, 0]]  # operators of this argument, deepest inside this argument, deepest argument so far
    for token in _NESTING.findall(bare(query)):
        if token in "([{":
            stack.append([0, 0, 0])
        elif token in ")]}" and len(stack) > 1:
            inner = 1 + _close_argument(stack.pop())
            stack[-1][1] = max(stack[-1][1], inner)
        elif token == ",":
            stack[-1] = [0, 0, _close_argument(stack[-1])]
        else:
            stack[-1][0] += 1
    deepest = 0
    for level in reversed(stack):  # what is still open counts as closed
        deepest = 1 + max(_close_argument(level), level[0] + deepest)
    return deepest


def _close_argument(level: list[int]) -> int:
    operators, inside, before = level
    return max(before, operators + inside)


def _blank(match: re.Match[str]) -> str:
    return " " * len(match.group())
