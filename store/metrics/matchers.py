"""Label matchers: the four operators of a Prometheus selector."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

import re2

from domain.errors import QuerySyntaxError

MatchOp = Literal["=", "!=", "=~", "!~"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Matcher:
    """One condition on one label; an absent label has the empty value.

    Regular expressions are RE2, anchored at both ends, and ``.`` matches a newline too, as in Prometheus 3.

    Raises:
        QuerySyntaxError: The regular expression does not compile.
    """

    name: str
    op: MatchOp
    value: str
    _pattern: Any = field(init=False, repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        if self.op in ("=~", "!~"):
            object.__setattr__(self, "_pattern", _compile(self.value))
        elif self.op not in ("=", "!="):
            raise ValueError(f"{self.op!r} is no match operator; use =, !=, =~ or !~")

    def matches(self, value: str) -> bool:
        """Whether a label with ``value`` (empty: no such label) passes."""
        if self.op == "=":
            return value == self.value
        if self.op == "!=":
            return value != self.value
        return (self._pattern.fullmatch(value) is not None) == (self.op == "=~")

    def __str__(self) -> str:
        """As it stands in a selector, ``job=~"shop.*"``."""
        escaped = self.value.replace("\\", "\\\\").replace('"', '\\"')
        return f'{self.name}{self.op}"{escaped}"'


@lru_cache(maxsize=1024)
def _compile(pattern: str) -> Any:
    options = re2.Options()
    options.dot_nl = True
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0].decode() if isinstance(error.args[0], bytes) else error
        raise QuerySyntaxError(f"{pattern!r} is no RE2 regular expression: {reason}") from error
