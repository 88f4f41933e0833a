"""The numbers of the documents: durations, quantities, amounts, shares, whole numbers.

Each refuses with one sentence that gives the form; none coerces (``"3"`` is no number, ``yes`` is no boolean). The
JSON Schema of a type is what the document holds, not what becomes of it.
"""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, Strict, WithJsonSchema

from domain.units import format_duration, parse_duration, parse_quantity
from rules.fields import PLACEHOLDER
from rules.wording import found

_LONGEST_TEXT: Final = 64
"""Digits and units beyond that are no number that anybody means."""
_LARGEST_EXPONENT: Final = 30
_DECIMAL: Final = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)")
_CHANGE: Final = re.compile(r"([+-][0-9]{1,4}(?:\.[0-9]{1,4})?) ?%", re.ASCII)
_PERCENT: Final = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,4})?) ?%", re.ASCII)
_DURATION_FORM: Final = "expected a duration such as 15s, 5m, 1h30m or 21d"
_QUANTITY_FORM: Final = "expected a number or a quantity such as 120, 0.5, 250m or 2k"


def _duration(value: object) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**9:
        raise ValueError(f"{_DURATION_FORM}; found the number {value} without a unit")
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT:
        raise ValueError(f"{_DURATION_FORM}; {found(value)}")
    try:
        duration = parse_duration(value)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{_DURATION_FORM}; {found(value)}") from error
    if not timedelta() < duration <= timedelta(days=3660):
        raise ValueError(f"expected a duration above 0 and up to 10y; {found(value)}")
    return duration


def _duration_or_auto(value: object) -> timedelta | Literal["auto"]:
    if value == "auto":
        return "auto"
    try:
        return _duration(value)
    except ValueError as error:
        raise ValueError(str(error).replace("expected a duration", "expected auto or a duration", 1)) from error


def _duration_or_period(value: object) -> timedelta | Literal["period"]:
    if value == "period":
        return "period"
    try:
        return _duration(value)
    except ValueError as error:
        raise ValueError(str(error).replace("expected a duration", "expected period or a duration", 1)) from error


def _quantity_or_duration(value: object) -> Decimal | timedelta:
    """A quantity wherever the text is one: ``300m`` is 0.3, of which ``checks`` knows whether it was meant so."""
    if isinstance(value, timedelta):
        return value
    try:
        return _positive(_quantity(value))
    except ValueError as error:
        if isinstance(value, str) and value[:1].isdigit():
            with suppress(ValueError):
                return _duration(value)
        raise ValueError(str(error).replace("such as 120, 0.5", "such as 120, 300ms, 0.5", 1)) from error


def _share(value: object) -> float:
    """``0.3%`` as a ratio, above 0 and below 100 %."""
    match = _PERCENT.fullmatch(value) if isinstance(value, str) and len(value) <= _LONGEST_TEXT else None
    if match is None or not 0 < float(match[1]) < 100:
        raise ValueError(f"expected a share such as 0.3%, above 0% and below 100%; {found(value)}")
    return float(match[1]) / 100


def _pods_or_percent(value: object) -> int | str:
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value < 2**31:
        return value
    match = _PERCENT.fullmatch(value) if isinstance(value, str) and len(value) <= _LONGEST_TEXT else None
    if match is None or not 0 < float(match[1]) < 1000:
        raise ValueError(f"expected a number of replicas such as 4, or a percentage such as 20%; {found(value)}")
    return f"{match[1]}%"


def _price_or_auto(value: object) -> Decimal | Literal["auto"]:
    if value == "auto":
        return "auto"
    number = _number(value)
    if number is None or number <= 0:
        raise ValueError(f"expected auto or a number above 0, such as 50; {found(value)}")
    return _bounded(number, value)


