"""The functions that templates may call: Go's own, and Prometheus' (``humanize``, ``query``, ``reReplaceAll`` …).

Each has the types of its parameters, by Go's names, so that a wrong argument is refused as Go does.

Source:
    Prometheus 3.14, ``template/template.go``; Go 1.26, ``text/template/funcs.go``.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import quote_plus, urlsplit

import re2

from alerts.templates import builtins
from alerts.templates.errors import CallError
from alerts.templates.lex import quoted
from alerts.templates.printing import general, shortest
from alerts.templates.times import SECOND, Duration, Time
from alerts.templates.values import AnyMap, QueryResult, Sample, Value, type_name
from domain.expand import expanded

ANY: Final = "interface {}"
STRING: Final = "string"
SAMPLE: Final = "*template.sample"
RESULT: Final = "template.queryResult"
_LARGER: Final = ("k", "M", "G", "T", "P", "E", "Z", "Y")
_SMALLER: Final = ("m", "u", "n", "p", "f", "a", "z", "y")
_BINARY: Final = ("ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi")
_MOST_NANOSECONDS: Final = 2.0**63
_WORD: Final = re.compile(r"\w+(?:[.'’:·]\w+)*")
_DURATION: Final = re.compile(r"(-?)(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?")
_UNIT_SECONDS: Final = (365 * 86400.0, 7 * 86400.0, 86400.0, 3600.0, 60.0, 1.0, 0.001)
_GO_KINDS: Final = {"missing )": "missing closing )", "missing ]": "missing closing ]"}

Ask = Callable[[str], QueryResult]
"""Answers a query at the time of the template; raises ValueError with a sentence where it cannot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """One function: what it takes (``rest``: any number more), and how it is called."""

    takes: tuple[str, ...]
    call: Callable[..., Value]
    rest: str = ""


def table(ask: Ask, external_url: str, at: datetime) -> Mapping[str, Function]:
    """Every function by its name; ``break`` and ``continue`` are words, not functions."""
    now = at.timestamp()
    path = urlsplit(external_url).path
    bound = {
        "query": Function(takes=(STRING,), call=ask),
        "now": Function(takes=(), call=lambda: now),
        "pathPrefix": Function(takes=(), call=lambda: path),
        "externalURL": Function(takes=(), call=lambda: external_url),
    }
    return {**_FIXED, **bound}


def _first(result: QueryResult) -> Sample:
    if not result:
        raise CallError("first() called on vector with no elements")
    return result[0]


def _sorted_by_label(label: str, result: QueryResult) -> QueryResult:
    return QueryResult(sorted(result, key=lambda sample: sample.Labels.get(label, "")))


def _label(label: str, sample: Sample | None) -> str:
    return _there(sample).Labels.get(label, "")


def _there(sample: Sample | None) -> Sample:
    if sample is None:
        raise CallError("runtime error: invalid memory address or nil pointer dereference")
    return sample


def _arguments(*values: Value) -> AnyMap:
    return AnyMap({f"arg{number}": value for number, value in enumerate(values)})


def _pattern(pattern: str) -> re2._Regexp[str]:
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        said = error.args[0].decode() if isinstance(error.args[0], bytes) else str(error.args[0])
        kind, _, piece = said.partition(": ")
        raise CallError(
            f"error parsing regexp: {_GO_KINDS.get(kind, kind)}{f': `{piece}`' if piece else ''}"
        ) from error


def _replaced(pattern: str, replacement: str, text: str) -> str:
    """Every match replaced; ``$1``, ``${1}`` and ``${name}`` in the replacement are its groups."""
    try:
        compiled = _pattern(pattern)
    except CallError as error:
        raise CallError(f"regexp: Compile(`{pattern}`): {error}") from None
    replaced: str = compiled.sub(lambda found: expanded(replacement, found), text)
    return replaced


def _title(text: str) -> str:
    return _WORD.sub(lambda word: word[0][:1].title() + word[0][1:], text)


