"""The scalar types of the documents: what the operator may write, and what to expect when it is something else.

Each refuses with one sentence that gives the form; none coerces (``"3"`` is no number, ``yes`` is no boolean).
"""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Final, Literal, TypeVar
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, Strict

from domain.units import format_duration, parse_duration, parse_quantity
from rules import cron
from rules.wording import found, quote, suggestion

_Item = TypeVar("_Item")
_LONGEST_TEXT: Final = 64
"""Digits and units beyond that are no number that anybody means."""
_LARGEST_EXPONENT: Final = 30
_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_SUBDOMAIN: Final = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
_QUALIFIED: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
_DECIMAL: Final = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)")
_CHANGE: Final = re.compile(r"([+-][0-9]{1,4}(?:\.[0-9]{1,4})?) ?%", re.ASCII)
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_MOMENT: Final = re.compile(
    rf"{_DATE.pattern}([T ][0-9]{{2}}:[0-9]{{2}}(:[0-9]{{2}})?(Z|[+-][0-9]{{2}}:[0-9]{{2}})?)?", re.ASCII
)
_METRIC_LABEL: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_PERCENT: Final = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,4})?) ?%", re.ASCII)
_HOLD: Final = re.compile(r"max\( *hold *, *([1-9][0-9]{0,8}) *\)", re.ASCII)
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


def _change(value: object) -> float:
    form = "expected a change such as +40% or -30%, from -100% to +900%"
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT or not (match := _CHANGE.fullmatch(value)):
        raise ValueError(f"{form}; {found(value)}")
    change = float(match[1]) / 100
    if not -1 <= change <= 9:
        raise ValueError(f"{form}; {found(value)}")
    return change


def _day(value: object) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if isinstance(value, str) and _DATE.fullmatch(value):
        with suppress(ValueError):
            return date.fromisoformat(value)
    raise ValueError(f"expected a date such as 2026-11-27; {found(value)}")


def _moment(value: object) -> datetime:
    """With a UTC offset where one is written; a date is the midnight that it begins with."""
    if isinstance(value, datetime):
        return value
    if isinstance(value, str) and _MOMENT.fullmatch(value):
        with suppress(ValueError, OverflowError):
            moment = datetime.fromisoformat(value)
            moment.astimezone(UTC)  # years 1 and 9999 have no UTC
            return moment
    raise ValueError(
        f"expected a date or a time such as 2026-11-27, 2026-11-27T18:00 or 2026-11-27T18:00:00+01:00; {found(value)}"
    )


def _time_zone(value: str) -> str:
    with suppress(ValueError, OSError, KeyError):  # a path, a folder, a name that nobody knows
        ZoneInfo(value)
        return value
    hint = suggestion(value, sorted(available_timezones()), otherwise="; write for example Europe/Paris or UTC")
    raise ValueError(f"{quote(value)} is no time zone{hint}")


def _document_key(value: str) -> str:
    namespace, slash, name = value.rpartition("/")
    if (slash and not _LABEL.fullmatch(namespace)) or len(name) > 253 or not _SUBDOMAIN.fullmatch(name):
        raise ValueError(f"expected a document as name or namespace/name; {found(value)}")
    return value


def _metric_label(value: str) -> str:
    if not _METRIC_LABEL.fullmatch(value):
        raise ValueError(f"expected the name of a series' label; {found(value)}")
    return value


def _fallback(value: object) -> int | str:
    """A number, ``hold``, ``max(hold,N)`` or the name of a trigger, which ``checks`` looks for."""
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value < 2**31:
        return value
    if isinstance(value, str):
        if match := _HOLD.fullmatch(value):
            return f"max(hold,{match[1]})"
        if _LABEL.fullmatch(value) and not value.isdigit():
            return value
    raise ValueError(
        f"expected hold, a number of replicas (1 or more), max(hold,N) or the name of a trigger; {found(value)}"
    )


def _moment_with_offset(value: object) -> datetime:
    moment = _moment(value)
    if moment.tzinfo is None:
        raise ValueError(f"expected a time with its UTC offset such as 2026-12-01T00:00:00Z; {found(value)}")
    return moment


def _cron(value: str) -> str:
    if fault := cron.fault(value):
        raise ValueError(fault)
    return " ".join(value.split())


def _name(value: str) -> str:
    if not value.strip() or len(value) > 253 or not value.isprintable():
        raise ValueError(f"expected a name of 1 to 253 printable characters; {found(value)}")
    return value


def _said(value: str) -> str:
    if not value.strip() or len(value) > 500:
        raise ValueError(f"expected a sentence of 1 to 500 characters; {found(value)}")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        hint = "" if isinstance(value, dict | list) or value is None else " (quote it)"
        raise ValueError(f"expected text; {found(value)}{hint}")
    return value


def _dns_label(value: str) -> str:
    if not _LABEL.fullmatch(value):
        raise ValueError(
            "expected a DNS-1123 label (a-z, 0-9 and -, at most 63 characters, "
            f"first and last a letter or digit); {found(value)}"
        )
    return value


def _dns_subdomain(value: str) -> str:
    if len(value) > 253 or not _SUBDOMAIN.fullmatch(value):
        raise ValueError(
            "expected a DNS-1123 name (a-z, 0-9, - and ., at most 253 characters, "
            f"first and last a letter or digit); {found(value)}"
        )
    return value


