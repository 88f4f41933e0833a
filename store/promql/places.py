"""Where calls stand in a query's text: the parser's tree has no positions, and Prometheus' warnings name them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_STRING: Final = re.compile(r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|`[^`]*`")
_COMMENT: Final = re.compile(r"#[^\n]*")
_WORD: Final = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]*")


class Places:
    """Hands out the places of calls in the order in which they stand in the text."""

    def __init__(self, query: str) -> None:
        """Index every name of the query outside strings, comments and braces."""
        self._query = query
        self._bare = _COMMENT.sub(_blank, _STRING.sub(_blank, query))
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


def _blank(match: re.Match[str]) -> str:
    return " " * len(match.group())