def to_float(value: Value) -> float:
    """What Prometheus takes for a number: a float, an int, a duration in seconds, or a text of one."""
    if isinstance(value, Duration):
        return value.Seconds()
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise CallError(f"can't convert {'<nil>' if value is None else type_name(value)} to float")
    if not isinstance(value, str):
        return float(value)
    try:
        if value != value.strip():
            raise ValueError
        return float.fromhex(value) if value.lower().lstrip("+-").startswith("0x") else float(value)
    except ValueError:
        raise CallError(f"strconv.ParseFloat: parsing {quoted(value)}: invalid syntax") from None


def _humanize(value: Value) -> str:
    number = to_float(value)
    if number == 0 or not math.isfinite(number):
        return general(number, 4)
    return "".join(_scaled(number))


def _scaled(number: float) -> tuple[str, str]:
    prefix = ""
    if abs(number) >= 1:
        for larger in _LARGER:
            if abs(number) < 1000:
                break
            prefix, number = larger, number / 1000
    else:
        for smaller in _SMALLER:
            if abs(number) >= 1:
                break
            prefix, number = smaller, number * 1000
    return general(number, 4), prefix


def _humanize1024(value: Value) -> str:
    number, prefix = to_float(value), ""
    if abs(number) > 1 and math.isfinite(number):
        for larger in _BINARY:
            if abs(number) < 1024:
                break
            prefix, number = larger, number / 1024
    return f"{general(number, 4)}{prefix}"


