"""A plan back to PromQL text, fully parenthesised: what is asked of a server after queries were put together."""

from __future__ import annotations

import re
from typing import Final

from domain.labels import METRIC_NAME
from store.metrics.matchers import Matcher
from store.promql.numerals import plain
from store.promql.plan import (
    Aggregation,
    Binary,
    Call,
    Instant,
    Matching,
    Negation,
    Node,
    Number,
    RangeSelector,
    Selector,
    String,
    Subquery,
)

_METRIC: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


def render(node: Node) -> str:
    """The text of ``node``; parsing it yields ``node`` again, but for the places of its calls."""
    match node:
        case Number():
            return plain(node.value)
        case String():
            return quoted(node.value)
        case Selector():
            return _selector(node.matchers) + _when(node.offset_ms, node.at)
        case RangeSelector():
            inner = node.selector
            return f"{_selector(inner.matchers)}[{node.range_ms}ms]{_when(inner.offset_ms, inner.at)}"
        case Subquery():
            step = "" if node.step_ms is None else f"{node.step_ms}ms"
            return f"({render(node.expr)})[{node.range_ms}ms:{step}]{_when(node.offset_ms, node.at)}"
        case Call():
            return f"{node.name}({', '.join(map(render, node.args))})"
        case Aggregation():
            return _aggregation(node)
        case Binary():
            returns_bool = " bool" if node.returns_bool else ""
            joined = f"{node.op}{returns_bool}{_matching(node.matching)}"
            return f"({render(node.left)}) {joined} ({render(node.right)})"
        case Negation():
            return f"-({render(node.expr)})"


def quoted(text: str) -> str:
    """A string literal."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    return f'"{escaped}"'


def _selector(matchers: tuple[Matcher, ...]) -> str:
    first, rest = "", matchers
    if matchers and matchers[0].name == METRIC_NAME and matchers[0].op == "=" and _METRIC.fullmatch(matchers[0].value):
        first, rest = matchers[0].value, matchers[1:]
    inner = ", ".join(f"{_label(one.name)}{one.op}{quoted(one.value)}" for one in rest)
    return f"{first}{{{inner}}}" if inner or not first else first


def _label(name: str) -> str:
    return name if _LABEL.fullmatch(name) else quoted(name)


def _aggregation(node: Aggregation) -> str:
    clause = "without" if node.without else "by"
    grouping = f" {clause} ({', '.join(map(_label, node.labels))}) " if node.labels or node.without else ""
    param = "" if node.param is None else f"{render(node.param)}, "
    return f"{node.op}{grouping}({param}{render(node.expr)})"


def _matching(matching: Matching) -> str:
    text = ""
    if matching.on or matching.labels:
        text = f" {'on' if matching.on else 'ignoring'} ({', '.join(map(_label, matching.labels))})"
    if matching.many is not None:
        text += f" group_{matching.many} ({', '.join(map(_label, matching.include))})"
    return text


def _when(offset_ms: int, at: Instant | None) -> str:
    text = ""
    if at is not None:
        text = f" @ {at.at}()" if isinstance(at.at, str) else f" @ {at.at / 1000:.3f}"
    if offset_ms:
        text += f" offset {'-' if offset_ms < 0 else ''}{abs(offset_ms)}ms"
    return text
