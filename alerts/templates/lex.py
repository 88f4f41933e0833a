"""A template's text into tokens.

Source:
    Go 1.26, ``text/template/parse/lex.go``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

SPACES: Final = " \t\r\n"


class Kind(StrEnum):
    """What a token is; keywords are named as they are written."""

    TEXT = "text"
    LEFT = "{{"
    RIGHT = "}}"
    SPACE = "space"
    ASSIGN = "="
    DECLARE = ":="
    PIPE = "|"
    LEFT_PAREN = "("
    RIGHT_PAREN = ")"
    COMMA = ","
    CHARACTER = "character"
    STRING = "string"
    CHAR_CONSTANT = "char constant"
    NUMBER = "number"
    BOOL = "bool"
    DOT = "."
    FIELD = "field"
    VARIABLE = "variable"
    IDENTIFIER = "identifier"
    KEYWORD = "keyword"
    ERROR = "error"
    EOF = "EOF"


KEYWORDS: Final = frozenset(
    ["block", "break", "continue", "define", "else", "end", "if", "nil", "range", "template", "with"]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A piece of the text: where it begins (characters, from 0), on which line (from 1), and what stands there."""

    kind: Kind
    at: int
    line: int
    text: str

    def __str__(self) -> str:
        """As Go quotes it in a message."""
        if self.kind is Kind.EOF:
            return "EOF"
        if self.kind is Kind.ERROR:
            return self.text
        if self.kind is Kind.KEYWORD:
            return f"<{self.text}>"
        return quoted(self.text[:10]) + ("..." if len(self.text) > 10 else "")


