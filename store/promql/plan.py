"""A query as Foretide evaluates it: the parser's tree, checked, typed and without parentheses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from store.metrics.matchers import Matcher


@dataclass(frozen=True, slots=True, kw_only=True)
class Instant:
    """The moment an ``@`` fixes: milliseconds, or the query's own start or end."""

    at: int | Literal["start", "end"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A number literal."""

    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class String:
    """A string literal."""

    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """An instant vector selector; ``matchers`` include the metric's name."""

    matchers: tuple[Matcher, ...]
    offset_ms: int
    at: Instant | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeSelector:
    """A range vector selector; offset and ``@`` stand in ``selector``."""

    selector: Selector
    range_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Subquery:
    """``expr[range:step]``; ``step_ms`` None takes the default resolution."""

    expr: Node
    range_ms: int
    step_ms: int | None
    offset_ms: int
    at: Instant | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A function call; ``places`` are the ``line:column`` of the call and of each argument, for warnings."""

    name: str
    args: tuple[Node, ...]
    places: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregation:
    """An aggregation; ``labels`` are kept (``by``) or dropped (``without``)."""

    op: str
    expr: Node
    param: Node | None
    without: bool
    labels: tuple[str, ...]
    places: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Matching:
    """How two vectors are joined; ``many`` names the side with several series for a match, if any."""

    on: bool
    labels: tuple[str, ...]
    many: Literal["left", "right"] | None
    include: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Binary:
    """A binary expression; ``returns_bool`` is the ``bool`` modifier."""

    op: str
    left: Node
    right: Node
    returns_bool: bool
    matching: Matching


@dataclass(frozen=True, slots=True, kw_only=True)
class Negation:
    """Unary minus."""

    expr: Node


Node: TypeAlias = (
    Number | String | Selector | RangeSelector | Subquery | Call | Aggregation | Binary | Negation
)  # fmt: skip
