"""Alertmanager's matchers: ``name="x"``, ``!=``, ``=~`` and ``!~``, alone or as a list in braces.

Source:
    Alertmanager 0.25 and 0.33, ``pkg/labels`` (the classic syntax).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal

import re2

from domain.labels import Labels
from rules.wording import quote

MatchOp = Literal["=", "!=", "=~", "!~"]
_MATCHER: Final = re.compile(r"\s*([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(=~|=|!=|!~)\s*(.*?)\s*", re.ASCII | re.DOTALL)
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPE: Final = re.compile(r'\\([n"\\])')
_OPS: Final[dict[str, MatchOp]] = {"=": "=", "!=": "!=", "=~": "=~", "!~": "!~"}
_ORDER: Final = ("=", "!=", "=~", "!~")


class MatcherError(ValueError):
    """What is wrong with a matcher, as one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Matcher:
    """One condition on one label; an absent label has the empty value. Expressions are RE2, anchored at both ends."""

    name: str
    op: MatchOp
    value: str

    def matches(self, labels: Labels) -> bool:
        """Whether ``labels`` pass."""
        value = labels.value_of(self.name)
        if self.op in ("=", "!="):
            return (value == self.value) == (self.op == "=")
        return (compiled(self.value).fullmatch(value) is not None) == (self.op == "=~")

    def __str__(self) -> str:
        """As Alertmanager prints it, ``job=~"shop.*"``."""
        escaped = self.value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
        return f'{self.name}{self.op}"{escaped}"'


Matchers = tuple[Matcher, ...]


def all_match(matchers: Sequence[Matcher], labels: Labels) -> bool:
    """Whether ``labels`` pass every one; no matcher lets all pass."""
    return all(matcher.matches(labels) for matcher in matchers)


def printed(matchers: Matchers) -> str:
    """In Alertmanager's order and braces, as they stand in a group's key."""
    ordered = sorted(matchers, key=lambda one: (one.name, one.value, _ORDER.index(one.op)))
    return "{" + ",".join(map(str, ordered)) + "}"


def matcher(name: str, op: str, value: str) -> Matcher:
    """A matcher of its parts.

    Raises:
        MatcherError: No such operator, or no regular expression.
    """
    if op not in _OPS:
        raise MatcherError(f"{quote(op)} is no match operator; use =, !=, =~ or !~")
    if op in ("=~", "!~"):
        compiled(value)
    return Matcher(name=name, op=_OPS[op], value=value)


def parse(text: str) -> Matchers:
    """All matchers of one text: ``a="b"``, or ``{a="b", c=~"d|e"}``.

    Raises:
        MatcherError: What is wrong with it.
    """
    return tuple(_one(part) for part in _parts(text.strip().removeprefix("{").removesuffix("}")))


def _parts(text: str) -> Iterator[str]:
    """Between the commas that stand outside quotes."""
    part, inside, escaped = "", False, False
    for character in text:
        if character == "," and not inside:
            yield part
            part = ""
            continue
        if character == '"' and not escaped:
            inside = not inside
        escaped = character == "\\" and not escaped
        part += character
    if part.strip():
        yield part


def _one(text: str) -> Matcher:
    found = _MATCHER.fullmatch(text)
    if found is None:
        raise MatcherError(f'bad matcher format: {quote(text)}; write name="value", with =, !=, =~ or !~')
    name, op, raw = found.groups()
    inner = _QUOTED.fullmatch(raw)
    if inner is None and '"' in re.sub(r"\\.", "", raw, flags=re.DOTALL):
        raise MatcherError(f"matcher value contains unescaped double quote: {quote(raw)}")
    value = _ESCAPE.sub(lambda code: "\n" if code[1] == "n" else code[1], raw if inner is None else inner[1])
    return matcher(name, op, value)


@lru_cache(maxsize=1024)
def compiled(pattern: str) -> Any:
    """The expression; ``.`` matches no line end here, other than in Prometheus' selectors.

    Raises:
        MatcherError: It is no RE2 expression.
    """
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0].decode() if isinstance(error.args[0], bytes) else error
        raise MatcherError(f"{quote(pattern)} is no RE2 regular expression: {reason}") from error
