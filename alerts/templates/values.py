"""The values that templates work on, under Go's names for their types.

Strings, booleans, ints and floats are Python's own; None is Go's nil. Everything else that a template may touch is one
of the classes here: nothing reaches attributes of arbitrary Python objects.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

Value = Any


class StringMap(dict[str, str]):
    """``map[string]string``: what is missing is an empty string."""


class AnyMap(dict[str, Any]):
    """``map[string]interface {}``: what is missing is nil."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One element of a query's answer."""

    Labels: StringMap
    Value: float


class QueryResult(list[Sample]):
    """The answer of a query."""


@dataclass(frozen=True, slots=True)
class AlertFields:
    """What a template of an alert sees as the dot."""

    Labels: StringMap
    ExternalLabels: StringMap
    ExternalURL: str
    Value: float


FIELDS: Final = {
    Sample: ("Labels", "Value"),
    AlertFields: ("Labels", "ExternalLabels", "ExternalURL", "Value"),
}
"""The fields of Go's structs; a template reads no others."""

_ALERT: Final = (
    "struct { Labels map[string]string; ExternalLabels map[string]string; ExternalURL string; Value interface {} }"
)
_NAMES: Final = {
    str: "string",
    bool: "bool",
    int: "int",
    float: "float64",
    StringMap: "map[string]string",
    AnyMap: "map[string]interface {}",
    Sample: "*template.sample",
    QueryResult: "template.queryResult",
    AlertFields: _ALERT,
}


def type_name(value: Value) -> str:
    """How Go calls its type in a message."""
    known = _NAMES.get(type(value))
    return known or getattr(value, "go_name", None) or f"*{type(value).__name__}"


def is_true(value: Value) -> bool:
    """Go's truth of templates: not the zero of its type; NaN is true, since it is not 0."""
    if isinstance(value, str | dict | list):
        return len(value) > 0
    return bool(value) if isinstance(value, bool | int | float) or value is None else True
