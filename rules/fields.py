"""The texts of the documents: names, keys, times, queries; numbers stand in ``amounts``.

Each refuses with one sentence that gives the form; none coerces.
"""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Annotated, Any, Final, TypeVar
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BeforeValidator, GetJsonSchemaHandler, WithJsonSchema
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from rules import cron
from rules.wording import found, quote, suggestion

_Item = TypeVar("_Item")
_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_SUBDOMAIN: Final = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
_API_VERSION: Final = re.compile(r"([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?v[0-9][a-z0-9]{0,61}")
_KIND: Final = re.compile(r"[A-Z][A-Za-z0-9]{0,62}")
_QUALIFIED: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_MOMENT: Final = re.compile(
    rf"{_DATE.pattern}([T ][0-9]{{2}}:[0-9]{{2}}(:[0-9]{{2}})?(Z|[+-][0-9]{{2}}:[0-9]{{2}})?)?", re.ASCII
)
_WITH_OFFSET: Final = rf"{_DATE.pattern}[T ][0-9]{{2}}:[0-9]{{2}}(:[0-9]{{2}})?(Z|[+-][0-9]{{2}}:[0-9]{{2}})"
_METRIC_LABEL: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_HOLD: Final = re.compile(r"max\( *hold *, *([1-9][0-9]{0,8}) *\)", re.ASCII)


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


def _api_version(value: str) -> str:
    if not _API_VERSION.fullmatch(value):
        raise ValueError(f"expected an API such as apps/v1 or argoproj.io/v1alpha1; {found(value)}")
    return value


def _kind_name(value: str) -> str:
    if not _KIND.fullmatch(value):
        raise ValueError(f"expected a kind such as Deployment or Rollout; {found(value)}")
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


def _not_blank(value: str) -> str:
    if not value.strip() or len(value) > 8192:
        raise ValueError(f"expected a PromQL expression of 1 to 8192 characters; {found(value)}")
    return value


class _AtLeastOne:
    """Says in the JSON Schema what ``_not_empty`` demands."""

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**handler(core), "minItems": 1}


def _json(pattern: str, **more: Any) -> WithJsonSchema:
    """What an editor and the API server can see; in a policy's template a placeholder may stand anywhere."""
    return WithJsonSchema({"type": "string", "pattern": rf"^({pattern}|{PLACEHOLDER})$", **more}, mode="validation")


def _not_empty_text(**more: Any) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": r"\S", **more}, mode="validation")


PLACEHOLDER: Final = r".*\{\{.*\}\}.*"
Text = Annotated[str, BeforeValidator(_text)]
FallbackUse = Annotated[
    int | str,
    BeforeValidator(_fallback),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1},
                {"type": "string", "pattern": rf"^({_HOLD.pattern}|{_LABEL.pattern}|{PLACEHOLDER})$"},
            ]
        },
        mode="validation",
    ),
]
ApiVersion = Annotated[Text, AfterValidator(_api_version), _json(_API_VERSION.pattern)]
KindName = Annotated[Text, AfterValidator(_kind_name), _json(_KIND.pattern)]
DnsLabel = Annotated[Text, AfterValidator(_dns_label), _json(_LABEL.pattern)]
DnsSubdomain = Annotated[Text, AfterValidator(_dns_subdomain), _json(_SUBDOMAIN.pattern, maxLength=253)]
RuleKey = Annotated[Text, AfterValidator(_rule_key), _json(rf"{_LABEL.pattern}/{_SUBDOMAIN.pattern}")]
LabelKey = Annotated[Text, AfterValidator(_label_key)]
LabelValue = Annotated[Text, AfterValidator(_label_value), _json(rf"({_QUALIFIED.pattern})?")]
Word = Annotated[Text, AfterValidator(_word), _json(_QUALIFIED.pattern)]
CurrencyCode = Annotated[Text, AfterValidator(_currency), _json("[A-Z]{3}")]
Day = Annotated[date, BeforeValidator(_day), _json(_DATE.pattern)]
Moment = Annotated[datetime, BeforeValidator(_moment), _json(_MOMENT.pattern)]
MomentWithOffset = Annotated[datetime, BeforeValidator(_moment_with_offset), _json(_WITH_OFFSET)]
Cron = Annotated[Text, AfterValidator(_cron), _json(r"\s*[^@\s]\S*(\s+\S+){4}\s*")]
Name = Annotated[Text, AfterValidator(_name), _not_empty_text(maxLength=253)]
Sentence = Annotated[Text, AfterValidator(_said), _not_empty_text(maxLength=500)]
TimeZone = Annotated[Text, AfterValidator(_time_zone), _json("[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*")]
DocumentKey = Annotated[Text, AfterValidator(_document_key), _json(rf"({_LABEL.pattern}/)?{_SUBDOMAIN.pattern}")]
MetricLabel = Annotated[Text, AfterValidator(_metric_label)]
Expression = Annotated[Text, AfterValidator(_not_blank), _not_empty_text(maxLength=8192)]
NonEmpty = Annotated[tuple[_Item, ...], AfterValidator(_not_empty), _AtLeastOne()]
