"""Times, durations and selectors as Prometheus' HTTP API takes them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from domain.errors import QueryError
from domain.units import parse_duration
from store.metrics.matchers import Matcher
from store.promql.parse import parse
from store.promql.plan import Selector

_RFC3339: Final = re.compile(r"(\d{4}-\d{2}-\d{2})[Tt](\d{2}:\d{2}:\d{2})(\.\d+)?([Zz]|[+-]\d{2}:\d{2})", re.ASCII)
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
MAX_SECONDS: Final = 253_402_300_799
"""The end of the year 9999."""


class BadParameterError(Exception):
    """A request parameter cannot be read: 400 ``bad_data``."""


Parameters = Mapping[str, Sequence[str]]


def first(parameters: Parameters, name: str) -> str:
    """The first value of a parameter, empty where it is not there."""
    return next(iter(parameters.get(name, ())), "")


def time_ms(parameters: Parameters, name: str, default_ms: int | None = None) -> int:
    """Unix seconds or RFC 3339, in milliseconds.

    Raises:
        BadParameterError: It is neither, or missing without a default.
    """
    text = first(parameters, name)
    if not text and default_ms is not None:
        return default_ms
    seconds = float(text) if _NUMBER.fullmatch(text) else math.nan
    if abs(seconds) <= MAX_SECONDS:
        return round(seconds * 1000)
    match = _RFC3339.fullmatch(text)
    if match:
        try:
            instant = datetime.fromisoformat(f"{match[1]}T{match[2]}{match[4].upper().replace('Z', '+00:00')}")
            whole = round((instant - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(milliseconds=1))
            return whole + int(float(match[3] or 0) * 1000)
        except (ValueError, OverflowError):
            pass
    raise BadParameterError(f'invalid parameter "{name}": cannot parse "{text}" to a valid timestamp')


def duration_ms(parameters: Parameters, name: str) -> int:
    """Seconds as a number, or a duration such as ``15s``.

    Raises:
        BadParameterError: It is neither.
    """
    text = first(parameters, name)
    if _NUMBER.fullmatch(text) and abs(float(text)) <= MAX_SECONDS:
        return round(float(text) * 1000)
    try:
        return round(parse_duration(text) / timedelta(milliseconds=1))
    except (ValueError, OverflowError) as error:
        raise BadParameterError(f'invalid parameter "{name}": cannot parse "{text}" to a valid duration') from error


def limit(parameters: Parameters) -> int | None:
    """How many results are wanted; None for all."""
    text = first(parameters, "limit")
    if not text:
        return None
    if not text.isascii() or not text.isdigit():
        raise BadParameterError(f'invalid parameter "limit": cannot parse "{text}" to a valid limit')
    return int(text) or None


def matcher_sets(parameters: Parameters) -> list[tuple[Matcher, ...]]:
    """The selectors of every ``match[]``.

    Raises:
        BadParameterError: One is no selector.
    """
    sets = []
    for text in parameters.get("match[]", ()):
        try:
            node = parse(text)
        except QueryError as error:
            raise BadParameterError(f'invalid parameter "match[]": {error}') from error
        if not isinstance(node, Selector):
            raise BadParameterError(f'invalid parameter "match[]": {text} is no series selector')
        sets.append(node.matchers)
    return sets
