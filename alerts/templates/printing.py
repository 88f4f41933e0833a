"""Go's ``fmt``: how values are printed, and ``printf``.

Source:
    Go 1.26, package ``fmt``; ``strconv.FormatFloat`` for the shortest number that reads back.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from typing import Final

from alerts.templates.lex import quoted
from alerts.templates.times import Duration, Time
from alerts.templates.values import FIELDS, AlertFields, Sample, Value, type_name

_VERB: Final = re.compile(r"%([#+\- 0]*)(\*|\d+)?(?:\.(\*|\d*))?(.)?", re.DOTALL)
_WIDEST: Final = 1_000_000
"""Go's own bound of widths and precisions."""


def shown(value: Value) -> str:
    """``%v``."""
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int):
        return str(value)
    if isinstance(value, float):
        return shortest(value)
    if isinstance(value, Time | Duration):
        return value.String()
    if isinstance(value, dict):
        return f"map[{' '.join(f'{name}:{shown(value[name])}' for name in sorted(value))}]"
    if isinstance(value, list):
        return f"[{' '.join(map(shown, value))}]"
    if isinstance(value, Sample | AlertFields):
        return f"{{{' '.join(shown(getattr(value, name)) for name in FIELDS[type(value)])}}}"
    return type_name(value)


def printed(values: Sequence[Value]) -> str:
    """``fmt.Sprint``: a space between two operands of which neither is a string."""
    parts: list[str] = []
    for number, value in enumerate(values):
        if number and not isinstance(value, str) and not isinstance(values[number - 1], str):
            parts.append(" ")
        parts.append(_pointed(value))
    return "".join(parts)


def printed_line(values: Sequence[Value]) -> str:
    """``fmt.Sprintln``."""
    return " ".join(map(_pointed, values)) + "\n"


def _pointed(value: Value) -> str:
    """A pointer to a struct, as arguments are, shows that it is one."""
    return f"&{shown(value)}" if isinstance(value, Sample) else shown(value)


def shortest(value: float) -> str:
    """The fewest digits that read back as ``value``; with an exponent below 1e-4 and from 1e6, as ``%v`` does."""
    if not math.isfinite(value):
        return _not_finite(value)
    digits, exponent = _digits(value)
    if -4 <= exponent < 6:
        return repr(value).removesuffix(".0")
    return _scientific(value, digits, exponent)


def _not_finite(value: float) -> str:
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"


def _digits(value: float) -> tuple[str, int]:
    """The significant digits, and the exponent of the first one."""
    mantissa, _, power = f"{abs(value):.17e}".partition("e")
    for precision in range(17):
        mantissa, _, power = f"{abs(value):.{precision}e}".partition("e")
        if float(f"{mantissa}e{power}") == abs(value):
            break
    return mantissa.replace(".", ""), int(power)


def _scientific(value: float, digits: str, exponent: int) -> str:
    sign = "-" if value < 0 else ""
    tail = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{tail}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"


def general(value: float, digits: int) -> str:
    """``%.4g`` for ``digits`` = 4."""
    return f"{value:.{digits}g}" if math.isfinite(value) else _not_finite(value)


def formatted(form: str, values: Sequence[Value]) -> str:
    """``fmt.Sprintf``, with Go's words in the text where verbs and values do not fit."""
    return "".join(_Sprintf(form, values).parts())


class _Sprintf:
    """One call of ``printf``."""

    def __init__(self, form: str, values: Sequence[Value]) -> None:
        self._form, self._values, self._used = form, values, 0

    def parts(self) -> Iterator[str]:
        at = 0
        for found in _VERB.finditer(self._form):
            yield self._form[at : found.start()]
            at = found.end()
            yield self._verb(found)
        yield self._form[at:]
        left = self._values[self._used :]
        if left:
            yield f"%!(EXTRA {', '.join(map(_with_type, left))})"

    def _verb(self, found: re.Match[str]) -> str:
        flags, width, precision, verb = found.groups()
        wide, fine = self._number(width), self._number(precision)
        if verb is None:
            return "%!(NOVERB)"
        if verb == "%":
            return "%"
        if self._used >= len(self._values):
            return f"%!{verb}(MISSING)"
        value = self._values[self._used]
        self._used += 1
        negative = wide is not None and wide < 0
        text = one(verb, value, flags, 0 if precision == "" else fine)
        return _padded(text, abs(wide or 0), flags + ("-" if negative else ""), value)

    def _number(self, written: str | None) -> int | None:
        if not written:
            return None
        if written != "*":
            return min(int(written), _WIDEST)
        value = self._values[self._used] if self._used < len(self._values) else None
        self._used += 1
        return value if isinstance(value, int) and abs(value) <= _WIDEST else None