def _whole_percent(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    hint = ": write 70, not 0.7 and not 70%" if isinstance(value, str | Decimal | float) else ""
    raise ValueError(f"expected percent as a whole number; {found(value)}{hint}")


def _bounded(number: Decimal, written: object) -> Decimal:
    if not number.is_finite() or (number and abs(number.adjusted()) > _LARGEST_EXPONENT):
        raise ValueError(f"expected a number of at most {_LARGEST_EXPONENT} digits; {found(written)}")
    return number


def _number(value: object) -> Decimal | None:
    """The exact number of a YAML number; None for everything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    return Decimal(str(value)) if isinstance(value, float) else Decimal(value)


def _quantity(value: object) -> Decimal:
    number = _number(value)
    if number is not None:
        return _bounded(number, value)
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT:
        raise ValueError(f"{_QUANTITY_FORM}; {found(value)}")
    try:
        return _bounded(parse_quantity(value), value)
    except (ValueError, ArithmeticError) as error:  # 1e99999999k overflows Decimal instead of failing to parse
        raise ValueError(f"{_QUANTITY_FORM}; {found(value)}") from error


def _amount(value: object) -> Decimal:
    number = _number(value)
    if number is None and isinstance(value, str) and len(value) <= _LONGEST_TEXT and _DECIMAL.fullmatch(value):
        number = Decimal(value)
    if number is None:
        raise ValueError(f"expected an amount such as 120 or 0.0316; {found(value)}")
    return _bounded(number, value)


def _float(value: object) -> float:
    number = _number(value)
    if number is None:
        raise ValueError(f"expected a number such as 0.9; {found(value)}")
    return float(_bounded(number, value))


def _tolerance(value: object) -> float:
    tolerance = float(_quantity(value))
    if not 0 <= tolerance <= 10:
        raise ValueError(f"expected a ratio from 0 to 10, for example 0.1 for 10 %; {found(value)}")
    return tolerance


def _positive(value: Decimal) -> Decimal:
    if value <= 0:
        raise ValueError(f"must be above 0; found the number {value}")
    return value


def _not_negative(value: Decimal) -> Decimal:
    if value < 0:
        raise ValueError(f"must be 0 or above; found the number {value}")
    return value


def _ratio(value: Decimal) -> Decimal:
    if not 0 <= value <= 1:
        raise ValueError(f"must be from 0 to 1 (0.65 is 65 % less); found the number {value}")
    return value


def _change(value: object) -> float:
    form = "expected a change such as +40% or -30%, from -100% to +900%"
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT or not (match := _CHANGE.fullmatch(value)):
        raise ValueError(f"{form}; {found(value)}")
    change = float(match[1]) / 100
    if not -1 <= change <= 9:
        raise ValueError(f"{form}; {found(value)}")
    return change


def _as_written(value: timedelta | str) -> str:
    return value if isinstance(value, str) else format_duration(value)


def _as_change(value: float) -> str:
    return f"{100 * value:+.10g}%"


def _as_quantity_or_duration(value: Decimal | timedelta) -> str:
    return format_duration(value) if isinstance(value, timedelta) else str(value)


def _as_share(value: float) -> str:
    return f"{100 * value:.10g}%"


def _json(**more: Any) -> WithJsonSchema:
    return WithJsonSchema(more, mode="validation")


_UNSIGNED: Final = r" *[+]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?"
_QUANTITY_TEXT: Final = rf"{_UNSIGNED}([KMGTPE]i|[numkMGTPE])? *"
_ABOVE_ZERO: Final = _json(
    type=["number", "string"], exclusiveMinimum=0, pattern=rf"^({_QUANTITY_TEXT}|{PLACEHOLDER})$"
)
_FROM_ZERO: Final = _json(type=["number", "string"], minimum=0, pattern=rf"^({_QUANTITY_TEXT}|{PLACEHOLDER})$")
_AMOUNT_TEXT: Final = rf"^([+]?([0-9]+[.]?[0-9]*|[.][0-9]+)|{PLACEHOLDER})$"
_DURATION: Final = _json(type="string", pattern=rf"^(([0-9]+(ms|[ywdhms]))+|{PLACEHOLDER})$")
_AS_WRITTEN: Final = PlainSerializer(_as_written, return_type=str, when_used="json")
WholeNumber = Annotated[int, Strict()]
Replicas = Annotated[int, Strict(), Field(ge=1, le=2**31 - 1)]
WholePercent = Annotated[int, BeforeValidator(_whole_percent)]
Boolean = Annotated[bool, Strict()]
Float = Annotated[float, BeforeValidator(_float)]
Duration = Annotated[timedelta, BeforeValidator(_duration), _AS_WRITTEN, _DURATION]
DurationOrAuto = Annotated[
    timedelta | Literal["auto"],
    BeforeValidator(_duration_or_auto),
    _AS_WRITTEN,
    _json(type="string", pattern=rf"^(auto|([0-9]+(ms|[ywdhms]))+|{PLACEHOLDER})$"),
]
DurationOrPeriod = Annotated[
    timedelta | Literal["period"],
    BeforeValidator(_duration_or_period),
    _AS_WRITTEN,
    _json(type="string", pattern=r"^(period|([0-9]+(ms|[ywdhms]))+)$"),
]
PositiveQuantity = Annotated[Decimal, BeforeValidator(_quantity), AfterValidator(_positive), _ABOVE_ZERO]
NotNegativeQuantity = Annotated[Decimal, BeforeValidator(_quantity), AfterValidator(_not_negative), _FROM_ZERO]
PositiveAmount = Annotated[
    Decimal,
    BeforeValidator(_amount),
    AfterValidator(_positive),
    _json(type=["number", "string"], exclusiveMinimum=0, pattern=_AMOUNT_TEXT),
]
Price = Annotated[
    Decimal,
    BeforeValidator(_amount),
    AfterValidator(_not_negative),
    _json(type=["number", "string"], minimum=0, pattern=_AMOUNT_TEXT),
]
Ratio = Annotated[
    Decimal,
    BeforeValidator(_amount),
    AfterValidator(_ratio),
    _json(type=["number", "string"], minimum=0, maximum=1, pattern=_AMOUNT_TEXT),
]
"""A part of something, 0 to 1."""
Tolerance = Annotated[
    float,
    BeforeValidator(_tolerance),
    _json(type=["number", "string"], minimum=0, maximum=10, pattern=rf"^({_QUANTITY_TEXT}|{PLACEHOLDER})$"),
]
QuantityOrDuration = Annotated[
    Decimal | timedelta,
    BeforeValidator(_quantity_or_duration),
    PlainSerializer(_as_quantity_or_duration, return_type=str, when_used="json"),
    _json(
        type=["number", "string"],
        exclusiveMinimum=0,
        pattern=rf"^({_QUANTITY_TEXT}|([0-9]+(ms|[ywdhms]))+|{PLACEHOLDER})$",
    ),
]
PodsOrPercent = Annotated[
    int | str,
    BeforeValidator(_pods_or_percent),
    _json(anyOf=[{"type": "integer", "minimum": 1}, {"type": "string", "pattern": rf"^([0-9.]+ ?%|{PLACEHOLDER})$"}]),
]
"""A number of replicas, or text such as ``20%``: see ``circumstances.pods``."""
Share = Annotated[
    float,
    BeforeValidator(_share),
    PlainSerializer(_as_share, return_type=str, when_used="json"),
    _json(type="string", pattern=rf"^([0-9.]+ ?%|{PLACEHOLDER})$"),
]
"""``0.3%`` in the document, 0.003 here."""
Change = Annotated[
    float,
    BeforeValidator(_change),
    PlainSerializer(_as_change, return_type=str, when_used="json"),
    _json(type="string", pattern="^[+-][0-9.]+ ?%$"),
]
PriceOrAuto = Annotated[
    Decimal | Literal["auto"],
    BeforeValidator(_price_or_auto),
    _json(anyOf=[{"type": "number", "exclusiveMinimum": 0}, {"const": "auto"}]),
]