def _humanize_duration(value: Value) -> str:
    number = to_float(value)
    if not math.isfinite(number):
        return general(number, 4)
    if abs(number) < 1:
        return "".join(_scaled(number)) + "s" if number else "0s"
    sign, number = "-" if number < 0 else "", abs(number)
    minutes, seconds = divmod(int(number), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{sign}{days}d {hours}h {minutes}m {seconds}s"
    if hours:
        return f"{sign}{hours}h {minutes}m {seconds}s"
    return f"{sign}{minutes}m {seconds}s" if minutes else f"{sign}{general(number, 4)}s"


def _humanize_percentage(value: Value) -> str:
    return f"{general(to_float(value) * 100, 4)}%"


def _humanize_timestamp(value: Value) -> str:
    number = to_float(value)
    return _time(number).String() if math.isfinite(number) else general(number, 4)


def _to_time(value: Value) -> Time:
    number = to_float(value)
    if not math.isfinite(number):
        raise CallError("value is NaN or Inf")
    return _time(number)


def _time(seconds: float) -> Time:
    """To the millisecond, as Prometheus keeps times."""
    nanoseconds = seconds * 1e9
    if not -_MOST_NANOSECONDS <= nanoseconds <= _MOST_NANOSECONDS:
        raise CallError(
            f"{shortest(seconds)} cannot be represented as a nanoseconds timestamp since it overflows int64"
        )
    return Time(int(nanoseconds / 1_000_000) * 1_000_000)


def _to_duration(value: Value) -> Duration:
    return Duration(int(to_float(value) * SECOND))


def _parse_duration(text: str) -> float:
    found = _DURATION.fullmatch(text)
    if text in ("0", "-0"):
        return 0.0
    if found is None or not any(found.groups()[1:]):
        said = "empty duration string" if not text.removeprefix("-") else f"not a valid duration string: {quoted(text)}"
        raise CallError(said)
    pairs = zip(found.groups()[1:], _UNIT_SECONDS, strict=True)
    seconds = math.fsum(int(count) * unit for count, unit in pairs if count)
    return -seconds if found[1] else seconds


def _without_port(host_port: str) -> str:
    split = _split(host_port)
    return split[0] if split else host_port


def _without_domain(host_port: str) -> str:
    host, port = _split(host_port) or (host_port, "")
    try:
        ipaddress.ip_address(host)
    except ValueError:
        first = host.split(".")[0]
        return f"{first}:{port}" if port else first
    return host_port


def _split(host_port: str) -> tuple[str, str] | None:
    """``net.SplitHostPort``; None where it is an error."""
    host, colon, port = host_port.rpartition(":")
    if not colon:
        return None
    if host.startswith("["):
        inner = host[1:-1]
        return (inner, port) if host.endswith("]") and not {"[", "]"} & set(inner + port) else None
    return None if {":", "[", "]"} & set(host) or "]" in port or "[" in port else (host, port)


def _link(tab: int) -> Callable[[str], str]:
    return lambda expression: f"/graph?g0.expr={quote_plus(expression)}&g0.tab={tab}"


def _plain(call: Callable[..., Value], *takes: str) -> Function:
    return Function(takes=takes, call=call)


_FIXED: Final[Mapping[str, Function]] = {
    "first": _plain(_first, RESULT),
    "label": _plain(_label, STRING, SAMPLE),
    "value": _plain(lambda sample: _there(sample).Value, SAMPLE),
    "strvalue": _plain(lambda sample: _there(sample).Labels.get("__value__", ""), SAMPLE),
    "sortByLabel": _plain(_sorted_by_label, STRING, RESULT),
    "args": Function(takes=(), rest=ANY, call=_arguments),
    "reReplaceAll": _plain(_replaced, STRING, STRING, STRING),
    "match": _plain(lambda pattern, text: _pattern(pattern).search(text) is not None, STRING, STRING),
    "safeHtml": _plain(str, STRING),
    "title": _plain(_title, STRING),
    "toUpper": _plain(str.upper, STRING),
    "toLower": _plain(str.lower, STRING),
    "graphLink": _plain(_link(0), STRING),
    "tableLink": _plain(_link(1), STRING),
    "stripPort": _plain(_without_port, STRING),
    "stripDomain": _plain(_without_domain, STRING),
    "humanize": _plain(_humanize, ANY),
    "humanize1024": _plain(_humanize1024, ANY),
    "humanizeDuration": _plain(_humanize_duration, ANY),
    "humanizePercentage": _plain(_humanize_percentage, ANY),
    "humanizeTimestamp": _plain(_humanize_timestamp, ANY),
    "toTime": _plain(_to_time, ANY),
    "toDuration": _plain(_to_duration, ANY),
    "parseDuration": _plain(_parse_duration, STRING),
    "urlQueryEscape": _plain(quote_plus, STRING),
    "and": Function(takes=(ANY,), rest=ANY, call=builtins.never),
    "or": Function(takes=(ANY,), rest=ANY, call=builtins.never),
    "not": _plain(builtins.negated, ANY),
    "eq": Function(takes=(ANY,), rest=ANY, call=builtins.equal),
    "ne": _plain(builtins.not_equal, ANY, ANY),
    "lt": _plain(builtins.less, ANY, ANY),
    "le": _plain(builtins.at_most, ANY, ANY),
    "gt": _plain(builtins.greater, ANY, ANY),
    "ge": _plain(builtins.at_least, ANY, ANY),
    "index": Function(takes=(ANY,), rest=ANY, call=builtins.indexed),
    "slice": Function(takes=(ANY,), rest=ANY, call=builtins.sliced),
    "len": _plain(builtins.length, ANY),
    "call": Function(takes=(ANY,), rest=ANY, call=builtins.not_callable),
    "print": Function(takes=(), rest=ANY, call=builtins.to_text),
    "printf": Function(takes=(STRING,), rest=ANY, call=builtins.by_form),
    "println": Function(takes=(), rest=ANY, call=builtins.to_line),
    "html": Function(takes=(), rest=ANY, call=builtins.for_html),
    "js": Function(takes=(), rest=ANY, call=builtins.for_js),
    "urlquery": Function(takes=(), rest=ANY, call=builtins.for_url),
}
NAMES: Final = frozenset([*_FIXED, "query", "now", "pathPrefix", "externalURL"])