def _rule_key(value: str) -> str:
    namespace, slash, name = value.partition("/")
    if not slash or not _LABEL.fullmatch(namespace) or len(name) > 253 or not _SUBDOMAIN.fullmatch(name):
        raise ValueError(f"expected a rule as namespace/name; {found(value)}")
    return value


def _label_key(value: str) -> str:
    prefix, slash, name = value.rpartition("/")
    if not _QUALIFIED.fullmatch(name) or (slash and (len(prefix) > 253 or not _SUBDOMAIN.fullmatch(prefix))):
        raise ValueError(f"expected a label name such as team or example.com/team; {found(value)}")
    return value


def _label_value(value: str) -> str:
    if value and not _QUALIFIED.fullmatch(value):
        raise ValueError(f"expected a label value (letters, digits, -, _ and ., at most 63 characters); {found(value)}")
    return value


def _word(value: str) -> str:
    if not _QUALIFIED.fullmatch(value):
        raise ValueError(f"expected a name of letters, digits, -, _ and ., at most 63 characters; {found(value)}")
    return value


def _currency(value: str) -> str:
    if not re.fullmatch("[A-Z]{3}", value):
        raise ValueError(f"expected an ISO 4217 code such as USD or EUR; {found(value)}")
    return value


def _not_empty(value: tuple[_Item, ...]) -> tuple[_Item, ...]:
    """After the items: pydantic's ``min_length`` counts only those without a mistake."""
    if not value:
        raise ValueError("needs at least one item")
    return value


def _as_written(value: timedelta | str) -> str:
    return value if isinstance(value, str) else format_duration(value)


def _as_change(value: float) -> str:
    return f"{100 * value:+.10g}%"


def _as_quantity_or_duration(value: Decimal | timedelta) -> str:
    return format_duration(value) if isinstance(value, timedelta) else str(value)


def _as_share(value: float) -> str:
    return f"{100 * value:.10g}%"


def _not_blank(value: str) -> str:
    if not value.strip() or len(value) > 8192:
        raise ValueError(f"expected a PromQL expression of 1 to 8192 characters; {found(value)}")
    return value


_AS_WRITTEN: Final = PlainSerializer(_as_written, return_type=str, when_used="json")
_AS_CHANGE: Final = PlainSerializer(_as_change, return_type=str, when_used="json")
Text = Annotated[str, BeforeValidator(_text)]
WholeNumber = Annotated[int, Strict()]
Float = Annotated[float, BeforeValidator(_float)]
Duration = Annotated[timedelta, BeforeValidator(_duration), _AS_WRITTEN]
DurationOrAuto = Annotated[timedelta | Literal["auto"], BeforeValidator(_duration_or_auto), _AS_WRITTEN]
PositiveQuantity = Annotated[Decimal, BeforeValidator(_quantity), AfterValidator(_positive)]
PositiveAmount = Annotated[Decimal, BeforeValidator(_amount), AfterValidator(_positive)]
Price = Annotated[Decimal, BeforeValidator(_amount), AfterValidator(_not_negative)]
Tolerance = Annotated[float, BeforeValidator(_tolerance)]
FallbackUse = Annotated[int | str, BeforeValidator(_fallback)]
QuantityOrDuration = Annotated[
    Decimal | timedelta,
    BeforeValidator(_quantity_or_duration),
    PlainSerializer(_as_quantity_or_duration, return_type=str, when_used="json"),
]
PodsOrPercent = Annotated[int | str, BeforeValidator(_pods_or_percent)]
"""A number of replicas, or text such as ``20%``: see ``circumstances.pods``."""
Share = Annotated[float, BeforeValidator(_share), PlainSerializer(_as_share, return_type=str, when_used="json")]
"""``0.3%`` in the document, 0.003 here."""
PriceOrAuto = Annotated[Decimal | Literal["auto"], BeforeValidator(_price_or_auto)]
NotNegativeQuantity = Annotated[Decimal, BeforeValidator(_quantity), AfterValidator(_not_negative)]
WholePercent = Annotated[int, BeforeValidator(_whole_percent)]
Replicas = Annotated[int, Strict(), Field(ge=1, le=2**31 - 1)]
Boolean = Annotated[bool, Strict()]
DnsLabel = Annotated[Text, AfterValidator(_dns_label)]
DnsSubdomain = Annotated[Text, AfterValidator(_dns_subdomain)]
RuleKey = Annotated[Text, AfterValidator(_rule_key)]
LabelKey = Annotated[Text, AfterValidator(_label_key)]
LabelValue = Annotated[Text, AfterValidator(_label_value)]
Word = Annotated[Text, AfterValidator(_word)]
CurrencyCode = Annotated[Text, AfterValidator(_currency)]
Change = Annotated[float, BeforeValidator(_change), _AS_CHANGE]
Day = Annotated[date, BeforeValidator(_day)]
Moment = Annotated[datetime, BeforeValidator(_moment)]
MomentWithOffset = Annotated[datetime, BeforeValidator(_moment_with_offset)]
Cron = Annotated[Text, AfterValidator(_cron)]
Name = Annotated[Text, AfterValidator(_name)]
Sentence = Annotated[Text, AfterValidator(_said)]
TimeZone = Annotated[Text, AfterValidator(_time_zone)]
DocumentKey = Annotated[Text, AfterValidator(_document_key)]
MetricLabel = Annotated[Text, AfterValidator(_metric_label)]
Expression = Annotated[Text, AfterValidator(_not_blank)]
NonEmpty = Annotated[tuple[_Item, ...], AfterValidator(_not_empty)]