def one(verb: str, value: Value, flags: str, precision: int | None) -> str:
    """One value by its verb, not padded yet."""
    if verb == "T":
        return type_name(value).removeprefix("*") if isinstance(value, Time | Duration) else type_name(value)
    if value is None:
        return "<nil>" if verb == "v" else f"%!{verb}(<nil>)"
    if verb == "v":
        return _default(value, flags, precision)
    if isinstance(value, bool):
        return shown(value) if verb == "t" else _wrong(verb, value)
    if isinstance(value, int):
        return _of_int(verb, value, flags, precision)
    if isinstance(value, float):
        return _of_float(verb, value, flags, precision)
    return _of_text(verb, value, flags, precision)


def _default(value: Value, flags: str, precision: int | None) -> str:
    if isinstance(value, str):
        return quoted(value) if "#" in flags else value if precision is None else value[:precision]
    if isinstance(value, float) and precision is not None:
        return _of_float("g", value, flags, precision)
    return _signed(_pointed(value), value, flags)


def _of_int(verb: str, value: int, flags: str, precision: int | None) -> str:
    if verb in "cqU":
        return {"c": chr(value), "q": f"'{chr(value)}'", "U": f"U+{value:04X}"}[verb] if 0 <= value < 0x110000 else "�"
    if verb not in "dboxXO":
        return _wrong(verb, value)
    prefix = {"x": "0x", "X": "0X", "o": "0", "b": "0b"}.get(verb, "") if "#" in flags else "0o" if verb == "O" else ""
    digits = format(abs(value), verb.lower() if verb == "O" else verb).rjust(precision or 0, "0")
    return _signed(f"{'-' if value < 0 else ''}{prefix}{digits}", value, flags)


def _of_float(verb: str, value: float, flags: str, precision: int | None) -> str:
    if verb not in "eEfFgG":
        return _wrong(verb, value)
    if not math.isfinite(value):
        text = _not_finite(value)
        return text
    if verb in "gG" and precision is None:
        text = shortest(value)
    else:
        text = f"{value:{'#' if '#' in flags else ''}.{6 if precision is None else precision}{verb}}"
    return _signed(text.upper() if verb in "EG" else text, value, flags)


def _of_text(verb: str, value: Value, flags: str, precision: int | None) -> str:
    if not isinstance(value, str | Time | Duration):
        return _of_many(verb, value, flags, precision)
    text = shown(value)
    cut = text if precision is None else text[:precision]
    if verb == "s":
        return cut
    if verb == "q":
        return f"`{cut}`" if "#" in flags and "`" not in cut else quoted(cut)
    if verb in "xX" and isinstance(value, str):
        digits = cut.encode().hex(" ") if " " in flags else cut.encode().hex()
        return digits.upper() if verb == "X" else digits
    if isinstance(value, Duration) and verb == "d":
        return str(value.nanoseconds)
    return _wrong(verb, value)


def _of_many(verb: str, value: Value, flags: str, precision: int | None) -> str:
    """Maps, lists and structs: each element by the verb."""
    if isinstance(value, dict):
        names = sorted(value)
        pairs = (f"{one(verb, key, flags, precision)}:{one(verb, value[key], flags, precision)}" for key in names)
        return f"map[{' '.join(pairs)}]"
    inner = value if isinstance(value, list) else [getattr(value, name) for name in FIELDS.get(type(value), ())]
    text = " ".join(one(verb, element, flags, precision) for element in inner)
    return f"[{text}]" if isinstance(value, list) else f"{{{text}}}"


def _signed(text: str, value: Value, flags: str) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float) or text[:1] in "+-N":
        return text
    return f"+{text}" if "+" in flags else f" {text}" if " " in flags else text


def _wrong(verb: str, value: Value) -> str:
    return f"%!{verb}({_with_type(value)})"


def _with_type(value: Value) -> str:
    return "<nil>" if value is None else f"{type_name(value).removeprefix('*')}={shown(value)}"


def _padded(text: str, width: int, flags: str, value: Value) -> str:
    if len(text) >= width:
        return text
    if "-" in flags:
        return text.ljust(width)
    numeric = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if "0" not in flags or not (numeric or isinstance(value, str)):
        return text.rjust(width)
    sign = text[0] if text[0] in "+- " and numeric else ""
    return sign + text[len(sign) :].rjust(width - len(sign), "0")