def quoted(text: str) -> str:
    """``%q``."""
    named = {'"': '\\"', "\\": "\\\\", "\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    named["\v"] = "\\v"
    return '"' + "".join(named.get(one) or (one if one.isprintable() else _code(one)) for one in text) + '"'


def _code(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


_AFTER_WORD: Final = frozenset([*SPACES, ".", ",", "|", ":", ")", "(", ""])
_NUMBER: Final = re.compile(
    r"[+-]?(?:0[xX][0-9a-fA-F_]*(?:\.[0-9a-fA-F_]*)?(?:[pP][+-]?[0-9_]*)?|0[oO][0-7_]*|0[bB][01_]*"
    r"|[0-9_]*(?:\.[0-9_]*)?(?:[eE][+-]?[0-9_]*)?)"
)
_STRING: Final = re.compile(r'"(?:[^"\\\n]|\\[^\n])*"')
_RAW: Final = re.compile(r"`[^`]*`")
_CHAR: Final = re.compile(r"'(?:[^'\\\n]|\\[^\n])*'")
_NAME: Final = re.compile(r"\w*")
_SINGLE: Final = {"=": Kind.ASSIGN, "|": Kind.PIPE, ",": Kind.COMMA}


class Lexer:
    """Yields the tokens of one text; an error is the last one."""

    def __init__(self, text: str) -> None:
        """Begin at the start of ``text``."""
        self._text, self._at, self._line, self._depth = text, 0, 1, 0

    def tokens(self) -> Iterator[Token]:
        """All of them; the last is EOF, or an error."""
        while self._at < len(self._text):
            opening = self._text.find("{{", self._at)
            yield from self._plain(opening)
            if opening < 0:
                break
            for token in self._action():
                yield token
                if token.kind is Kind.ERROR:
                    return
        yield self._token(Kind.EOF, self._at)

    def _plain(self, opening: int) -> Iterator[Token]:
        """What stands before the next action, without the space that it trims."""
        end = len(self._text) if opening < 0 else opening
        text = self._text[self._at : end]
        if opening >= 0 and _trims(self._text, opening + 2):
            text = text.rstrip(SPACES)
        if text:
            yield self._token(Kind.TEXT, self._at + len(text))
        self._skip(end)

    def _action(self) -> Iterator[Token]:
        trimmed = 2 if _trims(self._text, self._at + 2) else 0
        if self._text.startswith("/*", self._at + 2 + trimmed):
            yield from self._comment(self._at + 2 + trimmed)
            return
        yield self._token(Kind.LEFT, self._at + 2)
        self._skip(self._at + trimmed)
        self._depth = 0
        while True:
            token = self._inside()
            yield token
            if token.kind in (Kind.RIGHT, Kind.ERROR):
                return

    def _comment(self, start: int) -> Iterator[Token]:
        end = self._text.find("*/", start + 2)
        if end < 0:
            yield self._error("unclosed comment")
            return
        self._skip(end + 2)
        closing = self._closing()
        if closing is None:
            yield self._error("comment ends before closing delimiter")
            return
        self._close(*closing)

    def _closing(self) -> tuple[int, bool] | None:
        """How long the closing delimiter here is, and whether it trims; None where there is none."""
        if self._text.startswith("}}", self._at):
            return 2, False
        here = self._text[self._at : self._at + 4]
        return (4, True) if len(here) == 4 and here[0] in SPACES and here[1:] == "-}}" else None

    def _close(self, length: int, trims: bool) -> None:
        self._skip(self._at + length)
        if trims:
            rest = self._text[self._at :]
            self._skip(self._at + len(rest) - len(rest.lstrip(SPACES)))

    def _inside(self) -> Token:
        closing = self._closing()
        if closing is not None:
            if self._depth:
                return self._error("unclosed left paren")
            token = Token(kind=Kind.RIGHT, at=self._at + closing[0] - 2, line=self._line, text="}}")
            self._close(*closing)
            return token
        if self._at >= len(self._text):
            return self._error("unclosed action")
        return self._piece(self._text[self._at])

    def _piece(self, first: str) -> Token:
        if first in SPACES:
            return self._space()
        if first == ":":
            declares = self._text.startswith(":=", self._at)
            return self._token(Kind.DECLARE, self._at + 2) if declares else self._error("expected :=")
        if first in _SINGLE:
            return self._token(_SINGLE[first], self._at + 1)
        if first in "\"`'":
            return self._quoted(first)
        if first in "()":
            return self._paren(first)
        return self._word(first)

    def _space(self) -> Token:
        end = self._at
        while end < len(self._text) and self._text[end] in SPACES:
            end += 1
        if end > self._at + 1 and self._text.startswith("-}}", end):
            end -= 1  # the last space belongs to the trimming delimiter
        return self._token(Kind.SPACE, end)

    def _quoted(self, first: str) -> Token:
        forms = {
            '"': (_STRING, Kind.STRING, "unterminated quoted string"),
            "`": (_RAW, Kind.STRING, "unterminated raw quoted string"),
            "'": (_CHAR, Kind.CHAR_CONSTANT, "unterminated character constant"),
        }
        form, kind, broken = forms[first]
        found = form.match(self._text, self._at)
        return self._token(kind, found.end()) if found else self._error(broken)

    def _paren(self, first: str) -> Token:
        self._depth += 1 if first == "(" else -1
        if self._depth < 0:
            return self._error("unexpected right paren")
        return self._token(Kind.LEFT_PAREN if first == "(" else Kind.RIGHT_PAREN, self._at + 1)

    def _word(self, first: str) -> Token:
        after = self._text[self._at + 1 : self._at + 2]
        if first in "+-" or first.isdecimal() or (first == "." and "0" <= after <= "9"):
            return self._number()
        if first in ".$":
            return self._field_or_variable(first)
        if first.isalnum() or first == "_":
            return self._identifier()
        if first.isascii() and first.isprintable():
            return self._token(Kind.CHARACTER, self._at + 1)
        return self._error(f"unrecognized character in action: {_unicode(first)}")

    def _number(self) -> Token:
        found = _NUMBER.match(self._text, self._at)
        end = found.end() if found else self._at + 1
        if end < len(self._text) and (self._text[end].isalnum() or self._text[end] == "_"):
            return self._error(f"bad number syntax: {quoted(self._text[self._at : end + 1])}")
        return self._token(Kind.NUMBER, end)

    def _field_or_variable(self, first: str) -> Token:
        end = _end_of_word(self._text, self._at + 1)
        kinds = {".": (Kind.DOT, Kind.FIELD), "$": (Kind.VARIABLE, Kind.VARIABLE)}[first]
        return self._ended(kinds[end > self._at + 1], end)

    def _identifier(self) -> Token:
        end = _end_of_word(self._text, self._at)
        word = self._text[self._at : end]
        kind = Kind.KEYWORD if word in KEYWORDS else Kind.BOOL if word in ("true", "false") else Kind.IDENTIFIER
        return self._ended(kind, end)

    def _ended(self, kind: Kind, end: int) -> Token:
        """A word, if what follows may follow a word."""
        following = self._text[end : end + 1]
        if following not in _AFTER_WORD and not self._text.startswith("}}", end):
            return self._error(f"bad character {_unicode(following)}")
        return self._token(kind, end)

    def _token(self, kind: Kind, end: int) -> Token:
        token = Token(kind=kind, at=self._at, line=self._line, text=self._text[self._at : end])
        self._skip(end)
        return token

    def _skip(self, end: int) -> None:
        self._line += self._text.count("\n", self._at, end)
        self._at = end

    def _error(self, message: str) -> Token:
        return Token(kind=Kind.ERROR, at=self._at, line=self._line, text=message)


def _trims(text: str, at: int) -> bool:
    return text[at : at + 1] == "-" and text[at + 1 : at + 2] in {" ", "\t", "\r", "\n"}


def _end_of_word(text: str, at: int) -> int:
    found = _NAME.match(text, at)
    return found.end() if found else at


def _unicode(character: str) -> str:
    """``%#U``."""
    shown = f" '{character}'" if character.isprintable() else ""
    return f"U+{ord(character):04X}{shown}"
