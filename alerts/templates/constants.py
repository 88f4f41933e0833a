"""Go's literals: quoted strings, characters and numbers, as values of Python.

Source:
    The Go specification, "Integer literals", "Rune literals", "String literals"; ``strconv.Unquote``.
"""

from __future__ import annotations

import re
from typing import Final

from alerts.templates.lex import quoted

_ESCAPE: Final = re.compile(r"\\(?:([abfnrtv\\'\"])|x([0-9a-fA-F]{2})|([0-7]{3})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))")
_NAMED: Final = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\"}
_INTEGER: Final = re.compile(r"([+-]?)(0[xX]_?[0-9a-fA-F_]+|0[oO]_?[0-7_]+|0[bB]_?[01_]+|0[0-7_]*|[1-9][0-9_]*)")
_FLOAT: Final = re.compile(r"[+-]?([0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)([eE][+-]?[0-9_]+)?")
_HEX_FLOAT: Final = re.compile(r"[+-]?0[xX][0-9a-fA-F_.]+[pP][+-]?[0-9_]+")
_MOST: Final = 2**63


def string_of(written: str) -> str:
    r"""What ``"a\tb"`` or a raw string in backquotes stands for.

    Raises:
        ValueError: An escape that Go does not know.
    """
    if written.startswith("`"):
        return written[1:-1].replace("\r", "")
    return _unescaped(written[1:-1], quote='"')


def number_of(written: str) -> int | float:
    """An ``int`` where Go's constant is an integer by its syntax, else a ``float``.

    Raises:
        ValueError: It is no number, or too large for Go's ``int``.
    """
    if written.startswith("'"):
        return _character(written)
    whole = _INTEGER.fullmatch(written)
    if whole:
        return _integer(written, *whole.groups())
    if written.lstrip("+-").isdecimal():
        raise ValueError(f"integer overflow: {quoted(written)}")  # such as 08: Go's own words
    if _HEX_FLOAT.fullmatch(written):
        return float.fromhex(written.replace("_", ""))
    if _FLOAT.fullmatch(written):
        return float(written.replace("_", ""))
    raise ValueError(f"illegal number syntax: {quoted(written)}")


def _integer(written: str, sign: str, digits: str) -> int:
    plain = digits.replace("_", "")
    octal = len(plain) > 1 and plain[0] == "0" and plain[1].isdigit()
    value = int(plain, 8) if octal else int(plain, 0)
    value = -value if sign == "-" else value
    if not -_MOST <= value < _MOST:
        raise ValueError(f"integer overflow: {quoted(written)}")
    return value


def _character(written: str) -> int:
    inner = _unescaped(written[1:-1], quote="'")
    if len(inner) != 1:
        raise ValueError(f"malformed character constant: {written}")
    return ord(inner)


def _unescaped(text: str, *, quote: str) -> str:
    parts, at = [], 0
    while (slash := text.find("\\", at)) >= 0:
        found = _ESCAPE.match(text, slash)
        if found is None:
            raise ValueError("invalid syntax")
        parts += [text[at:slash], _escaped(found, quote)]
        at = found.end()
    return "".join([*parts, text[at:]])


def _escaped(found: re.Match[str], quote: str) -> str:
    named, byte, octal, short, long = found.groups()
    if named is not None:
        if named in "'\"" and named != quote:
            raise ValueError("invalid syntax")
        return _NAMED.get(named, named)
    code = int(octal, 8) if octal else int(byte or short or long, 16)
    if code > 0x10FFFF or 0xD800 <= code < 0xE000 or (octal and code > 255):
        raise ValueError("invalid syntax")
    return chr(code)
