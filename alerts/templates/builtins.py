"""The functions that Go's templates have by themselves: comparisons, indexing, printing, escaping.

Source:
    Go 1.26, ``text/template/funcs.go``.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote_plus

from alerts.templates.errors import CallError
from alerts.templates.printing import formatted, printed, printed_line, shown
from alerts.templates.values import StringMap, Value, is_true, type_name

_HTML: Final = str.maketrans({"\0": "�", '"': "&#34;", "'": "&#39;", "&": "&amp;", "<": "&lt;", ">": "&gt;"})
_JS: Final = {
    "\\": "\\\\", "'": "\\'", '"': '\\"', "<": "\\u003C", ">": "\\u003E", "&": "\\u0026", "=": "\\u003D",
}  # fmt: skip
_BASIC: Final = (bool, int, float, str)


def never(*_: Value) -> Value:
    """``and`` and ``or`` are evaluated by the executor, argument by argument."""
    raise AssertionError("and, or: the executor's own")


def negated(value: Value) -> bool:
    """``not``."""
    return not is_true(value)


def _basic(value: Value) -> type | None:
    return next((kind for kind in _BASIC if isinstance(value, kind)), None)


def equal(first: Value, *others: Value) -> bool:
    """Whether ``first`` is one of ``others``."""
    if not others:
        raise CallError("missing argument for comparison")
    return any(_same(first, other) for other in others)


def _same(first: Value, other: Value) -> bool:
    one, two = _basic(first), _basic(other)
    if one is not two:
        if first is None or other is None:
            return False
        raise CallError(f"incompatible types for comparison: {type_name(first)} and {type_name(other)}")
    if one is None and first is not None and other is not None:
        if isinstance(first, dict | list):
            raise CallError(f"non-comparable type {shown(other)}: {type_name(other)}")
        return first is other
    return bool(first == other)


def not_equal(first: Value, other: Value) -> bool:
    """``!=``."""
    return not equal(first, other)


def less(first: Value, other: Value) -> bool:
    """``<``."""
    one, two = _basic(first), _basic(other)
    if one is None or two is None or (one is two and one is bool):
        raise CallError("invalid type for comparison")
    if one is not two:
        raise CallError(f"incompatible types for comparison: {type_name(first)} and {type_name(other)}")
    return bool(first < other)


def at_most(first: Value, other: Value) -> bool:
    """``<=``."""
    return less(first, other) or equal(first, other)


def greater(first: Value, other: Value) -> bool:
    """``>``: what is not at most, as Go has it; so NaN is greater than everything."""
    return not at_most(first, other)


def at_least(first: Value, other: Value) -> bool:
    """``>=``: what is not less."""
    return not less(first, other)


def indexed(item: Value, *indexes: Value) -> Value:
    """``index``: of maps, lists and strings, one after the other."""
    if item is None:
        raise CallError("index of untyped nil")
    for index in indexes:
        item = _at(item, index)
    return item


def _at(item: Value, index: Value) -> Value:
    if isinstance(item, dict):
        if not isinstance(index, str):
            said = "value is nil; should be of type string" if index is None else _mistyped(index)
            raise CallError(said)
        return item.get(index, "" if isinstance(item, StringMap) else None)
    if isinstance(item, list):
        return item[_position(index, len(item))]
    if isinstance(item, str):
        return item.encode()[_position(index, len(item.encode()))]
    raise CallError(f"can't index item of type {type_name(item)}")


def _mistyped(index: Value) -> str:
    return f"value has type {type_name(index)}; should be string"


def _position(index: Value, length: int, *, end: bool = False) -> int:
    if index is None:
        raise CallError("cannot index slice/array with nil")
    if isinstance(index, bool) or not isinstance(index, int):
        raise CallError(f"cannot index slice/array with type {type_name(index)}")
    if not 0 <= index < length + end:
        raise CallError(f"index out of range: {index}" if end or not 0 <= index <= length else _panic(index, length))
    return index


def _panic(index: int, length: int) -> str:
    return f"reflect: slice index out of range (index {index} of {length})"


def sliced(item: Value, *indexes: Value) -> Value:
    """``slice``: of lists and strings (by bytes)."""
    if item is None:
        raise CallError("slice of untyped nil")
    if len(indexes) > 3:
        raise CallError(f"too many slice indexes: {len(indexes)}")
    if isinstance(item, str) and len(indexes) == 3:
        raise CallError("cannot 3-index slice a string")
    if not isinstance(item, str | list):
        raise CallError(f"can't slice item of type {type_name(item)}")
    whole = item.encode() if isinstance(item, str) else item
    places = [_position(index, len(whole), end=True) for index in indexes]
    start, end = (places + [0])[0], places[1] if len(places) > 1 else len(whole)
    if start > end:
        raise CallError(f"invalid slice index: {start} > {end}")
    part = whole[start:end]
    return part.decode(errors="replace") if isinstance(part, bytes) else type(item)(part)


def length(item: Value) -> int:
    """``len``: of strings in bytes."""
    if isinstance(item, str):
        return len(item.encode())
    if isinstance(item, dict | list):
        return len(item)
    raise CallError("len of nil pointer" if item is None else f"len of type {type_name(item)}")


def not_callable(function: Value, *_: Value) -> Value:
    """``call``: no value here is a function."""
    raise CallError("call of nil" if function is None else f"non-function of type {type_name(function)}")


def to_text(*values: Value) -> str:
    """``print``."""
    return printed(values)


def to_line(*values: Value) -> str:
    """``println``."""
    return printed_line(values)


def by_form(form: str, *values: Value) -> str:
    """``printf``."""
    return formatted(form, values)


def for_html(*values: Value) -> str:
    """``html``."""
    return printed(values).translate(_HTML)


def for_js(*values: Value) -> str:
    """``js``."""
    return "".join(_in_js(one) for one in printed(values))


def _in_js(character: str) -> str:
    if character in _JS:
        return _JS[character]
    if character < " ":
        return f"\\u00{ord(character):02X}"
    return character if character.isprintable() else f"\\u{ord(character):04X}"


def for_url(*values: Value) -> str:
    """``urlquery``."""
    return quote_plus(printed(values))
